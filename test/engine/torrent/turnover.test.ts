import { describe, expect, test } from 'vitest';
import type { EngineOptions } from '../../../src/engine/engine.ts';
import { peerPriority } from '../../../src/engine/torrent/peer-priority.ts';
import { parseAddress } from '../../../src/util/ip.ts';
import { EngineBench, FakePeer, singleFile } from '../support/fake-world.ts';

const OURS = '123.213.32.10';
const torrent = singleFile(4);

/** Hosts by their priority to us, highest first. */
const hosts = Array.from({ length: 30 }, (_, i) => `${10 + 7 * i + 30}.5.6.7`)
  .map((host) => ({ host, priority: peerPriority({ host: OURS, port: 6881 }, { host, port: 1000 })! }))
  .sort((a, b) => b.priority - a.priority)
  .map(({ host }) => host);
const best = (place: number): string => hosts[place]!;
const worst = (place: number): string => hosts.at(-1 - place)!;

/** A torrent that takes two connections and has them, of low priority, settled. */
function full(limits: Partial<EngineOptions> = { connectionsPerTorrentMax: 2 }) {
  const bench = new EngineBench(limits);
  for (const voter of ['a', 'b']) bench.engine.external.vote(voter, OURS);
  const added = bench.add(torrent);
  bench.settle();
  const join = (host: string): FakePeer => bench.inbound(torrent, { host });
  const low = join(worst(1));
  const lowest = join(worst(0));
  const later = (seconds: number): void => {
    for (const peer of [low, lowest]) peer.say((sink) => sink.onKeepAlive());
    bench.seconds(seconds);
  };
  later(61);
  return { bench, added, join, low, lowest, later };
}

describe('a full swarm (BEP 40)', () => {
  test('gives the place of the lowest priority to a newcomer of a higher one', () => {
    const { added, join, low, lowest } = full();
    const newcomer = join(best(0));
    expect([newcomer.reason, low.reason, lowest.reason]).toEqual([null, null, 'too-many-connections']);
    lowest.endTurn();
    expect(added.swarm.size).toBe(2);
  });

  test('turns away whose priority is lower than all', () => {
    const { join, low, lowest } = full();
    lowest.hangUp();
    const middle = join(best(5));
    const newcomer = join(worst(0));
    expect([newcomer.reason, middle.reason, low.reason]).toEqual(['too-many-connections', null, null]);
  });

  test('changes one place in ten seconds, and lets who came lately settle', () => {
    const { join, low, lowest, later } = full();
    join(best(2));
    lowest.endTurn();
    expect(join(best(1)).reason).toBe('too-many-connections');
    later(11);
    const second = join(best(1));
    expect([second.reason, low.reason]).toEqual([null, 'too-many-connections']);
    low.endTurn();
    later(11);
    expect(join(best(0)).reason).toBe('too-many-connections');
  });

  test('keeps whom data comes from', () => {
    const { join, low, lowest } = full();
    lowest.say(
      (sink) => sink.onHaveAll(),
      (sink) => sink.onUnchoke(),
    );
    expect(lowest.serve(torrent)).toBeGreaterThan(0);
    const newcomer = join(best(0));
    expect([newcomer.reason, lowest.reason, low.reason]).toEqual([null, null, 'too-many-connections']);
  });

  test('gives no place to a second connection of a peer', () => {
    const { bench, join, low, lowest } = full();
    lowest.hangUp();
    const known = join(best(1));
    const again = new FakePeer({ inbound: true, host: best(0), id: known.peerId.toString() });
    bench.transport.accept(again);
    again.shakeHands(torrent);
    expect(again.reason).not.toBeNull();
    expect([known.reason, low.reason]).toEqual([null, null]);
  });

  test('gives no place away while it does not know its own address', () => {
    const bench = new EngineBench({ connectionsPerTorrentMax: 1 });
    bench.add(torrent);
    bench.settle();
    const first = bench.inbound(torrent, { host: worst(0) });
    bench.seconds(61);
    expect(bench.inbound(torrent, { host: best(0) }).reason).toBe('too-many-connections');
    expect(first.reason).toBeNull();
  });
});

describe('a client that has all the connections it may have (BEP 40)', () => {
  const limits = { connectionsMax: 2 };

  test('gives the place of the lowest priority to a newcomer of a higher one', () => {
    const { bench, added, join, low, lowest } = full(limits);
    const newcomer = join(best(0));
    expect([newcomer.reason, low.reason, lowest.reason]).toEqual([null, null, 'too-many-connections']);
    // Until the place is free there is none for anybody else.
    expect(join(best(1)).reason).toBe('too-many-connections');
    lowest.endTurn();
    expect(added.swarm.size).toBe(2);
    expect(bench.engine.connectionCount).toBe(2);
  });

  test('turns away whose priority is lower than all, and who comes for a torrent that has nobody to let go', () => {
    const { bench, join, low, lowest } = full(limits);
    lowest.hangUp();
    const middle = join(best(5));
    expect(join(worst(0)).reason).toBe('too-many-connections');
    const other = singleFile(4, 16_384, 'other.bin');
    bench.add(other);
    bench.settle();
    expect(bench.inbound(other, { host: best(0) }).reason).toBe('too-many-connections');
    expect([middle.reason, low.reason]).toEqual([null, null]);
  });
});

test('when more peers are known than there is room for, those of the highest priority are dialled (BEP 40)', () => {
  const bench = new EngineBench({ connectionsPerTorrentMax: 5 });
  for (const voter of ['a', 'b']) bench.engine.external.vote(voter, OURS);
  const added = bench.add(torrent);
  bench.settle();
  added.onPeersFound(
    [...hosts].sort().map((host) => parseAddress(`${host}:1000`)!),
    'tracker',
  );
  expect(bench.transport.dials.map(({ to }) => to.host)).toEqual(hosts.slice(0, 5));
});
