import { afterEach, describe, expect, test, vi } from 'vitest';
import { SystemClock } from '../../src/node/system-clock.ts';
import { clockContract } from '../contract/clock.contract.ts';
import { until } from '../support/until.ts';

clockContract('the system clock', () => ({ clock: new SystemClock(), until }));

describe('the system clock', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  test('waits for far deadlines instead of running them at once, as Node does beyond 24.8 days', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const clock = new SystemClock();
    const days = 24 * 3_600_000;
    let ran = 0;
    clock.at(clock.now() + 60 * days, () => ran++);
    vi.advanceTimersByTime(59 * days);
    expect(ran).toBe(0);
    vi.advanceTimersByTime(2 * days);
    expect(ran).toBe(1);
  });

  test('holds one timer of Node however many deadlines there are', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const clock = new SystemClock();
    for (let i = 0; i < 1_000; i++) clock.at(clock.now() + 1_000 - i, () => {});
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(2_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  test('keeps no timer for deadlines that were all cancelled, so the process can end', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const clock = new SystemClock({ keepAlive: true });
    const later = clock.at(clock.now() + 1_800_000, () => {});
    const second = clock.at(clock.now() + 1_000, () => later.cancel());
    const tomorrow = clock.at(clock.now() + 86_400_000, () => {});
    tomorrow.cancel();
    expect(vi.getTimerCount()).toBe(1);
    vi.advanceTimersByTime(1_000);
    expect(vi.getTimerCount()).toBe(0);
    second.cancel();
    let ran = 0;
    clock.at(clock.now() + 5, () => ran++);
    vi.advanceTimersByTime(5);
    expect(ran).toBe(1);
  });

  test('lets others have their turn when what is due takes long', async () => {
    const clock = new SystemClock({ keepAlive: true });
    const ran: string[] = [];
    const due = clock.now();
    await new Promise<void>((done) => {
      clock.at(due, () => {
        setImmediate(() => ran.push('another'));
        const until = clock.now() + 20;
        while (clock.now() < until);
        ran.push('first');
      });
      clock.at(due, () => {
        ran.push('second');
        done();
      });
    });
    expect(ran).toEqual(['first', 'another', 'second']);
  });

  test('goes on with the others when a callback throws', () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const clock = new SystemClock();
    const ran: string[] = [];
    const due = clock.now() + 5;
    clock.at(due, () => ran.push('a'));
    clock.at(due, () => {
      throw new Error('a bug');
    });
    clock.at(due, () => ran.push('b'));
    expect(() => vi.advanceTimersByTime(10)).toThrow('a bug');
    vi.advanceTimersByTime(10);
    expect(ran).toEqual(['a', 'b']);
  });

  test('keeps the process alive only if it is asked to', () => {
    expect(timersThatHoldTheProcess(new SystemClock())).toBe(0);
    expect(timersThatHoldTheProcess(new SystemClock({ keepAlive: true }))).toBe(1);
  });
});

/** How many more timers hold this process once a far deadline is asked for. */
function timersThatHoldTheProcess(clock: SystemClock): number {
  const count = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = count();
  const far = clock.at(clock.now() + 3_600_000, () => {});
  const during = count();
  far.cancel();
  return during - before;
}
