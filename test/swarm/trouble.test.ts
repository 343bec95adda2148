import { describe, expect, test } from 'vitest';
import { SimSwarm, type SwarmOptions } from '../../src/sim/swarm.ts';
import { addressKey } from '../../src/util/ip.ts';

/** Several blocks to a piece, and a last piece that is one short block. */
const TORRENT = { pieceCount: 60, pieceLength: 65_536, lastPieceLength: 1000 };
const RATES = { upBytesPerSec: 500_000, downBytesPerSec: 2_000_000 };

describe('a swarm', { timeout: 60_000 }, () => {
  test('bans a peer that lies about some blocks, and nobody else', () => {
    const swarm = makeSwarm({ seed: 3, network: { splitBlocks: true } });
    swarm.add({ ...RATES, pieces: 'all' });
    const lies = swarm.rng('lies');
    const liar = swarm.add({
      ...RATES,
      upBytesPerSec: 2_000_000,
      pieces: 'all',
      flawOf: () => (lies.float() < 0.2 ? 1 + lies.below(1000) : 0),
    });
    const downloaders = swarm.addMany(10, RATES);
    expect(swarm.runToCompletion(600_000)).toBe(true);
    swarm.check();
    const banned = downloaders.flatMap((peer) => peer.bans.map(addressKey));
    expect(new Set(banned)).toEqual(new Set([addressKey(liar.host.address)]));
    expect(swarm.report().corruptBytes).toBeGreaterThan(0);
    expect(banned.length).toBeGreaterThan(1);
  });

  test('gives everything to those who stay while others come and go', () => {
    const swarm = churn(11);
    const staying = swarm.peers.filter((peer) => peer.name !== 'seeder 0' && peer.isRunning);
    expect(staying.length).toBeGreaterThan(8);
    expect(staying.every((peer) => peer.isComplete)).toBe(true);
    expect(swarm.peers.flatMap((peer) => [...peer.bans, ...peer.failures])).toEqual([]);
    expect(swarm.checker.checks).toBeGreaterThan(5);
  });

  test('goes another way with another seed, and the same way with the same one, whatever happens in it', () => {
    const first = churn(11);
    expect(churn(11).digest).toBe(first.digest);
    expect(churn(12).digest).not.toBe(first.digest);
  });

  test('goes on from the pieces on disk after clients were killed, and asks for none of them again', () => {
    const swarm = makeSwarm({ seed: 5 });
    swarm.add({ ...RATES, pieces: 'all' });
    const [victim] = swarm.addMany(5, RATES);
    expect(swarm.runUntil(() => (victim!.torrent?.picker.have.count ?? 0) >= 20, 60_000)).toBe(true);
    victim!.kill();
    swarm.runFor(5000);
    const kept = victim!.disk.stored(swarm.metaInfo, '/torrents').pieces.count;
    expect(kept).toBeGreaterThanOrEqual(20);
    victim!.start();
    expect(swarm.runToCompletion(600_000)).toBe(true);
    const { downloaded, wasted } = victim!.torrent!.stats();
    const missing = TORRENT.pieceCount - kept;
    expect(downloaded - wasted).toBeLessThanOrEqual(missing * TORRENT.pieceLength);
  });

  test('finishes after its network was cut in two and made whole again', () => {
    const swarm = makeSwarm({ seed: 6 });
    swarm.add({ ...RATES, pieces: 'all' });
    const far = swarm.addMany(10, RATES).slice(5);
    swarm.runFor(3000);
    swarm.network.split(far.map((peer) => peer.host));
    swarm.runFor(20_000);
    expect(far.some((peer) => peer.isComplete)).toBe(false);
    swarm.network.heal();
    expect(swarm.runToCompletion(600_000)).toBe(true);
  });

  test('a full disk stops one peer, which goes on by itself when there is room', () => {
    const swarm = makeSwarm({ seed: 7 });
    swarm.add({ ...RATES, pieces: 'all' });
    const [full] = swarm.addMany(5, (i) => (i === 0 ? { ...RATES, disk: { freeBytes: 1_000_000 } } : RATES));
    swarm.runFor(60_000);
    expect(full!.torrent?.state).toBe('stalled');
    expect(full!.warnings[0]).toMatchObject({ code: 'ERR_DISK_FULL' });
    expect(swarm.peers.filter((peer) => peer.isComplete)).toHaveLength(4);
    full!.disk.freeBytes = Infinity;
    expect(swarm.runToCompletion(200_000)).toBe(true);
    expect(full!.bans).toEqual([]);
  });

  test('behind firewalls that let nobody in, half of the peers are served all the same', () => {
    const swarm = makeSwarm({ seed: 8 });
    swarm.add({ ...RATES, pieces: 'all' });
    swarm.addMany(12, (i) => ({ ...RATES, isReachable: i % 2 === 0 }));
    expect(swarm.runToCompletion(600_000)).toBe(true);
  });

  test('ends in good order: every client closes, and the tracker knows', () => {
    const swarm = makeSwarm({ seed: 9 });
    swarm.add({ ...RATES, pieces: 'all' });
    swarm.addMany(5, RATES);
    expect(swarm.runToCompletion(600_000)).toBe(true);
    swarm.runFor(1000);
    swarm.close();
    expect(swarm.peers.every((peer) => !peer.isRunning)).toBe(true);
    expect(swarm.tracker.scrape(swarm.metaInfo)).toMatchObject({ seeders: 0, leechers: 0, downloads: 5 });
  });

  test('names the seed when something breaks', () => {
    const swarm = makeSwarm({ seed: 77 });
    swarm.clock.at(5, () => {
      throw new RangeError('broken');
    });
    expect(() => swarm.runFor(10)).toThrow(/seed 77 broke at 5 ms/);
  });
});

/** Half a minute in which peers join, leave, are killed, come back and vanish. */
function churn(seed: number): SimSwarm {
  const swarm = makeSwarm({ seed, network: { splitBlocks: true }, checkEvery: 5000 });
  const chance = swarm.rng('churn');
  swarm.add({ ...RATES, pieces: 'all' });
  swarm.addMany(25, () => ({
    ...RATES,
    upBytesPerSec: 50_000 + chance.below(400_000),
    latencyMs: 1 + chance.below(80),
    joinsAtMs: chance.below(20_000),
  }));
  for (let second = 5; second < 25; second += 2) {
    swarm.clock.at(second * 1000, () => {
      const running = swarm.peers.filter((peer) => peer.isRunning && !peer.isSeeder);
      const peer = running[chance.below(running.length)];
      if (peer === undefined) return;
      const fate = chance.below(4);
      if (fate === 0) peer.leave();
      else if (fate === 1) peer.vanish();
      else {
        peer.kill();
        if (fate === 2) swarm.clock.at(second * 1000 + 3000, () => peer.start());
      }
    });
  }
  swarm.runFor(30_000);
  swarm.runUntil(
    () => swarm.peers.every((peer) => !peer.isRunning || peer.isSeeder || peer.isComplete),
    300_000,
  );
  swarm.check();
  return swarm;
}

function makeSwarm(options: Omit<SwarmOptions, 'torrent'>): SimSwarm {
  return new SimSwarm({ torrent: TORRENT, ...options });
}
