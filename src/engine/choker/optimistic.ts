/**
 * Optimistic unchoking (BEP 3): now and then someone is unchoked regardless of rates, to find better partners, and to
 * give newcomers a first piece to trade with.
 *
 * The choice is a weighted draw in laps: whoever had its chance does not draw again before all others had theirs. So
 * newcomers come three times as likely first, and still nobody waits for more than two laps.
 */
import type { Rng } from '../../util/rng.ts';
import type { ChokeCandidate } from './candidate.ts';

/** Connected for less than this is new. */
export const NEWCOMER_MS = 60_000;
/** BEP 3: new connections are three times as likely to start as the optimistic unchoke. */
export const NEWCOMER_WEIGHT = 3;

export class OptimisticLap<P extends ChokeCandidate> {
  readonly #rng: Rng;
  /** Who has had its chance in this lap. */
  #served = new WeakSet<P>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  /** Draws one of `waiting`, or null if there is none. */
  draw(waiting: readonly P[], now: number): P | null {
    if (waiting.length === 0) return null;
    let drawing = waiting.filter((peer) => !this.#served.has(peer));
    if (drawing.length === 0) {
      this.#served = new WeakSet();
      drawing = [...waiting];
    }
    const chosen = this.#weighted(drawing, now);
    this.#served.add(chosen);
    return chosen;
  }

  #weighted(peers: readonly P[], now: number): P {
    let total = 0;
    for (const peer of peers) total += weight(peer, now);
    let ticket = this.#rng.below(total);
    for (const peer of peers) {
      ticket -= weight(peer, now);
      if (ticket < 0) return peer;
    }
    return peers[peers.length - 1]!;
  }
}

function weight(peer: ChokeCandidate, now: number): number {
  return now - peer.connectedAt < NEWCOMER_MS ? NEWCOMER_WEIGHT : 1;
}
