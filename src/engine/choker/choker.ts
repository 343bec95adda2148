/**
 * Who may download from us (BEP 3).
 *
 * A round every ten seconds ranks everybody anew; between rounds a slot that becomes free is filled at once, because
 * ten idle seconds are a large part of a fast transfer. Between rounds a peer is choked only where a better one takes
 * its slot, so nobody is choked and unchoked in quick succession ("fibrillation").
 */
import type { Rng } from '../../util/rng.ts';
import type { ChokeCandidate, ChokerState } from './candidate.ts';
import { OptimisticLap } from './optimistic.ts';
import { isHoarder, rank } from './ranking.ts';
import { SLOTS_MAX } from './slots.ts';

export type { ChokeCandidate, ChokerState } from './candidate.ts';

/** Rounds come every 10 s and the optimistic unchoke rotates every 30 s (BEP 3). */
export const OPTIMISTIC_ROUNDS = 3;
/** An optimistic peer that a free slot brought in shortly before the rotation keeps the slot for one more turn. */
const OPTIMISTIC_MIN_MS = 10_000;
/** One optimistic slot on top of this many regular ones, and at least one. */
const SLOTS_PER_OPTIMISTIC = 5;
/** Slots of peers that ask for nothing are given to others too, up to so many unchoked peers. */
const UNCHOKED_MAX = SLOTS_MAX;

export class Choker<P extends ChokeCandidate> {
  /** Regular slots. The optimistic ones come on top. 0 uploads to nobody. */
  slots: number;
  readonly #rng: Rng;
  readonly #lap: OptimisticLap<P>;
  readonly #optimistic = new Set<P>();
  #rounds = 0;

  constructor(rng: Rng, slots: number) {
    this.#rng = rng;
    this.slots = slots;
    this.#lap = new OptimisticLap(rng);
  }

  /** Peers unchoked regardless of their rates. */
  get optimistic(): ReadonlySet<P> {
    return this.#optimistic;
  }

  get optimisticSlots(): number {
    return this.slots <= 0 ? 0 : Math.max(1, Math.floor(this.slots / SLOTS_PER_OPTIMISTIC));
  }

  /**
   * The round of every ten seconds.
   *
   * @returns Who is to be unchoked from now on; all others are to be choked.
   */
  round(peers: readonly P[], state: ChokerState): ReadonlySet<P> {
    const unchoked = this.#regular(peers, state);
    const rotates = this.#rounds++ % OPTIMISTIC_ROUNDS === 0;
    const previous = [...this.#optimistic];
    this.#optimistic.clear();
    // A peer that has earned a regular slot leaves its optimistic one to the next, and so does one that hoards.
    const staying = previous.filter((peer) => peer.interested && !unchoked.has(peer) && !isHoarder(peer));
    for (const peer of staying) {
      if (this.#optimistic.size >= this.optimisticSlots) break;
      if (!rotates || state.now - peer.unchokedAt < OPTIMISTIC_MIN_MS) this.#optimistic.add(peer);
    }

    // Whoever is in an optimistic slot now goes to the end of the queue.
    const waiting = peers.filter((peer) => peer.interested && !unchoked.has(peer));
    const others = waiting.filter((peer) => !staying.includes(peer));
    this.#fillOptimistic(others, state.now);
    this.#fillOptimistic(
      staying.filter((peer) => !this.#optimistic.has(peer)),
      state.now,
    );
    for (const peer of this.#optimistic) unchoked.add(peer);
    return unchoked;
  }

  /**
   * Fills slots that have become free since the last round: an unchoked peer has left or lost interest, or somebody has
   * become interested.
   *
   * @returns Who is to be unchoked at once. Nobody is choked by this.
   */
  fill(peers: readonly P[], state: ChokerState): readonly P[] {
    for (const peer of this.#optimistic) if (!peer.interested || peer.choked) this.#optimistic.delete(peer);
    let free = this.slots;
    let unchoked = 0;
    for (const peer of peers) {
      if (!peer.interested || peer.choked) continue;
      unchoked++;
      if (!this.#optimistic.has(peer) && !isIdle(peer)) free--;
    }
    // Whoever is idle now may begin to ask at any time.
    free = Math.min(free, Math.max(this.slots, UNCHOKED_MAX) - unchoked);
    const waiting = peers.filter((peer) => peer.interested && peer.choked);
    if (waiting.length === 0) return [];
    const chosen: P[] = [];
    if (free > 0) {
      for (const { peer } of rank(waiting, this.#optimistic, state, this.#rng)) {
        if (chosen.length === free) break;
        if (!isShunned(peer, state)) chosen.push(peer);
      }
    }
    const before = new Set(this.#optimistic);
    this.#fillOptimistic(
      waiting.filter((peer) => !chosen.includes(peer)),
      state.now,
    );
    for (const peer of this.#optimistic) if (!before.has(peer)) chosen.push(peer);
    return chosen;
  }

  /**
   * An unchoked peer that was not interested has become so, and there is a slot too few: the worst are choked (BEP 3).
   *
   * @returns Who is to be choked at once.
   */
  overflow(peers: readonly P[], state: ChokerState): readonly P[] {
    const served = peers.filter(
      (peer) => peer.interested && !peer.choked && !this.#optimistic.has(peer) && !isIdle(peer),
    );
    if (served.length <= this.slots) return [];
    const ranked = rank(served, this.#optimistic, state, this.#rng);
    return ranked.slice(Math.max(0, this.slots)).map(({ peer }) => peer);
  }

  onGone(peer: P): void {
    this.#optimistic.delete(peer);
  }

  /** The best interested peers in the regular slots, and with them whoever gives more without being interested. */
  #regular(peers: readonly P[], state: ChokerState): Set<P> {
    const unchoked = new Set<P>();
    if (this.slots <= 0) return unchoked;
    const indifferent: P[] = [];
    let taken = 0;
    for (const { peer } of rank(peers, this.#optimistic, state, this.#rng)) {
      if (isShunned(peer, state)) continue;
      if (!peer.interested) {
        // BEP 3: a better uploader that is not interested is unchoked too. If it becomes interested, it is served at
        // once, and the worst is choked (`overflow`).
        if (!state.seeding && peer.downRate > 0) indifferent.push(peer);
        continue;
      }
      unchoked.add(peer);
      if (isIdle(peer) && unchoked.size < Math.max(this.slots, UNCHOKED_MAX)) continue;
      if (++taken < this.slots) continue;
      for (const better of indifferent) unchoked.add(better);
      return unchoked;
    }
    // A slot is free: whoever becomes interested gets it then, so there is no line to be above of.
    return unchoked;
  }

  #fillOptimistic(waiting: readonly P[], now: number): void {
    // For a seed that is alone it finds those who pass on what they get, so it is not for those who are known not to.
    let left = waiting.filter((peer) => !isHoarder(peer));
    while (this.#optimistic.size < this.optimisticSlots) {
      const next = this.#lap.draw(left, now);
      if (!next) return;
      this.#optimistic.add(next);
      left = left.filter((peer) => peer !== next);
    }
  }
}

/** A slot that is not used need not be empty: others may have it besides. */
function isIdle(peer: ChokeCandidate): boolean {
  return !peer.choked && (peer.idle ?? false);
}

/**
 * Anti-snubbing: a peer that lets us wait gets nothing but the optimistic unchoke. A seed waits for nobody.
 */
function isShunned(peer: ChokeCandidate, state: ChokerState): boolean {
  return peer.snubbed && !state.seeding;
}
