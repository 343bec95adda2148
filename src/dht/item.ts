/**
 * Items (BEP 44): values that nodes keep for others.
 *
 * An immutable item lives under the hash of its value. A mutable one lives under the hash of a public key and an optional
 * salt; it is signed together with a sequence number, and a higher number replaces a lower one. What is hashed and signed
 * are always the bytes as they travelled, never a value that was read and written again.
 */
import { encode } from '../bencode/codec.ts';
import { DHT_LIMITS, scan } from '../bencode/scan.ts';
import type { BencodeDict } from '../bencode/value.ts';
import { readValue } from '../bencode/fields.ts';
import { concatBytes, utf8 } from '../util/bytes.ts';
import type { Sha1 } from './node-id.ts';

/** BEP 44: more than this need not be stored by anybody. */
export const VALUE_MAX = 1000;
export const SALT_MAX = 64;
export const PUBLIC_KEY_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;
/** BEP 44 allows to refuse negative sequence numbers; the upper bound is what bencode holds. */
const SEQUENCE_MAX = 2n ** 63n - 1n;

/** Checks and makes Ed25519 signatures (RFC 8032); injected, because there is no such thing in this layer. */
export interface Signatures {
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

export interface ImmutableItem {
  /** Bencoded. */
  readonly value: Uint8Array;
}

export interface MutableItem {
  /** Bencoded. */
  readonly value: Uint8Array;
  readonly publicKey: Uint8Array;
  /** Not sent along: who asks knows it. */
  readonly salt: Uint8Array;
  readonly sequence: bigint;
  readonly signature: Uint8Array;
}

export function immutableTarget(value: Uint8Array, sha1: Sha1): Uint8Array {
  return sha1(value);
}

export function mutableTarget(publicKey: Uint8Array, salt: Uint8Array, sha1: Sha1): Uint8Array {
  return sha1(concatBytes([publicKey, salt]));
}

/** What is signed: `4:salt6:foobar3:seqi4e1:v12:Hello world!`, without the salt's part if it is empty. */
export function signedBytes(item: Pick<MutableItem, 'value' | 'salt' | 'sequence'>): Uint8Array {
  const { salt, sequence, value } = item;
  const head = salt.length > 0 ? [utf8('4:salt'), encode(salt)] : [];
  return concatBytes([...head, utf8(`3:seqi${sequence}e1:v`), value]);
}

export function isSigned(item: MutableItem, signatures: Signatures): boolean {
  return signatures.verify(item.publicKey, signedBytes(item), item.signature);
}

/** Is this one bencoded value with sorted keys, which all nodes read alike? */
export function isCanonical(value: Uint8Array): boolean {
  return scan(value, DHT_LIMITS, { strict: true }).ok;
}

/** A sequence number of 0 to 2^63 - 1, or null. */
export function readSequence(dict: BencodeDict, key: string): bigint | null {
  const value = readValue(dict, key);
  if (typeof value !== 'number' && typeof value !== 'bigint') return null;
  const sequence = BigInt(value);
  return sequence >= 0n && sequence <= SEQUENCE_MAX ? sequence : null;
}
