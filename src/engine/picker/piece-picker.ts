/**
 * What to ask each peer for next.
 *
 * This file keeps the marks together: a piece is ours, or begun (it has block states), or open (wanted, not begun), or
 * skipped. Which piece comes next is decided in `selection.ts`, duplicates in `endgame.ts`.
 *
 * Two counts per peer are kept with every change, so that the common questions cost nothing: the wanted pieces it has
 * (are we interested?) and the open ones among them (is a search worth while?).
 */
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import { PieceSet } from '../../util/piece-set.ts';
import type { Rng } from '../../util/rng.ts';
import { clearBit, countCommon, hasBit, setBit } from './bits.ts';
import { FREE, RECEIVED, type PartialPiece } from './block-states.ts';
import type { PeerEntry } from './peer-table.ts';
import { NORMAL_PRIORITY, PickerTables } from './picker-tables.ts';
import type { PickerMediator, PickingPeer, PickOptions } from './picking-peer.ts';

export const SKIP_PRIORITY = 0;

/** A peer with more than this part of all pieces is counted in bulk, and the order of rarity sorted later. */
const BULK_SHARE = 1 / 8;
/** A wish for more than this part of all pieces counts each peer anew instead of piece by piece. */
const RECOUNT_SHARE = 1 / 16;

export class PiecePicker {
  /** Verified pieces. Changed by `onVerified` and `onLost` alone. */
  readonly have: PieceSet;
  readonly #geometry: PieceGeometry;
  readonly #rng: Rng;
  readonly #mediator: PickerMediator;
  #wantedCount: number;
  /** Made for the first peer, or the first wish that is not the usual one. */
  #made: PickerTables | null = null;

  constructor(geometry: PieceGeometry, rng: Rng, mediator: PickerMediator) {
    this.#geometry = geometry;
    this.#rng = rng;
    this.#mediator = mediator;
    this.have = new PieceSet(geometry.pieceCount);
    this.#wantedCount = geometry.pieceCount;
  }

  get #tables(): PickerTables {
    return (this.#made ??= new PickerTables(this.#geometry, this.have, this.#rng, this.#mediator));
  }

  // The swarm

  /** A peer enters with the pieces it is known to have, possibly none. */
  onPeerJoined(peer: PickingPeer): void {
    this.#countPeer(this.#tables.peers.join(peer));
  }

  /** Called after `peer.have.add(piece)` returned true. */
  onPeerHave(peer: PickingPeer, piece: number): void {
    const entry = this.#tables.peers.of(peer);
    this.#tables.availability.counts[piece]!++;
    this.#tables.open.onCopyGained(piece);
    if (!hasBit(this.#tables.wanted, piece)) return;
    peer.wantedCount++;
    if (this.#tables.open.has(piece)) entry.openCount++;
  }

  /** Called after `peer.have.delete(piece)` returned true (BEP 54). */
  onPeerDontHave(peer: PickingPeer, piece: number): void {
    const entry = this.#tables.peers.of(peer);
    if (entry.isSeed) {
      // It was counted as one that has everything; from now on it is counted piece by piece.
      this.#uncountPieces(entry, null);
      this.#countPeer(entry);
      return;
    }
    this.#tables.availability.counts[piece]!--;
    this.#tables.open.onCopyLost(piece);
    if (!hasBit(this.#tables.wanted, piece)) return;
    peer.wantedCount--;
    if (this.#tables.open.has(piece)) entry.openCount--;
  }

  /** `peer.have` was replaced as a whole. @param previous What the picker had been told; null if nothing. */
  onPeerBitfield(peer: PickingPeer, previous: PieceSet | null): void {
    const entry = this.#tables.peers.of(peer);
    this.#uncountPieces(entry, previous);
    entry.bytes = peer.have.bytes;
    this.#countPeer(entry);
  }

  /** Also releases all its requests. */
  onPeerLeft(peer: PickingPeer): void {
    const entry = this.#tables.peers.of(peer);
    this.#uncountPieces(entry, peer.have);
    this.#releaseAll(entry);
    this.#tables.peers.leave(entry);
  }

  // Our pieces

  hasPiece(piece: number): boolean {
    return this.have.has(piece);
  }

  onVerified(piece: number): void {
    if (!this.have.add(piece)) return;
    const tables = this.#made;
    if (!tables) {
      this.#wantedCount--;
      return;
    }
    tables.alone.delete(piece);
    this.#dropBlocks(piece);
    if (!hasBit(tables.wanted, piece)) return;
    if (tables.open.has(piece)) this.#closeOpen(piece);
    clearBit(tables.wanted, piece);
    this.#wantedCount--;
    for (const entry of tables.peers.slots) {
      if (entry && hasBit(entry.bytes, piece)) entry.peer.wantedCount--;
    }
  }

  /**
   * The hash did not match, or the piece's blocks were given up: all of them are free again.
   * @param alone From now on the piece comes from one peer only, so that it is known whom a failure is to blame on.
   */
  onFailed(piece: number, alone = false): void {
    if (alone) this.#tables.alone.add(piece);
    if (!this.#dropBlocks(piece)) return;
    if (hasBit(this.#tables.wanted, piece)) this.#reopen(piece);
  }

  /** A verified piece is gone from the storage. */
  onLost(piece: number): void {
    if (!this.have.delete(piece) || this.priority(piece) === SKIP_PRIORITY) return;
    this.#wantedCount++;
    const tables = this.#made;
    if (!tables) return;
    setBit(tables.wanted, piece);
    for (const entry of tables.peers.slots) {
      if (entry && hasBit(entry.bytes, piece)) entry.peer.wantedCount++;
    }
    this.#reopen(piece);
  }

  // Wishes

  /** Wanted pieces still missing; 0 when done. */
  get wantedCount(): number {
    return this.#wantedCount;
  }

  get sequential(): boolean {
    return this.#made?.selection.sequential ?? false;
  }

  set sequential(value: boolean) {
    if (value !== this.sequential) this.#tables.selection.sequential = value;
  }

  /** Any piece instead of the rarest, to see what the order is worth. */
  get random(): boolean {
    return this.#made?.selection.random ?? false;
  }

  set random(value: boolean) {
    if (value !== this.random) this.#tables.selection.random = value;
  }

  priority(piece: number): number {
    return this.#made === null ? NORMAL_PRIORITY : this.#made.priorities[piece]!;
  }

  /** @param priority 0 skips the piece, 1 to 7 want it, 4 is normal. */
  setPriority(piece: number, priority: number): void {
    const wasWanted = hasBit(this.#tables.wanted, piece);
    const wasOpen = this.#tables.open.has(piece);
    this.#mark(piece, priority);
    const isWanted = hasBit(this.#tables.wanted, piece);
    if (isWanted === wasWanted) return;
    const by = isWanted ? 1 : -1;
    const openBy = Number(this.#tables.open.has(piece)) - Number(wasOpen);
    for (const entry of this.#tables.peers.slots) {
      if (!entry || !hasBit(entry.bytes, piece)) continue;
      entry.peer.wantedCount += by;
      entry.openCount += openBy;
    }
  }

  /** The same for all pieces from `first` up to, not including, `end`; for whole files at once. */
  setPriorities(first: number, end: number, priority: number): void {
    if (!this.#made && priority === NORMAL_PRIORITY) return;
    if (end - first <= this.#geometry.pieceCount * RECOUNT_SHARE) {
      for (let piece = first; piece < end; piece++) this.setPriority(piece, priority);
      return;
    }
    this.#tables.open.unsort();
    for (let piece = first; piece < end; piece++) this.#mark(piece, priority);
    for (const entry of this.#tables.peers.slots) if (entry) this.#recount(entry);
  }

  // Requests

  /**
   * Appends at most `max` block indices (piece x blocksPerPiece + block) to `out` and marks them as requested from this
   * peer.
   *
   * @returns How many. Zero means nothing now; a later release, *have* or endgame may change that.
   */
  pick(peer: PickingPeer, max: number, out: number[], options: PickOptions): number {
    if (peer.wantedCount === 0) return 0;
    const entry = this.#tables.peers.of(peer);
    const speed = this.#tables.selection.speedClass(peer);
    this.#tables.open.settle(options.now);
    let taken = 0;
    while (taken < max) {
      const piece = this.#tables.selection.next(entry, speed, options);
      if (piece < 0) break;
      const partial = this.#tables.partials.get(piece) ?? this.#begin(piece);
      taken += this.#requestFrom(partial, entry, speed, max - taken, out);
    }
    if (taken > 0 || max <= 0 || options.allowed) return taken;
    if (!this.#tables.selection.withheld && !this.inEndgame) return 0;
    return this.#tables.endgame.pick(entry, max, out, options.now);
  }

  /** A request of this peer is void: rejected, choked, timed out, cancelled. */
  onReleased(peer: PickingPeer, piece: number, block: number): void {
    const partial = this.#tables.partials.get(piece);
    if (partial) this.#release(this.#tables.peers.of(peer), partial, block);
  }

  /**
   * A block came from this peer. Others that were asked for it stay noted for `othersRequesting`, until they are
   * released or deliver it too.
   *
   * @returns True if the block was new, false if we had it or have no place for it.
   */
  onReceived(peer: PickingPeer, piece: number, block: number): boolean {
    const entry = this.#tables.peers.of(peer);
    const blockIndex = this.#blockIndex(piece, block);
    const partial = this.#tables.partials.get(piece) ?? this.#beginLate(piece);
    if (!partial || partial.owners[block] === RECEIVED) {
      if (partial && this.#tables.endgame.remove(blockIndex, entry.slot)) entry.outstanding--;
      this.#tables.endgame.onWaste(this.#geometry.blockLength(piece, block));
      return false;
    }
    const owner = partial.owners[block]!;
    if (owner === entry.slot || this.#tables.endgame.remove(blockIndex, entry.slot)) entry.outstanding--;
    if (owner !== entry.slot && owner !== FREE)
      this.#tables.endgame.add(blockIndex, owner, partial.tickets[block]!);
    this.#tables.partials.receive(partial, block);
    return true;
  }

  /** A block came that we had taken our request back for: the endgame pays for it, which asks for blocks twice. */
  onWaste(bytes: number): void {
    this.#tables.endgame.onWaste(bytes);
  }

  /** All blocks are received and the piece waits for its verification. */
  isPieceReceived(piece: number): boolean {
    return this.#tables.partials.get(piece)?.isReceived ?? false;
  }

  /** Appends the other peers that were asked for the block: to cancel, once it is received. */
  othersRequesting(peer: PickingPeer, piece: number, block: number, out: PickingPeer[]): void {
    const partial = this.#tables.partials.get(piece);
    if (!partial) return;
    const owner = partial.owners[block]!;
    if (owner !== FREE && owner !== RECEIVED && owner !== peer.pickerSlot)
      out.push(this.#tables.peers.at(owner).peer);
    for (const { slot } of this.#tables.endgame.others(this.#blockIndex(piece, block))) {
      if (slot !== peer.pickerSlot) out.push(this.#tables.peers.at(slot).peer);
    }
  }

  isRequestedBy(peer: PickingPeer, piece: number, block: number): boolean {
    const partial = this.#tables.partials.get(piece);
    if (!partial || peer.pickerSlot < 0) return false;
    return (
      partial.owners[block] === peer.pickerSlot ||
      this.#tables.endgame.has(this.#blockIndex(piece, block), peer.pickerSlot)
    );
  }

  isReceived(piece: number, block: number): boolean {
    return this.have.has(piece) || this.#tables.partials.get(piece)?.owners[block] === RECEIVED;
  }

  /** Begun pieces: some block requested or received, not verified yet. */
  partialPieces(): Iterable<number> {
    return this.#made?.partials.pieces() ?? [];
  }

  isPartial(piece: number): boolean {
    return this.#tables.partials.get(piece) !== undefined;
  }

  receivedBlocks(piece: number): number {
    if (this.have.has(piece)) return this.#geometry.blockCount(piece);
    return this.#tables.partials.get(piece)?.receivedCount ?? 0;
  }

  /** Is every block requested or received that anybody in the swarm has and we want? */
  get inEndgame(): boolean {
    if (this.#wantedCount === 0 || this.#tables.open.anyAvailable) return false;
    for (const { piece } of this.#tables.partials.withFree) {
      if (this.#tables.priorities[piece] !== SKIP_PRIORITY && this.#tables.availability.of(piece) > 0)
        return false;
    }
    return true;
  }

  // Reports

  availability(piece: number): number {
    return this.#tables.availability.of(piece);
  }

  /** The same without those at peers that have everything. */
  copiesAtDownloaders(piece: number): number {
    return this.#made?.availability.counts[piece] ?? 0;
  }

  /** Copies of the rarest piece of the torrent in the swarm, ours not counted. Reads all pieces. */
  rarestAvailability(): number {
    return this.#tables.availability.rarest();
  }

  // Counting peers

  #countPeer(entry: PeerEntry): void {
    const { have } = entry.peer;
    entry.isSeed = have.isFull;
    if (entry.isSeed) this.#tables.availability.seeds++;
    else this.#count(have, 1);
    this.#recount(entry);
  }

  #recount(entry: PeerEntry): void {
    const { isEmpty } = entry.peer.have;
    entry.peer.wantedCount = isEmpty ? 0 : countCommon(entry.bytes, this.#tables.wanted);
    entry.openCount = isEmpty ? 0 : countCommon(entry.bytes, this.#tables.open.bits);
  }

  #uncountPieces(entry: PeerEntry, known: PieceSet | null): void {
    if (entry.isSeed) this.#tables.availability.seeds--;
    else if (known) this.#count(known, -1);
    entry.isSeed = false;
  }

  #count(pieces: PieceSet, by: 1 | -1): void {
    if (pieces.isEmpty) return;
    if (pieces.count > pieces.size * BULK_SHARE) {
      this.#tables.availability.addAll(pieces.bytes, by);
      this.#tables.open.onManyCopiesChanged();
      return;
    }
    const { counts } = this.#tables.availability;
    pieces.forEach((piece) => {
      counts[piece]! += by;
      if (by > 0) this.#tables.open.onCopyGained(piece);
      else this.#tables.open.onCopyLost(piece);
    });
  }

  // Marks of a piece

  /** Notes the priority of a piece, and what follows for its own marks; not for the counts of the peers. */
  #mark(piece: number, priority: number): void {
    const isOpen = this.#tables.open.has(piece);
    if (this.#tables.priorities[piece] === priority) return;
    if (isOpen) this.#tables.open.remove(piece);
    this.#tables.priorities[piece] = priority;
    if (this.have.has(piece)) return;
    const isWanted = priority !== SKIP_PRIORITY;
    if (isWanted !== hasBit(this.#tables.wanted, piece)) {
      if (isWanted) setBit(this.#tables.wanted, piece);
      else clearBit(this.#tables.wanted, piece);
      this.#wantedCount += isWanted ? 1 : -1;
    }
    if (isWanted && !this.#tables.partials.get(piece)) this.#tables.open.insert(piece);
  }

  #reopen(piece: number): void {
    this.#tables.open.insert(piece);
    for (const entry of this.#tables.peers.slots) {
      if (entry && hasBit(entry.bytes, piece)) entry.openCount++;
    }
  }

  #closeOpen(piece: number): void {
    this.#tables.open.remove(piece);
    for (const entry of this.#tables.peers.slots) {
      if (entry && hasBit(entry.bytes, piece)) entry.openCount--;
    }
  }

  #begin(piece: number): PartialPiece {
    if (this.#tables.open.has(piece)) this.#closeOpen(piece);
    return this.#tables.partials.begin(piece);
  }

  /** A block came whose piece was given up since: as good as any, if the piece may be begun again. */
  #beginLate(piece: number): PartialPiece | null {
    return this.have.has(piece) || !this.#mediator.mayStartPiece(piece) ? null : this.#begin(piece);
  }

  // Marks of blocks

  #blockIndex(piece: number, block: number): number {
    return piece * this.#geometry.blocksPerPiece + block;
  }

  #requestFrom(partial: PartialPiece, entry: PeerEntry, speed: number, max: number, out: number[]): number {
    const first = this.#blockIndex(partial.piece, 0);
    const count = Math.min(max, partial.freeCount);
    for (let i = 0; i < count; i++) {
      out.push(first + this.#tables.partials.request(partial, entry.slot, ++entry.issued));
    }
    entry.outstanding += count;
    entry.current = partial.piece;
    partial.workerSlot = entry.slot;
    partial.speedClass = speed;
    return count;
  }

  #release(entry: PeerEntry, partial: PartialPiece, block: number): void {
    const { piece } = partial;
    const blockIndex = this.#blockIndex(piece, block);
    if (partial.owners[block] !== entry.slot) {
      if (this.#tables.endgame.remove(blockIndex, entry.slot)) entry.outstanding--;
      return;
    }
    entry.outstanding--;
    const heir = this.#tables.endgame.shift(blockIndex);
    if (heir) {
      partial.owners[block] = heir.slot;
      partial.tickets[block] = heir.ticket;
      return;
    }
    this.#tables.partials.release(partial, block);
    if (partial.requestedCount > 0 || partial.receivedCount > 0) return;
    this.#tables.partials.end(partial);
    if (hasBit(this.#tables.wanted, piece)) this.#reopen(piece);
  }

  #releaseAll(entry: PeerEntry): void {
    for (const partial of this.#tables.partials.values()) {
      if (entry.outstanding === 0) return;
      for (let block = 0; block < partial.blockCount && partial.piece >= 0; block++) {
        this.#release(entry, partial, block);
      }
    }
  }

  /** Forgets all about the blocks of a begun piece. False if it was not begun. */
  #dropBlocks(piece: number): boolean {
    const partial = this.#made?.partials.get(piece);
    if (!partial) return false;
    for (let block = 0; block < partial.blockCount; block++) {
      const owner = partial.owners[block]!;
      if (owner !== FREE && owner !== RECEIVED) this.#tables.peers.at(owner).outstanding--;
      for (let next; (next = this.#tables.endgame.shift(this.#blockIndex(piece, block)));) {
        this.#tables.peers.at(next.slot).outstanding--;
      }
    }
    this.#tables.partials.end(partial);
    return true;
  }
}
