/**
 * Who deserves an upload slot, as two lists of comparisons: the first clause that tells two peers apart decides.
 *
 * While we download, slots repay (BEP 3: the best download rates). When we seed there is nothing to repay. Ranking by
 * upload rate alone, as BEP 3 has it, gives all slots to the fastest downloaders for as long as they stay, and whoever
 * claims to be one. So seeding serves in turns: a peer keeps its slot for a quota of bytes, then the one that has
 * waited longest follows, and the upload rate only decides who stays on when nobody waits. A turn by bytes rather than
 * by the clock gives each peer whole pieces, which it can pass on; the shortest and longest turn bound it.
 */
import type { Rng } from '../../util/rng.ts';
import type { ChokeCandidate, ChokerState } from './candidate.ts';

/** An unchoked peer is outranked only by one that gives this much more: rates are noisy, slots should not flap. */
export const INCUMBENT_BONUS = 1.1;
/** How long an unchoked peer may take to give something back: one optimistic period (BEP 3). */
export const GRACE_MS = 30_000;

/** A turn at a seed ends with this many bytes: some pieces of any usual size. */
export const TURN_BYTES = 32 * 1024 * 1024;
/** But not before TCP and the request pipeline have come up to speed, */
export const TURN_MIN_MS = 20_000;
/** and not after this, because on a slow uplink the quota alone would keep others waiting for minutes. */
export const TURN_MAX_MS = 60_000;

/** Whoever passes on what it gets within this time is as good as any. */
const SPREAD_SOON_MS = 2048;
/**
 * What is expected of a stranger. Those known to be sooner come first, and the optimistic slot finds more of them: with
 * strangers first every slow peer gets pieces of a lone seed before it is known as slow.
 */
const SPREAD_EXPECTED_MS = 4096;
/** Who takes so many times as long as the best has more than it can pass on. */
const HOARDING_RATIO = 2;

/** A peer with everything the comparisons look at, worked out once before sorting. */
export interface Ranked<P> {
  readonly peer: P;
  readonly candidate: ChokeCandidate;
  /** What it gives us, with the incumbent's bonus. */
  readonly giving: number;
  /** Sits in an optimistic slot. */
  readonly isOptimistic: boolean;
  /** Unchoked not long ago and still to answer. */
  readonly inGrace: boolean;
  /** Has a regular slot and has not used up its turn. */
  readonly inTurn: boolean;
  /** How long it takes to pass on what it got, in powers of two: what differs by less is chance. */
  readonly slowness: number;
  /** Drawn before sorting: a comparison that draws is no order. */
  readonly salt: number;
}

type Comparison = (a: Ranked<unknown>, b: Ranked<unknown>) => number;

const sharersFirst: Comparison = (a, b) => a.slowness - b.slowness;
const moreGiving: Comparison = (a, b) => b.giving - a.giving;
const graceFirst: Comparison = (a, b) => Number(b.inGrace) - Number(a.inGrace);
const turnFirst: Comparison = (a, b) => Number(b.inTurn) - Number(a.inTurn);
const optimisticLast: Comparison = (a, b) => Number(a.isOptimistic) - Number(b.isOptimistic);
const waitingFirst: Comparison = (a, b) => Number(b.candidate.choked) - Number(a.candidate.choked);
const moreUpload: Comparison = (a, b) => (a.candidate.choked ? 0 : b.candidate.upRate - a.candidate.upRate);
// Both may be -Infinity, whose difference is not a number.
const longestWaiting: Comparison = (a, b) =>
  a.candidate.unchokedAt === b.candidate.unchokedAt ? 0 : a.candidate.unchokedAt - b.candidate.unchokedAt;
const bySalt: Comparison = (a, b) => a.salt - b.salt;

const LEECHING: readonly Comparison[] = [
  moreGiving, // reciprocate: BEP 3
  optimisticLast, // it is unchoked anyway, and giving no more than others earns it no better slot
  graceFirst, // whoever was just unchoked has had no time to answer yet
  longestWaiting, // those who give alike, mostly nothing, are tried in turn
  bySalt,
];

const SEEDING: readonly Comparison[] = [
  sharersFirst, // a seed that is alone gives to those who pass on what they get
  turnFirst, // a turn is not cut short
  waitingFirst, // whoever had a turn makes room while anyone waits
  moreUpload, // of those who may stay, the ones that use the slot best: BEP 3
  longestWaiting, // never served comes first, then in turn
  bySalt,
];

/** Best first. @param optimistic The peers in optimistic slots. */
export function rank<P extends ChokeCandidate>(
  peers: readonly P[],
  optimistic: ReadonlySet<P>,
  state: ChokerState,
  rng: Rng,
): Ranked<P>[] {
  const clauses = state.seeding ? SEEDING : LEECHING;
  return peers
    .map((peer) => toRanked(peer, optimistic.has(peer), state, rng.u32()))
    .sort((a, b) => {
      for (const clause of clauses) {
        const order = clause(a, b);
        if (order !== 0) return order;
      }
      return 0;
    });
}

function toRanked<P extends ChokeCandidate>(
  peer: P,
  isOptimistic: boolean,
  state: ChokerState,
  salt: number,
): Ranked<P> {
  const { now } = state;
  const served = now - peer.unchokedAt;
  return {
    peer,
    candidate: peer,
    giving: peer.choked || isOptimistic ? peer.downRate : peer.downRate * INCUMBENT_BONUS,
    isOptimistic,
    inGrace: !peer.choked && served < GRACE_MS,
    inTurn: !peer.choked && !isOptimistic && isInTurn(peer, served),
    slowness: state.seeding ? slownessOf(peer) : 0,
    salt,
  };
}

/** In powers of two. */
function slownessOf({ spreadMs = 0 }: ChokeCandidate): number {
  return Math.floor(Math.log2(Math.max(SPREAD_SOON_MS, spreadMs === 0 ? SPREAD_EXPECTED_MS : spreadMs)));
}

/**
 * Whoever takes this long or longer to pass on what it gets from a lone seed hoards it: longer than a stranger is expected
 * to take, and twice as long as the best of those that could have it.
 * @returns Milliseconds.
 */
export function hoardingMs(peers: readonly ChokeCandidate[]): number {
  let best = Infinity;
  for (const { interested, idle = false, spreadMs = 0 } of peers) {
    if (interested && !idle && spreadMs > 0) best = Math.min(best, spreadMs);
  }
  return best === Infinity ? SPREAD_EXPECTED_MS : Math.max(SPREAD_EXPECTED_MS, HOARDING_RATIO * best);
}

function isInTurn(peer: ChokeCandidate, served: number): boolean {
  if (served < TURN_MIN_MS) return true;
  // A peer that asks for nothing only keeps others waiting.
  return served < TURN_MAX_MS && peer.sentSinceUnchoke < TURN_BYTES && peer.upRate > 0;
}
