import { describe, expect, test } from 'vitest';
import type { Torrent } from '../../../src/engine/torrent/torrent.ts';
import { Feature } from '../../../src/wire/handshake.ts';
import { EngineBench, FakePeer, singleFile } from '../support/fake-world.ts';

/** What is asked of a peer, and what its answers lead to. */
const torrent = singleFile(60);

describe('a refused block', () => {
  test('is asked for again when the peer gives another, and not before', () => {
    const { bench, peer } = downloading();
    const asked = peer.requests();
    const [first, second] = asked;
    peer.say((sink) => sink.onReject(first!.piece, first!.begin, first!.length));
    expect(peer.requests()).toEqual([]);
    give(peer, second!);
    for (const request of asked.slice(2)) give(peer, request);
    expect(peer.requests()).toContainEqual(first);
    bench.settle();
  });

  test('among others does not slow the others down: the rest arrives in the same second', () => {
    const { bench, added, peer } = downloading();
    let rejects = 0;
    for (let round = 0; round < 1000; round++) {
      const asked = peer.requests();
      if (asked.length === 0) break;
      for (const request of asked) {
        if (request.piece === 5 && request.begin === 0) {
          rejects++;
          peer.say((sink) => sink.onReject(request.piece, request.begin, request.length));
        } else give(peer, request);
      }
      bench.settle();
    }
    expect(added.stats().piecesDone).toBe(59);
    expect(bench.clock.now()).toBe(0);
    expect(rejects).toBeLessThan(60);
    bench.seconds(1);
    expect(peer.requests()).toEqual([{ piece: 5, begin: 0, length: 16_384 }]);
  });

  test('of all blocks is asked for once a second at most', () => {
    const { bench, peer } = downloading();
    let asked = 0;
    for (let second = 0; second < 10; second++) {
      for (let round = 0; round < 5; round++) {
        const requests = peer.requests();
        asked += requests.length;
        for (const { piece, begin, length } of requests) {
          peer.say((sink) => sink.onReject(piece, begin, length));
        }
      }
      bench.seconds(1);
    }
    expect(peer.reason).toBeNull();
    expect(asked).toBeLessThanOrEqual(10 * 8);
  });

  test('that was never asked for changes nothing', () => {
    const { peer, added } = downloading();
    const { outstanding } = pipelineOf(added);
    peer.say((sink) => sink.onReject(59, 0, 16_384));
    peer.say((sink) => sink.onReject(59, 0, 0));
    expect(pipelineOf(added).outstanding).toBe(outstanding);
    expect(peer.reason).toBeNull();
  });

  test('may be said by an empty block', () => {
    const { peer, added } = downloading();
    const [first] = peer.requests();
    const before = pipelineOf(added).outstanding;
    peer.say((sink) => sink.onReject(first!.piece, first!.begin, 0));
    expect(pipelineOf(added).outstanding).toBe(before - 1);
  });
});

describe('a peer that stops giving', () => {
  test('is snubbed within twenty seconds; others get its blocks, and what it still brings is welcome', () => {
    const { bench, added, peer: stuck } = downloading();
    const owed = stuck.requests();
    bench.seconds(25);
    expect(added.swarm.sessions[0]!.snubbed).toBe(true);
    expect(stuck.requests().length).toBeLessThanOrEqual(1);
    const helper = bench.seeder(torrent);
    bench.exchange(torrent, [helper]);
    bench.seconds(2);
    bench.exchange(torrent, [helper]);
    expect(added.state).toBe('seeding');
    expect(owed.length).toBe(8);
    expect(stuck.reason).toBe('both-seeds');
  });

  test('and comes back is taken at its word', () => {
    const { bench, added, peer } = downloading();
    const owed = peer.requests();
    bench.seconds(25);
    const before = added.stats().wasted;
    for (const request of owed) give(peer, request);
    expect(added.swarm.sessions[0]!.snubbed).toBe(false);
    expect(added.stats().wasted).toBe(before);
    bench.exchange(torrent, [peer]);
    expect(added.state).toBe('seeding');
  });

  test('in the middle of a block does not hold the block back, nor spoil it', () => {
    const { bench, added, peer: stuck } = downloading();
    const [first] = stuck.requests();
    let target: Uint8Array | null = null;
    stuck.say((sink) => (target = sink.blockTarget(first!.piece, first!.begin, first!.length)));
    expect(target).not.toBeNull();
    bench.seconds(25);
    const helper = bench.seeder(torrent);
    bench.exchange(torrent, [helper]);
    bench.seconds(2);
    bench.exchange(torrent, [helper]);
    expect(added.state).toBe('seeding');
    expect(bench.disk.holds(torrent)).toBe(true);
    expect(stuck.heard()).toContain('(discard)');
  });

  test('after it choked us need not be waited for: without the fast extension its requests are off at once', () => {
    const bench = new EngineBench();
    const added = bench.add(torrent);
    bench.settle();
    const peer = new FakePeer({ inbound: true });
    bench.transport.accept(peer);
    peer.shakeHands(torrent, [Feature.extensions]);
    peer.say((sink) => sink.onBitfield(Uint8Array.from({ length: 8 }, (_, i) => (i === 7 ? 0xf0 : 0xff))));
    peer.say((sink) => sink.onUnchoke());
    const asked = peer.requests();
    expect(asked.length).toBe(8);
    peer.say((sink) => sink.onChoke());
    expect(pipelineOf(added).outstanding).toBe(0);
    // What was on its way is no offence.
    for (const request of asked) give(peer, request);
    expect(peer.reason).toBeNull();
  });

  test('is not meant when it is our own limit that keeps us from hearing it', () => {
    const bench = new EngineBench();
    const added = bench.add(torrent, { downLimit: 2000 });
    bench.settle();
    const peer = bench.seeder(torrent);
    const asked = peer.requests();
    peer.receivedBytes += 16_384;
    give(peer, asked[0]!);
    expect(peer.reading).toBe(false);
    for (let second = 0; second < 300; second++) {
      bench.seconds(1);
      expect(peer.reason).toBeNull();
      expect(added.swarm.sessions[0]!.snubbed).toBe(false);
      if (!peer.reading) continue;
      const next = asked.find((_, i) => i > 0 && asked.splice(i, 1).length > 0);
      if (!next) break;
    }
  });
});

describe('blocks that come although they were taken back', () => {
  test('are no offence, as many as they are', () => {
    const { bench, added, peer: slow } = downloading();
    // A long queue at a peer, which another peer then brings; all its blocks are on the way all the same.
    for (let round = 0; round < 12; round++) {
      for (const request of slow.requests().slice(0, 8)) give(slow, request);
      bench.settle();
    }
    const owed = slow.requests();
    const [only] = added.swarm.sessions;
    for (const { piece, begin } of owed) only!.requester.withdraw(piece, begin / 16_384);
    expect(slow.heard().filter((text) => text.startsWith('cancel'))).toHaveLength(owed.length);
    const before = added.stats();
    for (const request of owed) give(slow, request);
    expect(slow.reason).toBeNull();
    expect(added.stats().wasted - before.wasted).toBe(owed.length * 16_384);
    expect(added.stats().downloaded).toBe(before.downloaded);
  });
});

describe('while choked', () => {
  test('only the pieces that the peer allows are asked for', () => {
    const bench = new EngineBench();
    bench.add(torrent);
    bench.settle();
    const peer = bench.inbound(torrent);
    peer.say((sink) => sink.onHaveAll());
    expect(peer.requests()).toEqual([]);
    peer.say((sink) => sink.onAllowedFast(7));
    expect(peer.requests()).toEqual([
      { piece: 7, begin: 0, length: 16_384 },
      { piece: 7, begin: 16_384, length: 16_384 },
    ]);
    peer.say((sink) => sink.onAllowedFast(10_000));
    for (let i = 0; i < 100_000; i++) peer.sink!.onAllowedFast(i % 60);
    expect(peer.reason).toBeNull();
  });

  test('a choke does not take back what was allowed', () => {
    const { peer, added } = downloading();
    const asked = peer.requests();
    peer.say((sink) => sink.onAllowedFast(asked[0]!.piece));
    peer.say((sink) => sink.onChoke());
    expect(pipelineOf(added).outstanding).toBe(8);
    for (const { piece, begin, length } of asked.slice(1)) {
      if (piece !== asked[0]!.piece) peer.say((sink) => sink.onReject(piece, begin, length));
    }
    give(peer, asked[0]!);
    expect(added.stats().downloaded).toBe(16_384);
  });
});

test('a hundred thousand suggestions cost nothing', () => {
  const { peer } = downloading();
  for (let i = 0; i < 100_000; i++) peer.sink!.onSuggest(i % 61);
  expect(peer.reason).toBeNull();
});

test('all is fetched from peers that have different halves, and nothing twice', () => {
  const bench = new EngineBench();
  const added = bench.add(torrent);
  bench.settle();
  const halves = [0, 1].map((half) => {
    const peer = bench.inbound(torrent);
    for (let piece = half; piece < 60; piece += 2) peer.say((sink) => sink.onHave(piece));
    return peer.say((sink) => sink.onUnchoke());
  });
  bench.exchange(torrent, halves);
  expect(added.state).toBe('seeding');
  expect(added.stats()).toMatchObject({ wasted: 0, downloaded: torrent.content.length });
});

test('a piece that nobody can finish gives its buffer to one that somebody can', () => {
  // Two buffers in all; one peer begins two pieces and goes away in the midst of them.
  const bench = new EngineBench({ memory: 4 * 32_768 });
  const added = bench.add(torrent);
  bench.settle();
  const fickle = bench.inbound(torrent);
  fickle.say(
    (sink) => sink.onHave(0),
    (sink) => sink.onHave(1),
    (sink) => sink.onUnchoke(),
  );
  const asked = fickle.requests();
  give(
    fickle,
    asked.find(({ piece }) => piece === 0)!,
  );
  give(
    fickle,
    asked.find(({ piece }) => piece === 1)!,
  );
  fickle.hangUp();
  const faithful = bench.inbound(torrent);
  for (let piece = 2; piece < 60; piece++) faithful.say((sink) => sink.onHave(piece));
  faithful.say((sink) => sink.onUnchoke());
  bench.exchange(torrent, [faithful]);
  expect(added.stats().piecesDone).toBe(0);
  for (let second = 0; second < 70; second++) {
    bench.seconds(1);
    bench.exchange(torrent, [faithful]);
  }
  expect(added.stats().piecesDone).toBe(58);
});

function downloading(): { bench: EngineBench; added: Torrent; peer: FakePeer } {
  const bench = new EngineBench();
  const added = bench.add(torrent);
  bench.settle();
  return { bench, added, peer: bench.seeder(torrent) };
}

function give(
  peer: FakePeer,
  { piece, begin, length }: { piece: number; begin: number; length: number },
): void {
  peer.give(piece, begin, torrent.piece(piece).slice(begin, begin + length));
}

function pipelineOf(added: Torrent): { readonly outstanding: number } {
  return added.swarm.sessions[0]!.requester.pipeline;
}
