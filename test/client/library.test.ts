import { existsSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Client } from '../../src/client.ts';
import { UsageError } from '../../src/errors.ts';
import type { AddOptions } from '../../src/options.ts';
import type { TorrentHandle } from '../../src/torrent-handle.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { treeDigest, writeTree } from '../support/tree.ts';
import { isSame, LibraryBench, next, type MadeFile } from './support/library-bench.ts';
import { WireListener, WirePeer } from './support/wire-peer.ts';

/** What a program that imports the library sees. */
let bench: LibraryBench;
beforeEach(() => {
  bench = new LibraryBench();
});
afterEach(() => bench.close());

const at = (port: number): { host: string; port: number } => ({ host: '127.0.0.1', port });

/** Some files in a folder, and a client that gives them. */
async function folderSeed(): Promise<{ bytes: Buffer; dir: string; port: number }> {
  const dir = bench.dir();
  writeTree(join(dir, 'folder'), { 'a.bin': 100_000, 'b/c.bin': 50_000, 'b/d.bin': 70_000, empty: 0 });
  const files = ['a.bin', 'b/c.bin', 'b/d.bin', 'empty'];
  const { bytes } = makeTorrent({ name: 'folder', dir, files, pieceLength: 16_384, trackers: [] });
  const client = await bench.client();
  await (await client.add(bytes, { dir })).completed();
  return { bytes, dir, port: client.listenPort };
}

test('a torrent is given when another one has filled the memory for reading', async () => {
  // Half of it is for reading, and the first torrent is larger.
  const memory = 16 * 1024 * 1024;
  const first = bench.file('first.bin', 320);
  const second = bench.file('second.bin', 20);
  const { client: seeder } = await bench.seeder(first, { memory });
  expect(await bench.fetches(first, seeder.listenPort)).toBe(true);
  await (await seeder.add(second.torrent.bytes, { dir: second.dir })).completed();
  expect(await bench.fetches(second, seeder.listenPort)).toBe(true);
});

describe('add', () => {
  test('takes a path, a URL, bytes or a parsed torrent, and gives one handle for one torrent', async () => {
    const file = bench.file('one.bin', 2);
    const client = await bench.client();
    const path = join(file.dir, 'one.torrent');
    writeFileSync(path, file.torrent.bytes);
    const handle = await client.add(path);
    const again = await Promise.all([
      client.add(pathToFileURL(path)),
      client.add(file.torrent.bytes),
      client.add(handle.metaInfo!),
      client.add(path, { dir: bench.dir() }),
    ]);
    expect(again.every((each) => each === handle)).toBe(true);
    expect(client.torrents).toEqual(new Map([[file.torrent.infoHash, handle]]));
  });

  test('at the same time from two places gives one handle, and the peers of both', async () => {
    const file = bench.file('twice.bin', 4);
    const { client: seeder } = await bench.seeder(file);
    const client = await bench.client();
    const [a, b] = await Promise.all([
      client.add(file.torrent.bytes),
      client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] }),
    ]);
    expect(a).toBe(b);
    await a.completed();
    expect(isSame(a, file)).toBe(true);
  });

  test('adds peers to a torrent that is there', async () => {
    const file = bench.file('later.bin', 4);
    const { client: seeder } = await bench.seeder(file);
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes);
    await client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    await handle.completed();
  });

  test.each<[string, AddOptions & { nonsense?: number }]>([
    ['an unknown option', { nonsense: 1 }],
    ['an empty folder name', { dir: '' }],
    ['a limit of zero', { downLimit: 0 }],
    ['a limit that is no number', { upLimit: NaN }],
    ['a peer without an address', { peers: [{ host: 'example.org', port: 1 }] }],
    ['a peer without a port', { peers: [{ host: '127.0.0.1', port: 0 }] }],
    ['a filter that fits nothing', { files: ['*.nothing'] }],
    ['another trust', { trust: 'blind' as never }],
    ['a pause that is no yes or no', { paused: 1 as never }],
  ])('refuses %s', async (_, options) => {
    const file = bench.file('refused.bin', 2);
    const client = await bench.client();
    await expect(client.add(file.torrent.bytes, options)).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
    });
    expect(client.torrents.size).toBe(0);
  });

  test.each<[string, unknown, string]>([
    ['what is no torrent', Buffer.from('d4:infoi1ee'), 'ERR_METAINFO'],
    ['what is no bencode', Buffer.from('hello'), 'ERR_BENCODE'],
    ['a path that is not there', '/nowhere/at/all.torrent', 'ERR_FILE_MISSING'],
    ['a folder', '/', 'ERR_METAINFO'],
    ['a magnet link', 'magnet:?xt=urn:btih:00', 'ERR_MAGNET'],
    ['nothing', null, 'ERR_INVALID_OPTION'],
    ['a number', 5, 'ERR_INVALID_OPTION'],
  ])('refuses %s', async (_, source, code) => {
    const client = await bench.client();
    await expect(client.add(source as string)).rejects.toMatchObject({ code });
  });

  test('refuses a folder that is a file', async () => {
    const file = bench.file('in-the-way.bin', 2);
    const client = await bench.client();
    const dir = join(file.dir, file.name);
    await expect(client.add(file.torrent.bytes, { dir })).rejects.toMatchObject({ name: 'StorageError' });
  });

  test('ends with the reason of its signal', async () => {
    const file = bench.file('aborted.bin', 2);
    const client = await bench.client();
    const reason = new Error('changed my mind');
    const signal = AbortSignal.abort(reason);
    await expect(client.add(file.torrent.bytes, { signal })).rejects.toBe(reason);
    expect(client.torrents.size).toBe(0);
  });
});

describe('files', () => {
  test('that are not wanted are not made, and can be wanted later', async () => {
    const { bytes, dir, port } = await folderSeed();
    const client = await bench.client();
    const handle = await client.add(bytes, { files: ['b/c.bin'], peers: [at(port)] });
    await handle.completed();
    const digest = treeDigest(handle.dir, (path) => !path.startsWith('.'));
    expect(digest).toEqual({ 'folder/b/c.bin': treeDigest(dir)['folder/b/c.bin'] });
    expect(handle.stats).toMatchObject({
      state: 'seeding',
      wantedBytes: 50_000,
      doneBytes: 50_000,
      progress: 1,
    });
    expect(handle.files.map(({ priority, done }) => [priority, done])).toEqual([
      ['skip', false],
      ['normal', true],
      ['skip', false],
      ['skip', true],
    ]);
    const done = next<[{ path: string }]>(handle, 'file');
    handle.prioritize([[0, 3]], 'high');
    expect(handle.state).toBe('downloading');
    expect(handle.stats.progress).toBeLessThan(1);
    await handle.completed();
    expect((await done)[0].path).toMatch(/^folder\//);
    expect(treeDigest(handle.dir)).toEqual(treeDigest(dir));
  });

  test('refuse a priority and a filter that make no sense', async () => {
    const { bytes } = await folderSeed();
    const client = await bench.client();
    const handle = await client.add(bytes);
    expect(() => handle.prioritize([0], 'urgent' as never)).toThrow(UsageError);
    expect(() => handle.prioritize([9], 'low')).toThrow(UsageError);
    expect(() => handle.setLimits({ down: 0 })).toThrow(UsageError);
    expect(() => client.setLimits({ up: -1 })).toThrow(UsageError);
    expect(() => handle.addPeers([{ host: '127.0.0.1', port: 70_000 }])).toThrow(UsageError);
  });

  test('come in order when asked for so', async () => {
    const file = bench.file('ordered.bin', 30);
    const { client: seeder } = await bench.seeder(file, { upLimit: 4_000_000 });
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes, { sequential: true });
    const pieces: number[] = [];
    handle.on('piece', (piece) => pieces.push(piece));
    handle.addPeers([at(seeder.listenPort)]);
    await handle.completed();
    // Pieces are verified in parallel, so neighbours may change places.
    expect(pieces.every((piece, i) => Math.abs(piece - i) < 6)).toBe(true);
  });
});

describe('a torrent', () => {
  test('tells its way in order: states, pieces, files, and complete last', async () => {
    const file = bench.file('told.bin', 6);
    const { client: seeder } = await bench.seeder(file);
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    const told: string[] = [];
    handle.on('state', (state, before) => told.push(`${before} to ${state}`));
    handle.on('peer', () => told.push('peer'));
    handle.on('piece', (_, from) => told.push(`piece from ${from.length}`));
    handle.on('file', ({ done }) => told.push(`file ${done}`));
    handle.on('complete', () => told.push('complete'));
    await handle.completed();
    expect(told.filter((text) => text.startsWith('piece'))).toEqual(Array(6).fill('piece from 1'));
    expect(told.filter((text) => !text.startsWith('piece'))).toEqual([
      'checking to downloading',
      'peer',
      'file true',
      'downloading to seeding',
      'complete',
    ]);
  });

  test('gives snapshots until it is complete, the last with everything', async () => {
    const file = bench.file('snapshots.bin', 20);
    const { client: seeder } = await bench.seeder(file, { upLimit: 4_000_000 });
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    const progress: number[] = [];
    for await (const stats of handle.progress({ intervalMs: 5 })) progress.push(stats.progress);
    expect(progress[0]).toBe(0);
    expect(progress.at(-1)).toBe(1);
    expect(progress.length).toBeGreaterThan(3);
    expect(progress.slice(1).every((value, i) => value >= progress[i]!)).toBe(true);
    for await (const stats of handle.progress()) expect(stats.progress).toBe(1);
    expect(handle.listenerCount('state') + handle.listenerCount('complete')).toBe(0);
  });

  test('ends what waits for it when it is removed, with a typed error', async () => {
    const file = bench.file('removed.bin', 4);
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes);
    const waiting = [handle.completed(), handle.connected(60_000), collect(handle)];
    const results = Promise.allSettled(waiting);
    await client.remove(handle);
    for (const result of await results) {
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'ERR_CLOSED' } });
    }
    expect(handle.state).toBe('closed');
    await expect(handle.completed()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    handle.pause();
    handle.resume();
    handle.recheck();
    handle.announce();
    handle.addPeers([at(1)]);
    handle.prioritize([0], 'low');
    expect(handle.state).toBe('closed');
  });

  test('ends what waits for it when the signal says so', async () => {
    const file = bench.file('signal.bin', 4);
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes);
    const controller = new AbortController();
    const waiting = Promise.allSettled([
      handle.completed({ signal: controller.signal }),
      collect(handle, controller.signal),
    ]);
    const reason = new Error('enough');
    controller.abort(reason);
    for (const result of await waiting) expect(result).toEqual({ status: 'rejected', reason });
    expect(handle.state).not.toBe('closed');
    await expect(handle.connected(1)).rejects.toMatchObject({ code: 'ERR_NO_PEERS' });
  });

  test('pauses, goes on and checks itself, in the middle of a transfer', async () => {
    const file = bench.file('interrupted.bin', 60);
    const { client: seeder } = await bench.seeder(file, { upLimit: 3_000_000 });
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    await next(handle, 'piece', () => handle.stats.piecesDone >= 10);
    handle.pause();
    expect(handle.state).toBe('paused');
    await next(handle, 'peerGone');
    const before = handle.stats.piecesDone;
    handle.resume();
    await next(handle, 'piece', () => handle.stats.piecesDone > before);
    handle.recheck();
    expect(handle.state).toBe('checking');
    await handle.completed();
    expect(isSame(handle, file)).toBe(true);
  });

  test('that seeds a changed file notices it when it is checked, and mends it', async () => {
    const file = bench.file('changed.bin', 8);
    const { client: seeder } = await bench.seeder(file);
    const client = await bench.client();
    const handle = await client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    await handle.completed();
    const path = join(handle.dir, file.name);
    const content = readFileSync(path);
    content.fill(0, 100_000, 100_010);
    writeFileSync(path, content);
    handle.recheck();
    await next(handle, 'state', (state) => state === 'downloading');
    expect(handle.stats.piecesDone).toBe(7);
    handle.addPeers([at(seeder.listenPort)]);
    await handle.completed();
    expect(isSame(handle, file)).toBe(true);
  });
});

describe('remove', () => {
  test('keeps the data unless told otherwise, and can be asked twice', async () => {
    const file = bench.file('kept.bin', 2);
    const { client, torrent } = await bench.seeder(file);
    await Promise.all([client.remove(torrent), client.remove(torrent)]);
    await client.remove(torrent);
    expect(client.torrents.size).toBe(0);
    expect(existsSync(join(file.dir, file.name))).toBe(true);
  });

  test('with data deletes what is the torrent’s own, and nothing else', async () => {
    const { bytes, port } = await folderSeed();
    const client = await bench.client();
    const handle = await client.add(bytes, { peers: [at(port)] });
    await handle.completed();
    const { dir } = handle;
    writeFileSync(join(dir, 'folder', 'notes.txt'), 'mine');
    writeFileSync(join(dir, 'other.bin'), 'mine too');
    const outside = join(bench.dir(), 'outside.bin');
    writeFileSync(outside, 'far away');
    rmSync(join(dir, 'folder/a.bin'));
    symlinkSync(outside, join(dir, 'folder/a.bin'));
    await client.remove(handle, { deleteData: true });
    expect(Object.keys(treeDigest(dir))).toEqual(['folder/notes.txt', 'other.bin']);
    expect(existsSync(join(dir, 'folder/b'))).toBe(false);
    expect(readFileSync(outside, 'utf8')).toBe('far away');
  });

  test('and add at once gives a new torrent with the files of the old one', async () => {
    const file = bench.file('again.bin', 8);
    const { client: seeder } = await bench.seeder(file);
    const client = await bench.client();
    const first = await client.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    await first.completed();
    const removal = client.remove(first);
    const second = await client.add(file.torrent.bytes);
    await removal;
    expect(second).not.toBe(first);
    await second.completed();
    expect(second.stats.downloaded).toBe(0);
    expect(client.torrents.get(file.torrent.infoHash)).toBe(second);
    // It is the engine's torrent too: peers find it.
    const peer = await WirePeer.join(client.listenPort, { infoHash: second.infoHash });
    expect(peer.handshake).toHaveLength(68);
    peer.end();
  });

  test('with data and add at once fetches all of it again', async () => {
    const file = bench.file('anew.bin', 8);
    const { client: seeder } = await bench.seeder(file);
    const client = await bench.client();
    const peers = [at(seeder.listenPort)];
    const first = await client.add(file.torrent.bytes, { peers });
    await first.completed();
    const removal = client.remove(first, { deleteData: true });
    const second = await client.add(file.torrent.bytes, { peers });
    await removal;
    await second.completed();
    expect(isSame(second, file)).toBe(true);
  });
});

describe('close', () => {
  test('may be called often, says close once, and leaves typed errors to what comes after', async () => {
    const file = bench.file('closed.bin', 2);
    const { client, torrent } = await bench.seeder(file);
    let count = 0;
    client.on('close', () => count++);
    const { listenPort } = client;
    await Promise.all([client.close(), client.close()]);
    await client.close();
    expect(count).toBe(1);
    expect(torrent.state).toBe('closed');
    await expect(client.add(file.torrent.bytes)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    await expect(WirePeer.connect(listenPort)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  });

  test('happens at the end of a block that uses the client', async () => {
    let closed = false;
    {
      await using client = await Client.open({ port: false, stateDir: false, dht: false, lsd: false });
      client.on('close', () => (closed = true));
      expect(client.listenPort).toBe(0);
    }
    expect(closed).toBe(true);
  });

  test('does not wait for a tracker that says nothing', async () => {
    const mute = createServer();
    await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(mute.address() as AddressInfo).port}/announce`;
    const sockets: { destroy(): void }[] = [];
    const asked = new Promise<void>((resolve) =>
      mute.on('connection', (socket) => {
        sockets.push(socket);
        resolve();
      }),
    );
    const file = bench.file('silent.bin', 2, [[url]]);
    const client = await bench.client();
    await client.add(file.torrent.bytes, { dir: file.dir });
    await asked;
    await client.close({ timeoutMs: 300 });
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => mute.close(resolve));
  });

  test('leaves peers in good order, and what it had is there the next time', async () => {
    const file = bench.file('next-time.bin', 40);
    const { client: seeder } = await bench.seeder(file, { upLimit: 2_000_000 });
    const stateDir = bench.dir();
    const dir = bench.dir();
    const first = await bench.client({ stateDir, dir });
    const handle = await first.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    await next(handle, 'piece', () => handle.stats.piecesDone >= 10);
    await first.close();
    const had = handle.stats.piecesDone;
    seeder.setLimits({ up: Infinity });
    const second = await bench.client({ stateDir, dir });
    const again = await second.add(file.torrent.bytes, { peers: [at(seeder.listenPort)] });
    await again.completed();
    expect(isSame(again, file)).toBe(true);
    expect(again.stats.downloaded).toBeLessThanOrEqual((40 - had) * 32_768 + again.stats.wasted);
  });
});

test('two clients that know each other only through inbound connections fetch from each other', async () => {
  const file = bench.file('inbound.bin', 8);
  const { torrent } = await bench.seeder(file);
  const client = await bench.client();
  const handle = await client.add(file.torrent.bytes);
  torrent.addPeers([at(client.listenPort)]);
  await handle.completed();
  expect(isSame(handle, file)).toBe(true);
  expect(handle.peers.every(({ inbound }) => inbound)).toBe(true);
});

test('a torrent of a folder that holds what it wants to be a file fails, and others go on', async () => {
  const bad = bench.file('taken.bin', 2);
  const good = bench.file('free.bin', 4);
  const { client: seeder } = await bench.seeder(good);
  const client = await bench.client();
  const dir = bench.dir();
  mkdirSync(join(dir, 'taken.bin'));
  const [failing, going] = await Promise.all([
    client.add(bad.torrent.bytes, { dir }),
    client.add(good.torrent.bytes, { peers: [at(seeder.listenPort)] }),
  ]);
  await expect(failing.completed()).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' });
  expect(failing.state).toBe('failed');
  await going.completed();
  rmSync(join(dir, 'taken.bin'), { recursive: true });
  failing.resume();
  await next(failing, 'state', (state) => state === 'downloading');
});

test('we dial a peer once, however often it is named', async () => {
  const file: MadeFile = bench.file('named.bin', 2);
  const listener = await WireListener.open(() => undefined);
  const client = await bench.client();
  const peers = Array.from({ length: 50 }, () => listener.address);
  const handle = await client.add(file.torrent.bytes, { peers });
  handle.addPeers(peers);
  while (listener.peers.length === 0) await new Promise((resolve) => setImmediate(resolve));
  await listener.peers[0]!.until(() => listener.peers[0]!.handshake.length > 0);
  expect(listener.peers).toHaveLength(1);
  await listener.close();
});

async function collect(handle: TorrentHandle, signal?: AbortSignal): Promise<void> {
  for await (const stats of handle.progress({ ...(signal && { signal }) })) expect(stats.progress).toBe(0);
}
