import { hash } from 'node:crypto';
import type { Clock } from '../ports.ts';
import { DiffieHellmanExchange, PRIVATE_KEY_LENGTH } from '../wire/mse/dh.ts';
import type { MseTools } from '../wire/mse/negotiation.ts';
import { SystemEntropy } from './entropy.ts';

/**
 * Time between two key exchanges for peers that dial us. One takes a quarter of a millisecond on the thread of the
 * network, so a flood of keys takes a twentieth of it and never holds it up for longer than one. No more can wait than
 * may be in their handshake, `PENDING_INBOUND_MAX`: the last of them has its turn after 1.3 s, of the 10 s that it has.
 */
export const KEY_EXCHANGE_INTERVAL_MS = 5;

type Exchange = () => boolean;

/** Whose turn it is: first come, first served, one at a time. */
export class KeyExchangeQueue {
  readonly #clock: Clock;
  readonly #waiting: Exchange[] = [];
  #isBusy = false;
  #freeAt = -Infinity;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(exchange: Exchange): void {
    this.#waiting.push(exchange);
    this.#arrange();
  }

  #arrange(): void {
    if (this.#isBusy || this.#waiting.length === 0) return;
    this.#isBusy = true;
    this.#clock.at(this.#freeAt, () => this.#next());
  }

  #next(): void {
    this.#isBusy = false;
    try {
      for (let exchange = this.#waiting.shift(); exchange !== undefined; exchange = this.#waiting.shift()) {
        if (!exchange()) continue; // That peer is gone.
        this.#freeAt = this.#clock.now() + KEY_EXCHANGE_INTERVAL_MS;
        break;
      }
    } finally {
      // The next in line has nothing to do with what went wrong with this one.
      this.#arrange();
    }
  }
}

/** What encrypted handshakes need. @param onBug See `MseTools`. */
export function mseTools(clock: Clock, onBug?: (error: unknown) => void): MseTools {
  const queue = new KeyExchangeQueue(clock);
  const entropy = new SystemEntropy();
  return {
    sha1: (bytes) => new Uint8Array(hash('sha1', bytes, 'buffer')),
    random: (count) => entropy.bytes(count),
    keyExchange: () => new DiffieHellmanExchange(entropy.bytes(PRIVATE_KEY_LENGTH)),
    pace: (exchange) => queue.add(exchange),
    ...(onBug && { onBug }),
  };
}
