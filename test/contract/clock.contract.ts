import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Clock } from '../../src/ports.ts';

export interface ClockUnderTest {
  readonly clock: Clock;
  /** Lets time go on until the condition holds; false if it does not come to hold. */
  until(condition: () => boolean): Promise<boolean>;
}

/** What every `Clock` keeps to, real or simulated. */
export function clockContract(name: string, make: () => ClockUnderTest): void {
  describe(`${name} keeps the contract of clocks:`, () => {
    let clock: Clock;
    let until: ClockUnderTest['until'];
    let ran: string[];

    beforeEach(() => {
      ({ clock, until } = make());
      ran = [];
    });

    afterEach(() => {
      expect(clock.now()).toBeGreaterThanOrEqual(0);
    });

    const note = (what: string) => () => void ran.push(what);

    async function over(count: number): Promise<void> {
      expect(await until(() => ran.length >= count)).toBe(true);
    }

    test('time does not run backwards', () => {
      let last = clock.now();
      for (let i = 0; i < 1_000; i++) {
        const now = clock.now();
        expect(now).toBeGreaterThanOrEqual(last);
        last = now;
      }
    });

    test('no callback comes before its time', async () => {
      const start = clock.now();
      let at = 0;
      clock.at(start + 30, () => {
        at = clock.now();
        ran.push('done');
      });
      await over(1);
      expect(at).toBeGreaterThanOrEqual(start + 30);
    });

    test('deadlines come in the order of their times, equal ones in the order they were asked for', async () => {
      const start = clock.now();
      clock.at(start + 20, note('c'));
      clock.at(start + 5, note('a'));
      clock.at(start + 20, note('d'));
      clock.at(start + 10, note('b'));
      await over(4);
      expect(ran).toEqual(['a', 'b', 'c', 'd']);
    });

    test('a time in the past means the next turn, not this one', async () => {
      clock.at(clock.now() - 1_000, note('past'));
      clock.at(clock.now(), note('now'));
      expect(ran).toEqual([]);
      await over(2);
      expect(ran).toEqual(['past', 'now']);
    });

    test('what a callback asks for comes in a later turn, even when it is due', async () => {
      let inCallback = false;
      let nested = 0;
      const again = (): void => {
        if (inCallback) nested++;
        inCallback = true;
        if (ran.push('x') < 3) clock.at(clock.now() - 1, again);
        inCallback = false;
      };
      clock.at(clock.now(), again);
      await over(3);
      expect(nested).toBe(0);
    });

    test('a cancelled callback is not called, and cancelling again or late does nothing', async () => {
      const start = clock.now();
      const cancelled = clock.at(start + 5, note('cancelled'));
      const ranAlready = clock.at(start + 1, note('early'));
      clock.at(start + 10, note('late'));
      cancelled.cancel();
      cancelled.cancel();
      await over(2);
      ranAlready.cancel();
      expect(ran).toEqual(['early', 'late']);
    });

    test('a callback may cancel one that is due at the same moment', async () => {
      const due = clock.now() + 5;
      let second = { cancel: (): void => {} };
      clock.at(due, () => {
        second.cancel();
        ran.push('first');
      });
      second = clock.at(due, note('second'));
      clock.at(due, note('third'));
      await over(2);
      expect(ran).toEqual(['first', 'third']);
    });

    test('thousands of cancelled deadlines leave the others in order', async () => {
      const start = clock.now();
      for (let i = 0; i < 5_000; i++) clock.at(start + 60_000 + i, note('far')).cancel();
      clock.at(start + 2, note('a'));
      clock.at(start + 4, note('b'));
      await over(2);
      expect(ran).toEqual(['a', 'b']);
    });
  });
}
