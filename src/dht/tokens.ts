import { concatBytes, equalBytes } from '../util/bytes.ts';
import { factsOf } from './host-facts.ts';
import type { Sha1 } from './node-id.ts';

/** BEP 5: "a secret that changes every five minutes and tokens up to ten minutes old are accepted". */
const ROTATE_MS = 5 * 60_000;
const SECRET_LENGTH = 20;
/** Too long to guess within its life, short enough for every answer. */
const TOKEN_LENGTH = 8;

/**
 * Tokens prove that who wants to store something receives what we send to the address it claims (BEP 5). Nothing is kept
 * per token: it is a hash of a secret, the address, and the key that was asked for (BEP 44 allows the last).
 */
export class Tokens {
  readonly #sha1: Sha1;
  readonly #randomBytes: (count: number) => Uint8Array;
  #secret: Uint8Array;
  #previous: Uint8Array;
  #rotatedAt: number;

  constructor(sha1: Sha1, randomBytes: (count: number) => Uint8Array, now: number) {
    this.#sha1 = sha1;
    this.#randomBytes = randomBytes;
    this.#secret = randomBytes(SECRET_LENGTH);
    this.#previous = randomBytes(SECRET_LENGTH);
    this.#rotatedAt = now;
  }

  make(host: string, key: Uint8Array, now: number): Uint8Array {
    this.#rotate(now);
    return this.#tokenOf(this.#secret, host, key);
  }

  isValid(token: Uint8Array, host: string, key: Uint8Array, now: number): boolean {
    this.#rotate(now);
    return [this.#secret, this.#previous].some((secret) =>
      equalBytes(token, this.#tokenOf(secret, host, key)),
    );
  }

  #rotate(now: number): void {
    const age = now - this.#rotatedAt;
    if (age < ROTATE_MS) return;
    // After a long silence neither secret is young enough.
    this.#previous = age < 2 * ROTATE_MS ? this.#secret : this.#randomBytes(SECRET_LENGTH);
    this.#secret = this.#randomBytes(SECRET_LENGTH);
    this.#rotatedAt = now;
  }

  #tokenOf(secret: Uint8Array, host: string, key: Uint8Array): Uint8Array {
    return this.#sha1(concatBytes([secret, factsOf(host).bytes, key])).subarray(0, TOKEN_LENGTH);
  }
}
