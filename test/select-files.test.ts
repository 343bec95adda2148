import { expect, test } from 'vitest';
import { parseTorrent } from '../src/metainfo/parse-torrent.ts';
import type { FileFilter } from '../src/options.ts';
import { selectFiles } from '../src/select-files.ts';
import { bencode } from './support/torrent-maker.ts';

const PATHS = ['film.mkv', 'film.srt', 'extras/[HQ] cut*.mkv', 'extras/deep/cut.srt', '.hidden.srt'];

const torrent = parseTorrent(
  bencode({
    info: {
      files: PATHS.map((path) => ({ length: 1, path: path.split('/') })),
      name: 'show',
      'piece length': 16384,
      pieces: Buffer.alloc(20),
    },
  }),
);

function chosen(...filter: FileFilter): string[] {
  const wanted = selectFiles(torrent, filter);
  return PATHS.filter((_, index) => wanted[index]);
}

test('a pattern without a slash is about names, in whatever folder they are', () => {
  expect(chosen('*.srt')).toEqual(['film.srt', 'extras/deep/cut.srt', '.hidden.srt']);
  expect(chosen('cut.srt')).toEqual(['extras/deep/cut.srt']);
});

test('a pattern with a slash is about the path, with or without the folder of the torrent', () => {
  expect(chosen('extras/*')).toEqual(['extras/[HQ] cut*.mkv']);
  expect(chosen('show/extras/**')).toEqual(['extras/[HQ] cut*.mkv', 'extras/deep/cut.srt']);
  expect(chosen('show/*.srt')).toEqual(['film.srt', '.hidden.srt']);
});

test('a path written out means that file, also if it reads like a pattern', () => {
  expect(chosen('extras/[HQ] cut*.mkv')).toEqual(['extras/[HQ] cut*.mkv']);
  expect(chosen('show/extras/[HQ] cut*.mkv')).toEqual(['extras/[HQ] cut*.mkv']);
});

test('parts add up, and one that matches nothing is an error', () => {
  expect(chosen(0, [3, 4])).toEqual(['film.mkv', 'extras/deep/cut.srt', '.hidden.srt']);
  expect(() => chosen(0, '*.txt')).toThrow('no file matches "*.txt"');
  expect(() => chosen(5)).toThrow('no file matches 5');
});
