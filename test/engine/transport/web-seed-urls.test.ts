import { describe, expect, test } from 'vitest';
import { WebSeedUrls } from '../../../src/engine/transport/web-seed-urls.ts';
import { parseTorrent } from '../../../src/metainfo/parse-torrent.ts';
import { readRawPaths } from '../../../src/metainfo/raw-paths.ts';
import { bencode, type BencodeValue } from '../../support/torrent-maker.ts';

describe('a single file (BEP 19)', () => {
  test('is what the URL names, as it is written', () => {
    expect(single('http://host/x.iso')).toBe('http://host/x.iso');
    expect(single('https://host:8443/a%20b?token=1')).toBe('https://host:8443/a%20b?token=1');
    expect(single('http://host/x.iso#part')).toBe('http://host/x.iso');
  });

  test('is in the folder that the URL names, if that ends in a slash', () => {
    expect(single('http://host/dir/')).toBe('http://host/dir/file%20name.bin');
    expect(single('http://host/dir/?token=1')).toBe('http://host/dir/file%20name.bin?token=1');
  });

  test('is in the root of a server that is named alone', () => {
    expect(single('http://host')).toBe('http://host/file%20name.bin');
    expect(single('http://host:80?a=b')).toBe('http://host:80/file%20name.bin?a=b');
  });
});

describe('a folder', () => {
  test('is below the URL, whether or not that ends in a slash', () => {
    for (const url of ['http://host/dir/', 'http://host/dir']) {
      expect(folder(url, [['a', 'b.txt']])).toEqual(['http://host/dir/top/a/b.txt']);
    }
    expect(folder('http://host', [['c']])).toEqual(['http://host/top/c']);
    expect(folder('http://host/dir?x=1', [['c']])).toEqual(['http://host/dir/top/c?x=1']);
  });

  test('has its names escaped one by one, signs of URLs among them', () => {
    const names = ['100% (a+b) #1; [x]?.txt', 'ü', '日本', 'a&b=c', '%41', 'back\\slash', 'a/b', ' '];
    expect(folder('http://h/', [names])).toEqual([
      'http://h/top/100%25%20(a%2Bb)%20%231%3B%20%5Bx%5D%3F.txt/%C3%BC/%E6%97%A5%E6%9C%AC/a%26b%3Dc/%2541/' +
        'back%5Cslash/a%2Fb/%20',
    ]);
  });

  test('keeps names as they stand in the torrent, also those that no disk may have', () => {
    expect(folder('http://h/', [[Buffer.from([0xff, 0x41])], ['a\u202eb']])).toEqual([
      'http://h/top/%FFA',
      'http://h/top/a%E2%80%AEb',
    ]);
  });

  test('has no URL for a file whose path leads elsewhere', () => {
    expect(folder('http://h/', [['..', 'passwd'], ['.'], ['a', ''], ['ok']])).toEqual([
      null,
      null,
      null,
      'http://h/top/ok',
    ]);
  });

  test('prefers the UTF-8 form of names in another encoding', () => {
    const info = {
      name: 'top',
      'piece length': 16_384,
      pieces: Buffer.alloc(20),
      files: [{ length: 1, path: [Buffer.from([0xfc])], 'path.utf-8': ['ü'] }],
    };
    expect(urlsOf('http://h/', info)).toEqual(['http://h/top/%C3%BC']);
  });
});

test('only a URL with a question says more than a place', () => {
  const has = (url: string): boolean => new WebSeedUrls(url, true, [[Buffer.from('a')]]).hasQuery;
  expect(has('http://h/a')).toBe(false);
  expect(has('http://h/a?b')).toBe(true);
  expect(has('http://h/a#?b')).toBe(false);
});

function single(url: string): string | null {
  const info = { name: 'file name.bin', 'piece length': 16_384, pieces: Buffer.alloc(20), length: 5 };
  return urlsOf(url, info)[0]!;
}

function folder(url: string, paths: readonly (readonly (string | Buffer)[])[]): (string | null)[] {
  const files = paths.map((path) => ({ length: 1, path }));
  return urlsOf(url, { name: 'top', 'piece length': 16_384, pieces: Buffer.alloc(20), files });
}

function urlsOf(url: string, info: BencodeValue): (string | null)[] {
  const metaInfo = parseTorrent(bencode({ info }));
  const urls = new WebSeedUrls(url, metaInfo.isSingleFile, readRawPaths(metaInfo));
  return metaInfo.files.map((file) => urls.of(file.index));
}
