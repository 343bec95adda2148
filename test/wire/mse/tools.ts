import { sha1 } from '../../../src/metainfo/info-hash.ts';
import { equalBytes } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import {
  KEY_LENGTH,
  obfuscatedName,
  type KeyExchange,
  type MseTools,
  type ObfuscatedLookup,
} from '../../../src/wire/mse/negotiation.ts';

/** Both sides come to the same secret, everybody else too, and every run is the same. Zero is no key. */
class ToyExchange implements KeyExchange {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  publicKey(): Uint8Array {
    return this.#key.slice();
  }

  secret(theirs: Uint8Array): Uint8Array | null {
    return theirs.every((byte) => byte === 0) ? null : theirs.map((byte, i) => byte ^ this.#key[i]!);
  }
}

export interface ToyTools extends MseTools {
  keyExchange(): KeyExchange;
  /** How many exchanges there have been. */
  readonly exchanges: number;
}

/** @param firstBytes What every key begins with. */
export function toyTools(seed: number, firstBytes: Uint8Array = new Uint8Array(0)): ToyTools {
  const rng = new Rng(seed);
  const random = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => rng.below(256));
  let exchanges = 0;
  return {
    sha1,
    random,
    get exchanges() {
      return exchanges;
    },
    keyExchange() {
      exchanges++;
      const key = random(KEY_LENGTH);
      key.set(firstBytes);
      return new ToyExchange(key);
    },
  };
}

/** Knows these torrents. */
export function lookupOf(...infoHashes: Uint8Array[]): ObfuscatedLookup {
  return (name) => infoHashes.find((infoHash) => equalBytes(obfuscatedName(infoHash, sha1), name)) ?? null;
}
