/**
 * Node ids, the distance between them (BEP 5), and which ids an address may have (BEP 42).
 *
 * Nodes and info hashes share one space of 160 bits. The distance of two ids is their XOR read as a number, so ids that
 * share a longer prefix are closer, and for each id and distance there is exactly one id at that distance.
 */
import { crc32c } from '../util/crc32c.ts';
import { factsOf } from './host-facts.ts';

export const ID_LENGTH = 20;
export const ID_BITS = 8 * ID_LENGTH;

/** Injected, because the digest lives outside of this layer. */
export type Sha1 = (bytes: Uint8Array) => Uint8Array;

/** Negative if `a` is closer to `target` than `b`, positive if it is farther, 0 if they are the same id. */
export function compareDistance(a: Uint8Array, b: Uint8Array, target: Uint8Array): number {
  for (let i = 0; i < ID_LENGTH; i++) {
    if (a[i] !== b[i]) return (a[i]! ^ target[i]!) - (b[i]! ^ target[i]!);
  }
  return 0;
}

/** How many bits two ids have in common from the front, 0 to 160. */
export function commonBits(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < ID_LENGTH; i++) {
    const difference = a[i]! ^ b[i]!;
    if (difference !== 0) return 8 * i + Math.clz32(difference) - 24;
  }
  return ID_BITS;
}

/** An id that shares exactly `bits` bits with `base` (all of them for 160); the rest comes from `random`, 20 bytes. */
export function idInBucket(base: Uint8Array, bits: number, random: Uint8Array): Uint8Array {
  const id = Uint8Array.from(base);
  if (bits >= ID_BITS) return id;
  const byte = bits >> 3;
  const own = 0x80 >> (bits & 7);
  id[byte] = (base[byte]! & ~(2 * own - 1)) | (~base[byte]! & own) | (random[byte]! & (own - 1));
  id.set(random.subarray(byte + 1, ID_LENGTH), byte + 1);
  return id;
}

/** The parts of an address that an id depends on: fewer bits of what one owner can choose freely. */
const V4_MASK = [0x03, 0x0f, 0x3f, 0xff];
const V6_MASK = [0x01, 0x03, 0x07, 0x0f, 0x1f, 0x3f, 0x7f, 0xff];

/** The number whose first 21 bits an id at this address starts with, for the seed in the id's last byte. */
function prefixOf(ip: Uint8Array, seed: number): number {
  const mask = ip.length === 4 ? V4_MASK : V6_MASK;
  const masked = Uint8Array.from(mask, (bits, i) => ip[i]! & bits);
  masked[0]! |= (seed & 7) << 5;
  return crc32c(masked);
}

/** An id that others believe of a node at `host` (BEP 42). @param random 20 unguessable bytes. */
export function secureId(host: string, random: Uint8Array): Uint8Array {
  const id = Uint8Array.from(random);
  const { bytes: ip } = factsOf(host);
  if (ip.length === 0) return id;
  const prefix = prefixOf(ip, id[ID_LENGTH - 1]!);
  id[0] = prefix >>> 24;
  id[1] = prefix >>> 16;
  id[2] = ((prefix >>> 8) & 0xf8) | (id[2]! & 7);
  return id;
}

/** May a node at `host` have this id (BEP 42)? Local addresses may have any. */
export function isSecureId(id: Uint8Array, host: string): boolean {
  const { bytes: ip, isLocal } = factsOf(host);
  if (isLocal) return true;
  if (ip.length === 0) return false;
  const prefix = prefixOf(ip, id[ID_LENGTH - 1]!);
  return (
    id[0] === prefix >>> 24 &&
    id[1] === ((prefix >>> 16) & 0xff) &&
    (id[2]! & 0xf8) === ((prefix >>> 8) & 0xf8)
  );
}
