import { expect, test, vi } from 'vitest';
import type { PeerSession } from '../../../src/engine/peer/peer-session.ts';
import { EngineBench, singleFile, type FakePeer } from '../support/fake-world.ts';

const BLOCK = 16_384;

/** A torrent with one peer. */
function connected(): { bench: EngineBench; peer: FakePeer; session: PeerSession } {
  const bench = new EngineBench();
  const added = bench.add(singleFile(8));
  bench.settle();
  const peer = bench.inbound(singleFile(8));
  return { bench, peer, session: added.swarm.sessions[0]! };
}

test('what we say waits behind a block for no longer than one has been there', () => {
  const { bench, peer, session } = connected();
  const onBeat = vi.spyOn(session.requester, 'onBeat');
  const waitAfter = (seconds: number): number => {
    bench.seconds(seconds);
    return onBeat.mock.lastCall![2]!;
  };
  session.onUploaded(BLOCK);
  expect(waitAfter(30)).toBe(0);
  // The rate of twenty seconds knows only this block.
  session.onUploaded(BLOCK);
  peer.queuedBytes = BLOCK;
  expect(waitAfter(1)).toBeLessThanOrEqual(1);
  expect(waitAfter(2)).toBeLessThanOrEqual(3);
  expect(waitAfter(7)).toBeGreaterThan(9);
  peer.queuedBytes = 0;
  expect(waitAfter(1)).toBe(0);
});

test('what it is told with the beat is nothing that other words wait behind', () => {
  const { bench, peer, session } = connected();
  const onBeat = vi.spyOn(session.requester, 'onBeat');
  // A piece of ours each second; it leaves before the next.
  session.link.flush = () => {
    peer.queuedBytes = 9;
  };
  session.onUploaded(BLOCK);
  for (let second = 0; second < 10; second++) {
    peer.queuedBytes = 0;
    bench.seconds(1);
    expect(onBeat.mock.lastCall![2]).toBe(0);
  }
});

test('who waits for a slot learns of our pieces with the beat, everybody else and of rare pieces at once', () => {
  const { bench, session } = connected();
  const have = vi.spyOn(session.link, 'have');
  const mayWait = (isRare: boolean): boolean => {
    session.announceHave(0, isRare);
    return have.mock.lastCall![1] === true;
  };
  expect(session.weChoke).toBe(true);
  expect(session.theyAreInterested).toBe(false);
  expect(mayWait(false)).toBe(false);
  session.onInterested();
  expect(mayWait(false)).toBe(true);
  expect(mayWait(true)).toBe(false);
  session.unchoke();
  expect(mayWait(false)).toBe(false);
  const flush = vi.fn();
  session.link.flush = flush;
  bench.seconds(1);
  expect(flush).toHaveBeenCalled();
});
