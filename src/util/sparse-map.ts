/**
 * A Map that takes no memory until something is put in: an empty Map takes 184 bytes, and a client with thousands of idle
 * torrents would hold a dozen empty ones for each of them.
 */
export class SparseMap<K, V> {
  #map: Map<K, V> | null = null;

  get size(): number {
    return this.#map === null ? 0 : this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map === null ? undefined : this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map !== null && this.#map.has(key);
  }

  set(key: K, value: V): void {
    (this.#map ??= new Map()).set(key, value);
  }

  delete(key: K): boolean {
    return this.#map !== null && this.#map.delete(key);
  }

  clear(): void {
    this.#map = null;
  }

  keys(): IterableIterator<K> {
    return (this.#map ?? NOTHING).keys() as IterableIterator<K>;
  }

  values(): IterableIterator<V> {
    return (this.#map ?? NOTHING).values() as IterableIterator<V>;
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return (this.#map ?? NOTHING)[Symbol.iterator]() as IterableIterator<[K, V]>;
  }
}

const NOTHING: ReadonlyMap<unknown, unknown> = new Map();
