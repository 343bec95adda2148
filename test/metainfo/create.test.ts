import { describe, expect, test } from 'vitest';
import { decode } from '../../src/bencode/codec.ts';
import { TORRENT_LIMITS } from '../../src/bencode/scan.ts';
import { toByteString } from '../../src/bencode/value.ts';
import { choosePieceLength, makeTorrent } from '../../src/metainfo/create.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { writeTorrent } from '../../src/metainfo/write-torrent.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { hashes } from './torrent-bytes.ts';

const KiB = 1024;
const MiB = 1024 * KiB;
const GiB = 1024 * MiB;

describe('the piece length', () => {
  test.each([
    [1, 16 * KiB],
    [16 * KiB * 2_000, 16 * KiB],
    [16 * KiB * 2_000 + 1, 32 * KiB],
    [700 * MiB, 512 * KiB],
    [4 * GiB, 4 * MiB],
    [100 * GiB, 16 * MiB],
    [2 ** 45, 16 * MiB],
    [2 ** 50, 512 * MiB],
  ])('of %d bytes is %d', (length, expected) => {
    expect(choosePieceLength(length)).toBe(expected);
  });
});

describe('a new torrent', () => {
  const content = { name: 'é', files: null, length: 40_000, pieceLength: 16_384, pieceHashes: hashes(3) };

  test('is canonical, and parses to what it was made of', () => {
    const bytes = makeTorrent(
      { ...content, private: true, source: 'here' },
      {
        trackers: [['http://a.example/', 'udp://b.example:1'], [], ['https://c.example/']],
        webSeeds: ['http://d.example/'],
        comment: 'a comment',
        createdBy: 'someone',
        createdAt: 1_700_000_000,
      },
    );
    expect(decode(bytes, TORRENT_LIMITS, { strict: true }).canonical).toBe(true);
    expect(parseTorrent(bytes)).toMatchObject({
      name: 'é',
      length: 40_000,
      pieceHashes: hashes(3),
      private: true,
      trackers: [['http://a.example/', 'udp://b.example:1'], ['https://c.example/']],
      webSeeds: ['http://d.example/'],
      comment: 'a comment',
      createdBy: 'someone',
      createdAt: 1_700_000_000,
    });
  });

  test('names its first tracker for clients that know no tiers, and writes no tiers for one', () => {
    const one = toByteString(makeTorrent(content, { trackers: [['http://a.example/']] }));
    expect(one).toContain('8:announce17:http://a.example/');
    expect(one).not.toContain('announce-list');
    const two = toByteString(
      makeTorrent(content, { trackers: [['http://a.example/'], ['http://b.example/']] }),
    );
    expect(two).toContain('8:announce17:http://a.example/13:announce-listll17:http://a.example/el');
  });

  test('of nothing but content holds nothing else', () => {
    const text = toByteString(makeTorrent({ ...content, pieceHashes: hashes(3).fill(0x68) }, {}));
    expect(text).toBe(
      `d4:infod6:lengthi40000e4:name2:\xc3\xa912:piece lengthi16384e6:pieces60:${'h'.repeat(60)}ee`,
    );
  });

  test('with a source has another info hash, and other notes leave it as it is', () => {
    const plain = parseTorrent(makeTorrent(content, {})).infoHashHex;
    expect(parseTorrent(makeTorrent(content, { comment: 'x', createdAt: 5 })).infoHashHex).toBe(plain);
    expect(parseTorrent(makeTorrent({ ...content, source: 'x' }, {})).infoHashHex).not.toBe(plain);
  });

  test('of a folder keeps files in their order, empty ones included', () => {
    const files = [
      { path: ['b'], length: 39_999 },
      { path: ['a', 'ü'], length: 0 },
      { path: ['a', 'x'], length: 1 },
    ];
    const metaInfo = parseTorrent(makeTorrent({ ...content, files }, {}));
    expect(metaInfo.files.map(({ path, length }) => [path, length])).toEqual([
      ['é/b', 39_999],
      ['é/a/ü', 0],
      ['é/a/x', 1],
    ]);
  });

  test('is refused with the wrong number of hashes, which would be our mistake', () => {
    expect(() => makeTorrent({ ...content, pieceHashes: hashes(2) }, {})).toThrow(
      /40 bytes of hashes for 3 pieces/,
    );
  });
});

test('a .torrent written around raw info bytes keeps them as they are, however unsorted', () => {
  const info = utf8(`d12:piece lengthi16384e4:name1:x6:pieces20:${'h'.repeat(20)}6:lengthi5ee`);
  const metaInfo = parseTorrent(writeTorrent(info, { trackers: [['udp://a.example:1']], createdAt: null }));
  expect(metaInfo.infoBytes).toEqual(info);
  expect(metaInfo).toMatchObject({ trackers: [['udp://a.example:1']], createdAt: null, comment: null });
});
