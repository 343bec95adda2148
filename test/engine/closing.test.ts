import { expect, test } from 'vitest';
import { singleFile } from './support/fake-world.ts';
import { MagnetBench } from './support/magnet-bench.ts';

test('a magnet that becomes a torrent between two turns of closing is closed as well', () => {
  const bench = new MagnetBench();
  // The first torrent takes up the whole of the first turn.
  let late = 0;
  const now = bench.clock.now.bind(bench.clock);
  bench.clock.now = () => now() + late;
  const other = bench.add(singleFile(2, 32_768, 'other.bin'));
  const close = other.close.bind(other);
  other.close = (done) => {
    late += 5;
    close(done);
  };
  bench.magnet();
  const { voice } = bench.knower();
  let isDone = false;
  bench.engine.close(() => (isDone = true));
  bench.tell(voice);
  expect(bench.engine.torrents.size).toBe(2);
  bench.seconds(10);
  expect(isDone).toBe(true);
  expect(bench.engine.torrents.size).toBe(0);
  expect(bench.clock.pending).toBe(0);
});
