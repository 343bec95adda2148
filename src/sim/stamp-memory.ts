import { assert } from '../util/assert.ts';
import { BLOCK_LENGTH } from '../util/block-length.ts';

/** Bytes of the stamp that stands for a block; see `content.ts`. */
export const STAMP_LENGTH = 8;

/**
 * Memory for pieces that remembers nothing of a block but its stamp: eight bytes for 16 KiB.
 *
 * It says that it has the length the engine asked for, and the engine hands out stretches of it as it does with any
 * memory; only the simulated disk and links look inside. So every client has the buffers of a real one, and thousands
 * of them fit into one process.
 */
export class StampMemory extends Uint8Array<ArrayBuffer> {
  readonly #length: number;

  private constructor(stamps: ArrayBuffer, offset: number, length: number) {
    super(stamps, offset, stampBytes(length));
    this.#length = length;
  }

  static readonly allocate = (bytes: number): StampMemory =>
    new StampMemory(new ArrayBuffer(stampBytes(bytes)), 0, bytes);

  override get length(): number {
    return this.#length;
  }

  override subarray(begin = 0, end = this.#length): StampMemory {
    return new StampMemory(this.buffer, this.byteOffset + stampIndex(this, begin), end - begin);
  }

  /** Copies the stamps of whole blocks, also from memory that holds all their bytes. */
  override set(source: Uint8Array, offset = 0): void {
    for (let begin = 0; begin < source.length; begin += BLOCK_LENGTH) {
      const from = stampIndex(source, begin);
      const to = stampIndex(this, offset + begin);
      for (let i = 0; i < STAMP_LENGTH; i++) this[to + i] = source[from + i] ?? 0;
    }
  }
}

/** The index of the first byte of the stamp of the block that begins at this offset. */
export function stampIndex(memory: Uint8Array, begin: number): number {
  if (!(memory instanceof StampMemory)) return begin;
  assert(begin % BLOCK_LENGTH === 0, `no block begins at ${begin}`);
  return stampBytes(begin);
}

function stampBytes(length: number): number {
  return Math.ceil(length / BLOCK_LENGTH) * STAMP_LENGTH;
}
