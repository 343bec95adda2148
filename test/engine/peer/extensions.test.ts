import { describe, expect, test } from 'vitest';
import { NO_EXTENSIONS, writeExtendedHandshake } from '../../../src/wire/extension/extended-handshake.ts';
import { Feature } from '../../../src/wire/handshake.ts';
import { EngineBench, FakePeer, singleFile } from '../support/fake-world.ts';
import { MagnetBench } from '../support/magnet-bench.ts';

const torrent = singleFile(4);

const handshake = (reqq: number): Uint8Array =>
  writeExtendedHandshake({ ...NO_EXTENSIONS, requestQueue: reqq });

/** Says so many handshakes in one turn, each with another queue. */
function shakeHands(peer: FakePeer, count: number): void {
  for (let i = 1; i <= count && peer.reason === null; i++) {
    peer.say((sink) => sink.onExtended(0, handshake(i)));
  }
}

describe.each(['a torrent', 'a magnet'])('a peer of %s', (kind) => {
  const begin = (): { bench: EngineBench; peer: FakePeer } => {
    const bench = new MagnetBench();
    if (kind === 'a torrent') bench.add(bench.torrent);
    else bench.magnet();
    bench.settle();
    return { bench, peer: bench.inbound(bench.torrent) };
  };
  const queueOf = (bench: EngineBench): number | undefined =>
    [...bench.engine.torrents.values(), ...bench.engine.pending.values()][0]?.swarm.sessions[0]?.extensions
      ?.remote.requestQueue;

  test('is heard thirty times a minute when it shakes hands again (BEP 10)', () => {
    const { bench, peer } = begin();
    shakeHands(peer, 100);
    expect(queueOf(bench)).toBe(30);
    bench.seconds(60);
    shakeHands(peer, 7);
    expect(queueOf(bench)).toBe(7);
    expect(peer.reason).toBeNull();
  });

  test('that shakes hands three hundred times a minute is left', () => {
    const { peer } = begin();
    shakeHands(peer, 300);
    expect(peer.reason).toBeNull();
    shakeHands(peer, 1);
    expect(peer.reason).toBe('message-flood');
  });
});

test('who shakes hands again is merged with what it said before, and nothing is done twice', () => {
  const bench = new EngineBench();
  const engineTorrent = bench.add(torrent);
  bench.settle();
  const peer = new FakePeer({ inbound: true, host: '9.9.9.9' });
  bench.transport.accept(peer);
  peer.shakeHands(torrent, [Feature.extensions]);
  for (let i = 0; i < 20; i++) {
    const facts = { ...NO_EXTENSIONS, port: 1000 + i, yourIp: '5.5.5.5' };
    peer.say((sink) => sink.onExtended(0, writeExtendedHandshake(facts)));
  }
  expect(engineTorrent.roster.size).toBe(1);
  expect(bench.engine.external.of(4)).toBeNull();
});

test('a peer that dialled us from a link-local address is not dialled there: without its zone that is nowhere', () => {
  const bench = new EngineBench();
  const engineTorrent = bench.add(torrent);
  bench.settle();
  for (const host of ['fe80::1', 'fe80::1%eth0']) {
    const peer = new FakePeer({ inbound: true, host });
    bench.transport.accept(peer);
    peer.shakeHands(torrent, [Feature.extensions]);
    peer.say((sink) => sink.onExtended(0, writeExtendedHandshake({ ...NO_EXTENSIONS, port: 6881 })));
    peer.hangUp();
  }
  engineTorrent.onPeersFound([{ host: 'fe80::1%eth0', port: 6881 }], 'lsd');
  expect(engineTorrent.roster.size).toBe(0);
  bench.seconds(60);
  expect(bench.transport.dials).toEqual([]);
});
