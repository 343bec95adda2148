/**
 * Bencode (BEP 3) to values and back, over the package `bencode`, which never sees a byte that `scan.ts` has not passed.
 *
 * BEP 3's keys are byte strings and its integers have no bound. Objects with text keys and numbers hold almost all
 * real input exactly: the scanner calls it `plain`, and the package reads and writes it. For the rest (keys that are
 * raw bytes such as the info hashes of a scrape, the key `__proto__`, integers beyond 2^53) `ExactBuilder` makes
 * the same shapes with nothing lost, and `encodeParts` writes them.
 *
 * In both, keys are byte strings as `value.ts` describes them. Other strings stay bytes; who needs text asks
 * `fields.ts` for it.
 */
import bencode from 'bencode';
import { MetainfoError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import { concatBytes, utf8 } from '../util/bytes.ts';
import { ExactBuilder } from './exact-builder.ts';
import type { BencodeLimits, ScanFault, ScanOptions, Span } from './scan.ts';
import { scan } from './scan.ts';
import type { BencodeDict, BencodeValue } from './value.ts';
import { fromByteString } from './value.ts';

/** The package copies its input and every string of it; of larger input `ExactBuilder` keeps views instead. */
const COPIED_BYTES_MAX = 1_048_576;

/** What can be encoded. Text becomes UTF-8; members that are `undefined` are left out; keys are byte strings. */
export type Encodable =
  | number
  | bigint
  | string
  | Uint8Array
  | RawBencode
  | BencodeDict
  | readonly Encodable[]
  | { readonly [key: string]: Encodable | undefined };

/** Bytes that are bencode already and go out as they are, such as an `info` dictionary that must keep its hash. */
export class RawBencode {
  readonly bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

export interface Decoded {
  readonly value: BencodeValue;
  /** One past the last byte of the value. */
  readonly end: number;
  /** False if a dictionary was not sorted. */
  readonly canonical: boolean;
  /** Raw spans of the values asked for by `spansOf`. */
  readonly spans: ReadonlyMap<string, Span>;
}

/**
 * Decodes one value, or says what is wrong with it. For input whose sender is no caller of ours. Strings may be views of
 * `bytes`: copy what must outlive them.
 */
export function tryDecode(
  bytes: Uint8Array,
  limits: BencodeLimits,
  options: ScanOptions = {},
): (Decoded & { readonly ok: true }) | ScanFault {
  const result = scan(bytes, limits, options);
  if (!result.ok) return result;
  const { end, canonical, spans } = result;
  const input = bytes.subarray(0, end);
  const isSmall = input.length <= COPIED_BYTES_MAX;
  const value =
    result.plain && isSmall ? (bencode.decode(input) as BencodeValue) : decodeExactly(input, limits);
  return { ok: true, value, end, canonical, spans };
}

/**
 * Decodes one value, as `tryDecode` does.
 * @throws MetainfoError `ERR_BENCODE` with the byte offset.
 */
export function decode(bytes: Uint8Array, limits: BencodeLimits, options: ScanOptions = {}): Decoded {
  const result = tryDecode(bytes, limits, options);
  if (!result.ok) {
    throw new MetainfoError(`bad bencode at byte ${result.offset}: ${result.message}`, {
      code: 'ERR_BENCODE',
      offset: result.offset,
    });
  }
  return result;
}

/** Encodes canonically: sorted keys, shortest integers. Values that bencode cannot hold are a bug of the caller. */
export function encode(value: Encodable): Uint8Array {
  if (isPlain(value)) return bencode.encode(value);
  const parts: Uint8Array[] = [];
  encodeParts(value, parts);
  return concatBytes(parts);
}

function decodeExactly(bytes: Uint8Array, limits: BencodeLimits): BencodeValue {
  const builder = new ExactBuilder(bytes);
  scan(bytes, limits, {}, builder);
  return builder.result;
}

/** Can the package write it exactly? States on the way that it can be written at all. */
function isPlain(value: Encodable): boolean {
  switch (typeof value) {
    case 'string':
      return true;
    case 'bigint':
      return false;
    case 'number':
      assert(Number.isSafeInteger(value), `bencode holds whole numbers only, got ${value}`);
      return true;
    default:
      break;
  }
  if (value instanceof Uint8Array) return true;
  if (value instanceof RawBencode) return false;
  if (isList(value)) return value.every(isPlain);
  assert(typeof value === 'object' && value !== null, `bencode cannot hold a ${typeof value}`);
  return members(value).every(([key, member]) => isAscii(key) && isPlain(member));
}

function encodeParts(value: Encodable, parts: Uint8Array[]): void {
  if (value instanceof RawBencode) {
    parts.push(value.bytes);
  } else if (typeof value === 'bigint') {
    parts.push(utf8(`i${value}e`));
  } else if (isPlain(value)) {
    parts.push(bencode.encode(value));
  } else if (isList(value)) {
    parts.push(utf8('l'));
    for (const item of value) encodeParts(item, parts);
    parts.push(utf8('e'));
  } else {
    parts.push(utf8('d'));
    for (const [key, member] of members(value as BencodeDict)) {
      parts.push(bencode.encode(fromByteString(key)));
      encodeParts(member, parts);
    }
    parts.push(utf8('e'));
  }
}

/** The members that are there, in the order of BEP 3. */
function members(dict: object): [string, Encodable][] {
  const all = Object.entries(dict) as [string, Encodable | undefined][];
  const there = all.filter((entry): entry is [string, Encodable] => entry[1] !== undefined);
  return there.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `Array.isArray` that also narrows readonly arrays. */
function isList(value: Encodable): value is readonly Encodable[] {
  return Array.isArray(value);
}

function isAscii(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) >= 0x80) return false;
  return true;
}
