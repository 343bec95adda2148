import type { VirtualClock } from '../../src/sim/virtual-clock.ts';

/** How contract suites wait in simulated worlds: virtual time runs once all that was asked for in this turn is there. */
export function waitIn(clock: VirtualClock): <T>(start: (done: (value: T) => void) => void) => Promise<T> {
  return (start) =>
    new Promise((resolve) => {
      let isDone = false;
      start((value) => {
        isDone = true;
        resolve(value);
      });
      queueMicrotask(() => clock.runUntil(() => isDone, 3_600_000));
    });
}
