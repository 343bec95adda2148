import { describe, expect, test } from 'vitest';
import { liar, snubber } from '../../src/sim/behaviours.ts';
import { loseNodes } from '../../src/sim/churn.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';
import { addressKey } from '../../src/util/ip.ts';

/** What a real encoder writes and a real decoder reads, in chunks that chance cuts. */
describe('a swarm of bytes', { timeout: 30_000 }, () => {
  test('is served whole whatever the chunks, and nobody is taken for a breaker of the protocol', () => {
    const swarm = make(1);
    expect(swarm.runToCompletion(600_000)).toBe(true);
    swarm.check();
    for (const peer of swarm.peers) {
      expect([...peer.gone.keys()].filter((reason) => !PEACEFUL.includes(reason))).toEqual([]);
      expect([...peer.failures, ...peer.bans]).toEqual([]);
    }
    expect(swarm.report()).toMatchObject({ completed: 8, corruptBytes: 0 });
    swarm.close();
  });

  test('goes the same way with the same seed, chunk by chunk', () => {
    const digests = [2, 2, 3].map((seed) => {
      const swarm = make(seed);
      swarm.runToCompletion(600_000);
      return swarm.digest;
    });
    expect(digests[1]).toBe(digests[0]);
    expect(digests[2]).not.toBe(digests[0]);
  });

  test('finds out a liar, and does without one that gives nothing and others that vanish', () => {
    const swarm = make(4);
    const lies = swarm.add({ ...RATES, ...liar(swarm.rng('lies'), 0.3) });
    swarm.add({ ...RATES, ...snubber(), pieces: 'all' });
    const leaving = swarm.addMany(4, { ...RATES, upBytesPerSec: 50_000 });
    loseNodes(swarm.clock, leaving, 0.99, swarm.rng('losses'));
    const staying = swarm.peers.slice(1, 9);
    expect(swarm.runUntil(() => staying.every((peer) => peer.isComplete), 600_000)).toBe(true);
    swarm.check();
    const banned = new Set(swarm.peers.flatMap((peer) => peer.bans.map(addressKey)));
    expect(banned).toEqual(new Set([addressKey(lies.host.address)]));
    expect(leaving.some((peer) => !peer.isRunning)).toBe(true);
  });
});

const PEACEFUL = ['closed-by-peer', 'both-seeds', 'duplicate-connection', 'uninteresting'];
const RATES = { upBytesPerSec: 400_000, downBytesPerSec: 2_000_000 };

function make(seed: number): SimSwarm {
  const swarm = new SimSwarm({
    seed,
    torrent: { pieceCount: 40, pieceLength: 49_152, lastPieceLength: 777 },
    network: { fidelity: 'bytes' },
    checkEvery: 2000,
  });
  swarm.add({ ...RATES, pieces: 'all' });
  swarm.addMany(8, (i) => ({ ...RATES, latencyMs: 2 + 9 * i }));
  return swarm;
}
