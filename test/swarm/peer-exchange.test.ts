import { describe, expect, test } from 'vitest';
import type { SimPeer } from '../../src/sim/sim-peer.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';

const PEERS = 20;

/** A seeder and downloaders of whom each knows the one before it, and no tracker that answers. */
function chain(pex: boolean): SimSwarm {
  const swarm = new SimSwarm({ seed: 11, torrent: { pieceCount: 400, pieceLength: 65_536 } });
  swarm.tracker.isUp = false;
  const link = { upBytesPerSec: 50_000, engine: { pex } };
  let before: SimPeer = swarm.add({ pieces: 'all', ...link });
  for (let i = 1; i < PEERS; i++) {
    // They come one after another, so that none finds the one it knows away.
    before = swarm.add({ ...link, knows: [before.host.address], joinsAtMs: 200 * i });
  }
  return swarm;
}

const neighbours = (swarm: SimSwarm): number[] => swarm.peers.map((peer) => peer.torrent?.swarm.size ?? 0);

describe('peer exchange in a swarm (BEP 11)', () => {
  test('connects all when each knew one, in a few minutes', () => {
    const swarm = chain(true);
    const areAllMet = swarm.runUntil(() => neighbours(swarm).every((count) => count === PEERS - 1), 600_000);
    expect(neighbours(swarm)).toEqual(new Array(PEERS).fill(PEERS - 1));
    expect(areAllMet).toBe(true);
    swarm.check();
    expect(swarm.peers.flatMap((peer) => [...peer.failures, ...peer.bans])).toEqual([]);
    expect(swarm.peers.reduce((sum, peer) => sum + (peer.gone.get('message-flood') ?? 0), 0)).toBe(0);
  });

  test('is what does it: without it everybody knows two', () => {
    const swarm = chain(false);
    swarm.runFor(300_000);
    expect(Math.max(...neighbours(swarm))).toBe(2);
  });

  test('of a private torrent is none, and then too everybody knows two (BEP 27)', () => {
    const open = chain(true);
    const swarm = new SimSwarm({ seed: 11, torrent: Object.freeze({ ...open.metaInfo, private: true }) });
    swarm.tracker.isUp = false;
    let before: SimPeer = swarm.add({ pieces: 'all', upBytesPerSec: 50_000 });
    for (let i = 1; i < 6; i++) {
      before = swarm.add({ upBytesPerSec: 50_000, knows: [before.host.address], joinsAtMs: 200 * i });
    }
    swarm.runFor(300_000);
    expect(neighbours(swarm)).toEqual([1, 2, 2, 2, 2, 1]);
  });

  test('makes the download of such a swarm as fast as a tracker would', () => {
    const swarm = chain(true);
    expect(swarm.runToCompletion(3_600_000)).toBe(true);
    expect(swarm.report().ratioToBound).toBeLessThan(2);
  });
});
