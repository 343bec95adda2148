/**
 * Reads bencode (BEP 3) without building anything: is it valid, is it within limits, where does it end?
 *
 * Everything that comes from outside passes here first, so it is strict, iterative and bounded. A string's length is
 * compared with what is left of the input before anything else happens, nesting costs one array slot per level, and
 * each token is looked at once. It never throws: bad bytes are someone else's fault and come back as a value.
 *
 * `canonical`: dictionaries must have sorted and unique keys (BEP 3). Unsorted ones exist in the wild, and hashing raw
 * bytes makes them harmless, so they pass unless `strict` is asked for, but are told apart. A key that comes twice is
 * always an error, since two readers may then believe two different values. Integers and lengths with leading zeros,
 * plus signs or a negative zero are errors as well: nobody writes them.
 *
 * `plain`: all keys are ASCII and all integers fit a JavaScript number, which `codec.ts` needs to know.
 */
import { toByteString } from './value.ts';

/** How much input may ask for. */
export interface BencodeLimits {
  /** Lists and dictionaries inside each other. */
  readonly depth: number;
  /** Keys, strings, integers, lists and dictionaries together. */
  readonly tokens: number;
}

/** Files: 200,000 of them take 7 tokens each. The depth is libtorrent's, the tokens too. */
export const TORRENT_LIMITS: BencodeLimits = { depth: 100, tokens: 3_000_000 };
/** Messages of a peer are flat; the widest is an extension handshake (BEP 10). */
export const PEER_LIMITS: BencodeLimits = { depth: 16, tokens: 10_000 };
/** A scrape or a peer list in dictionary form fits many times over in 1 MiB of answer (BEP 3, BEP 48). */
export const TRACKER_LIMITS: BencodeLimits = { depth: 16, tokens: 200_000 };
/** A datagram (BEP 5); libtorrent uses the same numbers. */
export const DHT_LIMITS: BencodeLimits = { depth: 10, tokens: 500 };

export interface ScanOptions {
  /** Unsorted keys are an error. Default: false. */
  readonly strict?: boolean;
  /** Read one value and ignore what follows it (BEP 9 sends a dictionary followed by raw bytes). Default: false. */
  readonly prefix?: boolean;
  /** Keys of the outermost dictionary whose values' spans are wanted. */
  readonly spansOf?: readonly string[];
}

/** Bytes from `start` up to `end`. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** What is known about valid input. */
export interface Scan {
  readonly ok: true;
  /** One past the last byte of the value; in whole-buffer mode the length of the input. */
  readonly end: number;
  readonly canonical: boolean;
  readonly plain: boolean;
  /** Raw spans of the values asked for by `spansOf`, as far as they are there. */
  readonly spans: ReadonlyMap<string, Span>;
}

/** What is wrong with the input, and at which byte. */
export interface ScanFault {
  readonly ok: false;
  readonly message: string;
  readonly offset: number;
}

/** Is told each token in the order of the input. Spans are of the content: without length prefix, `i` or `e`. */
export interface BencodeVisitor {
  onKey(start: number, end: number): void;
  onString(start: number, end: number): void;
  onInteger(start: number, end: number): void;
  onOpen(kind: 'list' | 'dictionary'): void;
  onClose(): void;
}

export function scan(
  bytes: Uint8Array,
  limits: BencodeLimits,
  options: ScanOptions = {},
  visitor: BencodeVisitor | null = null,
): Scan | ScanFault {
  return new Scanner(bytes, limits, options, visitor).run();
}

const DICTIONARY = 0x64; // d
const LIST = 0x6c; // l
const INTEGER = 0x69; // i
const END = 0x65; // e
const COLON = 0x3a;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;

/** 2^63 - 1 has 19 digits; BEP 3 sets no bound, but 64 bits are what everyone reads. */
const INTEGER_DIGITS_MAX = 19;
const INTEGER_MAX = 2n ** 63n - 1n;

/** Would replace the prototype of an object instead of becoming a key of it. */
const PROTO_KEY = '__proto__';

class Scanner {
  readonly #bytes: Uint8Array;
  readonly #limits: BencodeLimits;
  readonly #strict: boolean;
  readonly #prefix: boolean;
  readonly #spansOf: readonly string[];
  readonly #visitor: BencodeVisitor | null;
  readonly #spans = new Map<string, Span>();
  #fault: ScanFault | null = null;
  #at = 0;
  #tokens = 0;
  #canonical = true;
  #plain = true;
  /** Per open container: for a dictionary where its keys begin in `#keys`, for a list -1. */
  readonly #open: number[] = [];
  /** Start and end of each key of each open dictionary, so that an unsorted one can still be checked for twins. */
  readonly #keys: number[] = [];
  /** Per nesting level, the keys of an unsorted dictionary; made when disorder shows. */
  readonly #unsorted = new Map<number, Set<string>>();
  #spanKey: string | null = null;
  #spanStart = 0;

  constructor(
    bytes: Uint8Array,
    limits: BencodeLimits,
    options: ScanOptions,
    visitor: BencodeVisitor | null,
  ) {
    this.#bytes = bytes;
    this.#limits = limits;
    this.#strict = options.strict ?? false;
    this.#prefix = options.prefix ?? false;
    this.#spansOf = options.spansOf ?? [];
    this.#visitor = visitor;
  }

  run(): Scan | ScanFault {
    this.#value();
    while (this.#open.length > 0 && this.#fault === null) this.#step();
    if (this.#fault === null && !this.#prefix && this.#at < this.#bytes.length) {
      this.#fail('unexpected bytes after the end of the value', this.#at);
    }
    return (
      this.#fault ?? {
        ok: true,
        end: this.#at,
        canonical: this.#canonical,
        plain: this.#plain,
        spans: this.#spans,
      }
    );
  }

  /** One member of the innermost container, or its end. */
  #step(): void {
    const keysFrom = this.#open[this.#open.length - 1]!;
    if (this.#bytes[this.#at] === END) {
      this.#at++;
      this.#close(keysFrom);
    } else {
      if (keysFrom >= 0 && !this.#key(keysFrom)) return;
      this.#value();
    }
    if (this.#spanKey !== null && this.#open.length === 1 && this.#fault === null) {
      this.#spans.set(this.#spanKey, { start: this.#spanStart, end: this.#at });
      this.#spanKey = null;
    }
  }

  #value(): void {
    const start = this.#at;
    const byte = this.#bytes[start];
    if (!this.#count(start)) return;
    if (byte === INTEGER) {
      this.#integer();
    } else if (byte === LIST || byte === DICTIONARY) {
      if (this.#open.length >= this.#limits.depth) {
        this.#fail(`nested deeper than ${this.#limits.depth} levels`, start);
        return;
      }
      this.#at++;
      this.#open.push(byte === LIST ? -1 : this.#keys.length);
      this.#visitor?.onOpen(byte === LIST ? 'list' : 'dictionary');
    } else {
      const contentStart = this.#string();
      if (contentStart >= 0) this.#visitor?.onString(contentStart, this.#at);
    }
  }

  #close(keysFrom: number): void {
    if (keysFrom >= 0) {
      this.#keys.length = keysFrom;
      this.#unsorted.delete(this.#open.length);
    }
    this.#open.pop();
    this.#visitor?.onClose();
  }

  #key(keysFrom: number): boolean {
    const start = this.#at;
    const first = this.#bytes[start];
    if (first !== undefined && !isDigit(first)) return this.#fail('expected a key or the end', start);
    if (!this.#count(start)) return false;
    const from = this.#string();
    if (from < 0) return false;
    const end = this.#at;
    if (!this.#checkOrder(keysFrom, from, end, start)) return false;
    this.#keys.push(from, end);
    if (this.#plain) this.#plain = this.#isPlainKey(from, end);
    if (this.#open.length === 1) {
      this.#spanKey = this.#spansOf.find((wanted) => this.#isKey(wanted, from, end)) ?? null;
      this.#spanStart = end;
    }
    if (this.#bytes[end] === END) return this.#fail('expected the value of a key', end);
    this.#visitor?.onKey(from, end);
    return true;
  }

  #checkOrder(keysFrom: number, from: number, end: number, start: number): boolean {
    const top = this.#keys.length;
    if (top === keysFrom) return true;
    const seen = this.#unsorted.get(this.#open.length);
    if (seen === undefined) {
      const order = this.#compare(this.#keys[top - 2]!, this.#keys[top - 1]!, from, end);
      if (order < 0) return true;
      if (order === 0) return this.#fail('the same key twice', start);
      if (this.#strict) return this.#fail('keys are not sorted', start);
      this.#canonical = false;
    }
    const keys = seen ?? this.#keysSeen(keysFrom);
    const key = toByteString(this.#bytes, from, end);
    if (keys.has(key)) return this.#fail('the same key twice', start);
    keys.add(key);
    return true;
  }

  /** Begins to remember the keys of the innermost dictionary, which just turned out to be unsorted. */
  #keysSeen(keysFrom: number): Set<string> {
    const seen = new Set<string>();
    for (let i = keysFrom; i < this.#keys.length; i += 2) {
      seen.add(toByteString(this.#bytes, this.#keys[i], this.#keys[i + 1]));
    }
    this.#unsorted.set(this.#open.length, seen);
    return seen;
  }

  #compare(aStart: number, aEnd: number, bStart: number, bEnd: number): number {
    const bytes = this.#bytes;
    const length = Math.min(aEnd - aStart, bEnd - bStart);
    for (let i = 0; i < length; i++) {
      const difference = bytes[aStart + i]! - bytes[bStart + i]!;
      if (difference !== 0) return difference;
    }
    return aEnd - aStart - (bEnd - bStart);
  }

  #isPlainKey(start: number, end: number): boolean {
    for (let i = start; i < end; i++) if (this.#bytes[i]! >= 0x80) return false;
    return !this.#isKey(PROTO_KEY, start, end);
  }

  #isKey(key: string, start: number, end: number): boolean {
    return end - start === key.length && toByteString(this.#bytes, start, end) === key;
  }

  /** Passes `<length>:<content>` and returns where the content starts, or -1. */
  #string(): number {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    let length = 0;
    for (; at < bytes.length && isDigit(bytes[at]!); at++) {
      if (at > start && bytes[start] === ZERO) return this.#failString('a length with a leading zero', start);
      length = length * 10 + bytes[at]! - ZERO;
      if (length > bytes.length) return this.#failString('a string longer than the input', start);
    }
    if (at >= bytes.length) return this.#failString('unexpected end of input', at);
    if (at === start) return this.#failString('expected a value', start);
    if (bytes[at] !== COLON) return this.#failString('expected ":" after a length', at);
    at++;
    if (length > bytes.length - at) return this.#failString('a string longer than the input', start);
    this.#at = at + length;
    return at;
  }

  #integer(): void {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    const digits = bytes[start] === MINUS ? start + 1 : start;
    let at = digits;
    while (at < bytes.length && isDigit(bytes[at]!) && at - digits <= INTEGER_DIGITS_MAX) at++;
    const count = at - digits;
    if (count > INTEGER_DIGITS_MAX) this.#fail('an integer of more than 64 bits', start);
    else if (at >= bytes.length) this.#fail('unexpected end of input', at);
    else if (count === 0) this.#fail('expected a digit', at);
    else if (bytes[at] !== END) this.#fail('expected a digit or the end of an integer', at);
    else if (bytes[digits] === ZERO && count > 1) this.#fail('an integer with a leading zero', start);
    else if (bytes[digits] === ZERO && digits > start) this.#fail('a negative zero', start);
    else if (!this.#fits(digits, at)) this.#fail('an integer of more than 64 bits', start);
    else {
      this.#at = at + 1;
      this.#visitor?.onInteger(start, at);
    }
  }

  /** Is the number within 64 bits? Also notes if it is beyond what a JavaScript number holds exactly. */
  #fits(digits: number, end: number): boolean {
    if (end - digits <= 15) return true; // 999,999,999,999,999 is below 2^53.
    const magnitude = BigInt(toByteString(this.#bytes, digits, end));
    if (magnitude > Number.MAX_SAFE_INTEGER) this.#plain = false;
    return magnitude <= INTEGER_MAX;
  }

  #count(offset: number): boolean {
    if (++this.#tokens > this.#limits.tokens) {
      return this.#fail(`more than ${this.#limits.tokens} values`, offset);
    }
    return true;
  }

  #failString(message: string, offset: number): -1 {
    this.#fail(message, offset);
    return -1;
  }

  #fail(message: string, offset: number): false {
    this.#fault = { ok: false, message, offset };
    return false;
  }
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= NINE;
}
