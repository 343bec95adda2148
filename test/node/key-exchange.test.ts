import { expect, test } from 'vitest';
import { KEY_EXCHANGE_INTERVAL_MS, KeyExchangeQueue } from '../../src/node/key-exchange.ts';
import { ManualClock } from '../engine/support/manual-clock.ts';

function set(): { clock: ManualClock; queue: KeyExchangeQueue; served: [name: string, time: number][] } {
  const clock = new ManualClock();
  return { clock, queue: new KeyExchangeQueue(clock), served: [] };
}

test('key exchanges have their turn in order, one in so many milliseconds, the first at once', () => {
  const { clock, queue, served } = set();
  const start = clock.now();
  for (const name of ['a', 'b', 'c']) {
    queue.add(() => {
      served.push([name, clock.now() - start]);
      return true;
    });
  }
  expect(served).toEqual([]);
  clock.advance(10 * KEY_EXCHANGE_INTERVAL_MS);
  expect(served).toEqual([
    ['a', 0],
    ['b', KEY_EXCHANGE_INTERVAL_MS],
    ['c', 2 * KEY_EXCHANGE_INTERVAL_MS],
  ]);
});

test('an exchange that nobody wants any more takes no time from the next', () => {
  const { clock, queue, served } = set();
  const start = clock.now();
  for (let i = 0; i < 5; i++) queue.add(() => false);
  queue.add(() => {
    served.push(['wanted', clock.now() - start]);
    return true;
  });
  clock.advance(KEY_EXCHANGE_INTERVAL_MS - 1);
  expect(served).toEqual([['wanted', 0]]);
});

test('an exchange that throws takes the turn of nobody behind it', () => {
  const { clock, queue, served } = set();
  queue.add(() => {
    throw new TypeError('x is undefined');
  });
  queue.add(() => {
    served.push(['next', clock.now()]);
    return true;
  });
  expect(() => clock.advance(0)).toThrow('x is undefined');
  clock.advance(KEY_EXCHANGE_INTERVAL_MS);
  expect(served).toHaveLength(1);
});
