/** Those who wait for an end; who asks after it is answered at once. */
export class Ending {
  #waiting: (() => void)[] | null = [];

  wait(done: () => void): void {
    if (this.#waiting) this.#waiting.push(done);
    else done();
  }

  reach(): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = null;
    for (const done of waiting) done();
  }
}
