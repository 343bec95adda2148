import type { Encodable } from '../../src/bencode/codec.ts';
import { encode } from '../../src/bencode/codec.ts';
import { utf8 } from '../../src/util/bytes.ts';

export type Members = Record<string, Encodable | undefined>;

export const HASH_BYTES = 20;

/** A valid `info` of one file of 40,000 bytes in three pieces, with some members changed. */
export function infoOf(changes: Members = {}): Members {
  return { length: 40_000, name: 'name', 'piece length': 16_384, pieces: hashes(3), ...changes };
}

/** An `info` of several files with the right number of hashes. */
export function folderOf(files: readonly Members[], changes: Members = {}): Members {
  const length = files.reduce((sum, { length }) => sum + (typeof length === 'number' ? length : 0), 0);
  // Lengths that are wrong on purpose need no hashes.
  const pieces = length < 2 ** 30 ? hashes(Math.ceil(Math.max(0, length) / 16_384)) : '';
  return infoOf({ length: undefined, files, pieces, ...changes });
}

/** A file of a folder; `path` has `/` between elements, or is a list of them. */
export function fileOf(
  path: string | readonly (string | Uint8Array)[],
  length = 1,
  changes: Members = {},
): Members {
  return { length, path: typeof path === 'string' ? path.split('/') : path, ...changes };
}

export function torrentOf(info: Encodable | undefined, changes: Members = {}): Uint8Array {
  return encode({ announce: 'http://tracker.example/announce', info, ...changes });
}

export function hashes(count: number): Uint8Array {
  return Uint8Array.from({ length: count * HASH_BYTES }, (_, i) => i % 251);
}

/** A .torrent written out by hand, for what no encoder would write. */
export function rawTorrent(info: string): Uint8Array {
  return utf8(`d4:info${info}e`);
}
