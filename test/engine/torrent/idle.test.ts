import { queryObjects } from 'node:v8';
import { describe, expect, test } from 'vitest';
import { PickerTables } from '../../../src/engine/picker/picker-tables.ts';
import { Choker } from '../../../src/engine/choker/choker.ts';
import type { Torrent } from '../../../src/engine/torrent/torrent.ts';
import { RateMeter } from '../../../src/util/rate-meter.ts';
import { TokenBucket } from '../../../src/util/token-bucket.ts';
import { EngineBench, singleFile } from '../support/fake-world.ts';

/** A client may hold ten thousand torrents that seed and that nobody asks for. */
const COUNT = 100;

function seeding(bench: EngineBench): Torrent[] {
  const torrents = Array.from({ length: COUNT }, (_, i) => {
    const torrent = singleFile(4, 16_384, `file-${i}`);
    bench.disk.put(torrent);
    return bench.add(torrent);
  });
  bench.settle();
  return torrents;
}

const countOf = (kind: new (...args: never[]) => object): number => queryObjects(kind, { format: 'count' });

describe('torrents that seed and have no peers', () => {
  test('hold nothing that only peers need', () => {
    const bench = new EngineBench();
    const kinds = [PickerTables, TokenBucket, RateMeter, Choker];
    const before = kinds.map(countOf);
    const torrents = seeding(bench);
    expect(torrents.every(({ state }) => state === 'seeding')).toBe(true);
    expect(kinds.map(countOf)).toEqual(before);
    // With a peer the count must show, or it would count nothing.
    bench.inbound(singleFile(4, 16_384, 'file-7'));
    expect(countOf(PickerTables)).toBe(before[0]! + 1);
    expect(torrents).toHaveLength(COUNT);
  });

  test('share one timer, and tell nothing as time goes by', () => {
    const bench = new EngineBench();
    seeding(bench);
    bench.seconds(120); // Records are saved.
    const told = bench.told.length;
    expect(bench.clock.pending).toBe(1);
    bench.seconds(60);
    expect(bench.told).toHaveLength(told);
    expect(bench.clock.pending).toBe(1);
  });

  test('are told of once each when they start', () => {
    const bench = new EngineBench();
    seeding(bench);
    expect(bench.values('state')).toHaveLength(2 * COUNT);
    expect(bench.values('complete')).toHaveLength(COUNT);
    expect(bench.values('file')).toHaveLength(0);
  });

  test('that lost their files fetch them again', () => {
    const bench = new EngineBench();
    const torrent = singleFile(4, 16_384, 'file-3');
    const engineTorrent = seeding(bench)[3]!;
    bench.disk.contents.delete('file-3');
    engineTorrent.recheck();
    bench.settle();
    expect(engineTorrent.picker.wantedCount).toBe(4);
    bench.exchange(torrent, [bench.seeder(torrent)]);
    expect(engineTorrent.state).toBe('seeding');
    expect(bench.disk.holds(torrent)).toBe(true);
  });
});

test('a client that closes leaves thousands of torrents a few at a time', () => {
  let used = 0;
  // Each look at the clock takes some time of its own.
  const bench = new EngineBench({}, (clock) => ({
    clock: { now: () => clock.now() + (used += 0.1), at: (time, fn) => clock.at(time, fn) },
  }));
  const torrents = seeding(bench);
  bench.seconds(10);
  let isClosed = false;
  bench.engine.close(() => (isClosed = true));
  const closed = torrents.filter(({ state }) => state === 'closed').length;
  expect(closed).toBeGreaterThan(0);
  expect(closed).toBeLessThan(COUNT / 2);
  expect(isClosed).toBe(false);
  bench.seconds(60);
  expect(torrents.every(({ state }) => state === 'closed')).toBe(true);
  expect(isClosed).toBe(true);
});
