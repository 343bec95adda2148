import { sha1 } from '../../../src/metainfo/info-hash.ts';
import { equalBytes } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { KEY_LENGTH, type KeyExchange } from '../../../src/wire/mse/dh.ts';
import { obfuscatedName, type InboundEncryption, type MseTools } from '../../../src/wire/mse/negotiation.ts';

/** Both sides come to the same secret, everybody else too, and every run is the same. */
class ToyExchange implements KeyExchange {
  readonly #key: Uint8Array;

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  publicKey(): Uint8Array {
    return this.#key.slice();
  }

  secret(theirs: Uint8Array): Uint8Array {
    return theirs.map((byte, i) => byte ^ this.#key[i]!);
  }
}

export interface ToyTools extends MseTools {
  /** How many exchanges there have been. */
  readonly exchanges: number;
  /** Those that wait for their turn, if they have to. */
  readonly waiting: (() => boolean)[] | null;
  /** Gives all of them their turn; returns what each said. */
  turn(): boolean[];
}

/**
 * @param firstBytes What every key begins with.
 * @param waiting Where exchanges wait for `turn`; null for those that have their turn at once.
 */
export function toyTools(
  seed: number,
  firstBytes: Uint8Array = new Uint8Array(0),
  waiting: (() => boolean)[] | null = null,
): ToyTools {
  const rng = new Rng(seed);
  const random = (count: number): Uint8Array => Uint8Array.from({ length: count }, () => rng.below(256));
  let exchanges = 0;
  return {
    sha1,
    random,
    waiting,
    turn: () => waiting?.splice(0).map((exchange) => exchange()) ?? [],
    pace(exchange) {
      if (waiting === null) exchange();
      else waiting.push(exchange);
    },
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

/** Takes whoever asks for one of these torrents. */
export function takes(...infoHashes: Uint8Array[]): InboundEncryption {
  const lookup = (name: Uint8Array): Uint8Array | null =>
    infoHashes.find((infoHash) => equalBytes(obfuscatedName(infoHash, sha1), name)) ?? null;
  return { lookup, required: false };
}
