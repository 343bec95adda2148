/** Reading, writing and comparing bytes. All numbers on the wire are big-endian (BEP 3). */

const utf8Encoder = new TextEncoder();
const HEX_DIGITS = utf8Encoder.encode('0123456789abcdef');
const utf8Decoder = new TextDecoder('utf-8');
const strictUtf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

export const EMPTY_BYTES: Uint8Array = new Uint8Array(0);

/** Unsigned 16 bits at `offset`; the caller has checked the length. */
export function readU16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset]! << 8) | bytes[offset + 1]!;
}

/** Unsigned 32 bits at `offset`; the caller has checked the length. `>>> 0`, because `<<` is signed. */
export function readU32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>>
    0
  );
}

export function writeU16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 8;
  bytes[offset + 1] = value;
}

export function writeU32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24;
  bytes[offset + 1] = value >>> 16;
  bytes[offset + 2] = value >>> 8;
  bytes[offset + 3] = value;
}

/** Unsigned 64 bits as a bigint, for identifiers and counters that may pass 2^53. */
export function readU64(bytes: Uint8Array, offset: number): bigint {
  return (BigInt(readU32(bytes, offset)) << 32n) | BigInt(readU32(bytes, offset + 4));
}

/** Writes a byte count below 2^53 as 64 bits. */
export function writeU64(bytes: Uint8Array, offset: number, value: number | bigint): void {
  const big = BigInt(value);
  writeU32(bytes, offset, Number((big >> 32n) & 0xffffffffn));
  writeU32(bytes, offset + 4, Number(big & 0xffffffffn));
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Orders byte strings as bencode orders dictionary keys (BEP 3): raw bytes, shorter first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

export function toHex(bytes: Uint8Array): string {
  const digits = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    digits[2 * i] = HEX_DIGITS[bytes[i]! >> 4]!;
    digits[2 * i + 1] = HEX_DIGITS[bytes[i]! & 15]!;
  }
  // Added up bit by bit, a text is kept as a tree of its parts, of 1.3 KB for an info hash.
  return utf8Decoder.decode(digits);
}

/** The bytes of a hexadecimal text, or null if it is not one. */
export function fromHex(text: string): Uint8Array | null {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return null;
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) {
    bytes[i] = (hexDigit(text.charCodeAt(2 * i)) << 4) | hexDigit(text.charCodeAt(2 * i + 1));
  }
  return bytes;
}

/** The value of a digit. In ASCII the letters of both cases follow each other, and so do the digits. */
function hexDigit(code: number): number {
  return code <= 0x39 ? code - 0x30 : (code & 0x0f) + 9;
}

export function utf8(text: string): Uint8Array {
  return utf8Encoder.encode(text);
}

/** Text of bytes from outside; what is not UTF-8 becomes U+FFFD. Not for names that must stay distinct. */
export function toText(bytes: Uint8Array): string {
  return utf8Decoder.decode(bytes);
}

/** Text of bytes from outside, or null if they are not valid UTF-8. */
export function toTextStrict(bytes: Uint8Array): string | null {
  try {
    return strictUtf8Decoder.decode(bytes);
  } catch {
    return null; // The decoder has no other way to say "not UTF-8".
  }
}
