import { equalBytes, toHex } from '../util/bytes.ts';
import type { ImmutableItem, MutableItem } from './item.ts';
import { compareDistance } from './node-id.ts';

/** libtorrent's number: at most 1.2 MB. */
const ITEMS_MAX = 700;
/** BEP 44: "these items MAY expire in 2 hours". */
const ITEM_TTL_MS = 2 * 3_600_000;

export type Item = ImmutableItem | MutableItem;

/** What a mutable item that is there already has against a newer one. */
export type PutConflict = 'sequence-too-low' | 'cas-mismatch';

/** Items (BEP 44) that were put here. Whoever puts them has checked signatures and sizes. */
export class ItemStore {
  readonly #ownId: () => Uint8Array;
  readonly #items = new Map<string, { item: Item; target: Uint8Array; putAt: number }>();

  constructor(ownId: () => Uint8Array) {
    this.#ownId = ownId;
  }

  get size(): number {
    return this.#items.size;
  }

  get(target: Uint8Array): Item | null {
    return this.#items.get(toHex(target))?.item ?? null;
  }

  putImmutable(target: Uint8Array, item: ImmutableItem, now: number): void {
    this.#put(target, item, now);
  }

  /** @param cas The sequence number that the writer believes is here, if it says so. */
  putMutable(target: Uint8Array, item: MutableItem, cas: bigint | null, now: number): PutConflict | null {
    const present = this.get(target);
    if (present !== null && isMutable(present)) {
      if (cas !== null && cas !== present.sequence) return 'cas-mismatch';
      const isSame = item.sequence === present.sequence && equalBytes(item.value, present.value);
      // The same once more keeps it alive; anybody may do that.
      if (item.sequence < present.sequence || (item.sequence === present.sequence && !isSame)) {
        return 'sequence-too-low';
      }
    }
    this.#put(target, item, now);
    return null;
  }

  expire(now: number): void {
    for (const [key, { putAt }] of this.#items) {
      if (now - putAt < ITEM_TTL_MS) break; // Those behind it are younger.
      this.#items.delete(key);
    }
  }

  #put(target: Uint8Array, item: Item, now: number): void {
    const key = toHex(target);
    this.#items.delete(key);
    this.#items.set(key, { item, target: Uint8Array.from(target), putAt: now });
    if (this.#items.size > ITEMS_MAX) this.#items.delete(this.#farthest());
  }

  /** Honest writers store at the nodes closest to the key, so what is far from our id is what we need least. */
  #farthest(): string {
    const own = this.#ownId();
    let farthest: Uint8Array | null = null;
    for (const { target } of this.#items.values()) {
      if (farthest === null || compareDistance(target, farthest, own) > 0) farthest = target;
    }
    return toHex(farthest!);
  }
}

export function isMutable(item: Item): item is MutableItem {
  return 'signature' in item;
}
