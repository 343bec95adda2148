import { describe, expect, test } from 'vitest';
import { ROSTER_MAX } from '../../../src/engine/limits.ts';
import { PeerRoster } from '../../../src/engine/torrent/peer-roster.ts';
import { Rng } from '../../../src/util/rng.ts';

const address = (host: string, port = 6881) => ({ host, port });
const id = (text: string) => new TextEncoder().encode(text.padEnd(20, '-'));

describe('peer roster', () => {
  test('takes no address that cannot be dialled', () => {
    const roster = new PeerRoster(new Rng(1));
    for (const bad of [address('0.0.0.0'), address('224.0.0.1'), address('1.2.3.4', 0), address('fe80::1')]) {
      expect(roster.add(bad, 'tracker')).toBeNull();
    }
    expect(roster.size).toBe(0);
  });

  test('takes a port of a well-known service on our own network from the user alone', () => {
    const roster = new PeerRoster(new Rng(1));
    const services = [address('127.0.0.1', 22), address('192.168.1.1', 80), address('::1', 443)];
    for (const source of ['tracker', 'dht', 'lsd', 'pex', 'magnet', 'resume', 'inbound'] as const) {
      for (const service of services) expect(roster.add(service, source)).toBeNull();
      expect(roster.add(address('127.0.0.1', 1024), source)).not.toBeNull();
      expect(roster.add(address('8.8.8.8', 80), source)).not.toBeNull();
    }
    for (const service of services) expect(roster.add(service, 'user')?.source).toBe('user');
  });

  test('offers an idle peer once it is known, and not while it is dialled or connected', () => {
    const roster = new PeerRoster(new Rng(1));
    const peer = roster.add(address('1.2.3.4'), 'tracker')!;
    expect(roster.candidates(0, 10)).toEqual([peer]);
    peer.state = 'dialing';
    expect(roster.candidates(0, 10)).toEqual([]);
    roster.onConnected(peer);
    expect(roster.candidates(0, 10)).toEqual([]);
  });

  test('gives a single place to whom the first of several would go', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const [one, several] = [1, 3].map((max) => {
        const roster = new PeerRoster(new Rng(seed));
        for (let i = 1; i <= 20; i++) {
          const peer = roster.add(address(`1.2.3.${i}`), 'tracker')!;
          peer.failures = (i * seed) % 3;
        }
        const rank = ({ host }: { host: string }) => Number(host.at(-1)) % 4;
        return roster.candidates(0, max, false, rank).map((peer) => peer.address.host);
      });
      expect(one).toEqual(several!.slice(0, 1));
    }
  });

  test('waits longer after each failure and gives up after four, until somebody names the peer again', () => {
    const roster = new PeerRoster(new Rng(1));
    const peer = roster.add(address('1.2.3.4'), 'tracker')!;
    let now = 0;
    const waits: number[] = [];
    for (let failure = 1; failure <= 4; failure++) {
      roster.onDisconnected(peer, 'connect-failed', now);
      waits.push(peer.dialAt - now);
      now = peer.dialAt;
    }
    expect(waits.slice(0, 3)).toEqual(waits.slice(0, 3).toSorted((a, b) => a - b));
    expect(roster.candidates(now, 10)).toEqual([]);
    roster.add(address('1.2.3.4'), 'tracker');
    expect(roster.candidates(now, 10)).toEqual([peer]);
  });

  test('offers those that were given up when there is nobody else, once a minute', () => {
    const roster = new PeerRoster(new Rng(1));
    const peer = roster.add(address('1.2.3.4'), 'tracker')!;
    for (let failure = 1; failure <= 20; failure++) roster.onDisconnected(peer, 'connect-failed', 0);
    expect(roster.candidates(30_000, 10, true)).toEqual([]);
    expect(roster.candidates(60_000, 10, true)).toEqual([peer]);
    expect(roster.candidates(60_000, 10)).toEqual([]);
  });

  test('takes hearsay for half of it and no more', () => {
    const roster = new PeerRoster(new Rng(1));
    for (let i = 0; i < ROSTER_MAX; i++) {
      roster.add(address(`10.${i >> 8}.${i & 255}.1`), i % 2 ? 'pex' : 'lsd');
    }
    expect(roster.size).toBe(ROSTER_MAX / 2);
    expect(roster.add(address('1.2.3.4'), 'tracker')).not.toBeNull();
  });

  test('tries nobody again for hearsay', () => {
    const roster = new PeerRoster(new Rng(1));
    const peer = roster.add(address('1.2.3.4'), 'tracker')!;
    for (let failure = 1; failure <= 4; failure++) roster.onDisconnected(peer, 'connect-failed', 0);
    roster.add(address('1.2.3.4'), 'pex');
    expect(roster.candidates(1_000_000, 10)).toEqual([]);
  });

  test('offers by rank among those that failed alike', () => {
    const roster = new PeerRoster(new Rng(1));
    const [low, high, failed] = ['1.0.0.1', '9.0.0.1', '8.0.0.1'].map((host) =>
      roster.add(address(host), 'tracker')!,
    );
    roster.onDisconnected(failed!, 'connect-failed', 0);
    const rank = ({ host }: { host: string }): number => Number(host[0]);
    expect(roster.candidates(100_000, 3, false, rank)).toEqual([high, low, failed]);
  });

  test('a full one still has room for a peer that the user names', () => {
    const roster = new PeerRoster(new Rng(1));
    for (let i = 0; i < ROSTER_MAX; i++) roster.add(address(`10.${i >> 8}.${i & 255}.1`), 'tracker');
    expect(roster.add(address('1.2.3.4'), 'user')).not.toBeNull();
    expect(roster.size).toBe(ROSTER_MAX);
  });

  test('lifts bans for a piece that several had wrong and nobody right, and no others', () => {
    const roster = new PeerRoster(new Rng(1));
    const host = '8.8.4.4';
    const ban = (port: number, piece: number): boolean =>
      roster.ban(address(host, port), host, id(`${port}`), piece);
    const isBanned = (port: number): boolean =>
      roster.isBanned(address(host, port), '9.9.9.9', id(`${port}`));
    for (const [port, piece] of [
      [1, 7],
      [2, 7],
      [3, 8],
      [4, 9],
      [5, 9],
    ] as const) {
      expect(ban(port, piece)).toBe(true);
    }
    expect(ban(1, 8)).toBe(false);
    roster.onVerified(9);
    roster.pardon(0);
    expect([1, 2, 3, 4, 5].map(isBanned)).toEqual([false, false, true, true, true]);
    expect(roster.isBanned(null, host, id('another'))).toBe(true);
  });

  test('a peer that left in peace is dialled again soon, one that sent bad data never', () => {
    const roster = new PeerRoster(new Rng(1));
    const polite = roster.add(address('1.2.3.4'), 'tracker')!;
    const liar = roster.add(address('1.2.3.5'), 'tracker')!;
    roster.onDisconnected(polite, 'closed-by-peer', 0);
    roster.onDisconnected(liar, 'corrupt-data', 0);
    expect(roster.candidates(15_000, 10)).toEqual([polite]);
    expect(roster.candidates(1e12, 10)).toEqual([polite]);
  });

  test('one liar behind an address does not ban its neighbours; three do', () => {
    const roster = new PeerRoster(new Rng(1));
    const nat = '8.8.4.4';
    roster.ban(address(nat, 1000), nat, id('liar 1'), 0);
    expect(roster.isBanned(address(nat, 1000), nat, id('new id'))).toBe(true);
    expect(roster.isBanned(null, nat, id('liar 1'))).toBe(true);
    expect(roster.isBanned(address(nat, 2000), nat, id('honest'))).toBe(false);
    roster.ban(address(nat, 1001), nat, id('liar 2'), 0);
    roster.ban(address(nat, 1002), nat, id('liar 3'), 0);
    expect(roster.isBanned(address(nat, 2000), nat, id('honest'))).toBe(true);
  });

  test('a local address is never banned as a whole', () => {
    const roster = new PeerRoster(new Rng(1));
    for (let i = 0; i < 10; i++) roster.ban(address('127.0.0.1', 1000 + i), '127.0.0.1', id(`liar ${i}`), 0);
    expect(roster.isBanned(address('127.0.0.1', 2000), '127.0.0.1', id('honest'))).toBe(false);
  });

  test('has room for 3000 peers; a full one forgets those that failed most', () => {
    const roster = new PeerRoster(new Rng(1));
    for (let i = 0; i < ROSTER_MAX; i++) roster.add(address(`10.${i >> 8}.${i & 255}.1`), 'tracker');
    expect(roster.size).toBe(ROSTER_MAX);
    expect(roster.add(address('1.2.3.4'), 'tracker')).toBeNull();
    roster.onDisconnected(roster.get(address('10.0.7.1'))!, 'connect-timeout', 0);
    expect(roster.add(address('1.2.3.4'), 'tracker')).not.toBeNull();
    expect(roster.size).toBe(ROSTER_MAX);
    expect(roster.get(address('10.0.7.1'))).toBeUndefined();
  });

  test('is asked for ten and gives ten of those that failed least', () => {
    const roster = new PeerRoster(new Rng(1));
    for (let i = 0; i < 100; i++) {
      const peer = roster.add(address(`10.0.${i}.1`), 'tracker')!;
      if (i >= 10) roster.onDisconnected(peer, 'connect-failed', -1e6);
    }
    const chosen = roster.candidates(0, 10);
    expect(chosen).toHaveLength(10);
    expect(chosen.every((peer) => peer.failures === 0)).toBe(true);
  });
});
