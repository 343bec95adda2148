import type { Rng } from '../../util/rng.ts';
import { Choker } from '../choker/choker.ts';
import { CHOKE_ROUND_BEATS } from '../limits.ts';
import type { PeerSession } from '../peer/peer-session.ts';
import type { Swarm } from './swarm.ts';

/** Whom a download serves: those that give most (BEP 3), or all in turns, to see what tit-for-tat is worth. */
export type ChokerPolicy = 'tit-for-tat' | 'round-robin';

/**
 * Tit-for-tat in time: a round every 10 s, whose optimistic slot moves every third round (BEP 3), and in between a free
 * slot is given away at once. Applies what `Choker` decides.
 */
export class ChokeRounds {
  readonly #choker: Choker<PeerSession>;
  readonly #swarm: Swarm;
  readonly #policy: ChokerPolicy;
  /** Each torrent has its own beat, so that the rounds of many do not coincide. */
  #beat: number;

  constructor(rng: Rng, slots: number, swarm: Swarm, policy: ChokerPolicy = 'tit-for-tat') {
    this.#policy = policy;
    this.#choker = new Choker(rng.fork('choker'), slots);
    this.#swarm = swarm;
    this.#beat = rng.below(CHOKE_ROUND_BEATS);
  }

  /** Once a second. */
  onBeat(isSeed: boolean, now: number): void {
    const seeding = this.#servesAsSeed(isSeed);
    if (++this.#beat % CHOKE_ROUND_BEATS !== 0 || this.#swarm.size === 0) return;
    const unchoked = this.#choker.round(this.#swarm.sessions, { seeding, now });
    // First make room, then fill it.
    for (const session of this.#swarm.sessions) if (!unchoked.has(session)) session.choke();
    for (const session of unchoked) session.unchoke();
  }

  /** Somebody became interested or stopped being so, or left: a free slot may have a taker. */
  onVacancy(isSeed: boolean, now: number): void {
    const seeding = this.#servesAsSeed(isSeed);
    for (const session of this.#choker.overflow(this.#swarm.sessions, { seeding, now })) session.choke();
    for (const session of this.#choker.fill(this.#swarm.sessions, { seeding, now })) session.unchoke();
  }

  onGone(session: PeerSession): void {
    this.#choker.onGone(session);
  }

  #servesAsSeed(isSeed: boolean): boolean {
    return isSeed || this.#policy === 'round-robin';
  }
}
