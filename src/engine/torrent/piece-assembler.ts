import type { PieceGeometry } from '../../metainfo/geometry.ts';
import { assert } from '../../util/assert.ts';
import { BLOCK_LENGTH } from '../../util/block-length.ts';
import { copyBytes } from '../../util/copy-bytes.ts';
import type { Slab, SlabPool } from '../../util/slab-pool.ts';
import { SparseMap } from '../../util/sparse-map.ts';

/**
 * Pieces on their way in: their buffers, and who fills which block.
 *
 * A block has at most one open target in the slab. A second peer that starts the same block (endgame) gets a scratch
 * buffer, copied in only if it finishes first; the slower one is then told to discard the rest. So nobody overwrites a
 * finished block, and a slab that goes to a worker has no writer left.
 */

/** A connection that is receiving a block. */
export interface BlockWriter {
  /** The block it is receiving is no longer wanted. */
  discardBlock(): void;
}

/** Who gave a block, as far as blame needs to know: stays valid when the connection is gone. */
export type Contributor = object;

export class PartialPiece {
  readonly piece: number;
  readonly slab: Slab;
  /** By block; null while missing. */
  readonly contributors: (Contributor | null)[];
  /** By block; who writes it into the slab right now. */
  readonly writers: (BlockWriter | null)[];
  /** Blocks that a second connection receives beside the slab. */
  readonly scratch: { block: number; writer: BlockWriter; bytes: Uint8Array }[] = [];
  receivedCount = 0;
  /** As of the last beat, and the beats since it last changed. */
  receivedAtBeat = 0;
  stuckBeats = 0;
  /** Handed to the worker: takes no more blocks. */
  sealed = false;

  constructor(piece: number, slab: Slab, blockCount: number) {
    this.piece = piece;
    this.slab = slab;
    this.contributors = new Array<Contributor | null>(blockCount).fill(null);
    this.writers = new Array<BlockWriter | null>(blockCount).fill(null);
  }
}

export class PieceAssembler {
  readonly #geometry: PieceGeometry;
  readonly #pool: SlabPool;
  readonly #partials = new SparseMap<number, PartialPiece>();
  /** Most blocks in a row belong to the same piece. */
  #last: PartialPiece | null = null;
  /** A piece had to wait for a buffer since the last beat. */
  #wasShort = false;

  constructor(geometry: PieceGeometry, pool: SlabPool) {
    this.#geometry = geometry;
    this.#pool = pool;
  }

  get size(): number {
    return this.#partials.size;
  }

  get(piece: number): PartialPiece | undefined {
    const last = this.#last;
    if (last !== null && last.piece === piece) return last;
    const partial = this.#partials.get(piece);
    if (partial) this.#last = partial;
    return partial;
  }

  pieces(): IterableIterator<PartialPiece> {
    return this.#partials.values();
  }

  /** Makes sure that the piece has a buffer. False at the memory cap: the piece must wait. */
  reserve(piece: number): boolean {
    if (this.#partials.has(piece)) return true;
    const slab = this.#pool.take(this.#geometry.pieceLength, this.#partials.size === 0);
    if (!slab) {
      this.#wasShort = true;
      return false;
    }
    this.#partials.set(piece, new PartialPiece(piece, slab, this.#geometry.blockCount(piece)));
    return true;
  }

  /** Once a second. True if a piece had to wait for a buffer since the last time. */
  noteBeat(): boolean {
    for (const partial of this.#partials.values()) {
      if (partial.receivedCount === partial.receivedAtBeat) partial.stuckBeats++;
      else partial.stuckBeats = 0;
      partial.receivedAtBeat = partial.receivedCount;
    }
    const wasShort = this.#wasShort;
    this.#wasShort = false;
    return wasShort;
  }

  /** The piece that has waited longest for a block, if that is at least so many beats. */
  mostStuck(beatsMin: number): PartialPiece | null {
    let most: PartialPiece | null = null;
    for (const partial of this.#partials.values()) {
      if (partial.sealed || partial.stuckBeats < (most?.stuckBeats ?? beatsMin)) continue;
      most = partial;
    }
    return most;
  }

  /** Memory for a block that begins to arrive, or null if it is here already or its piece takes no more. */
  open(piece: number, begin: number, length: number, writer: BlockWriter): Uint8Array | null {
    const partial = this.get(piece);
    if (!partial || partial.sealed) return null;
    const block = begin / BLOCK_LENGTH;
    if (partial.contributors[block] !== null) return null;
    if (partial.writers[block] === null) {
      partial.writers[block] = writer;
      return partial.slab.bytes.subarray(begin, begin + length);
    }
    const bytes = new Uint8Array(length);
    partial.scratch.push({ block, writer, bytes });
    return bytes;
  }

  /**
   * The block that `writer` was receiving is whole. True if it is the first copy: it is in the slab now, and other
   * connections still receiving it were told to discard theirs.
   */
  finish(piece: number, begin: number, writer: BlockWriter, contributor: Contributor): boolean {
    const partial = this.get(piece);
    if (!partial || partial.sealed) return false;
    const block = begin / BLOCK_LENGTH;
    if (partial.contributors[block] !== null) return false;
    const other = partial.writers[block]!;
    partial.writers[block] = null;
    if (other !== writer) {
      const beside = takeScratch(partial, block, writer);
      assert(beside !== null, `block ${block} of piece ${piece} was finished by nobody that receives it`);
      // The slower one lets go of the slab before the finished bytes go in.
      other?.discardBlock();
      copyBytes(beside, partial.slab.bytes, begin);
    }
    if (partial.scratch.length > 0) discardScratch(partial, block);
    partial.contributors[block] = contributor;
    partial.receivedCount++;
    return true;
  }

  /** The connection went away in the middle of this block. */
  abandon(piece: number, begin: number, writer: BlockWriter): void {
    const partial = this.#partials.get(piece);
    if (!partial) return;
    const block = begin / BLOCK_LENGTH;
    if (partial.writers[block] === writer) partial.writers[block] = null;
    else takeScratch(partial, block, writer);
  }

  /** The piece is whole and goes to be verified: from here on its slab has no writer. */
  seal(piece: number): PartialPiece {
    const partial = this.#partials.get(piece)!;
    partial.sealed = true;
    discardAll(partial);
    return partial;
  }

  /** The piece is done with, or given up: its buffer goes back. */
  release(piece: number): void {
    const partial = this.#partials.get(piece);
    if (!partial) return;
    discardAll(partial);
    this.#partials.delete(piece);
    if (this.#last === partial) this.#last = null;
    this.#pool.give(partial.slab);
  }
}

function takeScratch(partial: PartialPiece, block: number, writer: BlockWriter): Uint8Array | null {
  const index = partial.scratch.findIndex((entry) => entry.block === block && entry.writer === writer);
  return index < 0 ? null : partial.scratch.splice(index, 1)[0]!.bytes;
}

function discardScratch(partial: PartialPiece, block: number): void {
  for (let i = partial.scratch.length - 1; i >= 0; i--) {
    if (partial.scratch[i]!.block === block) partial.scratch.splice(i, 1)[0]!.writer.discardBlock();
  }
}

function discardAll(partial: PartialPiece): void {
  for (let block = 0; block < partial.writers.length; block++) {
    const writer = partial.writers[block];
    partial.writers[block] = null;
    writer?.discardBlock();
  }
  for (const { writer } of partial.scratch.splice(0)) writer.discardBlock();
}
