import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTorrent } from '../../src/create-torrent.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { temporaryFolder } from '../support/tree.ts';

// How each file was made: fixtures/README.md.

describe('torrents that other programs made of one tree', () => {
  const content = [
    ['top/empty', 0],
    ['top/hello.txt', 6],
    ['top/sub/a b.bin', 40_000],
    ['top/日本語/é.txt', 20_000],
  ];

  test('mktorrent', () => {
    const metaInfo = parseTorrent(fixture('mktorrent-1.1'));
    expect(metaInfo).toMatchObject({
      infoHashHex: 'e906c70f8d863892e81c311d46e78a6e307bb4cb',
      private: true,
      trackers: [['http://a.example/announce', 'http://b.example/announce'], ['udp://c.example:80/announce']],
      webSeeds: ['http://seed.example/'],
      comment: 'a comment',
      createdBy: 'mktorrent 1.1',
      createdAt: null,
    });
    expect(filesOf('mktorrent-1.1')).toEqual(content);
  });

  test('Transmission, which leaves empty files out', () => {
    const metaInfo = parseTorrent(fixture('transmission-3.00'));
    expect(metaInfo).toMatchObject({
      infoHashHex: '67331feb5b0b631ed65d904b364ee66a6d795e05',
      private: false,
      trackers: [['http://a.example/announce'], ['udp://c.example:80/announce']],
      comment: 'a comment',
    });
    expect(metaInfo.createdAt).toBeGreaterThan(1_700_000_000);
    expect(filesOf('transmission-3.00')).toEqual(content.filter(([, length]) => length !== 0).sort());
  });

  test('libtorrent', () => {
    const metaInfo = parseTorrent(fixture('libtorrent-2.0.8-v1'));
    expect(metaInfo).toMatchObject({
      infoHashHex: 'bfc2b407fc2bde74237ea40b52ac78660e808092',
      isHybrid: false,
      pieceCount: 2,
    });
    expect(filesOf('libtorrent-2.0.8-v1')).toEqual(content);
  });

  test('libtorrent, a hybrid, in which pad files align every file (BEP 47, BEP 52)', () => {
    const metaInfo = parseTorrent(fixture('libtorrent-2.0.8-hybrid'));
    expect(metaInfo).toMatchObject({
      infoHashHex: '96a2d424185794e6facb0383ded4115cfa0728fe',
      isHybrid: true,
      pieceLength: 32_768,
      pieceCount: 4,
      length: 4 * 32_768,
    });
    expect(metaInfo.files.filter((file) => !file.padding).every((file) => file.offset % 32_768 === 0)).toBe(
      true,
    );
    expect(filesOf('libtorrent-2.0.8-hybrid')).toEqual(content);
  });

  test('libtorrent, v2 alone', () => {
    expect(() => parseTorrent(fixture('libtorrent-2.0.8-v2'))).toThrow(
      expect.objectContaining({ code: 'ERR_UNSUPPORTED' }),
    );
  });

  test('ours of the same tree is the same torrent as that of mktorrent', async () => {
    const { path, remove } = temporaryFolder('tree');
    try {
      for (const folder of ['top/sub', 'top/日本語']) mkdirSync(join(path, folder), { recursive: true });
      writeFileSync(join(path, 'top/hello.txt'), 'hello\n');
      writeFileSync(join(path, 'top/empty'), '');
      writeFileSync(join(path, 'top/sub/a b.bin'), 'a'.repeat(40_000));
      writeFileSync(join(path, 'top/日本語/é.txt'), 'b'.repeat(20_000));
      const { metaInfo } = await createTorrent(join(path, 'top'), { pieceLength: 32_768, private: true });
      expect(metaInfo.infoHashHex).toBe('e906c70f8d863892e81c311d46e78a6e307bb4cb');
    } finally {
      remove();
    }
  });
});

function fixture(name: string): Uint8Array {
  return readFileSync(new URL(`../../fixtures/${name}.torrent`, import.meta.url));
}

/** Path and length of each file that has content of its own, sorted. */
function filesOf(name: string): (string | number)[][] {
  return parseTorrent(fixture(name))
    .files.filter((file) => !file.padding)
    .map(({ path, length }) => [path, length])
    .sort();
}
