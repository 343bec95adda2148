import { expect, test } from 'vitest';
import { Turnstile } from '../../src/node/turnstile.ts';

test('a crowd passes in its order, a few in each turn of the event loop', async () => {
  const turnstile = new Turnstile();
  const passed: number[] = [];
  let turns = 0;
  const tick = (): void => {
    turns++;
    if (passed.length < 100) setImmediate(tick);
  };
  setImmediate(tick);
  await Promise.all(Array.from({ length: 100 }, (_, i) => turnstile.pass().then(() => passed.push(i))));
  expect(passed).toEqual(Array.from({ length: 100 }, (_, i) => i));
  expect(turns).toBeGreaterThanOrEqual(5);
});

test('whoever comes alone passes in the same turn', async () => {
  const turnstile = new Turnstile();
  let hasTurned = false;
  setImmediate(() => (hasTurned = true));
  await turnstile.pass();
  expect(hasTurned).toBe(false);
});
