/** Those who wait for an end; who asks after it is answered at once. */
export class Ending {
  #waiting: (() => void)[] | null = [];

  wait(done: () => void): void {
    if (this.#waiting) this.#waiting.push(done);
    else done();
  }

  /** @returns What each of so many says when it has finished: the last one reaches the end. */
  reachAfter(count: number): () => void {
    let left = count;
    return () => {
      if (--left === 0) this.reach();
    };
  }

  reach(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const done of waiting) done();
  }
}
