import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MetainfoError, UsageError } from '../../src/errors.ts';
import { parseMagnet, writeMagnet, type MagnetParts } from '../../src/metainfo/magnet.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { writeTorrent } from '../../src/metainfo/write-torrent.ts';
import { RecordingTracker } from '../support/recording-tracker.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { writeTree } from '../support/tree.ts';
import { isSame, LibraryBench, next, type MadeFile } from './support/library-bench.ts';
import { Id, WireListener, WirePeer } from './support/wire-peer.ts';

let bench: LibraryBench;
beforeEach(() => {
  bench = new LibraryBench();
});
afterEach(() => bench.close());

const at = (port: number): { host: string; port: number } => ({ host: '127.0.0.1', port });

const linkTo = (file: MadeFile, parts: Partial<MagnetParts> = {}): string =>
  writeMagnet({ infoHashHex: file.torrent.infoHash, ...parts });

describe('a magnet link', () => {
  test('gives a handle at once, then the metadata, then the file', async () => {
    const file = bench.file('linked.bin', 60);
    const seeder = await bench.seeder(file);
    const client = await bench.client();
    const torrent = await client.add(linkTo(file, { name: 'a name', peers: [at(seeder.client.listenPort)] }));
    expect(torrent).toMatchObject({ state: 'metadata', name: 'a name', metaInfo: null, files: [] });
    expect(torrent.pieceStates()).toHaveLength(0);
    expect(torrent.stats).toMatchObject({ state: 'metadata', progress: 0, pieceCount: 0, etaMs: null });
    expect(client.torrents.get(file.torrent.infoHash)).toBe(torrent);
    const states: string[] = [];
    torrent.on('state', (state) => states.push(state));
    torrent.on('metadata', (metaInfo) => states.push(`metadata of ${metaInfo.name}`));
    const metaInfo = await torrent.metadata();
    expect(metaInfo).toMatchObject({ name: 'linked.bin', pieceCount: 60 });
    expect(torrent).toMatchObject({ name: 'linked.bin', metaInfo });
    expect(torrent.files).toHaveLength(1);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(states).toEqual(['metadata of linked.bin', 'checking', 'downloading', 'seeding']);
  });

  test('with addresses that are none says so, and downloads from those that are', async () => {
    const file = bench.file('odd ports.bin');
    const seeder = await bench.seeder(file);
    const client = await bench.client();
    const link = linkTo(file, {
      trackers: ['http://127.0.0.1:99999/announce', 'udp://127.0.0.1:70000'],
      webSeeds: ['http://127.0.0.1:99999/'],
      peers: [at(seeder.client.listenPort)],
    });
    const torrent = await client.add(`${link}&x.pe=127.0.0.1:99999`);
    const warnings: unknown[] = [];
    torrent.on('warning', (error) => warnings.push(error));
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(warnings).toMatchObject([
      { name: 'TrackerError', url: 'http://127.0.0.1:99999/announce' },
      { name: 'TrackerError', url: 'udp://127.0.0.1:70000' },
      { name: 'WebSeedError', url: 'http://127.0.0.1:99999/' },
    ]);
  });

  test('finds its peers through its trackers, which hear of one client only', async () => {
    const tracker = await RecordingTracker.start();
    const file = bench.file('tracked.bin');
    const seeder = await bench.seeder(file);
    tracker.peers = [['127.0.0.1', seeder.client.listenPort]];
    const client = await bench.client();
    const torrent = await client.add(linkTo(file, { trackers: [tracker.url] }));
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    await tracker.heard('completed');
    await client.close();
    await tracker.heard('stopped');
    expect(tracker.announces.map(({ event }) => event)).toEqual(['started', 'completed', 'stopped']);
    expect(tracker.announces[0]!.left).toBeGreaterThan(0);
    expect(torrent.metaInfo!.trackers).toEqual([[tracker.url]]);
    await tracker.close();
  });

  test('is answered by peers that dial in', async () => {
    const file = bench.file('inbound.bin');
    const client = await bench.client();
    const torrent = await client.add(linkTo(file));
    const seeder = await bench.client();
    await seeder.add(file.torrent.bytes, { dir: file.dir, peers: [at(client.listenPort)] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('is resolved by clients from one that had only the link itself', async () => {
    const file = bench.file('chain.bin');
    const seeder = await bench.seeder(file);
    const middle = await bench.client();
    const first = await middle.add(linkTo(file, { peers: [at(seeder.client.listenPort)] }));
    await first.completed();
    await seeder.client.close();
    const last = await (await bench.client()).add(linkTo(file, { peers: [at(middle.listenPort)] }));
    await last.completed();
    expect(isSame(last, file)).toBe(true);
  });

  test('whose .torrent is written has the very bytes of its info dictionary', async () => {
    const file = bench.file('written.bin');
    const seeder = await bench.seeder(file);
    const client = await bench.client();
    const torrent = await client.add(linkTo(file, { peers: [at(seeder.client.listenPort)] }));
    const metaInfo = await torrent.metadata();
    const written = parseTorrent(writeTorrent(metaInfo.infoBytes, metaInfo));
    expect(Buffer.from(written.infoBytes)).toEqual(Buffer.from(parseTorrent(file.torrent.bytes).infoBytes));
    expect(written.infoHashHex).toBe(file.torrent.infoHash);
  });

  test('begins with the files that it selects, and not with others', async () => {
    const { bytes, port } = await folderSeed();
    const { infoHashHex } = parseTorrent(bytes);
    const client = await bench.client();
    const select = [
      [1, 2],
      [9, 12],
    ] as const;
    const torrent = await client.add(writeMagnet({ infoHashHex, peers: [at(port)], select }));
    await torrent.completed();
    expect(torrent.files.map(({ priority }) => priority)).toEqual(['skip', 'normal', 'normal']);
    expect(readdirSync(join(torrent.dir, 'folder')).sort()).toEqual(['b.bin', 'c.bin']);
  });

  test('begins with the files that the user selects, and fails if there are none', async () => {
    const { bytes, port } = await folderSeed();
    const { infoHashHex } = parseTorrent(bytes);
    const link = writeMagnet({ infoHashHex, peers: [at(port)], select: [[1, 1]] });
    const one = await (await bench.client()).add(link, { files: ['a.bin'] });
    await one.completed();
    expect(one.files.map(({ priority }) => priority)).toEqual(['normal', 'skip', 'skip']);
    const none = await (await bench.client()).add(link, { files: ['*.flac'] });
    await expect(none.metadata()).rejects.toThrow(UsageError);
    expect(none.state).toBe('failed');
  });

  test('for its metadata alone touches no file', async () => {
    const file = bench.file('alone.bin');
    const seeder = await bench.seeder(file);
    const client = await bench.client();
    const torrent = await client.add(linkTo(file, { peers: [at(seeder.client.listenPort)] }), {
      metadataOnly: true,
    });
    await torrent.metadata();
    if (torrent.state !== 'paused') await next(torrent, 'state', (state: string) => state === 'paused');
    expect(readdirSync(torrent.dir)).toEqual([]);
    torrent.resume();
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });
});

describe('a magnet link again', () => {
  test('after the torrent, and the torrent after it, is one and the same handle', async () => {
    const file = bench.file('both.bin');
    const seeder = await bench.seeder(file);
    const client = await bench.client();
    const torrent = await client.add(linkTo(file));
    expect(torrent.state).toBe('metadata');
    expect(await client.add(file.torrent.bytes)).toBe(torrent);
    expect(torrent.metaInfo!.infoHashHex).toBe(file.torrent.infoHash);
    expect(await client.add(parseMagnet(linkTo(file, { peers: [at(seeder.client.listenPort)] })))).toBe(
      torrent,
    );
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('in the next run needs nobody for its metadata', async () => {
    const stateDir = bench.dir();
    const dir = bench.dir();
    const file = bench.file('again.bin');
    const seeder = await bench.seeder(file);
    const first = await bench.client({ stateDir, dir });
    const torrent = await first.add(linkTo(file, { peers: [at(seeder.client.listenPort)] }));
    await torrent.metadata();
    await first.close();
    await seeder.client.close();
    const second = await bench.client({ stateDir, dir });
    const again = await second.add(linkTo(file));
    expect(await again.metadata()).toMatchObject({ name: 'again.bin' });
    await second.remove(again);
    expect(readdirSync(stateDir).filter((name) => name.startsWith(file.torrent.infoHash))).toEqual([]);
  });
});

describe('while the metadata is awaited', () => {
  test('waiting for it ends with the signal, and with the torrent', async () => {
    const file = bench.file('nobody.bin');
    const client = await bench.client();
    const torrent = await client.add(linkTo(file));
    const stop = new AbortController();
    const waits = torrent.metadata({ signal: stop.signal });
    stop.abort(new Error('enough'));
    await expect(waits).rejects.toThrow('enough');
    const [gone, incomplete] = [torrent.metadata(), torrent.completed()];
    await Promise.all([
      expect(gone).rejects.toMatchObject({ code: 'ERR_CLOSED' }),
      expect(incomplete).rejects.toMatchObject({ code: 'ERR_CLOSED' }),
      client.remove(torrent, { deleteData: true }),
    ]);
    expect(client.torrents.size).toBe(0);
  });

  test('everything may be asked of the handle', async () => {
    const file = bench.file('early.bin');
    const seeder = await bench.seeder(file);
    const client = await bench.client();
    const torrent = await client.add(linkTo(file), { paused: true });
    expect(torrent.state).toBe('paused');
    torrent.addPeers([at(seeder.client.listenPort)]);
    torrent.addTrackers(['http://127.0.0.1:1/announce']);
    torrent.addWebSeeds(['http://127.0.0.1:1/']);
    torrent.setLimits({ down: 50_000_000 });
    torrent.recheck();
    torrent.announce();
    expect(() => torrent.prioritize([0], 'high')).toThrow(UsageError);
    expect([torrent.peers, torrent.trackers.length, torrent.error]).toEqual([[], 1, null]);
    torrent.resume();
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('a client closes without waiting for it', async () => {
    const client = await bench.client();
    const torrent = await client.add(linkTo(bench.file('closing.bin')));
    await client.close();
    expect(torrent.state).toBe('closed');
  });

  test('peers that never say a word, or nothing of use, cost no time', async () => {
    const file = bench.file('slow.bin');
    const seeder = await bench.seeder(file);
    const mute = await WireListener.open(() => undefined);
    const polite = await WireListener.open((peer) => peer.shakeHands({ infoHash: file.torrent.infoHash }));
    const client = await bench.client();
    const peers = [mute.address, polite.address, at(seeder.client.listenPort)];
    const torrent = await client.add(linkTo(file, { peers }));
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    await mute.close();
    await polite.close();
  });

  test('metadata that has the right hash and is no torrent fails it', async () => {
    const info = Buffer.from('d4:name1:a12:piece lengthi16384e6:pieces0:6:lengthi7ee');
    const infoHash = createHash('sha1').update(info).digest('hex');
    const liar = await WireListener.open((peer) => tellMetadata(peer, infoHash, info));
    const client = await bench.client({ encryption: 'off' });
    const torrent = await client.add(writeMagnet({ infoHashHex: infoHash, peers: [liar.address] }));
    await expect(torrent.metadata()).rejects.toThrow(MetainfoError);
    await liar.close();
  });

  test('metadata that is private stays between its trackers’ peers', async () => {
    const dir = bench.dir();
    writeTree(dir, { 'private.bin': 100_000 });
    const made = makeTorrent({
      name: 'private.bin',
      dir,
      files: null,
      pieceLength: 16_384,
      trackers: [],
      private: true,
    });
    const info = Buffer.from(parseTorrent(made.bytes).infoBytes);
    const knower = await WireListener.open((peer) => tellMetadata(peer, made.infoHash, info));
    const client = await bench.client({ encryption: 'off' });
    const torrent = await client.add(writeMagnet({ infoHashHex: made.infoHash, peers: [knower.address] }));
    expect(await torrent.metadata()).toMatchObject({ private: true });
    const asker = await WirePeer.join(client.listenPort, { infoHash: made.infoHash });
    const handshake = await asker.take(Id.extended);
    expect(handshake.toString('latin1')).not.toMatch(/metadata_size|ut_pex/);
    asker.end();
    await knower.close();
    expect(existsSync(join(torrent.dir, 'private.bin'))).toBe(false);
  });
});

/** A peer that knows only how to give metadata (BEP 9), written by hand. */
function tellMetadata(peer: WirePeer, infoHash: string, info: Buffer): void {
  peer.shakeHands({ infoHash });
  const hello = `d1:md11:ut_metadatai3ee13:metadata_sizei${info.length}ee`;
  peer.sayBytes(Id.extended, Buffer.concat([Buffer.of(0), Buffer.from(hello)]));
  peer.onMessage = ({ id, payload }) => {
    const piece = /msg_typei0e5:piecei(\d+)e/.exec(payload.toString('latin1'))?.[1];
    if (id !== Id.extended || piece === undefined) return;
    const head = `d8:msg_typei1e5:piecei${piece}e10:total_sizei${info.length}ee`;
    const begin = Number(piece) * 16_384;
    const data = Buffer.concat([Buffer.of(1), Buffer.from(head), info.subarray(begin, begin + 16_384)]);
    peer.sayBytes(Id.extended, data);
  };
}

async function folderSeed(): Promise<{ bytes: Buffer; port: number }> {
  const dir = bench.dir();
  writeTree(join(dir, 'folder'), { 'a.bin': 65_536, 'b.bin': 65_536, 'c.bin': 65_536 });
  const files = ['a.bin', 'b.bin', 'c.bin'];
  const { bytes } = makeTorrent({ name: 'folder', dir, files, pieceLength: 16_384, trackers: [] });
  const client = await bench.client();
  const torrent = await client.add(bytes, { dir });
  await torrent.completed();
  return { bytes, port: client.listenPort };
}
