import type { PeerAddress } from '../../util/ip.ts';
import type { PeerSession } from '../peer/peer-session.ts';
import type { PeerRanks } from './peer-priority.ts';

/** Nobody makes way sooner after it came: a peer needs a choke round or two to show what it is worth. */
const SETTLE_MS = 60_000;
/** One place changes hands in so much time, so that a flood of newcomers does not churn the swarm. */
const INTERVAL_MS = 10_000;

/**
 * Who makes way for a newcomer when there is no place left (BEP 40): whoever has the lowest priority, if the newcomer's is
 * higher. Both ends of every connection agree on that, so whoever is turned away here finds its place elsewhere. Peers that
 * data goes to or comes from stay, and so do those that the user named.
 */
export class Turnover {
  readonly #sessions: () => readonly PeerSession[];
  readonly #ranks: PeerRanks;
  #nextAt = -Infinity;

  constructor(sessions: () => readonly PeerSession[], ranks: PeerRanks) {
    this.#sessions = sessions;
    this.#ranks = ranks;
  }

  /** Closes a connection for the sake of the newcomer; false if none is worth less. */
  makeRoom(newcomer: PeerAddress, now: number): boolean {
    if (now < this.#nextAt) return false;
    let lowest = this.#ranks.rank(newcomer);
    let leaver: PeerSession | null = null;
    for (const session of this.#sessions()) {
      if (now - session.connectedAt < SETTLE_MS || isOfUse(session)) continue;
      const rank = this.#ranks.rank(session.known?.address ?? session.link.remote);
      if (rank >= lowest) continue;
      lowest = rank;
      leaver = session;
    }
    if (leaver === null) return false;
    this.#nextAt = now + INTERVAL_MS;
    leaver.close('too-many-connections');
    return true;
  }
}

function isOfUse(session: PeerSession): boolean {
  return session.downRate > 0 || session.upRate > 0 || session.known?.source === 'user';
}
