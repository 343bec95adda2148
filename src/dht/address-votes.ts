import type { PeerAddress } from '../util/ip.ts';
import { voiceOf } from '../util/voice.ts';
import { factsOf } from './host-facts.ts';

/** Voters remembered, the latest. */
const VOTERS_MAX = 50;
/** Networks that must have spoken before our id depends on it; libtorrent waits for as many. */
const VOTERS_MIN = 10;

/**
 * What our address is, by what others say (BEP 42). One voice is no proof: each network has one, and most of at least ten
 * must agree. Nodes in local networks see another address than the rest of the world, so their voices count apart.
 */
export class AddressVotes {
  /** By voice (`voiceOf`), the latest last. */
  readonly #votes = new Map<string, string>();
  #localView: string | null = null;

  vote(voter: PeerAddress, host: string): void {
    if (factsOf(voter.host).isLocal) {
      this.#localView = host;
      return;
    }
    if (factsOf(host).isLocal) return;
    const voice = voiceOf(voter.host);
    this.#votes.delete(voice);
    this.#votes.set(voice, host);
    if (this.#votes.size > VOTERS_MAX) this.#votes.delete(this.#votes.keys().next().value!);
  }

  /** The address that enough networks agree on, or null. */
  agreed(): string | null {
    if (this.#votes.size < VOTERS_MIN) return null;
    const [host, votes] = this.#mostNamed();
    return 2 * votes > this.#votes.size ? host : null;
  }

  /** Where somebody at `host` most likely sees us; null if nobody like it told us yet. */
  likely(host: string): string | null {
    return factsOf(host).isLocal ? this.#localView : this.#mostNamed()[0];
  }

  #mostNamed(): [host: string | null, votes: number] {
    const counts = new Map<string, number>();
    let most: [string | null, number] = [null, 0];
    for (const host of this.#votes.values()) {
      const count = (counts.get(host) ?? 0) + 1;
      counts.set(host, count);
      if (count > most[1]) most = [host, count];
    }
    return most;
  }
}
