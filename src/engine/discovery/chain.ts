import type { Cancel } from '../../ports.ts';

/** A `Cancel` that can be filled in later, for work that goes through several ports one after another. */
export class Chain implements Cancel {
  #current: Cancel | null = null;
  #cancelled = false;

  get isCancelled(): boolean {
    return this.#cancelled;
  }

  /** What to cancel from now on; cancelled at once if the chain already was. */
  next(step: Cancel): void {
    this.#current = step;
    if (this.#cancelled) step.cancel();
  }

  cancel(): void {
    if (this.#cancelled) return;
    this.#cancelled = true;
    this.#current?.cancel();
  }
}
