import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Torrent } from '../../src/engine/torrent/torrent.ts';
import { InternalError, StorageError } from '../../src/errors.ts';
import { Rng } from '../../src/util/rng.ts';
import { SlabPool, type Slab } from '../../src/util/slab-pool.ts';
import { contentTorrent } from '../support/content-torrent.ts';
import { EngineBench, wrong, type FakePeer } from './support/fake-world.ts';

/**
 * Whatever a user, the peers and the disk do in whatever order: nothing breaks, and when all mean well again the
 * torrents complete.
 */
const torrents = ['one', 'two'].map((name) =>
  contentTorrent(name, 32_768, [
    { path: 'a', length: 100_000 },
    { path: 'b/c', length: 1 },
    { path: 'b/empty', length: 0 },
    { path: 'd', length: 300_000 },
  ]),
);
const full = new StorageError('full', 'ERR_DISK_FULL', '/');
const gone = new StorageError('gone', 'ERR_FILE_MISSING', '/');
const OPERATIONS = 1500;

/** Buffers that were taken and not given back. */
const lent = new Set<Slab>();
beforeEach(() => {
  lent.clear();
  const { take, give } = SlabPool.prototype;
  vi.spyOn(SlabPool.prototype, 'take').mockImplementation(function (this: SlabPool, ...args) {
    const slab = take.apply(this, args);
    if (slab) lent.add(slab);
    return slab;
  });
  vi.spyOn(SlabPool.prototype, 'give').mockImplementation(function (this: SlabPool, slab) {
    expect(lent.delete(slab)).toBe(true);
    give.call(this, slab);
  });
});
afterEach(() => vi.restoreAllMocks());

test.each([1, 2, 3, 4, 5, 6])(
  'any operations in any order leave torrents that complete (seed %i)',
  (seed) => {
    const rng = new Rng(seed);
    // Room for a few pieces only, so that buffers are fought for.
    const bench = new EngineBench({ memory: 8 * 32_768, connectionsPerTorrentMax: 8 });
    const peers = new Map<number, FakePeer[]>(torrents.map((_, i) => [i, []]));
    const added: Torrent[] = torrents.map((torrent) => bench.add(torrent));
    let liars = 0;

    for (let count = 0; count < OPERATIONS; count++) {
      const i = rng.below(2);
      const content = torrents[i]!;
      const torrent = added[i]!;
      const swarm = peers.get(i)!;
      const peer = swarm[rng.below(Math.max(1, swarm.length))];
      switch (rng.below(24)) {
        case 0:
          torrent.pause();
          break;
        case 1:
        case 2:
          torrent.resume();
          break;
        case 3:
          torrent.recheck();
          break;
        case 4:
        case 5:
          torrent.setFilePriority(
            [rng.below(4)],
            (['skip', 'low', 'normal', 'high'] as const)[rng.below(4)]!,
          );
          break;
        case 6:
          torrent.onPeersFound([{ host: `10.5.0.${rng.below(200)}`, port: 1 + rng.below(3) }], 'user');
          break;
        case 7:
          for (const { done } of bench.transport.dials.splice(0)) done('connect-failed');
          break;
        case 8: {
          const old = torrent;
          bench.engine.removeTorrent(old, () => undefined);
          if (rng.below(2) === 0) bench.settle();
          added[i] = bench.add(content, { paused: rng.below(4) === 0 });
          break;
        }
        case 9:
          bench.disk.writeError = rng.below(3) === 0 ? full : null;
          break;
        case 10:
          bench.disk.readError = rng.below(3) === 0 ? gone : null;
          break;
        case 11:
          bench.disk.flushError = rng.below(3) === 0 ? full : null;
          break;
        case 12:
          if (rng.below(4) === 0) bench.disk.contents.delete(content.metaInfo.name);
          break;
        case 13:
          bench.seconds(rng.below(30));
          break;
        case 14:
        case 15:
          swarm.push(bench.seeder(content));
          break;
        case 16:
          // Liars come from anywhere, so that bans never run out of targets.
          if (rng.below(3) === 0) {
            const liar = bench.seeder(content, { host: `10.6.${liars >> 8}.${liars++ & 255}` });
            liar.serve(content, wrong);
          }
          break;
        case 17:
          peer?.hangUp();
          break;
        case 18:
          peer?.say((sink) => (rng.below(2) === 0 ? sink.onChoke() : sink.onUnchoke()));
          break;
        case 19:
          for (const { piece, begin, length } of peer?.requests() ?? []) {
            peer!.say((sink) => sink.onReject(piece, begin, length));
          }
          break;
        case 20:
          peer?.say((sink) => (rng.below(2) === 0 ? sink.onInterested() : sink.onNotInterested()));
          peer?.say((sink) => sink.onRequest(rng.below(14), 0, 16_384));
          break;
        default:
          peer?.serve(content);
      }
      if (rng.below(3) > 0) bench.settle();
      for (const each of swarm) each.queuedBytes = 0;
      for (const each of swarm) each.endTurn();
      peers.set(
        i,
        swarm.filter((each) => each.reason === null),
      );
      expectConsistent(bench, added);
    }

    // All mean well again.
    Object.assign(bench.disk, { writeError: null, readError: null, flushError: null });
    for (const swarm of peers.values()) for (const each of swarm) each.hangUp();
    bench.settle();
    torrents.forEach((content, i) => {
      const torrent = added[i]!;
      torrent.setFilePriority([0, 1, 2, 3], 'normal');
      // Files were deleted behind its back.
      torrent.recheck();
      bench.settle();
      if (torrent.state === 'paused' || torrent.state === 'failed') torrent.resume();
      for (let minute = 0; minute < 5 && torrent.state !== 'seeding'; minute++) {
        torrent.resume();
        bench.seconds(60);
        bench.exchange(content, [bench.seeder(content)]);
      }
      expect(torrent.state).toBe('seeding');
      // A flush that failed before is tried again after a minute.
      bench.seconds(61);
      expect(torrent.isComplete).toBe(true);
      expect(bench.disk.holds(content)).toBe(true);
      expect(torrent.stats()).toMatchObject({ progress: 1, doneBytes: 400_001 });
    });
    let closed = false;
    bench.engine.close(() => (closed = true));
    bench.settle();
    expect(closed).toBe(true);
    expect(bench.engine.torrents.size).toBe(0);
  },
);

function expectConsistent(bench: EngineBench, added: readonly Torrent[]): void {
  const bugs = bench.values('failed').filter((error) => error instanceof InternalError);
  expect(bugs).toEqual([]);
  for (const torrent of added) {
    const { downloaded, uploaded, wasted, corrupt, knownPeers, doneBytes, progress } = torrent.stats();
    for (const count of [downloaded, uploaded, wasted, corrupt, knownPeers, doneBytes, progress]) {
      expect(count).toBeGreaterThanOrEqual(0);
    }
    expect(progress).toBeLessThanOrEqual(1);
    for (const { receivedCount, sealed, contributors } of torrent.assembler.pieces()) {
      expect(receivedCount).toBeLessThanOrEqual(contributors.length);
      if (sealed) expect(receivedCount).toBe(contributors.length);
    }
  }
  expect(bench.engine.connectionCount).toBeGreaterThanOrEqual(0);
}
