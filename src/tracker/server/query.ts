/**
 * The query of a request to a tracker: values are bytes, since info hashes and peer ids are no text, and `+` is a
 * byte like any other.
 */

/** A scrape names one torrent many times over; nobody else sends as many keys. */
const PAIRS_MAX = 128;

export type Query = ReadonlyMap<string, readonly Uint8Array[]>;

/** Reads `a=b&c=d` with percent-encoding (RFC 3986); null if it is malformed or far too long. */
export function parseQuery(text: string): Query | null {
  const query = new Map<string, Uint8Array[]>();
  const pairs = text.split('&', PAIRS_MAX + 1);
  if (pairs.length > PAIRS_MAX) return null;
  for (const pair of pairs) {
    const equals = pair.indexOf('=');
    const key = equals < 0 ? pair : pair.slice(0, equals);
    const value = percentDecode(equals < 0 ? '' : pair.slice(equals + 1));
    if (value === null) return null;
    const values = query.get(key);
    if (values) values.push(value);
    else query.set(key, [value]);
  }
  return query;
}

/** A whole number of decimal digits, or null. Beyond 2^53 only its size matters, so it is cut there. */
export function numberOf(query: Query, key: string): number | null {
  const bytes = query.get(key)?.[0];
  if (bytes === undefined || bytes.length === 0 || bytes.length > 20) return null;
  let number = 0;
  for (const byte of bytes) {
    if (byte < 0x30 || byte > 0x39) return null;
    number = number * 10 + byte - 0x30;
  }
  return Math.min(number, Number.MAX_SAFE_INTEGER);
}

/** ASCII text, or an empty one. */
export function textOf(query: Query, key: string): string {
  const bytes = query.get(key)?.[0];
  return bytes === undefined || bytes.length > 64 ? '' : String.fromCharCode(...bytes);
}

function percentDecode(text: string): Uint8Array | null {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit > 0xff) return null;
    if (unit !== 0x25) {
      bytes[length++] = unit;
      continue;
    }
    const digits = text.slice(i + 1, i + 3);
    if (!/^[0-9a-f]{2}$/i.test(digits)) return null;
    bytes[length++] = Number.parseInt(digits, 16);
    i += 2;
  }
  return bytes.subarray(0, length);
}
