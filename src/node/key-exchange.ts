import { createDiffieHellman, hash, randomBytes, type DiffieHellman } from 'node:crypto';
import type { Clock } from '../ports.ts';
import { fromHex, toHex } from '../util/bytes.ts';
import { logger } from '../util/log.ts';
import { TokenBucket } from '../util/token-bucket.ts';
import { KEY_LENGTH, type KeyExchange, type MseTools } from '../wire/mse/negotiation.ts';
import { SystemEntropy } from './entropy.ts';

const log = logger('mse');

/**
 * Key exchanges per second and transport; who comes beyond is closed at once and may try again. One costs 0.1 ms on the
 * thread of the network, so a flood of keys takes a half percent of it. A swarm that finds us all at once is through its
 * 200 connections in four seconds.
 */
export const KEY_EXCHANGES_PER_SEC = 50;

/** The prime of MSE; its generator is 2. */
const PRIME = fromHex(
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74' +
    '020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437' +
    '4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563',
)!;
const HIGHEST_KEY = BigInt(`0x${toHex(PRIME)}`) - 2n;
const GENERATOR = Uint8Array.of(2);

/** 160 bits, as the description of MSE says: no weaker than the rest of it, and far cheaper than 768. */
const PRIVATE_KEY_LENGTH = 20;

/** One for all: OpenSSL tests the prime when it is made, which takes 20 ms. Every use sets its own private key. */
let arithmetic: DiffieHellman | null = null;

export class DiffieHellmanExchange implements KeyExchange {
  readonly #privateKey = randomBytes(PRIVATE_KEY_LENGTH);

  publicKey(): Uint8Array {
    return padded(this.#arithmetic().generateKeys());
  }

  secret(theirs: Uint8Array): Uint8Array | null {
    return isPublicKey(theirs) ? padded(this.#arithmetic().computeSecret(theirs)) : null;
  }

  #arithmetic(): DiffieHellman {
    arithmetic ??= createDiffieHellman(PRIME, GENERATOR);
    arithmetic.setPrivateKey(this.#privateKey);
    return arithmetic;
  }
}

/** What encrypted handshakes need, with a limit on how many there may be. */
export function mseTools(clock: Clock): MseTools {
  const budget = new TokenBucket(KEY_EXCHANGES_PER_SEC, 1_000, clock.now());
  const entropy = new SystemEntropy();
  return {
    sha1: (bytes) => new Uint8Array(hash('sha1', bytes, 'buffer')),
    random: (count) => entropy.bytes(count),
    keyExchange() {
      if (budget.available(clock.now()) < 1) {
        log('refused a key exchange, there have been %d in this second', KEY_EXCHANGES_PER_SEC);
        return null;
      }
      budget.take(1);
      return new DiffieHellmanExchange();
    },
  };
}

/** 2 to p - 2. The secrets of 0, 1 and p - 1 are known to everybody. */
function isPublicKey(key: Uint8Array): boolean {
  const number = BigInt(`0x${toHex(key)}`);
  return number >= 2n && number <= HIGHEST_KEY;
}

/** Numbers come without leading zeros. */
function padded(number: Buffer): Uint8Array {
  const bytes = new Uint8Array(KEY_LENGTH);
  bytes.set(number, KEY_LENGTH - number.length);
  return bytes;
}
