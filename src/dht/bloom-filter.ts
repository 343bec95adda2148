/**
 * The Bloom filter of BEP 33: a set of addresses of which only the size can be read. Filters of several nodes are joined
 * by OR, so an address that many nodes hold is counted once.
 */
import { factsOf } from './host-facts.ts';
import type { Sha1 } from './node-id.ts';

export const FILTER_LENGTH = 256;
const FILTER_BITS = 8 * FILTER_LENGTH;
/** Bits set per address. */
const HASHES = 2;

export class BloomFilter {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array = new Uint8Array(FILTER_LENGTH)) {
    this.bytes = bytes;
  }

  /** Both bits of an address, from `filterBits`. */
  insert(bits: number): void {
    for (const index of [bits >>> 16, bits & 0xffff]) this.bytes[index >> 3]! |= 1 << (index & 7);
  }

  join(other: Uint8Array): void {
    for (let i = 0; i < FILTER_LENGTH; i++) this.bytes[i]! |= other[i]!;
  }

  /** How many addresses were inserted, roughly; it breaks down near 6,000. */
  estimate(): number {
    let zeros = 0;
    for (const byte of this.bytes) for (let bit = 0; bit < 8; bit++) if (!(byte & (1 << bit))) zeros++;
    if (zeros === FILTER_BITS) return 0; // The formula would say one half.
    const c = Math.max(1, zeros); // A full filter says "very many", not "infinitely many".
    return Math.log(c / FILTER_BITS) / (HASHES * Math.log(1 - 1 / FILTER_BITS));
  }
}

/** The two bits that stand for an address, packed; ports do not count. */
export function filterBits(host: string, sha1: Sha1): number {
  const hash = sha1(factsOf(host).bytes);
  const first = (hash[0]! | (hash[1]! << 8)) % FILTER_BITS;
  const second = (hash[2]! | (hash[3]! << 8)) % FILTER_BITS;
  return (first << 16) | second;
}
