import { fromHex, toHex } from '../../util/bytes.ts';

/**
 * The Diffie-Hellman exchange of message stream encryption: a prime of 768 bits, the generator 2, and private keys of 160
 * bits, as its description says: no weaker than the rest of it, and far cheaper than 768.
 *
 * In BigInt, because that needs nothing from outside and no preparation: OpenSSL tests a prime that it does not know,
 * which stops its thread for 20 ms. An exchange takes a quarter of a millisecond (`bench/mse.ts`). It is not free of side
 * channels, and need not be: keys are used once, and what they hide is no secret (see `rc4.ts`).
 */

/** Of the prime; keys and the secret have the same length. */
export const KEY_LENGTH = 96;
/** Bytes of randomness that an exchange needs. */
export const PRIVATE_KEY_LENGTH = 20;

const PRIME = BigInt(
  '0xffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74' +
    '020bbea63b139b22514a08798e3404ddef9519b3cd3a431b302b0a6df25f1437' +
    '4fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563',
);
const DIGITS = 2 * PRIVATE_KEY_LENGTH;

/** One side of an exchange. */
export interface KeyExchange {
  publicKey(): Uint8Array;
  /** @param theirs A key that `isPublicKey` holds for. */
  secret(theirs: Uint8Array): Uint8Array;
}

/** 2 to p - 2. The secrets of 0, 1 and p - 1 are known to everybody. */
export function isPublicKey(key: Uint8Array): boolean {
  const number = numberOf(key);
  return number >= 2n && number <= PRIME - 2n;
}

export class DiffieHellmanExchange implements KeyExchange {
  /** The private key in digits of four bits, most significant first. */
  readonly #digits: readonly number[];

  /** @param privateKey `PRIVATE_KEY_LENGTH` random bytes. */
  constructor(privateKey: Uint8Array) {
    this.#digits = Array.from(toHex(privateKey), (digit) => parseInt(digit, 16));
  }

  /** 2 to the private key: a product of one power per digit, all of which are known in advance. */
  publicKey(): Uint8Array {
    powersOfTwo ??= makePowersOfTwo();
    let product = 1n;
    for (let i = 0; i < DIGITS; i++) product = (product * powersOfTwo[i]![this.#digits[i]!]!) % PRIME;
    return bytesOf(product);
  }

  /** Their key to the private key: by each digit four squarings and one product. */
  secret(theirs: Uint8Array): Uint8Array {
    const powers = firstPowers(numberOf(theirs));
    let result = 1n;
    for (const digit of this.#digits) {
      for (let i = 0; i < 4; i++) result = (result * result) % PRIME;
      result = (result * powers[digit]!) % PRIME;
    }
    return bytesOf(result);
  }
}

/** For each digit of a private key, 2 to what it stands for. Made at first use, in less than a millisecond. */
let powersOfTwo: readonly (readonly bigint[])[] | null = null;

function makePowersOfTwo(): readonly (readonly bigint[])[] {
  const table: bigint[][] = [];
  for (let base = 2n; table.length < DIGITS;) {
    const powers = firstPowers(base);
    table.unshift(powers);
    base = (powers[15]! * base) % PRIME;
  }
  return table;
}

/** To the power of 0, 1, … 15. */
function firstPowers(base: bigint): bigint[] {
  const powers = [1n];
  for (let i = 1; i < 16; i++) powers.push((powers[i - 1]! * base) % PRIME);
  return powers;
}

function numberOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`);
}

function bytesOf(number: bigint): Uint8Array {
  return fromHex(number.toString(16).padStart(2 * KEY_LENGTH, '0'))!;
}
