/**
 * Which piece a peer works on next.
 *
 * Strict priority inside a piece (a begun piece is finished before another is begun), random first pieces, then rarest
 * first: the order of Cohen's "Incentives Build Robustness in BitTorrent" (2003). On top of it lies one rule of our
 * own: a peer that can bring a whole piece soon gets a piece for itself, and slower peers share pieces only with peers
 * of their own speed. A slow peer then never sits on the last block of a fast peer's piece.
 */
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { PieceSet } from '../../util/piece-set.ts';
import { hasBit } from './bits.ts';
import type { PartialPiece, PartialPieces } from './block-states.ts';
import type { OpenPieces } from './open-pieces.ts';
import type { PeerEntry, PeerTable } from './peer-table.ts';
import type { PickerMediator, PickingPeer, PickOptions } from './picking-peer.ts';

/** The first pieces are random: a newcomer needs something to trade soon, and a rare piece has few sources. */
const RANDOM_FIRST_PIECES = 4;
/** A peer that brings a piece within this many seconds takes whole pieces. */
const WHOLE_PIECE_SECONDS = 2;
/**
 * To a peer that prefers runs, pieces within one stretch of this many bytes are as good as rarest first. Large enough
 * for few requests, small enough that rare pieces do not wait long for their turn.
 */
const RUN_BYTES = 16 * 1_048_576;
/** Above this many begun pieces with free blocks per peer, finishing goes before all else: each holds a buffer. */
const MAX_PARTIALS_PER_PEER = 1.5;

/** Speed classes: snubbed peers, then one per decade of bytes per second, then those that take whole pieces. */
const SNUBBED = 0;
const WHOLE_PIECES = 100;

/** What it decides by, besides which pieces are ours. */
interface SelectionTables {
  readonly priorities: Uint8Array;
  readonly open: OpenPieces;
  readonly partials: PartialPieces;
  readonly peers: PeerTable;
  readonly alone: ReadonlySet<number>;
}

export class Selection {
  sequential = false;
  /** Any piece instead of the rarest, to see what the order is worth. */
  random = false;
  /** Was a piece withheld in the last call because no buffer could be had? */
  withheld = false;
  readonly #geometry: PieceGeometry;
  readonly #have: PieceSet;
  readonly #priorities: Uint8Array;
  readonly #open: OpenPieces;
  readonly #partials: PartialPieces;
  readonly #peers: PeerTable;
  readonly #alone: ReadonlySet<number>;
  readonly #mediator: PickerMediator;

  constructor(geometry: PieceGeometry, have: PieceSet, tables: SelectionTables, mediator: PickerMediator) {
    this.#geometry = geometry;
    this.#have = have;
    this.#priorities = tables.priorities;
    this.#open = tables.open;
    this.#partials = tables.partials;
    this.#peers = tables.peers;
    this.#alone = tables.alone;
    this.#mediator = mediator;
  }

  speedClass(peer: PickingPeer): number {
    if (peer.snubbed) return SNUBBED;
    if (peer.recentRate * WHOLE_PIECE_SECONDS >= this.#geometry.pieceLength) return WHOLE_PIECES;
    return 1 + Math.floor(Math.log10(Math.max(1, peer.recentRate)));
  }

  /** A begun piece with a free block, or an open piece to begin, or -1. */
  next(entry: PeerEntry, speed: number, options: PickOptions): number {
    this.withheld = false;
    if (options.allowed) return this.#amongAllowed(entry, options.allowed);
    if (this.sequential) return this.#inSequence(entry);

    const own = this.#partials.get(entry.current);
    if (own && this.#mayContinue(own, entry, speed)) return own.piece;

    const isStart = this.#have.count < RANDOM_FIRST_PIECES;
    const tooManyBegun = this.#partials.withFree.length > MAX_PARTIALS_PER_PEER * this.#peers.count;
    const reserved = tooManyBegun ? -1 : this.#reserved(entry, options.suggested);
    if (reserved >= 0) {
      if (this.#mediator.mayStartPiece(reserved)) return reserved;
      this.withheld = true;
    }
    const shared = this.#begun(entry, speed, isStart || tooManyBegun);
    const fresh = this.#fresh(
      entry,
      isStart || this.random,
      shared ? this.#priorities[shared.piece]! : 0,
      options.suggested,
    );
    if (fresh >= 0) {
      if (this.#mediator.mayStartPiece(fresh)) return fresh;
      this.withheld = true;
    }
    // Better to help with someone else's piece than to idle.
    return (shared ?? this.#begun(entry, speed, true))?.piece ?? -1;
  }

  #mayContinue(own: PartialPiece, entry: PeerEntry, speed: number): boolean {
    if (!this.#offers(own, entry)) return false;
    return speed !== SNUBBED || own.speedClass === SNUBBED;
  }

  /** Has it a free block of a wanted piece that the peer has and may help with? */
  #offers(partial: PartialPiece, entry: PeerEntry): boolean {
    return (
      partial.freeCount > 0 &&
      this.#priorities[partial.piece]! > 0 &&
      hasBit(entry.bytes, partial.piece) &&
      (partial.workerSlot === entry.slot || !this.#alone.has(partial.piece) || this.#isAbandoned(partial))
    );
  }

  /** The best begun piece for this peer: highest priority, then the one nearest to its end. */
  #begun(entry: PeerEntry, speed: number, any: boolean): PartialPiece | null {
    let best: PartialPiece | null = null;
    for (const partial of this.#partials.withFree) {
      if (!this.#offers(partial, entry)) continue;
      if (!any && !this.#mayJoin(partial, speed)) continue;
      if (!best || this.#comesBefore(partial, best)) best = partial;
    }
    return best;
  }

  #comesBefore(a: PartialPiece, b: PartialPiece): boolean {
    const byPriority = this.#priorities[a.piece]! - this.#priorities[b.piece]!;
    if (byPriority !== 0) return byPriority > 0;
    return a.freeCount < b.freeCount;
  }

  #mayJoin(partial: PartialPiece, speed: number): boolean {
    // Nobody works on it: it waits for anyone.
    if (partial.requestedCount === 0) return true;
    // Peers of one speed share; those that take whole pieces need not.
    if (partial.speedClass === speed) return speed !== WHOLE_PIECES || this.#isAbandoned(partial);
    // A faster peer mends what a slower one left behind.
    return partial.speedClass < speed && this.#isAbandoned(partial);
  }

  /** Has its last worker left, moved on, or stopped delivering? Then the free blocks are anybody's. */
  #isAbandoned(partial: PartialPiece): boolean {
    const worker = this.#peers.slots[partial.workerSlot];
    return worker?.current !== partial.piece || worker.outstanding === 0 || worker.peer.snubbed;
  }

  /**
   * A piece that only complete peers have, and that this one names to us (BEP 6 *suggest piece*): it names another to
   * everybody else, so it is ours to fetch, before we help with pieces that are in the swarm already.
   */
  #reserved(entry: PeerEntry, suggested: readonly number[] | undefined): number {
    if (!suggested || entry.openCount === 0) return -1;
    for (const piece of suggested) {
      if (this.#open.has(piece) && hasBit(entry.bytes, piece) && this.#open.isScarce(piece)) return piece;
    }
    return -1;
  }

  #fresh(
    entry: PeerEntry,
    isStart: boolean,
    above: number,
    suggested: readonly number[] | undefined,
  ): number {
    if (entry.openCount === 0) return -1;
    const { prefersRuns } = entry.peer;
    if (isStart && !prefersRuns) return this.#open.random(entry.bytes, entry.openCount, above);
    const rarest = this.#open.rarest(entry.bytes, entry.openCount, above);
    if (rarest < 0) return -1;
    if (prefersRuns && this.#continuesRun(entry, rarest)) return entry.current + 1;
    if (!suggested) return rarest;
    for (const piece of suggested) {
      if (this.#open.has(piece) && hasBit(entry.bytes, piece) && this.#open.isTie(piece, rarest))
        return piece;
    }
    return rarest;
  }

  /** Is the piece after the one that the peer works on as good as the rarest? */
  #continuesRun(entry: PeerEntry, rarest: number): boolean {
    const next = entry.current + 1;
    if (entry.current < 0 || !this.#open.has(next) || !hasBit(entry.bytes, next)) return false;
    if (this.#open.isTie(next, rarest)) return true;
    const runPieces = Math.max(1, Math.floor(RUN_BYTES / this.#geometry.pieceLength));
    return this.#priorities[next] === this.#priorities[rarest] && next % runPieces !== 0;
  }

  #inSequence(entry: PeerEntry): number {
    let best = -1;
    for (const partial of this.#partials.withFree) {
      if (this.#offers(partial, entry) && this.#isEarlier(partial.piece, best)) best = partial.piece;
    }
    const fresh = entry.openCount > 0 ? this.#open.lowest(entry.bytes) : -1;
    if (fresh < 0 || !this.#isEarlier(fresh, best)) return best;
    if (this.#mediator.mayStartPiece(fresh)) return fresh;
    this.withheld = true;
    return best;
  }

  #isEarlier(piece: number, than: number): boolean {
    if (than < 0) return true;
    const byPriority = this.#priorities[piece]! - this.#priorities[than]!;
    return byPriority !== 0 ? byPriority > 0 : piece < than;
  }

  /** A begun piece if one is allowed, because it is nearer to its end. */
  #amongAllowed(entry: PeerEntry, allowed: ReadonlySet<number>): number {
    let fresh = -1;
    for (const piece of allowed) {
      const partial = this.#partials.get(piece);
      if (partial && this.#offers(partial, entry)) return piece;
      if (!partial && this.#open.has(piece) && hasBit(entry.bytes, piece)) fresh = piece;
    }
    return fresh >= 0 && this.#mediator.mayStartPiece(fresh) ? fresh : -1;
  }
}
