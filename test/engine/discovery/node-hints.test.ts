import { describe, expect, test } from 'vitest';
import { NodeHints } from '../../../src/engine/discovery/node-hints.ts';
import type { PeerAddress } from '../../../src/util/ip.ts';

const node = (port: number): PeerAddress => ({ host: '12.0.0.1', port });

/** Turns at the deadlines only, up to `until`. */
function run(hints: NodeHints, from: number, until: number, at: (now: number) => void): void {
  for (let now = hints.nextDeadline(); now <= until; now = hints.nextDeadline()) {
    at(Math.max(from, now));
    hints.onTime(Math.max(from, now));
  }
}

describe('nodes that peers name', () => {
  test('are asked at once while they are few', () => {
    const asked: number[] = [];
    const hints = new NodeHints(({ port }) => asked.push(port));
    for (let port = 1; port <= 4; port++) hints.add(node(port), 1000);
    expect(asked).toEqual([1, 2, 3, 4]);
    expect(hints.nextDeadline()).toBe(Infinity);
  });

  test('wait for their turn, one a second, where many are named at once', () => {
    const asked: [number, number][] = [];
    let now = 5000;
    const hints = new NodeHints(({ port }) => asked.push([now, port]));
    for (let port = 1; port <= 7; port++) hints.add(node(port), now);
    run(hints, now, 60_000, (at) => (now = at));
    const times = [5000, 5000, 5000, 5000, 6000, 7000, 8000];
    expect(asked).toEqual(times.map((time, i) => [time, i + 1]));
  });

  test('are forgotten where more are named than can have a turn soon', () => {
    const asked: number[] = [];
    const hints = new NodeHints(({ port }) => asked.push(port));
    for (let port = 1; port <= 1000; port++) hints.add(node(port), 0);
    run(hints, 0, 3_600_000, () => undefined);
    expect(asked).toEqual(Array.from({ length: 36 }, (_, i) => i + 1));
  });

  test('are asked at once again after a while of silence', () => {
    const asked: number[] = [];
    const hints = new NodeHints(({ port }) => asked.push(port));
    for (let port = 1; port <= 4; port++) hints.add(node(port), 0);
    for (let port = 5; port <= 8; port++) hints.add(node(port), 4000);
    expect(asked).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });
});
