import BitField from 'bitfield';

/**
 * A set of piece indices of one torrent: an exact length, a running count, and a strict reading of the wire form
 * (BEP 3 *bitfield*: the high bit of the first byte is piece 0, spare bits are zero).
 *
 * An index outside [0, size) is a bug of the caller: indices are checked once, where they come in.
 */
export class PieceSet {
  /** Number of pieces of the torrent, not of the set. */
  readonly size: number;
  #bits: BitField;
  #count = 0;

  constructor(size: number) {
    this.size = size;
    this.#bits = new BitField(size);
  }

  /** The set that a peer's bitfield message names, or null if its length or its spare bits are wrong. */
  static fromBitfield(bytes: Uint8Array, size: number): PieceSet | null {
    if (bytes.length !== Math.ceil(size / 8)) return null;
    const spare = bytes.length * 8 - size;
    if (spare > 0 && (bytes[bytes.length - 1]! & ((1 << spare) - 1)) !== 0) return null;
    const set = new PieceSet(size);
    set.#bits = new BitField(bytes.slice());
    set.#count = countBits(bytes);
    return set;
  }

  static full(size: number): PieceSet {
    const set = new PieceSet(size);
    set.addAll();
    return set;
  }

  /** How many pieces the set holds. */
  get count(): number {
    return this.#count;
  }

  get isEmpty(): boolean {
    return this.#count === 0;
  }

  get isFull(): boolean {
    return this.#count === this.size;
  }

  /** The wire form. A view of the set's own memory: copy it before the set changes, and never write to it. */
  get bytes(): Uint8Array {
    return this.#bits.buffer;
  }

  has(piece: number): boolean {
    return this.#bits.get(piece);
  }

  /** True if the piece was not in the set before. */
  add(piece: number): boolean {
    if (this.#bits.get(piece)) return false;
    this.#bits.set(piece);
    this.#count++;
    return true;
  }

  /** True if the piece was in the set before. */
  delete(piece: number): boolean {
    if (!this.#bits.get(piece)) return false;
    this.#bits.set(piece, false);
    this.#count--;
    return true;
  }

  addAll(): void {
    const bytes = this.#bits.buffer;
    bytes.fill(0xff);
    const spare = bytes.length * 8 - this.size;
    if (spare > 0) bytes[bytes.length - 1]! &= 0xff << spare;
    this.#count = this.size;
  }

  clear(): void {
    this.#bits.buffer.fill(0);
    this.#count = 0;
  }

  clone(): PieceSet {
    const copy = new PieceSet(this.size);
    copy.#bits = new BitField(this.#bits.buffer.slice());
    copy.#count = this.#count;
    return copy;
  }

  /** Calls `visit` for each member in rising order. Skips empty bytes, so sparse sets are cheap. */
  forEach(visit: (piece: number) => void): void {
    const bytes = this.#bits.buffer;
    for (let i = 0; i < bytes.length; i++) {
      let byte = bytes[i]!;
      while (byte !== 0) {
        const bit = Math.clz32(byte) - 24;
        visit(i * 8 + bit);
        byte &= ~(0x80 >> bit);
      }
    }
  }
}

function countBits(bytes: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i]!;
    while (byte !== 0) {
      byte &= byte - 1;
      count++;
    }
  }
  return count;
}
