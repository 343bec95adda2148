import { describe, expect, test } from 'vitest';
import { infoHashOf } from '../../src/metainfo/info-hash.ts';
import type { MetaInfo } from '../../src/metainfo/metainfo.ts';
import { simTorrent } from '../../src/sim/sim-torrent.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';
import { toHex } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';

const RATES = { upBytesPerSec: 500_000, downBytesPerSec: 2_000_000 };
/** Ten pieces of metadata. */
const INFO_LENGTH = 9 * 16_384 + 5;

describe('a swarm that is known by its magnet link', { timeout: 60_000 }, () => {
  test('gets the metadata from one seeder and passes it on', () => {
    const swarm = new SimSwarm({ seed: 1, torrent: torrent() });
    swarm.add({ ...RATES, pieces: 'all' });
    swarm.addMany(12, (i) => ({ ...RATES, hasMagnet: true, joinsAtMs: 100 * i }));
    expect(swarm.runToCompletion(600_000)).toBe(true);
    expect(swarm.peers.flatMap((peer) => [...peer.failures, ...peer.bans])).toEqual([]);
    swarm.close();
  });

  test('has it within a few round trips, as no timer is waited for', () => {
    const swarm = new SimSwarm({ seed: 2, torrent: torrent() });
    const seeder = swarm.add({ pieces: 'all', latencyMs: 25 });
    const peer = swarm.add({ hasMagnet: true, latencyMs: 25, knows: [seeder.host.address], joinsAtMs: 5000 });
    // Of 100 ms each: connect, handshake, metadata.
    expect(swarm.runUntil(() => peer.torrent !== null, 5330)).toBe(true);
    expect(swarm.runUntil(() => (peer.torrent?.picker.have.count ?? 0) > 0, 300)).toBe(true);
    swarm.close();
  });

  test.each([1, 2, 3, 4, 5])('finds the truth among many who lie about it (seed %d)', (seed) => {
    const swarm = new SimSwarm({ seed, torrent: torrent() });
    const rng = swarm.rng('lies');
    swarm.add({ ...RATES, pieces: 'all', joinsAtMs: 4000 });
    swarm.addMany(8, () => {
      const length = rng.below(2) === 0 ? INFO_LENGTH : 1 + rng.below(2_000_000);
      return { ...RATES, pieces: 'all', tells: noise(length, rng.u32()) };
    });
    const asking = swarm.addMany(5, { ...RATES, hasMagnet: true, joinsAtMs: 5000 });
    expect(swarm.runUntil(() => asking.every((peer) => peer.torrent !== null), 120_000)).toBe(true);
    expect(swarm.runUntil(() => asking.every((peer) => peer.isComplete), 600_000)).toBe(true);
    swarm.close();
  });

  test('waits for the first who has the metadata, however long that takes', () => {
    const swarm = new SimSwarm({ seed: 9, torrent: torrent() });
    const asking = swarm.addMany(10, { ...RATES, hasMagnet: true });
    swarm.runFor(600_000);
    expect(asking.every((peer) => peer.torrent === null)).toBe(true);
    const seeder = swarm.add({ ...RATES, pieces: 'all', knows: asking.map((peer) => peer.host.address) });
    expect(swarm.runUntil(() => asking.every((peer) => peer.isComplete), 900_000)).toBe(true);
    expect(seeder.failures).toEqual([]);
    swarm.close();
  });
});

/** A torrent whose hash is that of its metadata. */
function torrent(): MetaInfo {
  const infoBytes = noise(INFO_LENGTH, 7);
  const infoHash = infoHashOf(infoBytes);
  return { ...simTorrent({ pieceCount: 60 }), infoBytes, infoHash, infoHashHex: toHex(infoHash) };
}

function noise(length: number, seed: number): Uint8Array {
  const rng = new Rng(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 256) bytes[at] = rng.below(256);
  return bytes;
}
