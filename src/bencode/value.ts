import { assert } from '../util/assert.ts';

/** A decoded dictionary. Opaque: read it with `fields.ts`, which never mistakes an inherited property for a key. */
export interface BencodeDict {
  readonly [dictBrand]: never;
}
declare const dictBrand: unique symbol;

/** A decoded value. Integers are bigints only beyond ±(2^53 - 1). */
export type BencodeValue = number | bigint | Uint8Array | readonly BencodeValue[] | BencodeDict;

/** Few enough arguments for any engine's stack. */
const CHUNK = 4096;

/**
 * Bytes as a text of one character (U+0000 to U+00FF) per byte: the form of dictionary keys. ASCII reads as usual,
 * nothing is lost, and JavaScript's order of such strings is the order of raw bytes that BEP 3 asks for.
 */
export function toByteString(bytes: Uint8Array, start = 0, end: number = bytes.length): string {
  let text = '';
  for (let at = start; at < end; at += CHUNK) {
    text += String.fromCharCode(...bytes.subarray(at, Math.min(end, at + CHUNK)));
  }
  return text;
}

/** The bytes that a key stands for. */
export function fromByteString(key: string): Uint8Array {
  const bytes = new Uint8Array(key.length);
  let bits = 0;
  for (let i = 0; i < key.length; i++) {
    const unit = key.charCodeAt(i);
    bits |= unit;
    bytes[i] = unit;
  }
  assert(bits <= 0xff, 'a key of bencode has one character (U+0000 to U+00FF) per byte');
  return bytes;
}
