import { EventEmitter } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Interrupt } from '../../src/cli/interrupt.ts';

let source: EventEmitter;
let exits: number[];
let interrupt: Interrupt;

beforeEach(() => {
  vi.useFakeTimers();
  source = new EventEmitter();
  exits = [];
  interrupt = new Interrupt(source, (code) => exits.push(code));
});
afterEach(() => {
  interrupt.dispose();
  vi.useRealTimers();
});

test('the first signal asks for a clean end', () => {
  source.emit('SIGTERM', 'SIGTERM');
  expect(interrupt.signal.aborted).toBe(true);
  expect(interrupt.received).toBe('SIGTERM');
  expect(exits).toEqual([]);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
])('a second one, %s, ends at once with %d', (name, code) => {
  source.emit('SIGINT', 'SIGINT');
  source.emit(name, name);
  expect(exits).toEqual([code]);
});

test('an end that takes longer than five seconds is forced', () => {
  source.emit('SIGINT', 'SIGINT');
  vi.advanceTimersByTime(4_999);
  expect(exits).toEqual([]);
  vi.advanceTimersByTime(1);
  expect(exits).toEqual([130]);
});

test('without a signal nothing happens, and after dispose nobody listens', () => {
  vi.advanceTimersByTime(60_000);
  expect(interrupt.signal.aborted).toBe(false);
  interrupt.dispose();
  expect(source.eventNames()).toEqual([]);
});
