import type { PiecePicker } from '../../../src/engine/picker/piece-picker.ts';
import type { PieceGeometry } from '../../../src/metainfo/geometry.ts';
import type { TestPeer } from './support.ts';

interface NaiveBlock {
  received: boolean;
  owners: Set<TestPeer>;
}

/**
 * The picker's marks in the plainest form, every count by counting: what the real one must agree with after each call.
 * It decides nothing; it judges the real one's choices.
 */
export class NaivePicker {
  readonly peers = new Set<TestPeer>();
  readonly have = new Set<number>();
  /** Pieces that only one peer at a time may work on. */
  readonly alone = new Set<number>();
  readonly priorities: number[];
  readonly #geometry: PieceGeometry;
  readonly #blocks: NaiveBlock[][] = [];

  constructor(geometry: PieceGeometry) {
    this.#geometry = geometry;
    this.priorities = Array.from({ length: geometry.pieceCount }, () => 4);
    for (let piece = 0; piece < geometry.pieceCount; piece++) this.forget(piece);
  }

  forget(piece: number): void {
    this.#blocks[piece] = Array.from({ length: this.#geometry.blockCount(piece) }, () => ({
      received: false,
      owners: new Set(),
    }));
  }

  block(piece: number, block: number): NaiveBlock {
    return this.#blocks[piece]![block]!;
  }

  release(peer: TestPeer, piece: number, block: number): void {
    this.block(piece, block).owners.delete(peer);
  }

  leave(peer: TestPeer): void {
    this.peers.delete(peer);
    for (const blocks of this.#blocks) for (const { owners } of blocks) owners.delete(peer);
  }

  requestsOf(peer: TestPeer): [number, number][] {
    const found: [number, number][] = [];
    this.#blocks.forEach((blocks, piece) =>
      blocks.forEach(({ owners }, block) => {
        if (owners.has(peer)) found.push([piece, block]);
      }),
    );
    return found;
  }

  isWanted(piece: number): boolean {
    return this.priorities[piece]! > 0 && !this.have.has(piece);
  }

  isBegun(piece: number): boolean {
    return this.#blocks[piece]!.some(({ received, owners }) => received || owners.size > 0);
  }

  isFree(piece: number, block: number): boolean {
    const { received, owners } = this.block(piece, block);
    return !received && owners.size === 0;
  }

  copies(piece: number): number {
    let copies = 0;
    for (const peer of this.peers) if (peer.have.has(piece)) copies++;
    return copies;
  }

  /** Has the peer a wanted piece with a block that nobody was asked for, and that it need not leave to another? */
  hasFreeFor(peer: TestPeer, onlyBegun: boolean): boolean {
    return this.#some((piece, block) => {
      if (this.alone.has(piece) && this.#hasOtherWorker(piece, peer)) return false;
      return peer.have.has(piece) && (!onlyBegun || this.isBegun(piece)) && this.isFree(piece, block);
    });
  }

  get isEndgame(): boolean {
    const wanted = this.priorities.some((_, piece) => this.isWanted(piece));
    return wanted && !this.#some((piece, block) => this.copies(piece) > 0 && this.isFree(piece, block));
  }

  /** May this open piece be begun with this peer: highest priority, then rarest? */
  isRarestFor(peer: TestPeer, piece: number): boolean {
    for (let other = 0; other < this.priorities.length; other++) {
      if (!this.isWanted(other) || this.isBegun(other) || !peer.have.has(other)) continue;
      if (this.priorities[other]! > this.priorities[piece]!) return false;
      if (this.priorities[other] === this.priorities[piece] && this.copies(other) < this.copies(piece)) {
        return false;
      }
    }
    return true;
  }

  /** The first thing in which the two differ, or null. */
  difference(picker: PiecePicker): string | null {
    let wantedCount = 0;
    for (let piece = 0; piece < this.priorities.length; piece++) {
      if (this.isWanted(piece)) wantedCount++;
      const found = this.#differenceIn(picker, piece);
      if (found) return `piece ${piece}: ${found}`;
    }
    if (picker.wantedCount !== wantedCount) return `wanted ${picker.wantedCount}, not ${wantedCount}`;
    for (const peer of this.peers) {
      let wanted = 0;
      peer.have.forEach((piece) => (wanted += Number(this.isWanted(piece))));
      if (peer.wantedCount !== wanted) return `interest ${peer.wantedCount}, not ${wanted}`;
    }
    if (picker.inEndgame !== this.isEndgame) return `endgame ${picker.inEndgame}`;
    return null;
  }

  #differenceIn(picker: PiecePicker, piece: number): string | null {
    const blocks = this.#blocks[piece]!;
    if (picker.availability(piece) !== this.copies(piece)) {
      return `availability ${picker.availability(piece)}, not ${this.copies(piece)}`;
    }
    if (picker.hasPiece(piece) !== this.have.has(piece)) return 'have';
    if (picker.priority(piece) !== this.priorities[piece]) return 'priority';
    if (this.have.has(piece)) return picker.receivedBlocks(piece) === blocks.length ? null : 'blocks of ours';
    if (picker.isPartial(piece) !== this.isBegun(piece)) return `begun ${picker.isPartial(piece)}`;
    const received = blocks.filter((block) => block.received).length;
    if (picker.receivedBlocks(piece) !== received) return `received ${picker.receivedBlocks(piece)}`;
    if (picker.isPieceReceived(piece) !== (received === blocks.length)) return 'whole';
    for (let block = 0; block < blocks.length; block++) {
      if (picker.isReceived(piece, block) !== blocks[block]!.received) return `block ${block} received`;
      for (const peer of this.peers) {
        const asked = blocks[block]!.owners.has(peer);
        if (picker.isRequestedBy(peer, piece, block) !== asked) return `block ${block} requested`;
        const others: unknown[] = [];
        picker.othersRequesting(peer, piece, block, others as TestPeer[]);
        if (others.length !== blocks[block]!.owners.size - Number(asked)) return `block ${block} others`;
        if (others.some((other) => !blocks[block]!.owners.has(other as TestPeer)))
          return `block ${block} whom`;
      }
    }
    return null;
  }

  #hasOtherWorker(piece: number, peer: TestPeer): boolean {
    return [...this.peers].some((other) => {
      return other !== peer && !other.snubbed && this.requestsOf(other).length > 0 && this.isBegun(piece);
    });
  }

  #some(test: (piece: number, block: number) => boolean): boolean {
    return this.#blocks.some(
      (blocks, piece) => this.isWanted(piece) && blocks.some((_, block) => test(piece, block)),
    );
  }
}
