import { afterEach, beforeEach, expect, test } from 'vitest';
import { DiskPool } from '../../src/node/disk-pool.ts';
import { MiB } from '../../src/options.ts';
import { SlabPool, type Slab } from '../../src/util/slab-pool.ts';

let pool: DiskPool;

beforeEach(() => {
  pool = new DiskPool({ threads: 2 });
});

afterEach(() => pool.close());

test('what pieces of many sizes lay in is given back, by this thread and by those that it was shown to', async () => {
  const slabs = new SlabPool(64 * MiB);
  const before = process.memoryUsage().rss;
  let most = 0;
  for (let round = 0; round < 24; round++) {
    const size = round % 2 === 0 ? 4 * MiB : 16 * MiB;
    const taken = Array.from({ length: (64 * MiB) / size }, () => slabs.take(size)!);
    for (const slab of taken) slab.bytes.fill(round);
    await Promise.all(taken.map(show));
    for (const slab of taken) slabs.give(slab);
    most = Math.max(most, process.memoryUsage().rss - before);
  }
  // All of it is 1.5 GiB.
  expect(most).toBeLessThan(512 * MiB);
});

/** The first byte of a piece goes to a thread, and all memory of the piece with it. */
function show({ bytes }: Slab): Promise<void> {
  const root = { path: '', known: null };
  return new Promise((resolve, reject) => {
    pool.run(
      {
        kind: 'write',
        root,
        bytes: bytes.subarray(0, 1),
        expected: new Uint8Array(20),
        wantDigests: false,
        spans: [],
        after: [],
      },
      (result) => {
        if (result instanceof Error) reject(result);
        else if (result.status !== 'mismatch') reject(new Error(result.status));
        else resolve();
      },
    );
  });
}
