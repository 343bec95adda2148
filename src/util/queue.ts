/** How many taken places may lie in front before the rest moves up. */
const TAKEN_MAX = 1024;

/** First in, first out. An array's own `shift` moves all that is left, which is slow where tens of thousands wait. */
export class Queue<T> {
  #items: (T | undefined)[] = [];
  #taken = 0;

  get size(): number {
    return this.#items.length - this.#taken;
  }

  push(item: T): void {
    this.#items.push(item);
  }

  /** The one whose turn is next. */
  get first(): T | undefined {
    return this.#items[this.#taken];
  }

  shift(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#taken];
    this.#items[this.#taken++] = undefined;
    if (this.size === 0) this.#items = [];
    else if (this.#taken >= TAKEN_MAX && this.#taken * 2 >= this.#items.length) {
      this.#items = this.#items.slice(this.#taken);
    } else return item;
    this.#taken = 0;
    return item;
  }

  /** Puts them before all others, in their order. */
  unshift(...items: readonly T[]): void {
    this.#items = [...items, ...this.#items.slice(this.#taken)];
    this.#taken = 0;
  }

  clear(): void {
    this.#items = [];
    this.#taken = 0;
  }
}
