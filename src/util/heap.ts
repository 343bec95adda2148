/** A binary min-heap of items ordered by a number, ties in order of insertion. */
export class Heap<T> {
  readonly #items: { key: number; order: number; value: T }[] = [];
  #inserted = 0;

  get size(): number {
    return this.#items.length;
  }

  /** The smallest key, or Infinity when empty. */
  get minKey(): number {
    return this.#items[0]?.key ?? Infinity;
  }

  /** The item with the smallest key, left where it is. */
  get min(): T | undefined {
    return this.#items[0]?.value;
  }

  push(key: number, value: T): void {
    const items = this.#items;
    const item = { key, order: this.#inserted++, value };
    let i = items.length;
    items.push(item);
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if (!before(item, items[parent]!)) break;
      items[i] = items[parent]!;
      i = parent;
    }
    items[i] = item;
  }

  pop(): T | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (!top || !last || items.length === 0) return top?.value;
    let i = 0;
    for (;;) {
      let child = 2 * i + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++;
      if (!before(items[child]!, last)) break;
      items[i] = items[child]!;
      i = child;
    }
    items[i] = last;
    return top.value;
  }
}

function before(a: { key: number; order: number }, b: { key: number; order: number }): boolean {
  return a.key < b.key || (a.key === b.key && a.order < b.order);
}
