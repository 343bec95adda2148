/**
 * When is a download complete? When nothing that is wanted is missing, and what was written is on disk for good. It is
 * said once, and again after more was wanted.
 */
export class Completion {
  #state: 'missing' | 'flushing' | 'complete' = 'missing';
  #wasMissing = false;
  #wasAnnounced = false;

  get isComplete(): boolean {
    return this.#state === 'complete';
  }

  /** All is there and waits for a flush. */
  get isFlushing(): boolean {
    return this.#state === 'flushing';
  }

  /** The torrent is whole. True if `completed` is to be announced: once, and only if this run brought it (BEP 3). */
  onWhole(): boolean {
    const isNews = this.#wasMissing && !this.#wasAnnounced;
    this.#wasAnnounced ||= isNews;
    return isNews;
  }

  /** True if that is news: nothing was missing before. */
  onMissing(): boolean {
    const isNews = this.#state !== 'missing';
    this.#state = 'missing';
    this.#wasMissing = true;
    return isNews;
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
