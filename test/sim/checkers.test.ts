import { describe, expect, test } from 'vitest';
import type { SimPeer } from '../../src/sim/sim-peer.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';

const PIECES = 20;

/** A swarm whose only peer has everything, as the checker saw. */
function seeding(): { swarm: SimSwarm; peer: SimPeer } {
  const swarm = new SimSwarm({ seed: 3, torrent: { pieceCount: PIECES }, checkEvery: 0 });
  const peer = swarm.add({ pieces: 'all' });
  expect(swarm.runUntil(() => peer.torrent?.state === 'seeding', 60_000)).toBe(true);
  swarm.check();
  return { swarm, peer };
}

describe('a piece that a peer had and has no more', () => {
  test('ends the run', () => {
    const { swarm, peer } = seeding();
    peer.torrent!.picker.onLost(7);
    expect(() => swarm.check()).toThrow('lost piece 7');
  });

  test('is not lost while the disk is looked at again, nor if that was interrupted between two looks', () => {
    const { swarm, peer } = seeding();
    peer.torrent!.pause();
    peer.torrent!.resume();
    expect(peer.torrent!.state).toBe('checking');
    swarm.check();
    peer.torrent!.pause();
    expect(peer.torrent!.picker.have.count).toBe(0);
    swarm.check();
    peer.torrent!.resume();
    expect(swarm.runUntil(() => peer.torrent?.state === 'seeding', 60_000)).toBe(true);
    swarm.check();
    peer.torrent!.picker.onLost(7);
    expect(() => swarm.check()).toThrow('lost piece 7');
  });

  test('is not lost if all of that happened between two looks', () => {
    const { swarm, peer } = seeding();
    peer.torrent!.pause();
    peer.torrent!.resume();
    peer.torrent!.pause();
    swarm.check();
  });
});

test('a piece that a peer says it has and that is not on its disk ends the run', () => {
  const swarm = new SimSwarm({ seed: 3, torrent: { pieceCount: PIECES }, checkEvery: 0 });
  const peer = swarm.add({ pieces: 'all' });
  swarm.runUntil(() => peer.torrent?.state === 'seeding', 60_000);
  peer.disk.stored(swarm.metaInfo, '/torrents').pieces.delete(7);
  expect(() => swarm.check()).toThrow('claims piece 7');
});
