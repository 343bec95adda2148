/**
 * When is a download complete? When nothing that is wanted is missing, and what was written is on disk for good. It is
 * said once, and again after more was wanted.
 */
export class Completion {
  #state: 'missing' | 'flushing' | 'complete' = 'missing';
  #wasMissing = false;

  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  /** All is there and waits for a flush. */
  get isFlushing(): boolean {
    return this.#state === 'flushing';
  }

  /** Something was missing in this run: `completed` is worth announcing (BEP 3). */
  get wasMissing(): boolean {
    return this.#wasMissing;
  }

  onMissing(): void {
    this.#state = 'missing';
    this.#wasMissing = true;
  }

  /** Nothing is missing any more. True if that is news: a flush is due. */
  onAllThere(): boolean {
    if (this.#state !== 'missing') return false;
    this.#state = 'flushing';
    return true;
  }

  /** A flush that began after `onAllThere` has succeeded. True if completion may be said now. */
  onFlushed(): boolean {
    if (this.#state !== 'flushing') return false;
    this.#state = 'complete';
    return true;
  }
}
