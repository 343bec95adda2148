import { expect, test } from 'vitest';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { fileOf, folderOf, torrentOf } from './torrent-bytes.ts';

test('200,000 files and 2,097,152 pieces are within all limits', () => {
  const files = Array.from({ length: 200_000 }, (_, i) => fileOf(`folder${i % 1000}/file ${i}.dat`, i % 300));
  const length = files.reduce((sum, file) => sum + (file.length as number), 0);
  const pieceLength = Math.ceil(length / 2_097_000);
  const pieces = new Uint8Array(20 * Math.ceil(length / pieceLength));
  const bytes = torrentOf(folderOf(files, { 'piece length': pieceLength, pieces }));
  const metaInfo = parseTorrent(bytes);
  expect(metaInfo.files).toHaveLength(200_000);
  expect(metaInfo.files[199_999]!.path).toBe('name/folder999/file 199999.dat');
});
