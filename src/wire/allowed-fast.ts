import { readU32 } from '../util/bytes.ts';
import { ipToBytes } from '../util/ip.ts';

/** As BEP 6 proposes: enough to begin trading with, too few to live on. */
export const ALLOWED_FAST_COUNT = 10;

/** SHA-1 of some bytes, 20 bytes. */
export type Sha1 = (bytes: Uint8Array) => Uint8Array;

/**
 * The pieces that a peer may have while choked (BEP 6, "Allowed Fast Set Generation"): the same from all of its peers,
 * so that asking around does not enlarge the set.
 *
 * @param ip The peer's address as we see it. The set is defined for IPv4 only; for others it is empty.
 * @param count Size of the set; a torrent of fewer pieces gives all of them.
 */
export function allowedFastSet(
  ip: string,
  infoHash: Uint8Array,
  pieceCount: number,
  count: number,
  sha1: Sha1,
): number[] {
  const address = ipToBytes(ip);
  if (address?.length !== 4) return [];
  const size = Math.min(count, pieceCount);
  const set: number[] = [];
  // 0xFFFFFF00 & ip, so that several addresses of one network share a set; then the info hash.
  let x: Uint8Array = new Uint8Array(24);
  x.set(address.subarray(0, 3));
  x.set(infoHash, 4);
  while (set.length < size) {
    x = sha1(x);
    for (let i = 0; i < 5 && set.length < size; i++) {
      const piece = readU32(x, 4 * i) % pieceCount;
      if (!set.includes(piece)) set.push(piece);
    }
  }
  return set;
}
