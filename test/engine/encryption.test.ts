import { describe, expect, test } from 'vitest';
import type { Encryption } from '../../src/options.ts';
import type { DisconnectReason, LinkEncryption } from '../../src/wire/link.ts';
import { PLAINTEXT, RC4 } from '../../src/wire/mse/negotiation.ts';
import { EngineBench, FakePeer, singleFile } from './support/fake-world.ts';

const ADDRESS = { host: '10.1.1.1', port: 6881 };
const torrent = singleFile(3);

function dialling(encryption: Encryption): EngineBench {
  const bench = new EngineBench({ encryption });
  bench.add(torrent, { peers: [ADDRESS] });
  bench.settle();
  return bench;
}

/** Takes the one dial under way; returns whether it was encrypted and the peer. */
function take(bench: EngineBench): { way: 'encrypted' | 'plain'; peer: FakePeer } {
  expect(bench.transport.dials).toHaveLength(1);
  const { done, encryption } = bench.transport.dials.shift()!;
  const peer = new FakePeer(ADDRESS);
  done(peer);
  return { way: encryption === null ? 'plain' : 'encrypted', peer };
}

/** The link ends before the BitTorrent handshake. */
function fail(peer: FakePeer, reason: DisconnectReason = 'closed-by-peer', reached?: LinkEncryption): void {
  Object.assign(peer, { encryption: reached });
  peer.close(reason);
  peer.endTurn();
}

describe('with encryption preferred', () => {
  test('a peer is dialled encrypted, with plaintext and RC4 to choose from', () => {
    const bench = dialling('prefer');
    expect(bench.transport.dials[0]!.encryption).toEqual({
      infoHash: torrent.metaInfo.infoHash,
      provide: PLAINTEXT | RC4,
    });
    expect(bench.transport.inboundEncryption!.required).toBe(false);
  });

  test.each<DisconnectReason>(['closed-by-peer', 'connection-error', 'bad-handshake', 'handshake-timeout'])(
    'a peer that ends it with %s is dialled plain at once, and once; then it has failed',
    (reason) => {
      const bench = dialling('prefer');
      fail(take(bench).peer, reason);
      const second = take(bench);
      expect(second.way).toBe('plain');
      fail(second.peer, reason);
      bench.seconds(2);
      expect(bench.transport.dials).toHaveLength(0);
      bench.seconds(10);
      expect(bench.transport.dials).toHaveLength(1);
    },
  );

  test('the way that worked is the next one too, and the other follows when it fails', () => {
    const bench = dialling('prefer');
    fail(take(bench).peer);
    const plain = take(bench);
    plain.peer.shakeHands(torrent);
    plain.peer.hangUp();
    bench.seconds(20);
    const again = take(bench);
    expect(again.way).toBe('plain');
    fail(again.peer);
    expect(take(bench).way).toBe('encrypted');
  });

  test('a peer that shook hands encrypted and then hangs up is not dialled plain', () => {
    const bench = dialling('prefer');
    fail(take(bench).peer, 'closed-by-peer', 'handshake');
    bench.seconds(2);
    expect(bench.transport.dials).toHaveLength(0);
    bench.seconds(10);
    expect(take(bench).way).toBe('encrypted');
  });

  test('a peer that cannot be reached is not dialled the other way', () => {
    const bench = dialling('prefer');
    bench.transport.dials.shift()!.done('connect-failed');
    bench.seconds(2);
    expect(bench.transport.dials).toHaveLength(0);
  });

  test('a torrent that stops dials nobody the other way', () => {
    const bench = dialling('prefer');
    const { peer } = take(bench);
    [...bench.engine.torrents.values()][0]!.pause();
    bench.settle();
    peer.endTurn();
    bench.seconds(2);
    expect([peer.reason, bench.transport.dials.length]).toEqual(['torrent-stopped', 0]);
  });
});

test('with encryption required, RC4 is all that is offered and taken, and plain is never tried', () => {
  const bench = dialling('require');
  expect(bench.transport.inboundEncryption!.required).toBe(true);
  for (let tries = 0; tries < 3; tries++) {
    expect(bench.transport.dials[0]!.encryption!.provide).toBe(RC4);
    const { way, peer } = take(bench);
    expect(way).toBe('encrypted');
    fail(peer);
    bench.seconds(1);
    expect(bench.transport.dials).toHaveLength(0);
    bench.seconds(120);
  }
});

test('with encryption off, nobody is dialled or taken encrypted', () => {
  const bench = dialling('off');
  expect(bench.transport.inboundEncryption).toBeNull();
  for (let tries = 0; tries < 3; tries++) {
    const { way, peer } = take(bench);
    expect(way).toBe('plain');
    fail(peer);
    bench.seconds(1);
    expect(bench.transport.dials).toHaveLength(0);
    bench.seconds(120);
  }
});
