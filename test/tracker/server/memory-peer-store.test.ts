import { describe, expect, test } from 'vitest';
import { MemoryPeerStore } from '../../../src/tracker/server/memory-peer-store.ts';
import type { PeerQuery, SwarmView } from '../../../src/tracker/server/peer-store.ts';
import { trackedPeer } from '../../../src/tracker/server/peer-store.ts';
import type { AnnounceEvent } from '../../../src/tracker/announce.ts';
import { addressKey } from '../../../src/util/ip.ts';
import { Rng } from '../../../src/util/rng.ts';

const LIMITS = { torrentsMax: 10, peersMax: 1000, peersPerTorrentMax: 500, expiryMs: 60_000 };

describe('the memory of a tracker', () => {
  test('introduces peers to each other, and nobody to themselves', () => {
    const swarm = new Swarm();
    expect(swarm.announce('10.0.0.1')).toEqual([]);
    expect(swarm.announce('10.0.0.2')).toEqual(['10.0.0.1:1']);
    expect(swarm.announce('10.0.0.1')).toEqual(['10.0.0.2:1']);
  });

  test('does not give seeds to seeds, but leechers to both', () => {
    const swarm = new Swarm();
    swarm.announce('10.0.0.1', { isSeed: true });
    swarm.announce('10.0.0.3');
    expect(swarm.announce('10.0.0.2', { isSeed: true })).toEqual(['10.0.0.3:1']);
    expect(swarm.announce('10.0.0.3').sort()).toEqual(['10.0.0.1:1', '10.0.0.2:1']);
  });

  test('draws different peers at random, each as likely as any other', () => {
    const swarm = new Swarm();
    for (let i = 0; i < 100; i++) swarm.announce(`10.0.1.${i}`, { isSeed: i % 4 === 0 });
    const drawn = new Map<string, number>();
    for (let i = 0; i < 2000; i++) {
      const peers = swarm.announce('10.0.0.1', { count: 50 });
      expect(new Set(peers).size).toBe(50);
      for (const peer of peers) drawn.set(peer, (drawn.get(peer) ?? 0) + 1);
    }
    expect(drawn.size).toBe(100);
    // 2000 draws of 50 in 100: 1000 expected, with a standard deviation of 22.
    for (const count of drawn.values()) expect(Math.abs(count - 1000)).toBeLessThan(120);
  });

  test('gives peers of the own family first, and of the other if there is room and use for them', () => {
    const swarm = new Swarm();
    for (let i = 0; i < 5; i++) swarm.announce(`10.0.0.${i}`);
    for (let i = 1; i < 6; i++) swarm.announce(`2001:db8::${i}`);
    const both = swarm.announce('10.0.1.1', { count: 8, bothFamilies: true });
    expect(both.slice(0, 5).every((peer) => peer.startsWith('10.'))).toBe(true);
    expect(both.slice(5).every((peer) => peer.startsWith('[2001'))).toBe(true);
    expect(both).toHaveLength(8);
    expect(swarm.announce('2001:db8::9', { count: 100 })).toHaveLength(5);
  });

  test('counts seeds, leechers and completed downloads, each download once', () => {
    const swarm = new Swarm();
    swarm.announce('10.0.0.1');
    swarm.announce('10.0.0.2', { isSeed: true });
    swarm.announce('10.0.0.1', { isSeed: true, event: 'completed' });
    swarm.announce('10.0.0.1', { isSeed: true, event: 'completed' });
    swarm.announce('10.0.0.2', { isSeed: true, event: 'completed' });
    swarm.announce('10.0.0.3', { isSeed: false, event: 'completed' });
    expect(swarm.store.scrape('aa')).toEqual({ seeders: 2, leechers: 1, downloads: 1 });
    expect(swarm.store.scrape('bb')).toBeNull();
  });

  test('forgets who stops, and gives them no peers', () => {
    const swarm = new Swarm();
    swarm.announce('10.0.0.1');
    swarm.announce('10.0.0.2');
    expect(swarm.announce('10.0.0.1', { event: 'stopped' })).toEqual([]);
    expect(swarm.announce('10.0.0.2')).toEqual([]);
    expect(swarm.store.peerCount).toBe(1);
  });

  test('lets nobody stop another peer behind the same address', () => {
    const swarm = new Swarm();
    swarm.announce('10.0.0.1', { peerId: 1 });
    swarm.announce('10.0.0.1', { peerId: 2, event: 'stopped' });
    expect(swarm.store.peerCount).toBe(1);
    swarm.announce('10.0.0.1', { peerId: 2 });
    swarm.announce('10.0.0.1', { peerId: 2, event: 'stopped' });
    expect(swarm.store.peerCount).toBe(0);
  });

  test('remembers nothing of a torrent that is only ever stopped', () => {
    const swarm = new Swarm();
    swarm.announce('10.0.0.1', { event: 'stopped' });
    expect(swarm.store.torrentCount).toBe(0);
  });

  test('forgets peers that were silent too long, but not the downloads they made', () => {
    const swarm = new Swarm();
    swarm.announce('10.0.0.1', { now: 0 });
    swarm.announce('10.0.0.2', { now: 30_000 });
    swarm.store.sweep(59_999);
    expect(swarm.store.peerCount).toBe(2);
    swarm.store.sweep(60_000);
    expect(swarm.announce('10.0.0.3', { now: 60_000 })).toEqual(['10.0.0.2:1']);
    swarm.announce('10.0.0.3', { now: 60_000, isSeed: true, event: 'completed' });
    swarm.store.sweep(1e9);
    expect(swarm.store.peerCount).toBe(0);
    expect(swarm.store.scrape('aa')).toEqual({ seeders: 0, leechers: 0, downloads: 1 });
  });

  test('serves those it has no room for without remembering them', () => {
    const swarm = new Swarm();
    for (let i = 0; i < 600; i++) swarm.announce(`10.1.${i >> 8}.${i & 255}`, { count: 0 });
    expect(swarm.store.peerCount).toBe(500);
    expect(swarm.announce('10.9.9.9', { count: 20 })).toHaveLength(20);
    expect(swarm.store.peerCount).toBe(500);
    for (let i = 0; i < 600; i++) swarm.announce(`10.1.${i >> 8}.${i & 255}`, { count: 0, infoHash: 'bb' });
    expect(swarm.store.peerCount).toBe(1000);
    for (let i = 0; i < 600; i++) swarm.announce(`10.1.${i >> 8}.${i & 255}`, { count: 0, infoHash: 'cc' });
    expect(swarm.store.peerCount).toBe(1000);
  });

  test('refuses torrents beyond its limit until others are forgotten', () => {
    const swarm = new Swarm();
    for (let i = 0; i < 10; i++) swarm.announce('10.0.0.1', { infoHash: `t${i}`, now: 0 });
    expect(swarm.view('10.0.0.1', { infoHash: 'new' })).toBeNull();
    swarm.store.sweep(60_000);
    expect(swarm.view('10.0.0.1', { infoHash: 'new' })).not.toBeNull();
  });

  test('keeps its counts right through any history', () => {
    const rng = new Rng(4);
    const swarm = new Swarm();
    const alive = new Map<string, boolean>();
    for (let i = 0; i < 4000; i++) {
      const host = rng.below(2) === 0 ? `10.0.0.${rng.below(60)}` : `2001:db8::${rng.below(60) + 1}`;
      const isSeed = rng.below(3) === 0;
      const event = rng.below(4) === 0 ? 'stopped' : null;
      const peers = swarm.announce(host, { isSeed, event, count: rng.below(80), bothFamilies: true });
      if (event === null) alive.set(host, isSeed);
      else alive.delete(host);
      expect(new Set(peers).size).toBe(peers.length);
      expect(peers.some((peer) => peer === addressKey({ host, port: 1 }))).toBe(false);
    }
    const seeds = [...alive.values()].filter(Boolean).length;
    expect(swarm.store.peerCount).toBe(alive.size);
    expect(swarm.store.scrape('aa')).toMatchObject({ seeders: seeds, leechers: alive.size - seeds });
  });
});

interface Options extends Partial<PeerQuery> {
  infoHash?: string;
  isSeed?: boolean;
  event?: AnnounceEvent | null;
  peerId?: number;
  now?: number;
}

class Swarm {
  readonly store = new MemoryPeerStore(new Rng(1), LIMITS);

  view(host: string, options: Options = {}): SwarmView | null {
    return this.store.announce(
      options.infoHash ?? 'aa',
      trackedPeer(
        { host, port: 1 },
        host.includes(':') ? 6 : 4,
        new Uint8Array(20).fill(options.peerId ?? 0),
      ),
      options.isSeed ?? false,
      options.event ?? null,
      {
        count: options.count ?? 50,
        family: host.includes(':') ? 6 : 4,
        bothFamilies: options.bothFamilies ?? false,
      },
      options.now ?? 0,
    );
  }

  /** The peers given, as `host:port`. */
  announce(host: string, options: Options = {}): string[] {
    return this.view(host, options)!.peers.map((peer) => addressKey(peer.address));
  }
}
