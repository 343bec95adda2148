import { describe, expect, test } from 'vitest';
import { decode } from '../../src/bencode/codec.ts';
import {
  Fields,
  isDict,
  readBytes,
  readDict,
  readInt,
  readList,
  readText,
} from '../../src/bencode/fields.ts';
import { TORRENT_LIMITS } from '../../src/bencode/scan.ts';
import type { BencodeDict } from '../../src/bencode/value.ts';
import { fromByteString } from '../../src/bencode/value.ts';

describe('readers that forgive', () => {
  const dict = dictOf('d3:bigi9007199254740993e3:inti5e4:listli1ee3:subde4:text4:\xc3\xa9!\xffe');

  test('give the value where it is of the kind asked for', () => {
    expect(readInt(dict, 'int', 0, 10)).toBe(5);
    expect(readBytes(dict, 'text', 4)).toEqual(Uint8Array.of(0xc3, 0xa9, 0x21, 0xff));
    expect(readText(dict, 'text')).toBe('é!\uFFFD');
    expect(readList(dict, 'list')).toEqual([1]);
    expect(isDict(readDict(dict, 'sub') ?? undefined)).toBe(true);
  });

  test('give null where it is absent', () => {
    expect(readInt(dict, 'none', 0, 10)).toBeNull();
    expect(readBytes(dict, 'none')).toBeNull();
    expect(readText(dict, 'none')).toBeNull();
    expect(readList(dict, 'none')).toBeNull();
    expect(readDict(dict, 'none')).toBeNull();
  });

  test('give null where it is of another kind, length or range', () => {
    expect(readInt(dict, 'int', 6, 10)).toBeNull();
    expect(readInt(dict, 'int', 0, 4)).toBeNull();
    expect(readInt(dict, 'big', 0, Number.MAX_SAFE_INTEGER)).toBeNull();
    expect(readInt(dict, 'text', 0, 10)).toBeNull();
    expect(readBytes(dict, 'text', 3)).toBeNull();
    expect(readList(dict, 'sub')).toBeNull();
    expect(readDict(dict, 'list')).toBeNull();
    expect(readDict(dict, 'text')).toBeNull();
  });
});

describe('readers that name the bad field', () => {
  const root = Fields.root(dictOf('d4:infod5:filesld6:lengthi-1eei7ee4:name1:xee'));

  test('an outermost value that is no dictionary is no torrent', () => {
    for (const text of ['3:abc', 'le', 'i1e']) {
      expect(() => Fields.root(decode(fromByteString(text), TORRENT_LIMITS).value)).toThrow(/not a torrent/);
    }
  });

  test('a number out of range is named by its dotted path', () => {
    const [first] = root.dictionary('info').dictionaries('files');
    expect(() => first!.int('length', 0, 100)).toThrow(
      expect.objectContaining({
        field: 'info.files.0.length',
        message: 'info.files.0.length must be a whole number from 0 to 100',
      }),
    );
  });

  test('an item of a list is named by its index', () => {
    expect(() => [...root.dictionary('info').dictionaries('files')]).toThrow(
      expect.objectContaining({ field: 'info.files.1', code: 'ERR_METAINFO' }),
    );
  });

  test('a missing field is said to be missing', () => {
    expect(() => root.dictionary('info').bytes('pieces')).toThrow(/info\.pieces .* missing/);
    expect(() => root.dictionary('info').bytes('name', 4)).toThrow(
      'info.name must be a byte string of 4 bytes',
    );
    expect(() => root.dictionary('nothing')).toThrow(expect.objectContaining({ field: 'nothing' }));
  });
});

function dictOf(text: string): BencodeDict {
  return decode(fromByteString(text), TORRENT_LIMITS).value as BencodeDict;
}
