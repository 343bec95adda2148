import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareBytes,
  concatBytes,
  EMPTY_BYTES,
  equalBytes,
  fromHex,
  readU16,
  readU32,
  readU64,
  toHex,
  toText,
  toTextStrict,
  utf8,
  writeU16,
  writeU32,
  writeU64,
} from '../../src/util/bytes.ts';

describe('numbers on the wire', () => {
  test('are big-endian and unsigned', () => {
    const bytes = Uint8Array.of(0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0xfa, 0xf9, 0xf8);
    expect(readU16(bytes, 1)).toBe(0xfefd);
    expect(readU32(bytes, 0)).toBe(0xfffefdfc);
    expect(readU64(bytes, 0)).toBe(0xfffefdfcfbfaf9f8n);
  });

  test('are read back as they were written, at any offset', () => {
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffffffff), fc.maxSafeNat(), fc.nat(5), (u16, u32, u64, offset) => {
        const bytes = new Uint8Array(20);
        writeU16(bytes, offset, u16);
        expect(readU16(bytes, offset)).toBe(u16);
        writeU32(bytes, offset, u32);
        expect(readU32(bytes, offset)).toBe(u32);
        writeU64(bytes, offset, u64);
        expect(readU64(bytes, offset)).toBe(BigInt(u64));
        expect(bytes.subarray(offset + 8).every((byte) => byte === 0)).toBe(true);
      }),
      { seed: 20_260_107, numRuns: 200 },
    );
  });

  test('of 64 bits may be bigints', () => {
    const bytes = new Uint8Array(8);
    writeU64(bytes, 0, 0x41727101980n);
    expect(toHex(bytes)).toBe('0000041727101980');
  });
});

describe('byte strings', () => {
  test('are equal byte by byte', () => {
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false);
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2, 3))).toBe(false);
    expect(equalBytes(EMPTY_BYTES, new Uint8Array(0))).toBe(true);
  });

  test('are ordered as raw bytes, a prefix before what it begins', () => {
    const sorted = ['', 'a', 'aa', 'b', '\x7f', 'é'].map(utf8);
    expect([...sorted].reverse().sort(compareBytes)).toEqual(sorted);
    expect(compareBytes(utf8('x'), utf8('x'))).toBe(0);
  });

  test('are joined in their order', () => {
    expect(concatBytes([Uint8Array.of(1), EMPTY_BYTES, Uint8Array.of(2, 3)])).toEqual(Uint8Array.of(1, 2, 3));
    expect(concatBytes([])).toEqual(EMPTY_BYTES);
  });
});

describe('hexadecimal text', () => {
  test('has two lower-case digits per byte', () => {
    expect(toHex(Uint8Array.of(0, 15, 255))).toBe('000fff');
  });

  test('is read in either case', () => {
    expect(fromHex('00fF')).toEqual(Uint8Array.of(0, 255));
    expect(fromHex('')).toEqual(EMPTY_BYTES);
  });

  test.each(['0', 'xx', '0x00', ' 00', '00\n', '-1'])('%j is none', (text) => {
    expect(fromHex(text)).toBeNull();
  });
});

describe('UTF-8', () => {
  test('is read back as it was written', () => {
    expect(toText(utf8('é日😀'))).toBe('é日😀');
    expect(toTextStrict(utf8('é日😀'))).toBe('é日😀');
  });

  test('that is broken is replaced, or refused by the strict reader', () => {
    expect(toText(Uint8Array.of(0x61, 0xff))).toBe('a\ufffd');
    expect(toTextStrict(Uint8Array.of(0x61, 0xff))).toBeNull();
    expect(toTextStrict(Uint8Array.of(0xc0, 0xae))).toBeNull();
  });

  test('keeps its byte order mark in the strict reader, so that no two byte strings read alike', () => {
    expect(toTextStrict(utf8('\ufeffa'))).toBe('\ufeffa');
  });
});
