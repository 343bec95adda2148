import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Engine } from '../../src/engine/engine.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { DiskFaults, type FaultRule } from '../../src/node/disk-faults.ts';
import { DiskPool } from '../../src/node/disk-pool.ts';
import { fileStorageFactory } from '../../src/node/file-storage.ts';
import { openNodeWorld, type NodeWorld } from '../../src/node/node-world.ts';
import { resolveOptions } from '../../src/options.ts';
import { TorrentHandle } from '../../src/torrent-handle.ts';
import { isSame, LibraryBench, next, type MadeFile } from './support/library-bench.ts';
import { Id, WirePeer } from './support/wire-peer.ts';

/** Real files and real sockets on a disk that fails when the test says so. */
let bench: LibraryBench;
let broken: Broken | null;
beforeEach(() => {
  bench = new LibraryBench();
  broken = null;
});
afterEach(async () => {
  await broken?.close();
  await bench.close();
});

/** A client whose disk has faults. */
class Broken {
  readonly engine: Engine;
  readonly faults: DiskFaults;
  readonly #world: NodeWorld;
  readonly #pool: DiskPool;

  private constructor(world: NodeWorld, pool: DiskPool, faults: DiskFaults) {
    this.#world = world;
    this.#pool = pool;
    this.faults = faults;
    const options = resolveOptions({});
    this.engine = new Engine(
      { ...world, storage: fileStorageFactory(pool) },
      { ...options, clientName: 'test' },
    );
  }

  static async open(...rules: FaultRule[]): Promise<Broken> {
    const world = await openNodeWorld(resolveOptions({ port: 0, host: '127.0.0.1' }), null);
    const faults = new DiskFaults(rules);
    return new Broken(world, new DiskPool({ faults }), faults);
  }

  add(file: MadeFile, port: number | null, dir = bench.dir()): TorrentHandle & { warnings: string[] } {
    const metaInfo = parseTorrent(file.torrent.bytes);
    const handle = new TorrentHandle(metaInfo, dir, { onDownloading: () => undefined });
    const warnings: string[] = [];
    handle.on('warning', (error) => warnings.push(error.code));
    handle.begin((observer) =>
      this.engine.addTorrent(
        metaInfo,
        {
          dir,
          resumeKey: metaInfo.infoHashHex,
          trackers: [],
          peers: port === null ? [] : [{ host: '127.0.0.1', port }],
          priorities: null,
          sequential: false,
          trust: 'resume',
          paused: false,
          downLimit: Infinity,
          upLimit: Infinity,
        },
        observer,
      ),
    );
    return Object.assign(handle, { warnings });
  }

  async close(): Promise<void> {
    this.faults.shared.rules.forEach((_, rule) => this.faults.disarm(rule));
    await new Promise<void>((done) => this.engine.close(done));
    await this.#world.close();
    await this.#pool.close();
  }
}

describe.each(['ENOSPC', 'EACCES', 'EROFS', 'EIO'])('a disk that refuses to write with %s', (errno) => {
  test('stalls this torrent and no other, and it goes on when that is over', async () => {
    broken = await Broken.open({ operation: 'write', path: 'stalled.bin', effect: { errno } });
    const file = bench.file('stalled.bin', 30);
    const other = bench.file('other.bin', 30);
    const { client } = await bench.seeder(file);
    await client.add(other.torrent.bytes, { dir: other.dir });
    // The first pieces are written; then the disk is full.
    broken.faults.arm(0, undefined, 3);
    const stalled = broken.add(file, client.listenPort);
    await next(stalled, 'state', (state) => state === 'stalled');
    const going = broken.add(other, client.listenPort);
    await going.completed();
    expect(isSame(going, other)).toBe(true);
    expect(stalled.state).toBe('stalled');
    expect(stalled.warnings).toHaveLength(1);
    expect(stalled.error).toMatchObject({ path: join(stalled.dir, 'stalled.bin') });
    const { piecesDone } = stalled.stats;
    expect(piecesDone).toBe(3);
    broken.faults.disarm(0);
    stalled.resume();
    await stalled.completed();
    expect(isSame(stalled, file)).toBe(true);
    expect(stalled.warnings).toHaveLength(1);
    expect(stalled.error).toBeNull();
    expect(stalled.stats).toMatchObject({ corrupt: 0, downloaded: file.content.length });
  });
});

test('a disk that has room again is noticed without anybody saying so', async () => {
  broken = await Broken.open({ operation: 'write', effect: { errno: 'ENOSPC' } });
  broken.faults.arm(0, 1);
  const file = bench.file('short.bin', 6);
  const { client } = await bench.seeder(file);
  const handle = broken.add(file, client.listenPort);
  const states: string[] = [];
  handle.on('state', (state) => states.push(state));
  await handle.completed();
  expect(isSame(handle, file)).toBe(true);
  expect(states).toContain('stalled');
  expect(handle.warnings).toEqual(['ERR_DISK_FULL']);
});

test('writes that are cut short are finished', async () => {
  broken = await Broken.open({ operation: 'write', effect: { shortTo: 1000 } });
  broken.faults.arm(0);
  const file = bench.file('pieces.bin', 4);
  const { client } = await bench.seeder(file);
  const handle = broken.add(file, client.listenPort);
  await handle.completed();
  expect(isSame(handle, file)).toBe(true);
  expect(handle.warnings).toEqual([]);
});

test('a disk thread that dies costs the piece it had, which is fetched again', async () => {
  broken = await Broken.open({ operation: 'write', effect: 'die' });
  broken.faults.arm(0, 1, 2);
  const file = bench.file('died.bin', 20);
  const { client } = await bench.seeder(file);
  const handle = broken.add(file, client.listenPort);
  await handle.completed();
  expect(isSame(handle, file)).toBe(true);
  expect(handle.stats.corrupt).toBe(0);
});

describe('while seeding', () => {
  test('a file that cannot be read is not given on, the peer is told, and the torrent stalls until it is back', async () => {
    broken = await Broken.open({ operation: 'read', path: 'unread.bin', effect: { errno: 'EIO' } });
    const { handle, file } = await seeding('unread.bin');
    broken.faults.arm(0);
    const peer = await leecher(handle);
    peer.say(Id.request, 3, 0, 16_384);
    await peer.take(Id.reject, 3, 0);
    expect(handle.state).toBe('stalled');
    expect(handle.warnings).toEqual(['ERR_DISK_IO']);
    expect(peer.isClosed).toBe(false);
    broken.faults.disarm(0);
    handle.resume();
    await next(handle, 'state', (state) => state === 'seeding');
    peer.say(Id.request, 3, 0, 16_384);
    const block = await peer.take(Id.piece, 3, 0);
    expect(block.subarray(8).equals(file.content.subarray(3 * 32_768, 3 * 32_768 + 16_384))).toBe(true);
    peer.end();
  });

  test('a file that vanished is not made anew with holes; when the user says so it is fetched again', async () => {
    broken = await Broken.open();
    const { handle, file } = await seeding('vanished.bin');
    const path = join(handle.dir, file.name);
    const aside = join(bench.dir(), 'aside');
    renameSync(path, aside);
    const peer = await leecher(handle);
    peer.say(Id.request, 3, 0, 16_384);
    await peer.take(Id.reject, 3, 0);
    await stalled(handle);
    expect(handle.error).toMatchObject({ code: 'ERR_FILE_MISSING', path });
    expect(existsSync(path)).toBe(false);
    const { client } = await bench.seeder(file);
    handle.addPeers([{ host: '127.0.0.1', port: client.listenPort }]);
    handle.resume();
    await next(handle, 'complete');
    expect(isSame(handle, file)).toBe(true);
    peer.end();
  });

  test('a file that was cut is found out at the first read beyond its end, and mended', async () => {
    broken = await Broken.open();
    const { handle, file } = await seeding('cut.bin');
    const path = join(handle.dir, file.name);
    writeFileSync(path, readFileSync(path).subarray(0, 100_000));
    const peer = await leecher(handle);
    peer.say(Id.request, 9, 0, 16_384);
    await peer.take(Id.reject, 9, 0);
    await stalled(handle);
    const { client } = await bench.seeder(file);
    handle.addPeers([{ host: '127.0.0.1', port: client.listenPort }]);
    handle.recheck();
    await next(handle, 'complete');
    expect(isSame(handle, file)).toBe(true);
    peer.end();
  });
});

async function stalled(handle: TorrentHandle): Promise<void> {
  if (handle.state !== 'stalled') await next(handle, 'state', (state) => state === 'stalled');
}

async function seeding(name: string): Promise<{ handle: ReturnType<Broken['add']>; file: MadeFile }> {
  const file = bench.file(name, 10);
  // The bench keeps its copy for those who must fetch again.
  const dir = bench.dir();
  writeFileSync(join(dir, name), file.content);
  const handle = broken!.add(file, null, dir);
  await handle.completed();
  return { handle, file };
}

async function leecher(handle: TorrentHandle): Promise<WirePeer> {
  const peer = await WirePeer.join(broken!.engine.listenPort, { infoHash: handle.infoHash });
  await peer.unchoked();
  return peer;
}
