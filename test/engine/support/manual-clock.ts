import type { Cancel, Clock } from '../../../src/ports.ts';

/** Time that passes when the test says so. */
export class ManualClock implements Clock {
  #now = 0;
  #pending: { time: number; fn: () => void }[] = [];

  now(): number {
    return this.#now;
  }

  at(time: number, fn: () => void): Cancel {
    const entry = { time, fn };
    this.#pending.push(entry);
    return { cancel: () => (this.#pending = this.#pending.filter((other) => other !== entry)) };
  }

  get pending(): number {
    return this.#pending.length;
  }

  /** Moves on and calls what is due, in order of time. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      this.#pending.sort((a, b) => a.time - b.time);
      const next = this.#pending[0];
      if (!next || next.time > end) break;
      this.#pending.shift();
      this.#now = Math.max(this.#now, next.time);
      next.fn();
    }
    this.#now = end;
  }
}
