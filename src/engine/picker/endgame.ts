/**
 * The endgame: once every block that can be had is requested, an idle peer is asked for blocks that another peer was
 * asked for already, so that the slowest peer does not decide when the torrent is whole (Cohen 2003).
 *
 * Asking everybody for everything would end sooner and waste much. So a block is asked for again only where that is
 * likely to help: its owner is expected to take at least twice as long for it as the idle peer would. The expectation
 * is the block's place in the queue times the time the peer takes for one block, and never less than the time it has
 * been silent: a peer that froze would be expected any moment for ever. And the waste has a bound: each
 * duplicate can cost one block, and no more may be out than the budget still covers.
 */
import { BLOCK_LENGTH } from '../../util/block-length.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import { hasBit } from './bits.ts';
import { FREE, RECEIVED, type PartialPiece, type PartialPieces } from './block-states.ts';
import type { PeerEntry, PeerTable } from './peer-table.ts';

/** At most this part of the torrent, but at least this many bytes, may be downloaded twice. */
const WASTE_SHARE = 0.005;
const WASTE_MIN_BYTES = 1024 * 1024;
/** How many times longer than us the owner must be expected to take; and near the very end. */
const TAKEOVER_RATIO = 2;
const TAKEOVER_RATIO_LATE = 1.2;
const LATE_BLOCKS = 32;
/** Peers asked for one block; and among the last blocks. */
const MAX_OWNERS = 2;
const MAX_OWNERS_LAST = 3;
const LAST_BLOCKS = 8;
/** After a search in vain expectations must change before the next can find more. */
const RETRY_MS = 50;
/** A peer that has not delivered yet is expected to be as fast as the mean, but no slower than this (bytes/s). */
const UNPROVEN_RATE = 1024;

interface Duplicate {
  readonly slot: number;
  readonly ticket: number;
}

const NOBODY: readonly Duplicate[] = [];

interface Candidate {
  readonly partial: PartialPiece;
  readonly block: number;
  /** Seconds until the block is expected from those who were asked. */
  readonly seconds: number;
}

export class Endgame {
  readonly #geometry: PieceGeometry;
  readonly #partials: PartialPieces;
  readonly #peers: PeerTable;
  readonly #priorities: Uint8Array;
  readonly #alone: ReadonlySet<number>;
  /** Who was asked besides the first owner, by block index. An entry is never empty. */
  #duplicates: Map<number, Duplicate[]> | null = null;
  #duplicateCount = 0;
  #budgetBytes: number;

  constructor(
    geometry: PieceGeometry,
    partials: PartialPieces,
    peers: PeerTable,
    priorities: Uint8Array,
    alone: ReadonlySet<number>,
  ) {
    this.#geometry = geometry;
    this.#partials = partials;
    this.#peers = peers;
    this.#priorities = priorities;
    this.#alone = alone;
    this.#budgetBytes = Math.max(WASTE_MIN_BYTES, geometry.length * WASTE_SHARE);
  }

  /** A block came that we had. */
  onWaste(bytes: number): void {
    this.#budgetBytes -= bytes;
  }

  /** Peers other than the first owner that were asked for this block. */
  others(blockIndex: number): readonly Duplicate[] {
    return this.#duplicates?.get(blockIndex) ?? NOBODY;
  }

  has(blockIndex: number, slot: number): boolean {
    return this.others(blockIndex).some((duplicate) => duplicate.slot === slot);
  }

  add(blockIndex: number, slot: number, ticket: number): void {
    this.#duplicates ??= new Map();
    const list = this.#duplicates.get(blockIndex);
    if (list) list.push({ slot, ticket });
    else this.#duplicates.set(blockIndex, [{ slot, ticket }]);
    this.#duplicateCount++;
  }

  /** True if the peer was among those asked besides the first owner. */
  remove(blockIndex: number, slot: number): boolean {
    const list = this.#duplicates?.get(blockIndex);
    const at = list ? list.findIndex((duplicate) => duplicate.slot === slot) : -1;
    if (!list || at < 0) return false;
    list.splice(at, 1);
    if (list.length === 0) this.#duplicates?.delete(blockIndex);
    this.#duplicateCount--;
    return true;
  }

  /** Takes one of them out, to become the first owner. */
  shift(blockIndex: number): Duplicate | null {
    const next = this.others(blockIndex)[0];
    if (!next) return null;
    this.remove(blockIndex, next.slot);
    return next;
  }

  /** Asks a peer with nothing else to do for up to `max` blocks that others owe us. */
  pick(entry: PeerEntry, max: number, out: number[], now: number): number {
    if (entry.peer.snubbed || now < entry.duplicatesFrom) return 0;
    const room = Math.min(max, Math.floor(this.#budgetBytes / BLOCK_LENGTH) - this.#duplicateCount);
    if (room <= 0) return 0;
    const missing = this.#missingBlocks();
    const ratio = missing < LATE_BLOCKS ? TAKEOVER_RATIO_LATE : TAKEOVER_RATIO;
    const mean = this.#meanRate();
    const taken = this.#takeOver(entry, room, out, { missing, ratio, mean, now });
    if (taken === 0) entry.duplicatesFrom = now + RETRY_MS;
    return taken;
  }

  #takeOver(
    entry: PeerEntry,
    room: number,
    out: number[],
    state: { missing: number; ratio: number; mean: number; now: number },
  ): number {
    const ours = BLOCK_LENGTH / rateOf(entry, state.mean);
    const least = (entry.outstanding + 1) * ours * state.ratio;
    if (!this.#anyOwnerSlowerThan(least, state)) return 0;
    const candidates = this.#candidates(entry, least, state);
    candidates.sort((a, b) => b.seconds - a.seconds);
    let taken = 0;
    for (const { partial, block, seconds } of candidates) {
      if (taken === room || seconds < (entry.outstanding + 1) * ours * state.ratio) break;
      const blockIndex = partial.piece * this.#geometry.blocksPerPiece + block;
      this.add(blockIndex, entry.slot, ++entry.issued);
      entry.outstanding++;
      out.push(blockIndex);
      taken++;
    }
    return taken;
  }

  #candidates(
    entry: PeerEntry,
    least: number,
    state: { missing: number; mean: number; now: number },
  ): Candidate[] {
    const maxOwners = state.missing <= LAST_BLOCKS ? MAX_OWNERS_LAST : MAX_OWNERS;
    const candidates: Candidate[] = [];
    for (const partial of this.#partials.values()) {
      if (partial.requestedCount === 0 || !hasBit(entry.bytes, partial.piece)) continue;
      if (this.#priorities[partial.piece] === 0) continue;
      const isAlone = this.#alone.has(partial.piece);
      for (let block = 0; block < partial.blockCount; block++) {
        const owner = partial.owners[block]!;
        if (owner === FREE || owner === RECEIVED || owner === entry.slot) continue;
        if (isAlone && !this.#peers.at(owner).peer.snubbed) continue;
        let seconds = secondsUntil(this.#peers.at(owner), partial.tickets[block]!, state);
        if (seconds < least) continue;
        const others = this.others(partial.piece * this.#geometry.blocksPerPiece + block);
        if (others.length + 1 >= maxOwners) continue;
        for (const { slot, ticket } of others) {
          // A second request of ours would get no second answer, and be waited for until we take the peer for dead.
          if (slot === entry.slot) seconds = 0;
          else seconds = Math.min(seconds, secondsUntil(this.#peers.at(slot), ticket, state));
        }
        if (seconds >= least) candidates.push({ partial, block, seconds });
      }
    }
    return candidates;
  }

  /** A cheap look before the search through all blocks: in a swarm of equals it says no. */
  #anyOwnerSlowerThan(seconds: number, state: { mean: number; now: number }): boolean {
    for (const owner of this.#peers.slots) {
      if (owner && owner.outstanding > 0 && secondsUntil(owner, owner.issued, state) >= seconds) return true;
    }
    return false;
  }

  #missingBlocks(): number {
    let missing = 0;
    for (const partial of this.#partials.values()) {
      if (this.#priorities[partial.piece]! > 0) missing += partial.blockCount - partial.receivedCount;
    }
    return missing;
  }

  #meanRate(): number {
    let sum = 0;
    let count = 0;
    for (const entry of this.#peers.slots) {
      if (!entry || entry.peer.recentRate === 0) continue;
      sum += entry.peer.recentRate;
      count++;
    }
    return count === 0 ? UNPROVEN_RATE : Math.max(UNPROVEN_RATE, sum / count);
  }
}

function rateOf(entry: PeerEntry, mean: number): number {
  // A snubbed peer is not expected to deliver at all: one byte per second puts it behind everyone.
  if (entry.peer.snubbed) return 1;
  return entry.peer.recentRate > 0 ? entry.peer.recentRate : mean;
}

/** Peers serve in the order of the requests, so what was asked before this ticket and is still out comes first. */
function secondsUntil(
  owner: PeerEntry,
  ticket: number,
  { mean, now }: { mean: number; now: number },
): number {
  const done = owner.issued - owner.outstanding;
  const queued = (Math.max(1, ticket - done) * BLOCK_LENGTH) / rateOf(owner, mean);
  const silent = (now - (owner.peer.silentSince ?? now)) / 1000;
  return Math.max(queued, silent);
}
