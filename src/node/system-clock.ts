import type { Cancel, Clock } from '../ports.ts';
import { Heap } from '../util/heap.ts';

/** Node turns longer delays into 1 ms, so far deadlines are approached in steps of at most this (24.8 days). */
const TIMER_DELAY_MAX = 2_147_483_647;

/** Cancelled deadlines stay in the heap until they come up; with more than this many it is built anew. */
const CANCELLED_MAX = 1_024;

/** Thousands of deadlines may be due at once. After this time the sockets have their turn before the rest. */
const TURN_MS = 4;

export interface SystemClockOptions {
  /** Do pending deadlines keep the process alive? Default: false. */
  readonly keepAlive?: boolean;
}

/** Monotonic time, with one Node timer for the earliest of all deadlines. */
export class SystemClock implements Clock {
  readonly #keepAlive: boolean;
  #heap = new Heap<Deadline>();
  /** Deadlines that will still run. Between turns all of them are in the heap, beside the cancelled ones. */
  #live = 0;
  #firing = false;
  #timer: NodeJS.Timeout | null = null;
  #armedFor = Infinity;

  constructor(options: SystemClockOptions = {}) {
    this.#keepAlive = options.keepAlive ?? false;
  }

  now(): number {
    return performance.now();
  }

  at(time: number, fn: () => void): Cancel {
    const deadline = new Deadline(this, time, fn);
    this.#live++;
    this.#heap.push(time, deadline);
    this.#arm();
    return deadline;
  }

  /** @internal */
  onCancelled(): void {
    this.#live--;
    if (!this.#firing) this.#sweep();
  }

  /** Forgets cancelled deadlines once they are many, and the timer once there is nothing to wait for. */
  #sweep(): void {
    const cancelled = this.#heap.size - this.#live;
    if (this.#live === 0) {
      // A timer that is left for a cancelled deadline would keep the process alive.
      this.#heap = new Heap();
      if (this.#timer !== null) clearTimeout(this.#timer);
      this.#timer = null;
    } else if (cancelled > CANCELLED_MAX && cancelled >= this.#heap.size / 2) {
      const live = new Heap<Deadline>();
      for (let next = this.#heap.pop(); next !== undefined; next = this.#heap.pop()) {
        if (next.fn !== null) live.push(next.time, next);
      }
      this.#heap = live;
    }
  }

  #arm(): void {
    const earliest = this.#heap.minKey;
    if (this.#timer !== null && earliest >= this.#armedFor) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#armedFor = earliest;
    if (earliest === Infinity) return;
    const delay = Math.min(Math.max(Math.ceil(earliest - this.now()), 1), TIMER_DELAY_MAX);
    this.#timer = setTimeout(() => this.#fire(), delay);
    if (!this.#keepAlive) this.#timer.unref();
  }

  /** Runs what is due. What the callbacks ask for comes in a later turn, even if it is due already. */
  #fire(): void {
    this.#timer = null;
    this.#firing = true;
    const now = this.now();
    const due: Deadline[] = [];
    while (this.#heap.minKey <= now) due.push(this.#heap.pop()!);
    let next = 0;
    try {
      while (next < due.length) {
        this.#run(due[next++]!);
        if (this.now() - now >= TURN_MS) break;
      }
    } finally {
      // A callback that throws must not take the deadlines after it along.
      while (next < due.length) this.#heap.push(due[next]!.time, due[next++]!);
      this.#firing = false;
      this.#sweep();
      this.#arm();
    }
  }

  #run(deadline: Deadline): void {
    const fn = deadline.fn;
    if (fn === null) return;
    deadline.fn = null;
    this.#live--;
    fn();
  }
}

class Deadline implements Cancel {
  readonly time: number;
  /** Null once it ran or was cancelled. */
  fn: (() => void) | null;
  readonly #clock: SystemClock;

  constructor(clock: SystemClock, time: number, fn: () => void) {
    this.#clock = clock;
    this.time = time;
    this.fn = fn;
  }

  cancel(): void {
    if (this.fn === null) return;
    this.fn = null;
    this.#clock.onCancelled();
  }
}
