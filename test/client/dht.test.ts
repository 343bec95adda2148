import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { Client } from '../../src/client.ts';
import { DhtNode } from '../../src/dht/dht-node.ts';
import { looksLikeKrpc } from '../../src/dht/krpc.ts';
import { readSavedState } from '../../src/dht/saved-state.ts';
import type { ClientOptions } from '../../src/options.ts';
import { toHex, utf8 } from '../../src/util/bytes.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { eventually } from '../support/eventually.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { isSame, LibraryBench, PIECE_LENGTH } from './support/library-bench.ts';

/** Everybody on 127.0.0.1, where nobody else is met. */
let bench: LibraryBench;
const closers: (() => Promise<void>)[] = [];
beforeEach(() => {
  bench = new LibraryBench();
});
afterEach(async () => {
  await bench.close();
  for (const close of closers.splice(0)) await close();
});

/** Clients that began from the first one of them. */
async function network(size: number, options: ClientOptions = {}): Promise<Client[]> {
  const first = await node([], options);
  const others = await Promise.all(Array.from({ length: size - 1 }, () => node([nodeOf(first)], options)));
  return [first, ...others];
}

/** A client whose DHT is at work. */
async function node(nodes: readonly string[], options: ClientOptions = {}): Promise<Client> {
  const client = await bench.client({ dht: true, dhtBootstrap: nodes, ...options });
  client.dht!.start();
  return client;
}

/** UDP has the number of TCP. */
function nodeOf(client: Client): string {
  return `127.0.0.1:${client.listenPort}`;
}

function addressOf(client: Client): PeerAddress {
  return { host: '127.0.0.1', port: client.listenPort };
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}

describe('without a tracker', () => {
  test('a torrent finds its seeder, which another node knows', async () => {
    const [first, second] = await network(6);
    const file = bench.file('found by dht.bin');
    await bench.seeder(file, { dht: true, dhtBootstrap: [nodeOf(first!)] });
    const client = await node([nodeOf(second!)]);
    const torrent = await client.add(file.torrent.bytes);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('a magnet link that names nothing but a hash becomes its files', async () => {
    const [first, second] = await network(4);
    const file = bench.file('a hash alone.bin');
    await bench.seeder(file, { dht: true, dhtBootstrap: [nodeOf(first!)] });
    const client = await node([nodeOf(second!)]);
    const torrent = await client.add(`magnet:?xt=urn:btih:${file.torrent.infoHash}`);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('the nodes that a .torrent names are enough to begin with (BEP 5)', async () => {
    const [first] = await network(4);
    const made = bench.file('named nodes.bin');
    await bench.seeder(made, { dht: true, dhtBootstrap: [nodeOf(first!)] });
    const nodes = [['127.0.0.1', first!.listenPort] as const];
    const torrentBytes = withNodes(made.torrent.bytes, nodes);
    const client = await bench.client({ dht: true, dhtBootstrap: [] });
    const torrent = await client.add(torrentBytes);
    await torrent.completed();
    expect(isSame(torrent, made)).toBe(true);
  });

  test('two that are connected tell each other where their nodes are (PORT, BEP 5)', async () => {
    const file = bench.file('ports.bin');
    const { client: seeder } = await bench.seeder(file, { dht: true, dhtBootstrap: [] });
    const client = await bench.client({ dht: true, dhtBootstrap: [] });
    await client.add(file.torrent.bytes, { peers: [addressOf(seeder)] });
    await eventually('both nodes know each other', () => {
      const counts = [seeder, client].map((each) => each.dht!.stats()[0]!.goodNodes);
      return counts.every((count) => count === 1) ? true : null;
    });
  });
});

describe('a client says nothing to the DHT', () => {
  test('as long as its torrents are private (BEP 27), not one datagram', async () => {
    const heard = await listener();
    const options = { dht: true, dhtBootstrap: [`127.0.0.1:${heard.port}`] };
    const dir = bench.dir();
    const made = bench.file('private.bin');
    const secret = makeTorrent({
      name: made.name,
      dir: made.dir,
      files: null,
      pieceLength: PIECE_LENGTH,
      trackers: [],
      private: true,
    });
    const seeder = await bench.client(options);
    await (await seeder.add(secret.bytes, { dir: made.dir })).completed();
    const client = await bench.client(options);
    const torrent = await client.add(secret.bytes, { dir, peers: [addressOf(seeder)] });
    await torrent.completed();
    for (const each of [seeder, client]) expect(each.dht!.stats()[0]).toMatchObject({ queriesSent: 0 });
    await client.close();
    expect(heard.messages).toEqual([]);
    // The same listener hears of a torrent that is not private.
    const open = await bench.client(options);
    await open.add(made.torrent.bytes, { dir: made.dir });
    await eventually('a query', () => heard.messages[0] ?? null);
    expect(heard.messages.every(looksLikeKrpc)).toBe(true);
  });

  test('with the option off, and has no handle for it', async () => {
    const heard = await listener();
    const client = await bench.client({ dht: false, dhtBootstrap: [`127.0.0.1:${heard.port}`] });
    expect(client.dht).toBe(null);
    const file = bench.file('off.bin');
    const torrent = await client.add(file.torrent.bytes, { dir: file.dir });
    await torrent.completed();
    await client.close();
    expect(heard.messages).toEqual([]);
  });
});

describe('between runs', () => {
  test('ids and nodes are kept, and a run that names nobody begins with them', async () => {
    const [first] = await network(4);
    const stateDir = bench.dir();
    const before = await node([nodeOf(first!)], { stateDir });
    await eventually('neighbours', () => (before.dht!.stats()[0]!.goodNodes >= 3 ? true : null));
    const { id } = before.dht!.stats()[0]!;
    await before.close();
    expect(readdirSync(stateDir)).toEqual(['dht.resume']);

    const after = await node([], { stateDir });
    expect(after.dht!.stats()[0]!.id).toBe(id);
    await eventually('old neighbours', () => (after.dht!.stats()[0]!.goodNodes >= 3 ? true : null));
  });

  test('a second process at the same time takes the nodes and not the id', async () => {
    const [first] = await network(3);
    const stateDir = bench.dir();
    const before = await node([nodeOf(first!)], { stateDir });
    await eventually('neighbours', () => (before.dht!.stats()[0]!.goodNodes >= 2 ? true : null));
    await before.close();
    const [one, two] = [await node([], { stateDir }), await node([], { stateDir })];
    expect(one.dht!.stats()[0]!.id).not.toBe(two.dht!.stats()[0]!.id);
    await eventually('its neighbours', () => (two.dht!.stats()[0]!.goodNodes >= 2 ? true : null));
    // The record stays with the one whose id it holds.
    const { id } = one.dht!.stats()[0]!;
    await two.close();
    await one.close();
    const record = readSavedState(readFileSync(join(stateDir, 'dht.resume')));
    expect(toHex(record.get(4)!.id)).toBe(id);
  });

  test('a damaged record is set aside and the client begins anew', async () => {
    const stateDir = bench.dir();
    writeFileSync(join(stateDir, 'dht.resume'), 'd2:id3:abce');
    const client = await node([], { stateDir });
    expect(client.dht!.stats()[0]!.id).toMatch(/^[0-9a-f]{40}$/);
    expect(existsSync(join(stateDir, 'dht.bad'))).toBe(true);
  });
});

describe('client.dht', () => {
  test('finds what others announced, each peer once', async () => {
    const [first, second] = await network(5);
    const file = bench.file('announced.bin');
    const { client: seeder } = await bench.seeder(file, { dht: true, dhtBootstrap: [nodeOf(first!)] });
    const peers = await eventually('the announce', async () => {
      const found = await collect(second!.dht!.getPeers(file.torrent.infoHash));
      return found.length > 0 ? found : null;
    });
    expect(peers).toEqual([addressOf(seeder)]);
    expect(await second!.dht!.scrape(file.torrent.infoHash)).toEqual({ seeds: 1, peers: 0 });
  });

  test('pings nodes by address and by name', async () => {
    const [first, second] = await network(2);
    expect(await second!.dht!.ping(addressOf(first!))).toBeGreaterThanOrEqual(0);
    expect(await second!.dht!.ping({ host: 'localhost', port: first!.listenPort })).toBeGreaterThanOrEqual(0);
  });

  test('stores immutable items and gives them back', async () => {
    const [, second, third] = await network(5);
    const { target, stored } = await second!.dht!.putImmutable('hello');
    expect(stored).toBeGreaterThan(0);
    const item = await third!.dht!.getImmutable(target);
    expect(item).toEqual({ bencoded: utf8('5:hello'), bytes: utf8('hello') });
    expect(await third!.dht!.getImmutable(new Uint8Array(20).fill(7))).toBe(null);
  });

  test('stores mutable items, whose number goes up by itself', async () => {
    const [, second, third] = await network(5);
    const seed = new Uint8Array(32).fill(3);
    const salt = utf8('notes');
    const first = await second!.dht!.putMutable({ seed, salt, value: 'one' });
    expect(first).toMatchObject({ sequence: 0n });
    const again = await second!.dht!.putMutable({ seed, salt, value: { bencoded: utf8('li1ei2ee') } });
    expect(again).toMatchObject({ sequence: 1n, publicKey: first.publicKey });
    const item = await third!.dht!.getMutable(first.publicKey!, { salt });
    expect(item).toMatchObject({ bencoded: utf8('li1ei2ee'), bytes: null, sequence: 1n });
    expect(await third!.dht!.getMutable(first.publicKey!)).toBe(null);
  });

  test('samples info hashes of a node (BEP 51)', async () => {
    const [first, second] = await network(3);
    const file = bench.file('sampled.bin');
    await bench.seeder(file, { dht: true, dhtBootstrap: [nodeOf(first!)] });
    const sample = await eventually('a sample', async () => {
      const told = await second!.dht!.sampleInfohashes(addressOf(first!), new Uint8Array(20));
      return told !== null && told.infoHashes.length > 0 ? told : null;
    });
    expect(sample.infoHashes.map(toHex)).toEqual([file.torrent.infoHash]);
  });

  test('ends what is under way when the client closes or a signal comes', async () => {
    const silent = await listener();
    const client = await node([`127.0.0.1:${silent.port}`]);
    const stop = new AbortController();
    const aborted = collect(client.dht!.getPeers(new Uint8Array(20), { signal: stop.signal }));
    const lost = client.dht!.getImmutable(new Uint8Array(20));
    stop.abort(new Error('enough'));
    await expect(aborted).rejects.toThrow('enough');
    const closing = client.close();
    await expect(lost).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await closing;
    await expect(client.dht!.getImmutable(new Uint8Array(20))).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  });

  test('says what is wrong with a question', async () => {
    const client = await bench.client({ dht: true, dhtBootstrap: [] });
    const dht = client.dht!;
    const bad = { code: 'ERR_INVALID_OPTION' };
    await expect(collect(dht.getPeers('abc'))).rejects.toMatchObject(bad);
    await expect(dht.getMutable(new Uint8Array(31))).rejects.toMatchObject(bad);
    await expect(dht.putImmutable('x'.repeat(1000))).rejects.toMatchObject(bad);
    await expect(dht.putImmutable({ bencoded: utf8('i01e') })).rejects.toMatchObject(bad);
    await expect(dht.ping({ host: '127.0.0.1', port: 0 })).rejects.toMatchObject(bad);
    await expect(bench.client({ dhtBootstrap: ['nowhere'] })).rejects.toMatchObject(bad);
  });
});

/** Somebody on 127.0.0.1 who never answers. */
async function listener(): Promise<{ port: number; messages: Uint8Array[] }> {
  const socket = createSocket('udp4');
  const messages: Uint8Array[] = [];
  socket.on('message', (bytes) => messages.push(bytes));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  closers.push(() => new Promise((resolve) => socket.close(() => resolve())));
  return { port: socket.address().port, messages };
}

/** A .torrent with `nodes` (BEP 5) put before its end. */
function withNodes(bytes: Uint8Array, nodes: readonly (readonly [string, number])[]): Uint8Array {
  const list = nodes.map(([host, port]) => `l${host.length}:${host}i${port}ee`).join('');
  return Buffer.concat([bytes.subarray(0, -1), Buffer.from(`5:nodesl${list}ee`)]);
}

test('a bug of ours ends the DHT with a warning, and the client goes on without it', async () => {
  const client = await node([]);
  const told = once(client, 'warning');
  const breakdown = vi.spyOn(DhtNode.prototype, 'receive').mockImplementation(() => {
    throw new TypeError('x is undefined');
  });
  const stranger = createSocket('udp4');
  closers.push(async () => {
    breakdown.mockRestore();
    stranger.close();
    await once(stranger, 'close');
  });
  stranger.send(
    utf8('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'),
    client.listenPort,
    '127.0.0.1',
  );
  const [warning] = (await told) as [Error];
  expect(warning).toMatchObject({ code: 'ERR_INTERNAL', message: 'a bug stopped the DHT: x is undefined' });
  await expect(client.dht!.ping(addressOf(client))).rejects.toBe(warning);
  const file = bench.file('without the dht.bin');
  const seeder = await bench.seeder(file);
  const torrent = await client.add(file.torrent.bytes, { peers: [addressOf(seeder.client)] });
  await torrent.completed();
});
