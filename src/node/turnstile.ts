import { Queue } from '../util/queue.ts';

/** How many pass in one turn of the event loop: a millisecond of work where each begins a torrent. */
const PER_TURN = 8;

/**
 * Lets a crowd in a few at a time, in the order in which it came, so that the rest of the process gets its turns in
 * between. Whoever comes alone passes at once.
 */
export class Turnstile {
  readonly #waiting = new Queue<() => void>();
  #passed = 0;

  pass(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.size === 1) this.#letIn();
    });
  }

  #letIn(): void {
    while (this.#passed < PER_TURN && this.#waiting.size > 0) {
      if (this.#passed++ === 0) setImmediate(() => this.#onTurn());
      this.#waiting.shift()!();
    }
  }

  #onTurn(): void {
    this.#passed = 0;
    this.#letIn();
  }
}
