import type { PeerAddress } from '../../util/ip.ts';
import { Queue } from '../../util/queue.ts';

/** Asked at once, which is enough to begin a search from. */
const BURST = 4;
/** The next one after that. */
const INTERVAL_MS = 1000;
/** More would be old by the time of their turn; the nodes asked before name others. */
const WAITING_MAX = 32;

/**
 * Nodes that peers and torrents name, asked a few at a time: a whole swarm that has just begun says PORT (BEP 5) within a
 * second, when there is more urgent work. With 30 peers on two cores this was an eighth of all work in the first 10 s.
 */
export class NodeHints {
  readonly #waiting = new Queue<PeerAddress>();
  readonly #ask: (address: PeerAddress) => void;
  /** When the burst is whole again. */
  #restedAt = -Infinity;

  constructor(ask: (address: PeerAddress) => void) {
    this.#ask = ask;
  }

  add(address: PeerAddress, now: number): void {
    if (this.#waiting.size >= WAITING_MAX) return;
    this.#waiting.push(address);
    this.onTime(now);
  }

  /** When the next one is asked. */
  nextDeadline(): number {
    return this.#waiting.size === 0 ? Infinity : this.#restedAt - (BURST - 1) * INTERVAL_MS;
  }

  onTime(now: number): void {
    while (this.nextDeadline() <= now) {
      this.#restedAt = Math.max(now, this.#restedAt) + INTERVAL_MS;
      this.#ask(this.#waiting.shift()!);
    }
  }
}
