/**
 * The state of each block of the pieces that were begun.
 *
 * Only begun pieces have block states, and they are few, so the arrays are pooled and a torrent of a million pieces
 * costs nothing here. A block is free, requested (then its state is the slot of the peer that was asked first), or
 * received. Further peers asked for the same block are the endgame's business.
 */
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import { SparseMap } from '../../util/sparse-map.ts';

/** Block states above every peer slot. */
export const FREE = 0xffff;
export const RECEIVED = 0xfffe;

/** Pools keep this many block arrays: as many as are begun at once in an ordinary swarm. */
const MAX_SPARE = 64;

export class PartialPiece {
  piece = -1;
  blockCount = 0;
  freeCount = 0;
  requestedCount = 0;
  receivedCount = 0;
  /** Per block FREE, RECEIVED or the slot of the peer that was asked first. */
  readonly owners: Uint16Array;
  /** Per requested block the owner's running number of requests: tells the block's place in the owner's queue. */
  readonly tickets: Uint32Array;
  /** No block below is free. */
  firstFree = 0;
  /** Slot of the peer that took blocks last, and how fast it was then. */
  workerSlot = -1;
  speedClass = 0;
  /** Place in the list of pieces with free blocks, -1 if not in it. */
  freeListIndex = -1;

  constructor(blocksPerPiece: number) {
    this.owners = new Uint16Array(blocksPerPiece);
    this.tickets = new Uint32Array(blocksPerPiece);
  }

  get isReceived(): boolean {
    return this.receivedCount === this.blockCount;
  }
}

export class PartialPieces {
  readonly #geometry: PieceGeometry;
  readonly #byPiece = new SparseMap<number, PartialPiece>();
  readonly #withFree: PartialPiece[] = [];
  readonly #spare: PartialPiece[] = [];

  constructor(geometry: PieceGeometry) {
    this.#geometry = geometry;
  }

  get size(): number {
    return this.#byPiece.size;
  }

  /** Those with blocks that nobody has been asked for, in no order. */
  get withFree(): readonly PartialPiece[] {
    return this.#withFree;
  }

  get(piece: number): PartialPiece | undefined {
    return this.#byPiece.get(piece);
  }

  values(): IterableIterator<PartialPiece> {
    return this.#byPiece.values();
  }

  pieces(): IterableIterator<number> {
    return this.#byPiece.keys();
  }

  begin(piece: number): PartialPiece {
    const partial = this.#spare.pop() ?? new PartialPiece(this.#geometry.blocksPerPiece);
    partial.piece = piece;
    partial.blockCount = this.#geometry.blockCount(piece);
    partial.freeCount = partial.blockCount;
    partial.requestedCount = 0;
    partial.receivedCount = 0;
    partial.owners.fill(FREE);
    partial.firstFree = 0;
    partial.workerSlot = -1;
    partial.speedClass = 0;
    this.#byPiece.set(piece, partial);
    this.#list(partial);
    return partial;
  }

  end(partial: PartialPiece): void {
    this.#unlist(partial);
    this.#byPiece.delete(partial.piece);
    partial.piece = -1;
    if (this.#spare.length < MAX_SPARE) this.#spare.push(partial);
  }

  /** Gives the next free block to a peer. There must be one. */
  request(partial: PartialPiece, slot: number, ticket: number): number {
    const { owners } = partial;
    let block = partial.firstFree;
    while (owners[block] !== FREE) block++;
    owners[block] = slot;
    partial.tickets[block] = ticket;
    partial.firstFree = block + 1;
    partial.requestedCount++;
    this.#takeFree(partial);
    return block;
  }

  release(partial: PartialPiece, block: number): void {
    partial.owners[block] = FREE;
    partial.requestedCount--;
    partial.firstFree = Math.min(partial.firstFree, block);
    if (partial.freeCount++ === 0) this.#list(partial);
  }

  receive(partial: PartialPiece, block: number): void {
    if (partial.owners[block] === FREE) this.#takeFree(partial);
    else partial.requestedCount--;
    partial.owners[block] = RECEIVED;
    partial.receivedCount++;
  }

  #takeFree(partial: PartialPiece): void {
    if (--partial.freeCount === 0) this.#unlist(partial);
  }

  #list(partial: PartialPiece): void {
    partial.freeListIndex = this.#withFree.push(partial) - 1;
  }

  #unlist(partial: PartialPiece): void {
    const index = partial.freeListIndex;
    if (index < 0) return;
    const last = this.#withFree.pop()!;
    if (last !== partial) {
      this.#withFree[index] = last;
      last.freeListIndex = index;
    }
    partial.freeListIndex = -1;
  }
}
