import { describe, expect, test } from 'vitest';
import { SimSwarm } from '../../src/sim/swarm.ts';

/**
 * How far from max{F/us, F/dmin, NF/(us + sum of ui)}, which no protocol can beat (Kumar and Ross 2006), a swarm may
 * finish. A model of rarest first with four slots gives 1.1 for these sizes.
 */
const RATIO_MAX = 1.25;

describe('near the lower bound', { timeout: 60_000 }, () => {
  test('with equal peers the seeder sends little more than one copy, and all are done near the lower bound', () => {
    const swarm = makeSwarm();
    swarm.add({ pieces: 'all', upBytesPerSec: 1e6 });
    swarm.addMany(10, { upBytesPerSec: 1e6, downBytesPerSec: 5e6 });
    expect(swarm.runToCompletion(600_000)).toBe(true);
    const report = swarm.report();
    expect(report.boundMs).toBeCloseTo(19_660.8);
    expect(report.ratioToBound).toBeGreaterThan(1);
    expect(report.ratioToBound).toBeLessThan(RATIO_MAX);
    expect(report.seederCopies).toBeLessThan(RATIO_MAX);
    expect(report.wasteShare).toBeLessThan(0.02);
    expect(report.overhead).toBeLessThan(1.03);
  });

  test('a fast seeder serves as fast as the downloaders can take it', () => {
    const swarm = makeSwarm();
    swarm.add({ pieces: 'all', upBytesPerSec: 20e6 });
    swarm.addMany(3, { upBytesPerSec: 100_000, downBytesPerSec: 2e6 });
    expect(swarm.runToCompletion(600_000)).toBe(true);
    expect(swarm.report().boundMs).toBeCloseTo(9830.4);
    expect(swarm.report().ratioToBound).toBeLessThan(RATIO_MAX);
  });

  test('one downloader alone uses the whole of its link, at any distance', () => {
    for (const latencyMs of [1, 50]) {
      const swarm = makeSwarm();
      swarm.add({ pieces: 'all', upBytesPerSec: 2e6, latencyMs });
      swarm.add({ downBytesPerSec: 4e6, latencyMs });
      expect(swarm.runToCompletion(600_000)).toBe(true);
      expect(swarm.report().ratioToBound).toBeLessThan(1.25);
    }
  });
});

function makeSwarm(): SimSwarm {
  return new SimSwarm({ seed: 1, torrent: { pieceCount: 300, pieceLength: 65_536 } });
}
