import type { Cancel, Clock } from '../ports.ts';
import { AssertionError } from '../util/assert.ts';
import { Heap } from '../util/heap.ts';
import { Queue } from '../util/queue.ts';

/**
 * Turns that one instant may take before the run is called stuck: two parties that answer each other without any
 * delay would otherwise keep time from moving for ever. The busiest honest instant, a swarm of thousands starting
 * together, takes a few turns per node.
 */
const TURNS_PER_INSTANT_MAX = 1_000_000;

/**
 * Time that moves from event to event.
 *
 * One event is one turn. Events run in order of their time, and those of the same time in the order they were asked
 * for, so a run depends on nothing but its inputs. "In the next turn" is an event at the present time: it comes after
 * all that were there before it.
 */
export class VirtualClock implements Clock {
  readonly #later = new Heap<ClockEvent>();
  /**
   * Events of the present instant that were asked for in it. Those in the heap with the same time are older, so they
   * go first.
   */
  readonly #soon = new Queue<ClockEvent>();
  #now = 0;
  #turn = 0;
  #turnsOfInstant = 0;

  /** Milliseconds since the start of the run. */
  now(): number {
    return this.#now;
  }

  /** Events run so far. */
  get turn(): number {
    return this.#turn;
  }

  /** Events asked for and not yet run; cancelled ones count until their time has come. */
  get pending(): number {
    return this.#later.size + this.#soon.size;
  }

  at(time: number, fn: () => void): Cancel {
    const event = new ClockEvent(fn);
    if (time <= this.#now) this.#soon.push(event);
    else this.#later.push(time, event);
    return event;
  }

  /** Runs `fn` in the next turn. */
  soon(fn: () => void): void {
    this.#soon.push(new ClockEvent(fn));
  }

  /** Runs the next event, moving time to it. False if there is none. */
  step(): boolean {
    return this.#stepUntil(Infinity);
  }

  /** Runs everything up to and including `time`, and leaves the clock there. */
  run(time: number): void {
    while (this.#stepUntil(time)) continue;
    if (time > this.#now && time !== Infinity) this.#moveTo(time);
  }

  /**
   * Runs until `isDone()` holds, asked after every event, or `limitMs` more have passed, or nothing is left to
   * happen. True if it held.
   */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    const end = this.#now + limitMs;
    while (!isDone()) {
      if (this.#stepUntil(end)) continue;
      this.run(end);
      return false;
    }
    return true;
  }

  #stepUntil(end: number): boolean {
    for (;;) {
      const event = this.#next(end);
      if (event === undefined) return false;
      const fn = event.fn;
      if (fn === null) continue; // Cancelled.
      event.fn = null;
      this.#turn++;
      this.#turnsOfInstant++;
      if (this.#turnsOfInstant > TURNS_PER_INSTANT_MAX) this.#failStuck();
      fn();
      return true;
    }
  }

  #next(end: number): ClockEvent | undefined {
    const time = this.#later.minKey;
    if (this.#soon.size > 0 && time > this.#now) return this.#soon.shift();
    if (time > end || time === Infinity) return undefined;
    if (time > this.#now) this.#moveTo(time);
    return this.#later.pop();
  }

  /** The message is made here: made for each event in vain, it took 0.2 us of them. */
  #failStuck(): never {
    throw new AssertionError(
      `the simulation is stuck at ${this.#now} ms: ${this.#turnsOfInstant} turns and no end`,
    );
  }

  #moveTo(time: number): void {
    this.#now = time;
    this.#turnsOfInstant = 0;
  }
}

class ClockEvent implements Cancel {
  fn: (() => void) | null;

  constructor(fn: () => void) {
    this.fn = fn;
  }

  cancel(): void {
    this.fn = null;
  }
}
