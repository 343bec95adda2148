import { SharedGarbage } from './shared-garbage.ts';

/**
 * Piece buffers under a byte cap.
 *
 * A slab is lent to the storage while its piece is hashed and written in a worker; while it is away `bytes` is empty, so
 * that nobody writes to it.
 */
export class Slab {
  bytes: Uint8Array;
  readonly capacity: number;

  constructor(capacity: number, allocate: Allocate = sharedMemory) {
    this.capacity = capacity;
    this.bytes = allocate(capacity);
  }
}

/** Makes memory of this many bytes. */
export type Allocate = (bytes: number) => Uint8Array;

export const plainMemory: Allocate = (bytes) => new Uint8Array(bytes);

/**
 * Memory that a worker sees without a transfer. To V8 a transfer back is so much more memory in use: for each piece of
 * 16 MiB it collected garbage, an eighth of a download's CPU time, and 3 % with pieces of 1 MiB.
 */
export const sharedMemory: Allocate = (bytes) => new Uint8Array(new SharedArrayBuffer(bytes));

/** All torrents of a client share one pool, so the cap holds for the process. */
export class SlabPool {
  readonly #capBytes: number;
  readonly #allocate: Allocate;
  readonly #free = new Map<number, Slab[]>();
  #lentBytes = 0;
  #freeBytes = 0;
  readonly #garbage = new SharedGarbage();

  /** @param capBytes Upper bound for lent and kept slabs together, in bytes. */
  constructor(capBytes: number, allocate: Allocate = sharedMemory) {
    this.#capBytes = capBytes;
    this.#allocate = allocate;
  }

  get lentBytes(): number {
    return this.#lentBytes;
  }

  get capBytes(): number {
    return this.#capBytes;
  }

  /** Would `take` give one? */
  mayTake(capacity: number): boolean {
    return this.#lentBytes + capacity <= this.#capBytes || this.#lentBytes < 2 * capacity;
  }

  /**
   * A slab of exactly `capacity` bytes with undefined content, or null at the cap. Two slabs are always granted,
   * because a torrent whose pieces are larger than the cap must still be able to move. So is one that `mustHave`: it has
   * no other, and those who hold the rest may be stuck.
   */
  take(capacity: number, mustHave = false): Slab | null {
    if (!mustHave && !this.mayTake(capacity)) return null;
    this.#lentBytes += capacity;
    const slab = this.#free.get(capacity)?.pop();
    if (slab) {
      this.#freeBytes -= capacity;
      return slab;
    }
    this.#trim(capacity);
    return new Slab(capacity, this.#allocate);
  }

  give(slab: Slab): void {
    this.#lentBytes -= slab.capacity;
    if (this.#lentBytes + this.#freeBytes + slab.capacity > this.#capBytes) {
      this.#drop(slab.capacity);
      return;
    }
    const list = this.#free.get(slab.capacity);
    if (list) list.push(slab);
    else this.#free.set(slab.capacity, [slab]);
    this.#freeBytes += slab.capacity;
  }

  /** Frees kept slabs of other sizes until `capacity` more bytes fit under the cap. */
  #trim(capacity: number): void {
    for (const [size, list] of this.#free) {
      while (this.#lentBytes + this.#freeBytes > this.#capBytes && list.length > 0) {
        list.pop();
        this.#freeBytes -= size;
        this.#drop(size);
      }
      if (list.length === 0 && size !== capacity) this.#free.delete(size);
    }
  }

  /** Drops all kept slabs; for when nothing downloads any more. */
  releaseFree(): void {
    this.#free.clear();
    this.#drop(this.#freeBytes);
    this.#freeBytes = 0;
  }

  #drop(bytes: number): void {
    if (this.#allocate === sharedMemory) this.#garbage.add(bytes);
  }
}
