import { describe, expect, test } from 'vitest';
import type { Scan, ScanFault, ScanOptions } from '../../src/bencode/scan.ts';
import { DHT_LIMITS, PEER_LIMITS, scan, TORRENT_LIMITS } from '../../src/bencode/scan.ts';
import { fromByteString } from '../../src/bencode/value.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

describe('input that ends too early', () => {
  test.each([
    ['', 0],
    ['i', 1],
    ['i12', 3],
    ['d', 1],
    ['l', 1],
    ['1', 1],
    ['li1e', 4],
    ['d1:a', 4],
    ['d1:ai1e', 7],
  ])('%j is refused at the offset where it ends', (text, offset) => {
    expect(fault(text)).toEqual({ ok: false, message: 'unexpected end of input', offset });
  });

  test.each(['1:', '5:ab', '2147483648:', '9007199254740992:aaa', '18446744073709551616:a'])(
    '%j is refused because the string is longer than what is left',
    (text) => {
      expect(fault(text)).toMatchObject({ message: 'a string longer than the input', offset: 0 });
    },
  );
});

describe('depth and size', () => {
  test('a list nested 101 levels deep is refused at the 101st level, and 100 levels pass', () => {
    expect(accepted('l'.repeat(100) + 'e'.repeat(100)).end).toBe(200);
    expect(fault('l'.repeat(100_001) + 'e'.repeat(100_001))).toMatchObject({
      message: 'nested deeper than 100 levels',
      offset: 100,
    });
  });

  test('dictionaries count as levels as well', () => {
    const text = 'd1:a'.repeat(50_000) + 'de' + 'e'.repeat(50_000);
    expect(fault(text)).toMatchObject({ message: 'nested deeper than 100 levels' });
  });

  test('a scalar is no level: 16 lists around a number pass limits of 16', () => {
    const bytes = fromByteString('l'.repeat(16) + 'i1e' + 'e'.repeat(16));
    expect(scan(bytes, PEER_LIMITS).ok).toBe(true);
  });

  test('values beyond the limit are refused where the first of them begins', () => {
    const bytes = fromByteString(`l${'i0e'.repeat(500)}e`);
    expect(scan(bytes, DHT_LIMITS)).toEqual({
      ok: false,
      message: 'more than 500 values',
      offset: 1 + 3 * 499,
    });
    expect(scan(fromByteString(`l${'i0e'.repeat(499)}e`), DHT_LIMITS).ok).toBe(true);
  });

  test('a torrent may hold three million values and not one more', () => {
    const bytes = new Uint8Array(3 * 3_000_000 + 2);
    bytes.fill(0x65);
    bytes[0] = 0x6c;
    for (let i = 1; i + 2 < bytes.length; i += 3) {
      bytes[i] = 0x69;
      bytes[i + 1] = 0x30;
    }
    expect(scan(bytes, TORRENT_LIMITS)).toMatchObject({ ok: false, message: 'more than 3000000 values' });
  });
});

describe('strings', () => {
  test.each(['-1:', '+1:a', ' 1:a', '0x1:a', '1 :a', 'l-3:e', 'd-3:e', ':a'])(
    '%j has no valid length',
    (text) => {
      expect(scan(fromByteString(text), TORRENT_LIMITS).ok).toBe(false);
    },
  );

  test.each(['01:a', '00:', '007:aaaaaaa'])('%j has a length with a leading zero', (text) => {
    expect(fault(text)).toMatchObject({ message: 'a length with a leading zero', offset: 0 });
  });

  test('an empty string is a string', () => {
    expect(accepted('0:').end).toBe(2);
  });
});

describe('integers', () => {
  test.each(['i03e', 'i-03e', 'i00e'])('%j has a leading zero', (text) => {
    expect(fault(text)).toMatchObject({ message: 'an integer with a leading zero', offset: 1 });
  });

  test('there is no negative zero', () => {
    expect(fault('i-0e')).toMatchObject({ message: 'a negative zero', offset: 1 });
  });

  test.each(['ie', 'i-e', 'i--1e', 'i+5e', 'i1.5e', 'i1-2e', 'i 1e', 'i0x10e', 'i1', 'ixe'])(
    '%j is no integer',
    (text) => {
      expect(scan(fromByteString(text), TORRENT_LIMITS).ok).toBe(false);
    },
  );

  test.each(['i0e', 'i-1e', 'i42e', 'i9223372036854775807e', 'i-9223372036854775807e'])(
    '%j is one',
    (text) => {
      expect(accepted(text).end).toBe(text.length);
    },
  );

  test.each(['i9223372036854775808e', 'i-9223372036854775808e', `i1${'0'.repeat(30)}e`])(
    '%j has more than 64 bits',
    (text) => {
      expect(fault(text)).toMatchObject({ message: 'an integer of more than 64 bits', offset: 1 });
    },
  );

  test('ten million digits are given up after twenty', () => {
    const bytes = new Uint8Array(10_000_000).fill(0x31);
    bytes[0] = 0x69;
    expect(scan(bytes, TORRENT_LIMITS)).toMatchObject({
      message: 'an integer of more than 64 bits',
      offset: 1,
    });
  });

  test('only integers that fit a JavaScript number are plain', () => {
    expect(accepted('i9007199254740991e').plain).toBe(true);
    expect(accepted('i9007199254740992e').plain).toBe(false);
    expect(accepted('i-9007199254740992e').plain).toBe(false);
  });
});

describe('dictionaries', () => {
  test('a key must be a string', () => {
    expect(fault('di1ei2ee')).toEqual({ ok: false, message: 'expected a key or the end', offset: 1 });
  });

  test('a key must have a value', () => {
    expect(fault('d1:ae')).toEqual({ ok: false, message: 'expected the value of a key', offset: 4 });
  });

  test('unsorted keys pass, told apart as not canonical', () => {
    expect(accepted('d1:bi1e1:ai2ee').canonical).toBe(false);
    expect(accepted('d1:ai1e1:bi2ee').canonical).toBe(true);
    expect(accepted('d1:al1:z1:aee').canonical).toBe(true);
  });

  test('unsorted keys are refused on request', () => {
    expect(fault('d1:bi1e1:ai2ee', { strict: true })).toEqual({
      ok: false,
      message: 'keys are not sorted',
      offset: 7,
    });
  });

  test('keys are sorted as raw bytes, a prefix before what it begins', () => {
    expect(accepted('d1:ai1e2:aai1e1:bi1ee', { strict: true }).canonical).toBe(true);
    expect(accepted('d1:\x7fi1e1:\x80i1ee', { strict: true }).canonical).toBe(true);
  });

  test.each([
    ['next to each other', 'd1:ai1e1:ai2ee', 7],
    ['apart in an unsorted dictionary', 'd1:bi1e1:ai2e1:bi3ee', 13],
    ['apart, with an unsorted dictionary between', 'd1:bd1:zi1e1:ai1ee1:ai2e1:bi3ee', 24],
    ['inside a list', 'ld1:bi1e1:ai2e1:ai3eee', 14],
  ])('a key that comes twice is refused: %s', (_, text, offset) => {
    expect(fault(text)).toEqual({ ok: false, message: 'the same key twice', offset });
  });

  test('the keys of one dictionary do not count as twins of those of another', () => {
    expect(accepted('ld1:bi1e1:ai2eed1:bi1e1:ai2eee').canonical).toBe(false);
    expect(accepted('d1:bd1:bi1e1:ai1ee1:ad1:bi1e1:ai1eee').canonical).toBe(false);
  });

  test('keys that are no ASCII, or the name of the prototype, are not plain', () => {
    expect(accepted('d1:\xffi1ee').plain).toBe(false);
    expect(accepted('d9:__proto__i1ee').plain).toBe(false);
    expect(accepted('d11:constructori1ee').plain).toBe(true);
  });

  test('a hundred thousand keys in falling order take no quadratic time', () => {
    const keys = Array.from({ length: 100_000 }, (_, i) => `6:${String(999_999 - i)}i0e`);
    expect(accepted(`d${keys.join('')}e`).canonical).toBe(false);
  });
});

describe('where a value ends', () => {
  test.each([
    ['i1ejunk', 3],
    ['i1ee', 3],
    ['lee', 2],
  ])('%j has bytes too many', (text, offset) => {
    expect(fault(text)).toEqual({
      ok: false,
      message: 'unexpected bytes after the end of the value',
      offset,
    });
  });

  test.each(['e', 'ee', 'x', '\0'])('%j begins no value', (text) => {
    expect(fault(text)).toEqual({ ok: false, message: 'expected a value', offset: 0 });
  });

  test('prefix mode tells where the value ends and ignores the rest', () => {
    expect(accepted('d1:ai1eeraw bytes', { prefix: true }).end).toBe(8);
    expect(accepted('4:spamspam', { prefix: true }).end).toBe(6);
  });
});

describe('raw spans', () => {
  test('the span of a key covers its whole value', () => {
    const text = 'd8:announce3:url4:infod4:name1:xe1:zi1ee';
    const { spans } = accepted(text, { spansOf: ['info', 'announce', 'z', 'missing'] });
    const slices = [...spans].map(([key, { start, end }]) => [key, text.slice(start, end)]);
    expect(slices).toEqual([
      ['announce', '3:url'],
      ['info', 'd4:name1:xe'],
      ['z', 'i1e'],
    ]);
  });

  test('only keys of the outermost dictionary count', () => {
    const { spans } = accepted('d1:ad4:infoi1ee4:infoi2ee', { spansOf: ['info'] });
    expect([...spans]).toEqual([['info', { start: 21, end: 24 }]]);
    expect(accepted('ld4:infoi1eee', { spansOf: ['info'] }).spans.size).toBe(0);
  });
});

test('a hundred thousand mutated inputs neither crash nor pass with an end outside the input', () => {
  const rng = fuzzRng(20_260_101);
  const seeds = [
    'd8:announce20:http://t.example/ann4:infod6:lengthi10e4:name1:x12:piece lengthi16384e6:pieces20:aaaaaaaaaaaaaaaaaaaaee',
    'd2:ipi1e1:md11:ut_metadatai3e6:ut_pexi1ee13:metadata_sizei31235e4:reqqi250e1:v5:helloe',
    'lllleleeld1:ai1e1:bi2eei-5e0:e',
  ].map(fromByteString);
  let passed = 0;
  for (let i = 0; i < rounds(100_000); i++) {
    const bytes = mutate(seeds[i % seeds.length]!, rng);
    const result = scan(bytes, PEER_LIMITS, { prefix: i % 2 === 0, spansOf: ['info'] });
    if (result.ok) {
      passed++;
      expect(result.end).toBeLessThanOrEqual(bytes.length);
      expect(result.end).toBeGreaterThan(0);
    } else {
      expect(result.offset).toBeLessThanOrEqual(bytes.length);
    }
  }
  expect(passed).toBeGreaterThan(100);
});

function fault(text: string, options?: ScanOptions): ScanFault {
  const result = scan(fromByteString(text), TORRENT_LIMITS, options);
  if (result.ok) throw new Error(`${JSON.stringify(text.slice(0, 50))} passed`);
  return result;
}

function accepted(text: string, options?: ScanOptions): Scan {
  const result = scan(fromByteString(text), TORRENT_LIMITS, options);
  if (!result.ok) throw new Error(`${result.message} at ${result.offset}`);
  return result;
}
