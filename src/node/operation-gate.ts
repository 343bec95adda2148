/**
 * Lets many operations run at once, except while one that needs the place for itself runs. First come, first served:
 * an exclusive operation waits for those under way, and those that come after it wait for it.
 */
export class OperationGate {
  #running = 0;
  #isExclusive = false;
  readonly #queue: { readonly start: () => void; readonly isExclusive: boolean }[] = [];

  /** Starts at once if nothing is in the way. Each started operation ends with one `leave`. */
  enter(start: () => void): void {
    this.#admit(start, false);
  }

  enterAlone(start: () => void): void {
    this.#admit(start, true);
  }

  leave(): void {
    this.#running--;
    this.#isExclusive = false;
    while (this.#queue.length > 0 && this.#hasRoom(this.#queue[0]!.isExclusive)) {
      const { start, isExclusive } = this.#queue.shift()!;
      this.#start(start, isExclusive);
    }
  }

  #admit(start: () => void, isExclusive: boolean): void {
    if (this.#queue.length === 0 && this.#hasRoom(isExclusive)) this.#start(start, isExclusive);
    else this.#queue.push({ start, isExclusive });
  }

  #hasRoom(isExclusive: boolean): boolean {
    return !this.#isExclusive && (this.#running === 0 || !isExclusive);
  }

  #start(start: () => void, isExclusive: boolean): void {
    this.#running++;
    this.#isExclusive = isExclusive;
    start();
  }
}
