import { canonicalIp, ipFamily, isLocalIp, type IpFamily } from '../util/ip.ts';
import { voiceOf } from '../util/voice.ts';

/** Voters kept per family; the oldest go first, so that a new address wins after a move. libtorrent counts 50 too. */
const VOTERS_MAX = 50;
/** One source is not proof (BEP 24): so many must agree. libtorrent asks for two as well. */
const VOTES_MIN = 2;

/**
 * The addresses that others see us at, found by vote.
 *
 * Trackers (BEP 24), peers (`yourip`, BEP 10) and nodes of the DHT (BEP 42) each say what they see, and each may lie. All of
 * a network are one voice (`voiceOf`), since one liar may have all its addresses. What most of them say is taken, once two agree and nobody else has as many.
 */
export class ExternalAddress {
  /** What each voice said last, oldest first. */
  readonly #votes = new Map<IpFamily, Map<string, string>>();
  readonly #winners = new Map<IpFamily, string>();
  #version = 0;

  /**
   * Our public address of this family, in its shortest form; null while it is not known.
   * @param votesMin So many voices must name it.
   */
  of(family: IpFamily, votesMin = VOTES_MIN): string | null {
    const winner = this.#winners.get(family) ?? null;
    if (winner === null || votesMin <= VOTES_MIN) return winner;
    let votes = 0;
    for (const ip of this.#votes.get(family)!.values()) if (ip === winner) votes++;
    return votes >= votesMin ? winner : null;
  }

  /** Changes whenever an address does: for whoever keeps what was computed from it. */
  get version(): number {
    return this.#version;
  }

  /** `voter` (the host of a peer, tracker or node) sees us at `ip`. */
  vote(voter: string, ip: string): void {
    const host = canonicalIp(ip);
    // On a local network we are seen at local addresses; they say nothing about how the rest of the world sees us.
    if (host === null || isLocalIp(host)) return;
    const family = ipFamily(host) as IpFamily;
    const votes = this.#votes.get(family) ?? new Map<string, string>();
    this.#votes.set(family, votes);
    const voice = voiceOf(voter);
    votes.delete(voice);
    votes.set(voice, host);
    const [oldest] = votes.keys();
    if (votes.size > VOTERS_MAX) votes.delete(oldest!);
    // Who wins already wins with one vote more, even if the oldest one was for it too.
    if (host === this.#winners.get(family)) return;
    const winner = winnerOf(votes);
    if (winner === null || winner === this.#winners.get(family)) return;
    this.#winners.set(family, winner);
    this.#version++;
  }
}

/** The one address with the most votes, or null if there is a draw or too few of them. */
function winnerOf(votes: ReadonlyMap<string, string>): string | null {
  const counts = new Map<string, number>();
  for (const ip of votes.values()) counts.set(ip, (counts.get(ip) ?? 0) + 1);
  let best: string | null = null;
  let most = VOTES_MIN - 1;
  for (const [ip, count] of counts) {
    if (count > most) {
      best = ip;
      most = count;
    } else if (count === most) {
      best = null;
    }
  }
  return best;
}
