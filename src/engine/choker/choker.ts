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
import { hoardingMs, rank } from './ranking.ts';
import { SLOTS_MAX } from './slots.ts';

export type { ChokeCandidate, ChokerState } from './candidate.ts';

/** Rounds come every 10 s and the optimistic unchoke rotates every 30 s (BEP 3). */
export const OPTIMISTIC_ROUNDS = 3;
/**
 * A lone seed does not try those that hoard, but every fourth turn of the optimistic slot is for anybody: what a peer was
 * taken for, by its own fault or by that of others who kept silent about what they had from it, is not for ever.
 */
const OPEN_TURNS = 4;
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
  /** Those that hoard may have an optimistic slot too. */
  #isOpenTurn = false;

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
    const limitMs = hoardingMs(peers);
    const unchoked = this.#regular(peers, state, limitMs);
    const rotates = this.#rounds % OPTIMISTIC_ROUNDS === 0;
    if (rotates) this.#isOpenTurn = (this.#rounds / OPTIMISTIC_ROUNDS + 1) % OPEN_TURNS === 0;
    this.#rounds++;
    const previous = [...this.#optimistic];
    this.#optimistic.clear();
    // A peer that has earned a regular slot leaves its optimistic one to the next, and so does one that hoards.
    const staying = previous.filter(
      (peer) => peer.interested && !unchoked.has(peer) && this.#mayTry(peer, limitMs),
    );
    for (const peer of staying) {
      if (this.#optimistic.size >= this.optimisticSlots) break;
      if (!rotates || state.now - peer.unchokedAt < OPTIMISTIC_MIN_MS) this.#optimistic.add(peer);
    }

    // Whoever is in an optimistic slot now goes to the end of the queue.
    const waiting = peers.filter((peer) => peer.interested && !unchoked.has(peer));
    const others = waiting.filter((peer) => !staying.includes(peer));
    this.#fillOptimistic(others, state.now, limitMs);
    this.#fillOptimistic(
      staying.filter((peer) => !this.#optimistic.has(peer)),
      state.now,
      limitMs,
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
    const limitMs = hoardingMs(peers);
    if (free > 0) {
      for (const { peer } of rank(waiting, this.#optimistic, state, this.#rng)) {
        if (chosen.length === free) break;
        if (!isShunned(peer, state, limitMs)) chosen.push(peer);
      }
    }
    const before = new Set(this.#optimistic);
    this.#fillOptimistic(
      waiting.filter((peer) => !chosen.includes(peer)),
      state.now,
      limitMs,
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

  /**
   * Unchoked peers that turn out to hoard what a lone seed gives them: others can pass it on sooner, so these make way
   * without waiting for the round.
   *
   * @returns Who is to be choked at once.
   */
  hoarders(peers: readonly P[], state: ChokerState): readonly P[] {
    if (!isChoosy(state)) return [];
    const limitMs = hoardingMs(peers);
    return peers.filter(
      (peer) =>
        !peer.choked &&
        isBarred(peer, state, limitMs) &&
        !(this.#optimistic.has(peer) && this.#mayTry(peer, limitMs)),
    );
  }

  onGone(peer: P): void {
    this.#optimistic.delete(peer);
  }

  /** The best interested peers in the regular slots, and with them whoever gives more without being interested. */
  #regular(peers: readonly P[], state: ChokerState, limitMs: number): Set<P> {
    const unchoked = new Set<P>();
    if (this.slots <= 0) return unchoked;
    const indifferent: P[] = [];
    let taken = 0;
    for (const { peer } of rank(peers, this.#optimistic, state, this.#rng)) {
      if (isShunned(peer, state, limitMs)) continue;
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

  /** For a lone seed the optimistic slot finds those who pass on what they get: whoever is known not to need not try. */
  #mayTry({ spreadMs = 0 }: P, limitMs: number): boolean {
    return this.#isOpenTurn || spreadMs < limitMs;
  }

  #fillOptimistic(waiting: readonly P[], now: number, limitMs: number): void {
    let left = waiting.filter((peer) => this.#mayTry(peer, limitMs));
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
 * Anti-snubbing: a peer that lets us wait gets nothing but the optimistic unchoke. A seed waits for nobody, but it serves
 * nobody who hoards.
 */
function isShunned(peer: ChokeCandidate, state: ChokerState, limitMs: number): boolean {
  return state.seeding ? isBarred(peer, state, limitMs) : peer.snubbed;
}

function isBarred({ spreadMs = 0 }: ChokeCandidate, state: ChokerState, limitMs: number): boolean {
  return isChoosy(state) && spreadMs >= limitMs;
}

/** Only while others keep the uplink full: it is never to be idle because somebody is not good enough. */
function isChoosy({ seeding, isFull }: ChokerState): boolean {
  return seeding && isFull === true;
}
