import { beforeAll, describe, expect, test } from 'vitest';
import type { TorrentStats } from '../../src/events.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';

const SEED = 20_260_101;
const DOWNLOADERS = 100;
/** Two seconds of work each, on a machine that may have other things to do. */
const TIMEOUT_MS = 120_000;

describe('one seeder and a hundred downloaders', () => {
  let swarm: SimSwarm;
  let completed = false;

  beforeAll(() => {
    swarm = hundred(SEED);
    completed = swarm.runToCompletion(600_000);
    swarm.check();
  }, TIMEOUT_MS);

  test('all get everything, and nothing that is wrong', () => {
    expect(completed).toBe(true);
    expect(swarm.report()).toMatchObject({
      completed: DOWNLOADERS,
      downloaders: DOWNLOADERS,
      corruptBytes: 0,
    });
    for (const peer of swarm.peers) {
      expect(peer.torrent?.picker.have.isFull).toBe(true);
      expect([...peer.warnings, ...peer.failures, ...peer.bans]).toEqual([]);
    }
  });

  test('what is of use was received, and what was received was sent', () => {
    const total = (of: (stats: TorrentStats) => number) =>
      swarm.peers.reduce((sum, peer) => sum + of(peer.stats!), 0);
    const needed = DOWNLOADERS * swarm.metaInfo.length;
    const downloaded = total((stats) => stats.downloaded);
    expect(downloaded).toBeGreaterThanOrEqual(needed);
    expect(downloaded - total((stats) => stats.wasted)).toBeLessThanOrEqual(needed);
    // What was on its way over a connection when that closed makes the difference.
    expect(total((stats) => stats.uploaded)).toBeGreaterThanOrEqual(downloaded);
  });

  test('the downloaders serve each other', () => {
    // Alone, the seeder would have to send a hundred copies.
    expect(swarm.report().seederCopies).toBeLessThan(DOWNLOADERS / 10);
    // 32 pieces are few to share among a hundred: each hop from peer to peer takes two slots' worth of them.
    expect(swarm.report().ratioToBound).toBeLessThan(4);
  });

  test(
    'the same seed gives the same run, message by message',
    () => {
      const again = hundred(SEED);
      again.runToCompletion(600_000);
      again.check();
      expect(again.network.trace.count).toBe(swarm.network.trace.count);
      expect(again.digest).toBe(swarm.digest);
      expect(again.report()).toEqual(swarm.report());
    },
    TIMEOUT_MS,
  );
});

function hundred(seed: number): SimSwarm {
  const swarm = new SimSwarm({ seed, torrent: { pieceCount: 32, pieceLength: 16_384 } });
  swarm.add({ pieces: 'all', upBytesPerSec: 500_000 });
  swarm.addMany(DOWNLOADERS, (i) => ({
    upBytesPerSec: 250_000,
    downBytesPerSec: 2_000_000,
    latencyMs: 2 + (i % 10) * 5,
    engine: { connectionsPerTorrentMax: 30 },
  }));
  return swarm;
}
