import { describe, expect, test } from 'vitest';
import { BloomFilter } from '../../src/dht/bloom-filter.ts';
import { PeerStore } from '../../src/dht/peer-store.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { Rng } from '../../src/util/rng.ts';

const MINUTE = 60_000;
const HASH = new Uint8Array(20).fill(3);
const make = (): PeerStore => new PeerStore(sha1, new Rng(1));
const hash = (n: number): Uint8Array =>
  Uint8Array.from({ length: 20 }, (_, i) => (i === 0 ? n >> 16 : i === 1 ? n >> 8 : n));
const peer = (n: number): { host: string; port: number } => ({
  host: `20.${n >> 16}.${(n >> 8) & 255}.${n & 255}`,
  port: 6881,
});

test('gives back what was announced, the latest port of each address', () => {
  const store = make();
  store.announce(HASH, { host: '1.2.3.4', port: 1 }, false, 0);
  store.announce(HASH, { host: '1.2.3.4', port: 2 }, false, 0);
  store.announce(HASH, { host: '1.2.3.5', port: 3 }, false, 0);
  expect(store.sample(HASH, 10, '9.9.9.9')).toEqual([
    { host: '1.2.3.4', port: 2 },
    { host: '1.2.3.5', port: 3 },
  ]);
  expect(store.peerCount).toBe(2);
  expect(store.sample(hash(1), 10, '9.9.9.9')).toEqual([]);
});

test('forgets a peer that did not announce for 30 minutes', () => {
  const store = make();
  store.announce(HASH, peer(1), false, 0);
  store.announce(HASH, peer(2), false, 20 * MINUTE);
  store.expire(30 * MINUTE);
  expect(store.sample(HASH, 10, '9.9.9.9')).toEqual([peer(2)]);
  store.expire(50 * MINUTE);
  expect(store.torrentCount).toBe(0);
  expect(store.peerCount).toBe(0);
});

test('keeps local peers from those who are not local', () => {
  const store = make();
  store.announce(HASH, { host: '192.168.1.2', port: 1 }, false, 0);
  store.announce(HASH, peer(1), false, 0);
  expect(store.sample(HASH, 10, '9.9.9.9')).toEqual([peer(1)]);
  expect(store.sample(HASH, 10, '192.168.1.3')).toHaveLength(2);
});

test('names those who are no seeds first, if asked to', () => {
  const store = make();
  for (let i = 0; i < 20; i++) store.announce(HASH, peer(i), i % 2 === 0, 0);
  const sample = store.sample(HASH, 10, '9.9.9.9', true);
  expect(sample.every(({ host }) => Number(host.split('.')[3]) % 2 === 1)).toBe(true);
});

test('counts seeds and others apart', () => {
  const store = make();
  for (let i = 0; i < 30; i++) store.announce(HASH, peer(i), i < 10, 0);
  const filters = store.filters(HASH)!;
  expect(Math.round(new BloomFilter(filters.seeds).estimate())).toBe(10);
  expect(Math.round(new BloomFilter(filters.peers).estimate())).toBe(20);
  expect(store.filters(hash(5))).toBeNull();
});

describe('limits', () => {
  test('500 peers of a torrent: the oldest go', () => {
    const store = make();
    for (let i = 0; i < 700; i++) store.announce(HASH, peer(i), false, i);
    expect(store.peerCount).toBe(500);
    const left = store.sample(HASH, 1000, '9.9.9.9').map(({ host }) => host);
    expect(left).not.toContain(peer(199).host);
    expect(left).toContain(peer(200).host);
  });

  test('2,000 torrents: a flood of invented ones pushes out itself, not one with peers', () => {
    const store = make();
    store.announce(HASH, peer(1), false, 0);
    store.announce(HASH, peer(2), false, 0);
    for (let i = 0; i < 10_000; i++) store.announce(hash(i), peer(7), false, 1);
    expect(store.torrentCount).toBe(2000);
    expect(store.sample(HASH, 10, '9.9.9.9')).toHaveLength(2);
  });

  test('50,000 peers in all', () => {
    const store = make();
    for (let i = 0; i < 120; i++) {
      for (let j = 0; j < 450; j++) store.announce(hash(i), peer(j), false, 0);
    }
    expect(store.peerCount).toBeLessThanOrEqual(50_000);
    expect(store.peerCount).toBeGreaterThan(49_000);
  });
});
