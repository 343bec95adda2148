import { expect, test, vi } from 'vitest';
import { EngineBench, singleFile } from '../support/fake-world.ts';

const BLOCK = 16_384;

test('what we say waits behind a block for no longer than one has been there', () => {
  const bench = new EngineBench();
  const added = bench.add(singleFile(8));
  bench.settle();
  const peer = bench.inbound(singleFile(8));
  const session = added.swarm.sessions[0]!;
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
