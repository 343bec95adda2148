import { equalBytes, readU32, toHex, utf8, writeU32 } from '../util/bytes.ts';
import { SparseMap } from '../util/sparse-map.ts';

/**
 * The index of a part file: which pieces have bytes there, and where.
 *
 * A piece at the border of a wanted and an unwanted file can only be verified, kept and shared whole. The bytes that
 * belong to the unwanted file, which must not appear on disk, lie in a part file next to the torrent. It has slots of
 * one piece length each, and a slot holds the whole piece, so that its bytes are right for whichever file they are
 * asked later.
 *
 * ```
 * 0   8  "TTPARTS1"
 * 8   20 info hash
 * 28  4  piece length
 * 32  4  piece count
 * 36  4  per piece: 0, or its slot plus one
 * ..     from the next multiple of 16 KiB on: the slots
 * ```
 *
 * A piece's number is written after its bytes, so a crash leaves a slot without a name, never a name without bytes.
 */
export class PartIndex {
  readonly headerLength: number;
  readonly #infoHash: Uint8Array;
  readonly #pieceLength: number;
  readonly #pieceCount: number;
  readonly #slots = new SparseMap<number, number>();
  readonly #free: number[] = [];
  #slotCount = 0;
  /** Does the file exist? */
  isOnDisk = false;

  constructor(infoHash: Uint8Array, pieceLength: number, pieceCount: number) {
    this.headerLength = HEADER_BYTES + ENTRY_BYTES * pieceCount;
    this.#infoHash = infoHash;
    this.#pieceLength = pieceLength;
    this.#pieceCount = pieceCount;
  }

  get name(): string {
    return `.${toHex(this.#infoHash)}.parts`;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  pieces(): number[] {
    return [...this.#slots.keys()];
  }

  has(piece: number): boolean {
    return this.#slots.has(piece);
  }

  /** Where in the part file a byte of a piece lies; the piece must be in the index. */
  offsetOf(piece: number, begin: number): number {
    return this.slotOffset(this.#slots.get(piece)!) + begin;
  }

  /** A slot for a piece that is going to be written: its own, if it has one. */
  reserve(piece: number): number {
    return this.#slots.get(piece) ?? this.#free.pop() ?? this.#slotCount++;
  }

  slotOffset(slot: number): number {
    const start = Math.ceil(this.headerLength / SLOTS_ALIGN) * SLOTS_ALIGN;
    return start + slot * this.#pieceLength;
  }

  /** The piece was written to the slot it had reserved. */
  add(piece: number, slot: number): void {
    this.#slots.set(piece, slot);
    this.isOnDisk = true;
  }

  /** Gives back a reserved slot that was not written. */
  cancel(piece: number, slot: number): void {
    if (this.#slots.get(piece) !== slot) this.#free.push(slot);
  }

  delete(piece: number): void {
    this.#free.push(this.#slots.get(piece)!);
    this.#slots.delete(piece);
  }

  /** Drops all pieces; the file stays. */
  forget(): void {
    this.#slots.clear();
    this.#free.length = 0;
    this.#slotCount = 0;
  }

  /** There is no file. */
  clear(): void {
    this.forget();
    this.isOnDisk = false;
  }

  /** The header's first part, for a file that is new. */
  preamble(): Uint8Array {
    const bytes = new Uint8Array(HEADER_BYTES);
    bytes.set(MAGIC);
    bytes.set(this.#infoHash, MAGIC.length);
    writeU32(bytes, 28, this.#pieceLength);
    writeU32(bytes, 32, this.#pieceCount);
    return bytes;
  }

  /** The bytes that name a piece's slot, or no slot, and where they go. */
  entry(piece: number, slot: number | null): { readonly offset: number; readonly bytes: Uint8Array } {
    const bytes = new Uint8Array(ENTRY_BYTES);
    writeU32(bytes, 0, slot === null ? 0 : slot + 1);
    return { offset: HEADER_BYTES + ENTRY_BYTES * piece, bytes };
  }

  /** Takes over the header of a file. One that is damaged or not ours counts as empty: its pieces are fetched anew. */
  load(header: Uint8Array): void {
    this.clear();
    this.isOnDisk = true;
    if (!equalBytes(header.subarray(0, HEADER_BYTES), this.preamble())) return;
    const taken = new Set<number>();
    for (let piece = 0; piece < this.#pieceCount; piece++) {
      const at = HEADER_BYTES + ENTRY_BYTES * piece;
      const slot = at + ENTRY_BYTES <= header.length ? readU32(header, at) - 1 : -1;
      if (slot < 0 || slot >= this.#pieceCount || taken.has(slot)) continue;
      taken.add(slot);
      this.#slots.set(piece, slot);
      this.#slotCount = Math.max(this.#slotCount, slot + 1);
    }
    for (let slot = 0; slot < this.#slotCount; slot++) if (!taken.has(slot)) this.#free.push(slot);
  }
}

const MAGIC = utf8('TTPARTS1');
const HEADER_BYTES = 36;
const ENTRY_BYTES = 4;
/** Whole file system blocks, so that holes take no space. */
const SLOTS_ALIGN = 16_384;
