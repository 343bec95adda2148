import { describe, expect, test } from 'vitest';
import { SimSwarm } from '../../src/sim/swarm.ts';

/**
 * A swarm whose only seed is no faster than anybody else: it cannot be done before the seed has sent everything once,
 * and each byte sent a second time before that is lost. Without a seed that says who gets which piece, 1.12 to 1.17.
 */
describe('a slow seed', { timeout: 60_000 }, () => {
  test.each([1, 2, 3])('sends little more than one copy, and all are done soon after (seed %i)', (seed) => {
    const swarm = new SimSwarm({
      seed,
      torrent: { pieceCount: 256, pieceLength: 262_144 },
      checkEvery: 50_000,
    });
    const seeder = swarm.add({ pieces: 'all', upBytesPerSec: 956_000, latencyMs: 0.5 });
    swarm.addMany(10, { upBytesPerSec: 956_000, latencyMs: 0.5 });
    const isAnyDone = (): boolean => swarm.peers.some((peer) => !peer.isSeeder && peer.isComplete);
    expect(swarm.runUntil(isAnyDone, 600_000)).toBe(true);
    expect(seeder.stats!.uploaded / swarm.metaInfo.length).toBeLessThan(1.1);
    expect(swarm.runToCompletion(600_000)).toBe(true);
    const report = swarm.report();
    expect(report.ratioToBound).toBeLessThan(1.1);
    expect(report.wasteShare).toBeLessThan(0.01);
  });
});

describe('free riders', { timeout: 60_000 }, () => {
  test.each([1, 2])('finish after those who give, and do not make those wait (seed %i)', (seed) => {
    const time = (riders: number): { giving: number; riding: number } => {
      const swarm = new SimSwarm({
        seed,
        torrent: { pieceCount: 256, pieceLength: 131_072 },
        checkEvery: 50_000,
      });
      swarm.add({ pieces: 'all', upBytesPerSec: 4_780_000, latencyMs: 0.5 });
      const peers = swarm.addMany(20, (i) => ({
        upBytesPerSec: 956_000,
        latencyMs: 0.5,
        engine: i < riders ? { uploadSlots: 0 } : {},
      }));
      expect(swarm.runToCompletion(600_000)).toBe(true);
      const mean = (some: typeof peers): number =>
        some.reduce((sum, peer) => sum + peer.completedAtMs!, 0) / some.length;
      return { giving: mean(peers.slice(riders)), riding: mean(peers.slice(0, riders)) };
    };
    const mixed = time(10);
    expect(mixed.riding).toBeGreaterThan(1.15 * mixed.giving);
  });
});
