/**
 * Raw bit arrays in the order of the wire's bitfield (BEP 3: the high bit of byte 0 is piece 0), so that a peer's
 * bitfield and our own marks combine byte by byte.
 */

const BITS_IN_BYTE = Uint8Array.from({ length: 256 }, (_, byte) => {
  let bits = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) bits++;
  return bits;
});

export function bitBytes(size: number): Uint8Array {
  return new Uint8Array(Math.ceil(size / 8));
}

export function hasBit(bytes: Uint8Array, index: number): boolean {
  return (bytes[index >> 3]! & (0x80 >> (index & 7))) !== 0;
}

export function setBit(bytes: Uint8Array, index: number): void {
  bytes[index >> 3]! |= 0x80 >> (index & 7);
}

export function clearBit(bytes: Uint8Array, index: number): void {
  bytes[index >> 3]! &= ~(0x80 >> (index & 7));
}

/** How many bits are set in both. The arrays have one length. */
export function countCommon(a: Uint8Array, b: Uint8Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) count += BITS_IN_BYTE[a[i]! & b[i]!]!;
  return count;
}
