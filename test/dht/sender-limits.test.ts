import { expect, test } from 'vitest';
import { SendBudget, SenderLimits } from '../../src/dht/sender-limits.ts';

const FROM = { host: '1.2.3.4', port: 5 };

test('fifty messages in ten seconds are heard, the next silences its sender', () => {
  const limits = new SenderLimits();
  for (let i = 0; i < 50; i++) expect(limits.accept(FROM, i)).toBe(true);
  expect(limits.accept(FROM, 60)).toBe(false);
  expect(limits.accept({ host: '1.2.3.4', port: 6 }, 60)).toBe(false);
  expect(limits.accept({ host: '1.2.3.5', port: 5 }, 60)).toBe(true);
});

test('five a second may go on for ever', () => {
  const limits = new SenderLimits();
  for (let i = 0; i < 1000; i++) expect(limits.accept(FROM, 200 * i)).toBe(true);
});

test('silence has to last five minutes', () => {
  const limits = new SenderLimits();
  for (let i = 0; i <= 50; i++) limits.accept(FROM, 0);
  expect(limits.accept(FROM, 299_000)).toBe(false);
  expect(limits.accept(FROM, 301_000)).toBe(false);
  expect(limits.accept(FROM, 301_000 + 300_000)).toBe(true);
});

test('a /64 of IPv6 is one sender', () => {
  const limits = new SenderLimits();
  for (let i = 0; i < 50; i++) expect(limits.accept({ host: `2001:db8::${i + 1}`, port: 1 }, 0)).toBe(true);
  expect(limits.accept({ host: '2001:db8::ffff', port: 1 }, 0)).toBe(false);
});

test('a flood under ever new addresses does not fill the memory', () => {
  const limits = new SenderLimits();
  for (let i = 0; i < 100_000; i++) {
    limits.accept({ host: `${1 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.9`, port: 1 }, 0);
  }
  expect(limits.size).toBe(2000);
});

test('answers leave at 8 kB a second, after a first 24 kB', () => {
  const budget = new SendBudget(0);
  let sent = 0;
  for (let now = 0; now <= 10_000; now += 10) while (budget.takeAnswer(500, now)) sent += 500;
  expect(sent).toBeGreaterThan(100_000);
  expect(sent).toBeLessThanOrEqual(104_000);
});

test('queries wait for their turn', () => {
  const budget = new SendBudget(0);
  for (let i = 0; i < 250; i++) {
    expect(budget.hasQuery(0)).toBe(true);
    budget.takeQuery();
  }
  expect(budget.hasQuery(0)).toBe(false);
  expect(budget.nextQueryAt(0)).toBe(4);
  expect(budget.hasQuery(4)).toBe(true);
});
