import bencode from 'bencode';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode, RawBencode, tryDecode } from '../../src/bencode/codec.ts';
import type { Encodable } from '../../src/bencode/codec.ts';
import { ExactBuilder } from '../../src/bencode/exact-builder.ts';
import { entriesOf, readBytes, readDict, readInt, readValue } from '../../src/bencode/fields.ts';
import { scan, TORRENT_LIMITS } from '../../src/bencode/scan.ts';
import type { BencodeDict, BencodeValue } from '../../src/bencode/value.ts';
import { fromByteString, toByteString } from '../../src/bencode/value.ts';
import { MetainfoError } from '../../src/errors.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

describe('decode', () => {
  test('gives bytes for strings, numbers for integers, and both kinds of container', () => {
    const value = decoded('d4:listl4:spami-7ee3:numi42ee') as BencodeDict;
    expect(readInt(value, 'num', 0, 100)).toBe(42);
    expect(readValue(value, 'list')).toEqual([Uint8Array.of(0x73, 0x70, 0x61, 0x6d), -7]);
  });

  test('throws an error with a code and the offset of the first bad byte', () => {
    const attempt = () => decode(fromByteString('d1:ai1e1:ai2ee'), TORRENT_LIMITS);
    expect(attempt).toThrow(MetainfoError);
    expect(attempt).toThrow(
      expect.objectContaining({
        code: 'ERR_BENCODE',
        offset: 7,
        message: expect.stringContaining('byte 7') as string,
      }),
    );
  });

  test('tryDecode says what is wrong without throwing', () => {
    expect(tryDecode(fromByteString('5:ab'), TORRENT_LIMITS)).toMatchObject({ ok: false, offset: 0 });
  });

  test('keeps integers beyond 2^53 exact', () => {
    expect(decoded('i9007199254740993e')).toBe(9007199254740993n);
    expect(decoded('i-9223372036854775807e')).toBe(-9223372036854775807n);
    expect(decoded('li9007199254740991ei9007199254740993ee')).toEqual([9007199254740991, 9007199254740993n]);
  });

  test('keys that name the prototype or its members are data like all others', () => {
    const value = decoded('d9:__proto__d8:pollutedi1ee11:constructori1ee') as BencodeDict;
    expect(Object.hasOwn({}, 'polluted') || 'polluted' in {}).toBe(false);
    expect(readDict(value, '__proto__')).not.toBeNull();
    expect(readInt(value, 'constructor', 0, 9)).toBe(1);
    expect(readValue(decoded('de') as BencodeDict, 'constructor')).toBeUndefined();
    expect(readValue(decoded('de') as BencodeDict, '__proto__')).toBeUndefined();
  });

  test('keys that are no text stay distinct byte strings', () => {
    const value = decoded('d3:a\0bi3e1:\xfei2e1:\xffi1ee') as BencodeDict;
    expect(entriesOf(value)).toEqual([
      ['a\0b', 3],
      ['\xfe', 2],
      ['\xff', 1],
    ]);
  });

  test('a key with a byte order mark does not pass for the key without it', () => {
    const value = decoded('d4:infoi1e7:\xef\xbb\xbfinfoi2ee') as BencodeDict;
    expect(readInt(value, 'info', 0, 9)).toBe(1);
  });

  test('prefix mode decodes one value and tells where it ends', () => {
    const bytes = fromByteString('d8:msg_typei1ee\x01\x02e');
    const { value, end } = decode(bytes, TORRENT_LIMITS, { prefix: true });
    expect(readInt(value as BencodeDict, 'msg_type', 0, 2)).toBe(1);
    expect(toByteString(bytes, end)).toBe('\x01\x02e');
  });

  test('does not tie its strings to a larger buffer than its input', () => {
    const value = decode(fromByteString('d1:a4:spame'), TORRENT_LIMITS).value as BencodeDict;
    expect(readBytes(value, 'a', 4)?.buffer.byteLength).toBeLessThanOrEqual(11);
  });
});

test('input of more than a megabyte is read like any other', () => {
  const input = { list: [1, -2, { a: 'b' }], text: new Uint8Array(2_000_000).fill(7) };
  const bytes = encode(input);
  const value = decode(bytes, TORRENT_LIMITS).value as BencodeDict;
  expect(readBytes(value, 'text', 2_000_000)?.every((byte) => byte === 7)).toBe(true);
  expect(encode(value)).toEqual(bytes);
});

describe('encode', () => {
  test('sorts keys, leaves out what is undefined and writes text as UTF-8', () => {
    expect(encoded({ b: 'é', a: 1, c: undefined })).toBe('d1:ai1e1:b2:\xc3\xa9e');
  });

  test('sorts keys that are raw bytes as raw bytes', () => {
    expect(encoded({ '\xff': 1, '\x80': 2, z: 3 })).toBe('d1:zi3e1:\x80i2e1:\xffi1ee');
  });

  test('writes integers beyond 2^53 exactly', () => {
    expect(encoded([9007199254740993n, -1n, 0])).toBe('li9007199254740993ei-1ei0ee');
  });

  test('lets raw bencode through untouched, however unsorted', () => {
    const info = new RawBencode(fromByteString('d1:zi1e1:ai2ee'));
    expect(encoded({ info, announce: 'x' })).toBe('d8:announce1:x4:infod1:zi1e1:ai2eee');
  });

  test.each([1.5, NaN, Infinity, 2 ** 53])('refuses the number %d, which bencode cannot hold', (value) => {
    expect(() => encode({ list: [value] })).toThrow(/whole numbers/);
  });

  test('refuses null, true and functions', () => {
    for (const value of [null, true, () => 1]) expect(() => encode(value as never)).toThrow(/cannot hold/);
  });

  test('refuses a key with characters that are no bytes', () => {
    expect(() => encode({ '\u2603': 1 })).toThrow(/one character .* per byte/);
  });
});

describe('properties', () => {
  const leaf = fc.oneof(
    fc.integer(),
    fc.maxSafeInteger(),
    fc.bigInt({ min: 2n ** 53n, max: 2n ** 63n - 1n }),
    fc.bigInt({ min: -(2n ** 63n) + 1n, max: -(2n ** 53n) }),
    fc.uint8Array({ maxLength: 12 }),
  );
  const byteKey = fc.oneof(
    fc.uint8Array({ maxLength: 6 }).map((bytes) => toByteString(bytes)),
    fc.constantFrom('__proto__', 'constructor', 'toString', '', '1', '10'),
  );
  const value = fc.letrec<{ value: Encodable }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      leaf,
      fc.array(tie('value'), { maxLength: 6 }),
      fc.array(fc.tuple(byteKey, tie('value')), { maxLength: 6 }).map(ownKeys),
    ),
  })).value;

  test('whatever is encoded decodes to the same bytes again, and is canonical', () => {
    fc.assert(
      fc.property(value, (input) => {
        const bytes = encode(input);
        const back = decode(bytes, TORRENT_LIMITS, { strict: true });
        expect(back.canonical).toBe(true);
        expect(encode(back.value)).toEqual(bytes);
      }),
      { seed: 20_260_102, numRuns: 500 },
    );
  });

  test('the package and the exact builder read plain input alike', () => {
    const plain = fc.letrec<{ value: Encodable }>((tie) => ({
      value: fc.oneof(
        { depthSize: 'small' },
        fc.maxSafeInteger(),
        fc.uint8Array({ maxLength: 12 }),
        fc.array(tie('value'), { maxLength: 5 }),
        fc.dictionary(fc.string({ unit: 'binary-ascii', maxLength: 5 }), tie('value'), { maxKeys: 5 }),
      ),
    })).value;
    fc.assert(
      fc.property(plain, (input) => {
        const bytes = encode(input);
        const builder = new ExactBuilder(bytes);
        expect(scan(bytes, TORRENT_LIMITS, {}, builder)).toMatchObject({ ok: true, plain: true });
        expect(normal(builder.result)).toEqual(normal(bencode.decode(bytes) as BencodeValue));
      }),
      { seed: 20_260_103, numRuns: 500 },
    );
  });
});

test('mutated input decodes to what encodes back to it, or is refused', () => {
  const rng = fuzzRng(20_260_104);
  const seed = fromByteString('d9:__proto__le1:ad2:idli1ei22222222222222222ee1:z0:e1:t4:spam1:\xffi1ee');
  let exact = 0;
  for (let i = 0; i < rounds(30_000); i++) {
    const bytes = mutate(seed, rng);
    const result = tryDecode(bytes, TORRENT_LIMITS);
    if (!result.ok) continue;
    const back = encode(result.value);
    expect(back.length).toBe(bytes.length);
    if (result.canonical) {
      expect(back).toEqual(bytes);
      exact++;
    }
  }
  expect(exact).toBeGreaterThan(100);
});

function decoded(text: string): BencodeValue {
  return decode(fromByteString(text), TORRENT_LIMITS).value;
}

function encoded(value: Encodable): string {
  return toByteString(encode(value));
}

/** An object with exactly these own keys, also if one is `__proto__`. */
function ownKeys(entries: [string, Encodable][]): Encodable {
  const dict = Object.create(null) as Record<string, Encodable>;
  for (const [key, member] of entries) dict[key] = member;
  return dict;
}

/** The same value with dictionaries as sorted lists of entries, so that prototypes do not matter. */
function normal(value: BencodeValue): unknown {
  if (Array.isArray(value)) return value.map(normal);
  if (typeof value !== 'object' || value instanceof Uint8Array) return value;
  return entriesOf(value as BencodeDict)
    .map(([key, member]) => [key, normal(member)] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
}
