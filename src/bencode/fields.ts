/**
 * Typed reading of decoded bencode.
 *
 * Two manners. `read…` functions return null for what is absent or of another kind: for answers of trackers and
 * messages of peers, where one odd field must not spoil the rest. `Fields` throws a `MetainfoError` that names the
 * field by its dotted path: for files, whose author wants to know.
 */
import { MetainfoError } from '../errors.ts';
import { toText } from '../util/bytes.ts';
import type { BencodeDict, BencodeValue } from './value.ts';

export function isDict(value: BencodeValue | undefined): value is BencodeDict {
  return (
    typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array)
  );
}

/** The value under a key (a byte string: see `value.ts`), or undefined. Only own keys count. */
export function readValue(dict: BencodeDict, key: string): BencodeValue | undefined {
  return Object.hasOwn(dict, key) ? (dict as unknown as Record<string, BencodeValue>)[key] : undefined;
}

/** A whole number of `min` to `max`, both within ±(2^53 - 1). */
export function readInt(dict: BencodeDict, key: string, min: number, max: number): number | null {
  const value = readValue(dict, key);
  return typeof value === 'number' && value >= min && value <= max ? value : null;
}

/** A byte string, of exactly `length` bytes if that is given. */
export function readBytes(dict: BencodeDict, key: string, length?: number): Uint8Array | null {
  const value = readValue(dict, key);
  return value instanceof Uint8Array && (length === undefined || value.length === length) ? value : null;
}

/** A byte string as text; what is not UTF-8 in it becomes U+FFFD. */
export function readText(dict: BencodeDict, key: string): string | null {
  const value = readBytes(dict, key);
  return value && toText(value);
}

export function readList(dict: BencodeDict, key: string): readonly BencodeValue[] | null {
  const value = readValue(dict, key);
  return isList(value) ? value : null;
}

export function readDict(dict: BencodeDict, key: string): BencodeDict | null {
  const value = readValue(dict, key);
  return isDict(value) ? value : null;
}

/** All keys and values, for dictionaries whose keys are data, such as the info hashes of a scrape (BEP 48). */
export function entriesOf(dict: BencodeDict): [key: string, value: BencodeValue][] {
  return Object.entries(dict);
}

export function isList(value: BencodeValue | undefined): value is readonly BencodeValue[] {
  return Array.isArray(value);
}

/** A dictionary of a file, with the way to it, for errors that name the field. */
export class Fields {
  readonly dict: BencodeDict;
  readonly #parent: Fields | null;
  readonly #name: string;

  constructor(dict: BencodeDict, parent: Fields | null = null, name = '') {
    this.dict = dict;
    this.#parent = parent;
    this.#name = name;
  }

  /** Reads the outermost value of a file. */
  static root(value: BencodeValue): Fields {
    if (!isDict(value)) throw new MetainfoError('not a torrent: the outermost value is no dictionary');
    return new Fields(value);
  }

  /** The dotted path of a field, such as `info.files.3.path`. */
  pathOf(key: string): string {
    const here = this.#parent === null ? this.#name : this.#parent.pathOf(this.#name);
    return here === '' ? key : `${here}.${key}`;
  }

  has(key: string): boolean {
    return readValue(this.dict, key) !== undefined;
  }

  int(key: string, min: number, max: number): number {
    const value = readInt(this.dict, key, min, max);
    return value ?? this.fail(key, `must be a whole number from ${min} to ${max}`);
  }

  bytes(key: string, length?: number): Uint8Array {
    const wanted = length === undefined ? 'a byte string' : `a byte string of ${length} bytes`;
    return readBytes(this.dict, key, length) ?? this.fail(key, `must be ${wanted}`);
  }

  list(key: string): readonly BencodeValue[] {
    return readList(this.dict, key) ?? this.fail(key, 'must be a list');
  }

  dictionary(key: string): Fields {
    const value = readDict(this.dict, key) ?? this.fail(key, 'must be a dictionary');
    return new Fields(value, this, key);
  }

  /** The dictionaries of a list, one by one. */
  *dictionaries(key: string): Generator<Fields> {
    let index = 0;
    for (const item of this.list(key)) {
      const name = `${key}.${index++}`;
      if (!isDict(item)) this.fail(name, 'must be a dictionary');
      yield new Fields(item, this, name);
    }
  }

  /** The byte strings of a list. */
  byteStrings(key: string): Uint8Array[] {
    return this.list(key).map((item, i) =>
      item instanceof Uint8Array ? item : this.fail(`${key}.${i}`, 'must be a byte string'),
    );
  }

  /** @throws MetainfoError always, naming the field. */
  fail(key: string, expected: string): never {
    const field = this.pathOf(key);
    const found = this.has(key) ? '' : ' and is missing';
    throw new MetainfoError(`${field} ${expected}${found}`, { field });
  }
}
