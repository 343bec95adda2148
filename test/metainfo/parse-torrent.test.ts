import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encode } from '../../src/bencode/codec.ts';
import { fromByteString, toByteString } from '../../src/bencode/value.ts';
import type { ErrorCode } from '../../src/errors.ts';
import { MetainfoError } from '../../src/errors.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';
import type { Members } from './torrent-bytes.ts';
import { fileOf, folderOf, hashes, infoOf, rawTorrent, torrentOf } from './torrent-bytes.ts';

describe('a torrent of one file', () => {
  const bytes = torrentOf(infoOf({ private: 1 }), {
    comment: 'a comment',
    'created by': 'someone',
    'creation date': 1_700_000_000,
    'url-list': 'http://seed.example/',
  });
  const metaInfo = parseTorrent(bytes);

  test('is read whole', () => {
    const { geometry, infoBytes, infoHash, ...rest } = metaInfo;
    expect(rest).toEqual({
      infoHashHex: sha1Hex(infoBytes),
      name: 'name',
      files: [{ index: 0, path: 'name', length: 40_000, offset: 0, padding: false }],
      isSingleFile: true,
      length: 40_000,
      pieceLength: 16_384,
      pieceCount: 3,
      pieceHashes: hashes(3),
      private: true,
      trackers: [['http://tracker.example/announce']],
      webSeeds: ['http://seed.example/'],
      nodes: [],
      comment: 'a comment',
      createdBy: 'someone',
      createdAt: 1_700_000_000,
      isHybrid: false,
    });
    expect(geometry).toMatchObject({ length: 40_000, pieceLength: 16_384, pieceCount: 3 });
    expect(Buffer.from(infoHash).toString('hex')).toBe(metaInfo.infoHashHex);
  });

  test('is frozen, files and tiers included', () => {
    expect(Object.isFrozen(metaInfo)).toBe(true);
    expect(Object.isFrozen(metaInfo.geometry)).toBe(true);
    expect(Object.isFrozen(metaInfo.files) && metaInfo.files.every((file) => Object.isFrozen(file))).toBe(
      true,
    );
    expect(
      Object.isFrozen(metaInfo.trackers) && metaInfo.trackers.every((tier) => Object.isFrozen(tier)),
    ).toBe(true);
    expect(Object.isFrozen(metaInfo.webSeeds)).toBe(true);
  });

  test('does not change when the bytes it came from do', () => {
    const copy = bytes.slice();
    const parsed = parseTorrent(copy);
    copy.fill(0);
    expect(parsed.infoBytes).toEqual(metaInfo.infoBytes);
    expect(parsed.pieceHashes).toEqual(hashes(3));
  });

  test('may say nothing but what it must', () => {
    expect(parseTorrent(encode({ info: infoOf() }))).toMatchObject({
      private: false,
      trackers: [],
      webSeeds: [],
      comment: null,
      createdBy: null,
      createdAt: null,
    });
  });

  test.each([1, 3, 16_383, 16_385])('may have pieces of %d bytes', (pieceLength) => {
    const length = 2 * pieceLength;
    const metaInfo = parseInfo({ length, 'piece length': pieceLength, pieces: hashes(2) });
    expect(metaInfo).toMatchObject({ pieceLength, pieceCount: 2 });
  });

  test('may have two bytes', () => {
    expect(parseInfo({ length: 2, pieces: hashes(1) })).toMatchObject({ length: 2, pieceCount: 1 });
  });
});

describe('the info hash', () => {
  test('is that of the raw bytes, also if they are not sorted', () => {
    const info = `d12:piece lengthi16384e4:name1:x6:pieces20:${'h'.repeat(20)}6:lengthi5e1:zi1ee`;
    const metaInfo = parseTorrent(rawTorrent(info));
    expect(metaInfo.infoHashHex).toBe(createHash('sha1').update(info).digest('hex'));
    expect(toByteString(metaInfo.infoBytes)).toBe(info);
  });

  test('covers keys that nobody knows, whatever bytes they are', () => {
    const info = infoOf({ '\xff\xfe': 1, __proto__: undefined, source: 'here' });
    const metaInfo = parseTorrent(torrentOf(info));
    expect(toByteString(metaInfo.infoBytes)).toBe(toByteString(encode(info)));
    expect(metaInfo.name).toBe('name');
  });

  test('is never ambiguous: a key that comes twice is an error', () => {
    const info = toByteString(encode(infoOf()));
    expectError(fromByteString(`d4:info${info}4:info${info}e`), 'ERR_BENCODE', '');
    expectError(fromByteString('d8:announce1:a8:announce1:be'), 'ERR_BENCODE', '');
    expectError(rawTorrent(`d6:lengthi1e6:lengthi2ee`), 'ERR_BENCODE', '');
  });
});

describe('what is no torrent', () => {
  test.each(['3:abc', 'le', 'i1e'])('%j has no dictionary', (text) => {
    expectError(fromByteString(text), 'ERR_METAINFO', '');
  });

  test.each([
    ['missing', undefined],
    ['a number', 1],
    ['a list', []],
    ['a string', 'info'],
  ])('info is %s', (_, info) => {
    expectError(torrentOf(info), 'ERR_METAINFO', 'info');
  });

  test.each([
    ['<!DOCTYPE html><html>', 'a web page'],
    ['\n  <html>', 'a web page'],
    ['\x1f\x8b\x08\0', 'a gzip file'],
    ['PK\x03\x04', 'a zip file'],
    ['magnet:?xt=urn:btih:', 'a magnet link'],
  ])('%j is named for what it is', (text, what) => {
    expect(() => parseTorrent(fromByteString(text))).toThrow(`not a torrent: it looks like ${what}`);
  });

  test('more than 64 MiB are refused before they are looked at', () => {
    expect(() => parseTorrent(new Uint8Array(64 * 1_048_576 + 1))).toThrow(/larger than/);
  });

  test('a broken file is refused with the offset of the first bad byte', () => {
    const bytes = torrentOf(infoOf()).subarray(0, 100);
    expect(() => parseTorrent(bytes)).toThrow(expect.objectContaining({ code: 'ERR_BENCODE' }));
  });
});

describe('pieces', () => {
  test.each([undefined, 0, -1, 'text', 536_854_529, 2 ** 31, 2 ** 32, 9_007_199_254_740_993n])(
    'a piece length of %s is refused',
    (pieceLength) => {
      expectInfoError({ 'piece length': pieceLength }, 'info.piece length');
    },
  );

  test('the largest piece length is 536,854,528', () => {
    const info = { length: 536_854_529, 'piece length': 536_854_528, pieces: hashes(2) };
    expect(parseInfo(info)).toMatchObject({ pieceLength: 536_854_528, pieceCount: 2 });
  });

  test.each([
    ['missing', undefined],
    ['a list', []],
    ['empty', ''],
    ['a byte short', hashes(3).subarray(1)],
    ['a byte too long', new Uint8Array(61)],
    ['one hash short', hashes(2)],
    ['one hash too long', hashes(4)],
  ])('hashes that are %s are refused', (_, pieces) => {
    expectInfoError({ pieces }, 'info.pieces');
  });

  test('2,097,152 pieces are accepted and one more is refused', () => {
    const info = { length: 2_097_152, 'piece length': 1, pieces: new Uint8Array(20 * 2_097_152) };
    expect(parseInfo(info).pieceCount).toBe(2_097_152);
    expectInfoError({ length: 2_097_153, 'piece length': 1 }, 'info.piece length');
  });
});

describe('lengths', () => {
  test.each([-1, -5, 'text', 2 ** 48, 9_223_372_036_854_775_807n, undefined])(
    'a file of %s bytes is refused',
    (length) => {
      expectInfoError({ length }, 'info.length');
      expectError(
        torrentOf(folderOf([fileOf('a', 1), fileOf('b', 1, { length })])),
        'ERR_METAINFO',
        'info.files.1.length',
      );
    },
  );

  test('files with more bytes than any torrent can have together are refused', () => {
    const files = Array.from({ length: 5 }, (_, i) => fileOf(`f${i}`, 2 ** 48 - 1));
    expectError(torrentOf(folderOf(files, { pieces: hashes(1) })), 'ERR_METAINFO', 'info.files');
  });

  test('a torrent without content is refused', () => {
    expectInfoError({ length: 0, pieces: '' }, 'info.length');
    expectError(torrentOf(folderOf([])), 'ERR_METAINFO', 'info.files');
    expectError(torrentOf(folderOf([fileOf('a', 0)])), 'ERR_METAINFO', 'info.files');
    expectError(torrentOf(folderOf([fileOf('a', 5, { attr: 'p' })])), 'ERR_METAINFO', 'info.files');
  });

  test('a length and a list of files at once are refused', () => {
    expectError(torrentOf(folderOf([fileOf('a')], { length: 1 })), 'ERR_METAINFO', 'info.files');
  });

  test('a list of files that holds something else is refused', () => {
    expectError(torrentOf(folderOf([], { files: 'text' })), 'ERR_METAINFO', 'info.files');
    expectError(torrentOf(folderOf([], { files: [1] })), 'ERR_METAINFO', 'info.files.0');
  });
});

describe('versions (BEP 52)', () => {
  test('a hybrid is read by its v1 half', () => {
    const metaInfo = parseInfo({ 'meta version': 2, 'file tree': { name: { '': { length: 40_000 } } } });
    expect(metaInfo).toMatchObject({ isHybrid: true, pieceCount: 3, length: 40_000 });
  });

  test('a file tree with names that are no ASCII changes nothing', () => {
    const metaInfo = parseInfo({
      'meta version': 2,
      'file tree': { '\xe6\x97\xa5': { '': { length: 40_000 } } },
    });
    expect(metaInfo).toMatchObject({ isHybrid: true, name: 'name', pieceHashes: hashes(3) });
  });

  test('v2 alone is refused in one clear line', () => {
    const info = infoOf({ 'meta version': 2, 'file tree': {}, length: undefined, pieces: undefined });
    expectError(torrentOf(info), 'ERR_UNSUPPORTED', 'info.pieces');
    expect(() => parseTorrent(torrentOf(info))).toThrow(/not supported: it is a v2 torrent/);
  });

  test.each([0, 3, '2'])('meta version %j is refused as unknown', (version) => {
    expectError(torrentOf(infoOf({ 'meta version': version })), 'ERR_UNSUPPORTED', 'info.meta version');
  });
});

describe('the name', () => {
  test.each(['..', '.', '/', '//\\', ''])('%j names nothing, so the info hash stands in', (name) => {
    const metaInfo = parseInfo({ name });
    expect(metaInfo.name).toBe(metaInfo.infoHashHex);
    expect(metaInfo.files[0]!.path).toBe(metaInfo.infoHashHex);
  });

  test('a missing name or one of another kind is refused', () => {
    expectInfoError({ name: undefined }, 'info.name');
    expectInfoError({ name: 5 }, 'info.name');
  });

  test('the UTF-8 form is preferred to one in a local encoding', () => {
    expect(parseInfo({ name: fromByteString('\xd6\xd0'), 'name.utf-8': '中' }).name).toBe('中');
  });
});

describe('marginal notes', () => {
  test.each([
    [1, true],
    [2, true],
    [0, false],
    ['1', false],
    [undefined, false],
  ])('private %j means %j', (value, expected) => {
    expect(parseInfo({ private: value }).private).toBe(expected);
  });

  test.each([-1, 2n ** 62n, 'yesterday', 8_640_000_000_001])('a creation date of %s is ignored', (date) => {
    expect(parseTorrent(torrentOf(infoOf(), { 'creation date': date })).createdAt).toBeNull();
  });

  test('a creation date of more than 64 bits is no bencode', () => {
    const text = `d13:creation datei1${'0'.repeat(30)}e4:info${toByteString(encode(infoOf()))}e`;
    expectError(fromByteString(text), 'ERR_BENCODE', '');
  });

  test('a comment of another kind is ignored, and a long one cut', () => {
    expect(parseTorrent(torrentOf(infoOf(), { comment: 7 })).comment).toBeNull();
    expect(parseTorrent(torrentOf(infoOf(), { comment: 'x'.repeat(100_000) })).comment).toHaveLength(65_536);
  });
});

test('mutated torrents are refused with a typed error, or are read within all limits', () => {
  const rng = fuzzRng(20_260_105);
  const seeds = [
    torrentOf(infoOf({ private: 1 }), { 'announce-list': [['udp://a.example:1'], ['http://b.example/']] }),
    torrentOf(folderOf([fileOf('a/b', 10), fileOf('c', 20_000, { attr: 'p' }), fileOf('é', 300)])),
    torrentOf(folderOf([fileOf('x', 10), fileOf('x', 10), fileOf('x/y', 3)], { 'meta version': 2 })),
  ];
  let read = 0;
  for (let i = 0; i < rounds(10_000); i++) {
    const bytes = mutate(seeds[i % seeds.length]!, rng);
    try {
      const metaInfo = parseTorrent(bytes);
      read++;
      expect(metaInfo.pieceHashes.length).toBe(20 * metaInfo.pieceCount);
      expect(metaInfo.infoHashHex).toBe(sha1Hex(metaInfo.infoBytes));
      for (const file of metaInfo.files) {
        expect(file.path.split('/').some((part) => part === '' || part === '.' || part === '..')).toBe(false);
      }
    } catch (error) {
      if (!(error instanceof MetainfoError)) throw error;
    }
  }
  expect(read).toBeGreaterThan(250);
});

function parseInfo(changes: Members) {
  return parseTorrent(torrentOf(infoOf(changes)));
}

function expectInfoError(changes: Members, field: string): void {
  expectError(torrentOf(infoOf(changes)), 'ERR_METAINFO', field);
}

function expectError(bytes: Uint8Array, code: ErrorCode, field: string): void {
  const attempt = () => parseTorrent(bytes);
  expect(attempt).toThrow(MetainfoError);
  expect(attempt).toThrow(expect.objectContaining({ code, field }));
}

function sha1Hex(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}
