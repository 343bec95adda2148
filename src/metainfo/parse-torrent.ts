/** Reads a .torrent file (BEP 3) into a `MetaInfo`. The one place where bytes of a torrent become trusted values. */
import { decode } from '../bencode/codec.ts';
import { Fields, readInt, readText, readValue } from '../bencode/fields.ts';
import { scan, TORRENT_LIMITS } from '../bencode/scan.ts';
import { toByteString } from '../bencode/value.ts';
import { MetainfoError } from '../errors.ts';
import { assert } from '../util/assert.ts';
import { equalBytes, toHex } from '../util/bytes.ts';
import { readTrackers, readWebSeeds } from './announce-urls.ts';
import { readFileList } from './file-list.ts';
import { PieceGeometry } from './geometry.ts';
import { infoHashOf } from './info-hash.ts';
import {
  CREATED_AT_MAX,
  PIECE_LENGTH_MAX,
  PIECES_MAX,
  TEXT_LENGTH_MAX,
  TORRENT_BYTES_MAX,
} from './limits.ts';
import type { MetaInfo } from './metainfo.ts';
import { readNodes } from './nodes.ts';
import { writeTorrent, type TorrentNotes } from './write-torrent.ts';

const SHA1_BYTES = 20;

export interface ParseOptions {
  /** Give files names that Windows accepts as well. Default: false. */
  windows?: boolean;
}

/**
 * Parses a .torrent. Hybrid torrents (BEP 52) are read by their v1 half. The result is frozen and keeps no view of
 * `bytes`.
 * @throws MetainfoError `ERR_BENCODE`, `ERR_METAINFO` naming the field, or `ERR_UNSUPPORTED` for v2-only torrents.
 */
export function parseTorrent(bytes: Uint8Array, options: ParseOptions = {}): MetaInfo {
  const { root, infoBytes } = readRoot(bytes);
  const info = root.dictionary('info');
  const infoHash = infoHashOf(infoBytes);
  const infoHashHex = toHex(infoHash);
  const isHybrid = readVersion(info);
  const pieceLength = info.int('piece length', 1, PIECE_LENGTH_MAX);
  const list = readFileList(info, infoHashHex, options.windows ?? false);
  const geometry = new PieceGeometry(list.length, pieceLength);
  return Object.freeze({
    infoHash,
    infoHashHex,
    ...list,
    pieceLength,
    pieceCount: geometry.pieceCount,
    geometry,
    pieceHashes: readPieceHashes(info, infoBytes, geometry.pieceCount),
    private: isPrivate(info),
    trackers: readTrackers(root.dict),
    webSeeds: readWebSeeds(root.dict),
    nodes: readNodes(root.dict),
    comment: readNote(root, 'comment'),
    createdBy: readNote(root, 'created by'),
    createdAt: readInt(root.dict, 'creation date', 0, CREATED_AT_MAX),
    isHybrid,
    infoBytes,
  });
}

/**
 * The torrent of an info dictionary that came without a .torrent around it, from peers (BEP 9).
 * @throws MetainfoError as `parseTorrent` does.
 */
export function parseInfo(infoBytes: Uint8Array, notes: TorrentNotes, options: ParseOptions = {}): MetaInfo {
  const metaInfo = parseTorrent(writeTorrent(infoBytes, notes), options);
  // What ends before its last byte would have gone on as part of the .torrent around it.
  if (equalBytes(metaInfo.infoHash, infoHashOf(infoBytes))) return metaInfo;
  throw new MetainfoError('the metadata is not one dictionary', { field: 'info' });
}

function readRoot(bytes: Uint8Array): { root: Fields; infoBytes: Uint8Array } {
  if (bytes.length > TORRENT_BYTES_MAX) {
    throw new MetainfoError(`not a torrent: larger than ${TORRENT_BYTES_MAX} bytes`);
  }
  const other = looksLike(bytes);
  if (other !== null)
    throw new MetainfoError(`not a torrent: it looks like ${other}`, { code: 'ERR_BENCODE', offset: 0 });
  const { value, spans } = decode(bytes, TORRENT_LIMITS, { spansOf: ['info'] });
  const span = spans.get('info');
  return {
    root: Fields.root(value),
    infoBytes: span ? bytes.slice(span.start, span.end) : bytes.subarray(0, 0),
  };
}

/** What people feed to a torrent client by mistake. */
function looksLike(bytes: Uint8Array): string | null {
  const start = toByteString(bytes, 0, Math.min(bytes.length, 8)).trimStart();
  if (start.startsWith('<')) return 'a web page';
  if (start.startsWith('\x1f\x8b')) return 'a gzip file';
  if (start.startsWith('PK\x03\x04')) return 'a zip file';
  if (start.startsWith('magnet:')) return 'a magnet link';
  return null;
}

/** BEP 52. True for a hybrid; v2 alone is beyond us. */
function readVersion(info: Fields): boolean {
  const version = readValue(info.dict, 'meta version');
  if (version === undefined || version === 1) return false;
  if (version !== 2) unsupported('its meta version is unknown', 'info.meta version');
  if (!info.has('pieces')) unsupported('it is a v2 torrent (BEP 52) without a v1 half', 'info.pieces');
  return true;
}

function unsupported(why: string, field: string): never {
  throw new MetainfoError(`this torrent is not supported: ${why}`, { code: 'ERR_UNSUPPORTED', field });
}

/** A view of `infoBytes`, because the hashes are nearly all of it and a copy would double what a torrent takes. */
function readPieceHashes(info: Fields, infoBytes: Uint8Array, pieceCount: number): Uint8Array {
  if (pieceCount > PIECES_MAX) {
    info.fail('piece length', `must cut the content into at most ${PIECES_MAX} pieces`);
  }
  const { length } = info.bytes('pieces', pieceCount * SHA1_BYTES);
  const again = scan(infoBytes, TORRENT_LIMITS, { spansOf: ['pieces'] });
  const end = again.ok ? again.spans.get('pieces')?.end : undefined;
  assert(end !== undefined, 'info was scanned and has its pieces');
  return infoBytes.subarray(end - length, end);
}

/** BEP 27 says 1; other clients take any number but zero, and a private torrent must not leak because of it. */
function isPrivate(info: Fields): boolean {
  return (readInt(info.dict, 'private', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER) ?? 0) !== 0;
}

function readNote(root: Fields, key: string): string | null {
  const text = readText(root.dict, `${key}.utf-8`) ?? readText(root.dict, key);
  return text === null ? null : text.slice(0, TEXT_LENGTH_MAX);
}
