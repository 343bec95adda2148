import type { Clock } from '../ports.ts';
import { Queue } from '../util/queue.ts';

interface Job {
  readonly doneAt: number;
  readonly done: () => void;
}

/** One worker that takes jobs in order, each for its time. A job is never done in the turn it was given. */
export class JobQueue {
  readonly #clock: Clock;
  /** The job that is done next, and those behind it. */
  #head: Job | undefined;
  readonly #rest = new Queue<Job>();
  #freeAt = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** @param takesMs How long the job keeps the worker busy. */
  add(takesMs: number, done: () => void): void {
    this.#freeAt = Math.max(this.#freeAt, this.#clock.now()) + takesMs;
    const job = { doneAt: this.#freeAt, done };
    if (this.#head !== undefined) this.#rest.push(job);
    else this.#await(job);
  }

  #await(job: Job | undefined): void {
    this.#head = job;
    if (job !== undefined) this.#clock.at(job.doneAt, this.#run);
  }

  /** Finishes everything that is due, so that jobs which take no time cost one event together. */
  readonly #run = (): void => {
    const now = this.#clock.now();
    const due: Job[] = [];
    let job = this.#head;
    for (; job !== undefined && job.doneAt <= now; job = this.#rest.shift()) due.push(job);
    this.#await(job);
    for (const { done } of due) done();
  };
}
