/**
 * The open pieces (wanted, missing, not begun) in the order of rarity.
 *
 * One array holds every piece once, cut into buckets by boundaries. In front lie the pieces that are not open; then come
 * the bands of priority, highest first; inside a band one bucket per count of copies, rarest first:
 *
 *     order:  [ not open | 0 copies | 1 copy | 2 copies ... | 0 copies | 1 copy ... ]
 *                        '------- high priority ------------' '--- next priority ---'
 *     start:             ^0         ^1       ^2
 *
 * A piece that gains a copy swaps places with the last of its bucket, and the boundary moves by one over it: O(1). A
 * piece that leaves or enters the order walks over the boundaries in front of it, which are few for a rare piece.
 *
 * When many counts change at once the order goes stale instead: it stays a valid cut into buckets, only sorted by
 * counts a moment old, until the next counting sort.
 */
import type { Rng } from '../../util/rng.ts';
import type { Availability } from './availability.ts';
import { bitBytes, clearBit, hasBit, setBit } from './bits.ts';

/** A stale order is sorted again at most this often. A burst of joining peers then costs one sort, not one each. */
const RESORT_INTERVAL_MS = 50;
/** Room for copies above the present maximum, so that single *have* messages do not force a sort. */
const SPARE_BUCKETS = 16;
const PRIORITIES = 8;
/** What one member of a peer's own set costs against one step of a walk; measured, and only roughly right. */
const OWN_SET_MEMBER_COST = 3;

/** 2^32 / phi, the multiplier of Fibonacci hashing. */
const GOLDEN_RATIO = 0x9e3779b1;

const NONE = new Uint32Array(0);
const NO_BANDS = new Int8Array(0);

export class OpenPieces {
  /** Bit per piece: is it open? Read-only to others. */
  readonly bits: Uint8Array;
  readonly #availability: Availability;
  readonly #priorities: Uint8Array;
  readonly #rng: Rng;
  #size = 0;

  // The order is made at the first pick: a torrent that only seeds never pays for it.
  #order = NONE;
  #spare = NONE;
  #position = NONE;
  #start = NONE;
  /** Priorities in use, highest first. */
  #bands: number[] = [];
  #bandOf = NO_BANDS;
  /** Buckets per band. */
  #stride = 0;
  #sorted = false;
  #stale = false;
  #sortedAt = -Infinity;
  /** No open piece lies below this byte of `bits`. */
  #lowestByte = 0;

  /** @param priorities One per piece, 0 to 7; owned by the caller, who announces changes. */
  constructor(availability: Availability, priorities: Uint8Array, rng: Rng) {
    this.#availability = availability;
    this.#priorities = priorities;
    this.#rng = rng;
    this.bits = bitBytes(priorities.length);
  }

  get size(): number {
    return this.#size;
  }

  has(piece: number): boolean {
    return hasBit(this.bits, piece);
  }

  insert(piece: number): void {
    setBit(this.bits, piece);
    this.#size++;
    this.#lowestByte = Math.min(this.#lowestByte, piece >> 3);
    if (this.#sorted) this.#moveIn(piece);
  }

  remove(piece: number): void {
    clearBit(this.bits, piece);
    this.#size--;
    if (this.#sorted) this.#moveOut(piece);
  }

  /** One more peer has the piece; it is already counted. */
  onCopyGained(piece: number): void {
    if (!this.#sorted || this.#stale || !this.has(piece)) return;
    const count = this.#availability.counts[piece]!;
    if (count >= this.#stride) {
      this.#sorted = false;
      return;
    }
    const bucket = this.#bucketOf(piece) - 1;
    this.#swap(this.#position[piece]!, --this.#start[bucket + 1]!);
  }

  /** One peer less has the piece; it is already uncounted. */
  onCopyLost(piece: number): void {
    if (!this.#sorted || this.#stale || !this.has(piece)) return;
    const bucket = this.#bucketOf(piece) + 1;
    this.#swap(this.#position[piece]!, this.#start[bucket]!++);
  }

  /** Many counts have changed. */
  onManyCopiesChanged(): void {
    this.#stale = true;
  }

  /** Priorities or membership will change by more than single moves are worth: the next pick sorts anew. */
  unsort(): void {
    this.#sorted = false;
  }

  /** Brings the order up to date. Call before the searches below. */
  settle(now: number): void {
    if (!this.#sorted || (this.#stale && now - this.#sortedAt >= RESORT_INTERVAL_MS)) {
      this.#sort();
      this.#sortedAt = now;
    }
  }

  /**
   * A piece of the highest priority, and among those of the fewest copies, that is in `have`; ties fall at random.
   * -1 if none has a priority above `above`.
   *
   * @param openCount How many open pieces `have` holds.
   */
  rarest(have: Uint8Array, openCount: number, above: number): number {
    return this.#search(have, openCount, above, 1);
  }

  /** The same with rarity left out: any piece of the highest priority. */
  random(have: Uint8Array, openCount: number, above: number): number {
    return this.#search(have, openCount, above, this.#stride);
  }

  /** The lowest piece of the highest priority that is in `have`, or -1. */
  lowest(have: Uint8Array): number {
    const bits = this.bits;
    while (this.#lowestByte < bits.length && bits[this.#lowestByte] === 0) this.#lowestByte++;
    let best = -1;
    let bestPriority = 0;
    for (let i = this.#lowestByte; i < bits.length; i++) {
      for (let byte = bits[i]! & have[i]!; byte !== 0;) {
        const bit = Math.clz32(byte) - 24;
        byte &= ~(0x80 >> bit);
        const priority = this.#priorities[i * 8 + bit]!;
        if (priority <= bestPriority) continue;
        best = i * 8 + bit;
        bestPriority = priority;
        if (this.#sorted && priority === this.#bands[0]) return best;
      }
    }
    return best;
  }

  /** Do both stand in the same bucket, so that either may be picked? */
  isTie(a: number, b: number): boolean {
    const counts = this.#availability.counts;
    return this.#priorities[a] === this.#priorities[b] && counts[a] === counts[b];
  }

  /** Do only complete peers have it? */
  isScarce(piece: number): boolean {
    return this.#availability.counts[piece] === 0;
  }

  /** Has any open piece a copy in the swarm? */
  get anyAvailable(): boolean {
    if (this.#size === 0) return false;
    if (this.#availability.seeds > 0) return true;
    if (this.#sorted && !this.#stale) {
      let without = 0;
      for (let band = 0; band < this.#bands.length; band++) {
        without += this.#start[band * this.#stride + 1]! - this.#start[band * this.#stride]!;
      }
      return without < this.#size;
    }
    const { counts } = this.#availability;
    for (let piece = 0; piece < counts.length; piece++)
      if (counts[piece]! > 0 && this.has(piece)) return true;
    return false;
  }

  /**
   * Walks the order in spans of `width` buckets. A peer whose pieces are all common makes the walk long, so the walk
   * ends where reading the peer's own set would have been cheaper, and then that is done: at worst twice the better way.
   */
  #search(have: Uint8Array, openCount: number, above: number, width: number): number {
    const order = this.#order;
    let steps = have.length + OWN_SET_MEMBER_COST * openCount;
    for (let band = 0; band < this.#bands.length && this.#bands[band]! > above; band++) {
      for (let bucket = band * this.#stride; bucket < (band + 1) * this.#stride; bucket += width) {
        const from = this.#start[bucket]!;
        const size = this.#start[bucket + width]! - from;
        if (size === 0) continue;
        let at = from + this.#rng.below(size);
        for (let left = Math.min(size, steps); left > 0; left--) {
          const piece = order[at]!;
          if (hasBit(have, piece)) return piece;
          if (++at === from + size) at = from;
        }
        steps -= size;
        if (steps <= 0) return this.#searchOwnSet(have, above, width > 1);
      }
    }
    return -1;
  }

  #searchOwnSet(have: Uint8Array, above: number, ignoreRarity: boolean): number {
    const { counts } = this.#availability;
    const priorities = this.#priorities;
    // Ties go to the smallest of random keys: one draw, and the piece mixed into it, gives each the same chance.
    const salt = this.#rng.u32();
    let best = -1;
    let bestPriority = above;
    let bestCount = Infinity;
    let bestKey = 0;
    for (let i = 0; i < have.length; i++) {
      for (let byte = have[i]! & this.bits[i]!; byte !== 0;) {
        const bit = Math.clz32(byte) - 24;
        byte &= ~(0x80 >> bit);
        const piece = i * 8 + bit;
        const priority = priorities[piece]!;
        if (priority < bestPriority || priority <= above) continue;
        const count = ignoreRarity ? 0 : counts[piece]!;
        const isBetter = priority > bestPriority || count < bestCount;
        if (!isBetter && count > bestCount) continue;
        const key = Math.imul(piece ^ salt, GOLDEN_RATIO) >>> 0;
        if (!isBetter && key >= bestKey) continue;
        best = piece;
        bestPriority = priority;
        bestCount = count;
        bestKey = key;
      }
    }
    return best;
  }

  #bucketOf(piece: number): number {
    return this.#bandOf[this.#priorities[piece]!]! * this.#stride + this.#availability.counts[piece]!;
  }

  /** The bucket in which a place of the order lies: the last whose start is not behind it. */
  #bucketAt(position: number): number {
    let low = 0;
    let high = this.#start.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#start[middle]! <= position) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #moveOut(piece: number): void {
    let at = this.#position[piece]!;
    for (let bucket = this.#bucketAt(at); bucket >= 0; bucket--) {
      const first = this.#start[bucket]!++;
      this.#swap(at, first);
      at = first;
    }
  }

  #moveIn(piece: number): void {
    const bucket = this.#bucketOf(piece);
    if (this.#bandOf[this.#priorities[piece]!]! < 0 || this.#availability.counts[piece]! >= this.#stride) {
      this.#sorted = false;
      return;
    }
    let at = this.#position[piece]!;
    for (let next = 0; next <= bucket; next++) {
      const last = --this.#start[next]!;
      this.#swap(at, last);
      at = last;
    }
  }

  #swap(a: number, b: number): void {
    if (a === b) return;
    const order = this.#order;
    const atA = order[a]!;
    const atB = order[b]!;
    order[a] = atB;
    order[b] = atA;
    this.#position[atA] = b;
    this.#position[atB] = a;
  }

  /** Counting sort. It is stable, so the shuffle made once at the start stays in every bucket. */
  #sort(): void {
    const pieceCount = this.#priorities.length;
    if (this.#order.length !== pieceCount) this.#shuffleAll(pieceCount);
    this.#cutBands();

    // Private names are kept out of the loops: this runs over every piece.
    const { bits } = this;
    const { counts } = this.#availability;
    const priorities = this.#priorities;
    const order = this.#order;
    const sorted = this.#spare;
    const position = this.#position;
    const start = this.#start.fill(0);
    const firstBucket = Array.from(this.#bandOf, (band) => band * this.#stride);

    for (let i = 0; i < bits.length; i++) {
      for (let byte = bits[i]!; byte !== 0;) {
        const bit = Math.clz32(byte) - 24;
        const piece = i * 8 + bit;
        start[firstBucket[priorities[piece]!]! + counts[piece]!]!++;
        byte &= ~(0x80 >> bit);
      }
    }
    const outside = pieceCount - this.#size;
    let next = outside;
    for (let bucket = 0; bucket < start.length; bucket++) {
      const size = start[bucket]!;
      start[bucket] = next;
      next += size;
    }

    let nextOutside = 0;
    for (let i = 0; i < pieceCount; i++) {
      const piece = order[i]!;
      const isOpen = (bits[piece >> 3]! & (0x80 >> (piece & 7))) !== 0;
      const at = isOpen ? start[firstBucket[priorities[piece]!]! + counts[piece]!]!++ : nextOutside++;
      sorted[at] = piece;
      position[piece] = at;
    }
    // Filling moved each boundary to the start of the next bucket: shift them back.
    start.copyWithin(1, 0);
    start[0] = outside;

    this.#spare = order;
    this.#order = sorted;
    this.#sorted = true;
    this.#stale = false;
  }

  #shuffleAll(pieceCount: number): void {
    const order = new Uint32Array(pieceCount);
    // The shuffle of Fisher and Yates in its inside-out form, which fills the array as it goes.
    for (let piece = 0; piece < pieceCount; piece++) {
      const at = this.#rng.below(piece + 1);
      order[piece] = order[at]!;
      order[at] = piece;
    }
    this.#order = order;
    this.#spare = new Uint32Array(pieceCount);
    this.#position = new Uint32Array(pieceCount);
  }

  /** Finds which priorities and how many copies there are, and makes the boundaries for them. */
  #cutBands(): void {
    const { bits } = this;
    const { counts } = this.#availability;
    const priorities = this.#priorities;
    const bandOf = (this.#bandOf = new Int8Array(PRIORITIES).fill(-1));
    let most = 0;
    for (let i = 0; i < bits.length; i++) {
      for (let byte = bits[i]!; byte !== 0;) {
        const bit = Math.clz32(byte) - 24;
        const piece = i * 8 + bit;
        bandOf[priorities[piece]!] = 0;
        if (counts[piece]! > most) most = counts[piece]!;
        byte &= ~(0x80 >> bit);
      }
    }
    this.#bands = [];
    for (let priority = PRIORITIES - 1; priority > 0; priority--) {
      if (bandOf[priority] === 0) bandOf[priority] = this.#bands.push(priority) - 1;
    }
    this.#stride = most + SPARE_BUCKETS;
    const length = this.#bands.length * this.#stride + 1;
    if (this.#start.length !== length) this.#start = new Uint32Array(length);
  }
}
