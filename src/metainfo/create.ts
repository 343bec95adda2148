/** Makes the bytes of a .torrent (BEP 3) from a list of files and the hashes of its pieces. */
import type { Encodable } from '../bencode/codec.ts';
import { encode } from '../bencode/codec.ts';
import { assert } from '../util/assert.ts';
import { CONTENT_LENGTH_MAX, PIECES_MAX } from './limits.ts';
import type { TorrentNotes } from './write-torrent.ts';
import { writeTorrent } from './write-torrent.ts';

/** One block (BEP 3); smaller pieces would need more hashes than requests. */
export const PIECE_LENGTH_LEAST = 16_384;
/** Larger ones are legal, but many clients refuse them. */
export const PIECE_LENGTH_MOST = 64 * 1_048_576;

/**
 * About this many pieces keep a .torrent below 50 KB, and yet a downloader soon has something to give. Half as many to
 * this many is what other programs aim at as well.
 */
const PIECES_WANTED = 2_000;
/** A piece is shared only when it is whole: at 16 MiB and 1 MB/s that takes 16 s already. */
const PIECE_LENGTH_USUAL_MOST = 16 * 1_048_576;

const SHA1_BYTES = 20;

/** What a torrent is made of. */
export interface TorrentContent {
  readonly name: string;
  /** In the order in which they are hashed; null if `name` is the only file. */
  readonly files: readonly { readonly path: readonly string[]; readonly length: number }[] | null;
  /** Bytes of content. */
  readonly length: number;
  readonly pieceLength: number;
  /** 20 bytes per piece. */
  readonly pieceHashes: Uint8Array;
  /** BEP 27. */
  readonly private?: boolean;
  /** Makes the info hash another one, so that the same files can be in a torrent of each tracker. */
  readonly source?: string;
}

/** A power of two, 16 KiB to 16 MiB, that cuts the content into some thousand pieces; more if it must. */
export function choosePieceLength(contentLength: number): number {
  let length = PIECE_LENGTH_LEAST;
  while (length < PIECE_LENGTH_USUAL_MOST && contentLength / length > PIECES_WANTED) length *= 2;
  while (contentLength / length > PIECES_MAX) length *= 2;
  return length;
}

/** The bytes of the whole file. */
export function makeTorrent(content: TorrentContent, notes: TorrentNotes): Uint8Array {
  return writeTorrent(encode(infoOf(content)), notes);
}

function infoOf(content: TorrentContent): Encodable {
  const { name, files, length, pieceLength, pieceHashes } = content;
  const pieceCount = Math.ceil(length / pieceLength);
  assert(length > 0 && length <= CONTENT_LENGTH_MAX, `a torrent of ${length} bytes`);
  assert(
    pieceHashes.length === pieceCount * SHA1_BYTES,
    `${pieceHashes.length} bytes of hashes for ${pieceCount} pieces`,
  );
  return {
    name,
    ...(files === null ? { length } : { files: files.map((file) => ({ ...file })) }),
    'piece length': pieceLength,
    pieces: pieceHashes,
    private: content.private === true ? 1 : undefined,
    source: content.source,
  };
}
