/**
 * What is remembered of a torrent between runs, as bytes.
 *
 * The frame is a bencoded dictionary of three members and will stay so: `version`, `record` and `checksum`, which is the
 * SHA-1 of the version in decimal followed by the record. So every flipped bit shows, in any version, and a record that
 * a later release wrote is told apart from a damaged one. The record itself is bencode too, with the long lists packed:
 * 16 bytes per file (size and time), one bit per piece, compact peers (BEP 23, BEP 7).
 *
 * A record is a claim, not a proof: `trustedPieces` believes it only as far as size and time of the files still agree.
 */
import { encode, tryDecode } from '../bencode/codec.ts';
import { isDict, readBytes, readInt } from '../bencode/fields.ts';
import type { BencodeDict } from '../bencode/value.ts';
import { ResumeError } from '../errors.ts';
import type { FilePriority } from '../options.ts';
import { concatBytes, equalBytes, readU64, toTextStrict, utf8, writeU64 } from '../util/bytes.ts';
import { isDialable, readCompactPeers, writeCompactPeers } from '../util/ip.ts';
import type { PeerAddress } from '../util/ip.ts';
import { PieceSet } from '../util/piece-set.ts';
import { FileMap } from './file-map.ts';
import type { FileStat } from './file-stat.ts';
import { sha1 } from './info-hash.ts';
import type { MetaInfo } from './metainfo.ts';

export interface ResumeRecord {
  readonly infoHash: Uint8Array;
  /** The folder that held the torrent's top-level file or folder. */
  readonly dir: string;
  /** Pieces that were verified and on disk. */
  readonly have: PieceSet;
  /** Pieces that came while the record was made, when `have` was fixed and `files` were not: to be read. Null for none. */
  readonly late: PieceSet | null;
  /** Size and time of each file when `have` was true. */
  readonly files: readonly FileStat[];
  readonly priorities: readonly FilePriority[];
  /** Bytes over all runs. */
  readonly uploaded: number;
  readonly downloaded: number;
  readonly peers: readonly PeerAddress[];
}

/** Only `damaged` records may be moved away; those of a newer release must stay as they are. */
export type ResumeReading =
  | { readonly ok: true; readonly record: ResumeRecord }
  | {
      readonly ok: false;
      readonly reason: 'damaged' | 'newer' | 'other-torrent';
      readonly error: ResumeError;
    };

const VERSION = 1;
/** Peers to find the swarm again without a tracker; libtorrent keeps as many. */
const PEERS_MAX = 100;
/** A dictionary of a dozen members inside a dictionary of three. */
const LIMITS = { depth: 2, tokens: 64 };
const BYTES_PER_FILE = 16;
/** Stands for a file that does not exist. */
const NO_FILE = 2n ** 64n - 1n;
/** In the order of their numbers in the record. */
const PRIORITIES: readonly FilePriority[] = ['skip', 'low', 'normal', 'high'];

export function encodeResume(record: ResumeRecord): Uint8Array {
  const peers = record.peers.filter(isDialable).slice(0, PEERS_MAX);
  const body = encode({
    dir: record.dir,
    downloaded: record.downloaded,
    files: packFiles(record.files),
    have: record.have.bytes,
    'info hash': record.infoHash,
    ...(record.late !== null && record.late.count > 0 ? { late: record.late.bytes } : {}),
    peers: writeCompactPeers(peers, 4),
    peers6: writeCompactPeers(peers, 6),
    pieces: record.have.size,
    priorities: Uint8Array.from(record.priorities, (priority) => PRIORITIES.indexOf(priority)),
    uploaded: record.uploaded,
  });
  return encode({ checksum: checksum(VERSION, body), record: body, version: VERSION });
}

/** Reads a record of the torrent `metaInfo`. Whatever is wrong comes back as a value. */
export function decodeResume(bytes: Uint8Array, metaInfo: MetaInfo): ResumeReading {
  const frame = readDictionary(bytes);
  const body = frame && readBytes(frame, 'record');
  const sum = frame && readBytes(frame, 'checksum', 20);
  const version = frame && readInt(frame, 'version', 1, Number.MAX_SAFE_INTEGER);
  if (!body || !sum || version === null) return refuse('damaged', 'the resume record is not readable');
  if (!equalBytes(sum, checksum(version, body))) {
    return refuse('damaged', 'the resume record does not match its checksum');
  }
  if (version > VERSION) {
    return refuse(
      'newer',
      `the resume record is of the newer version ${version}; this release reads ${VERSION}`,
    );
  }
  const dict = readDictionary(body);
  const infoHash = dict && readBytes(dict, 'info hash', 20);
  if (!infoHash) return refuse('damaged', 'the resume record names no torrent');
  if (!equalBytes(infoHash, metaInfo.infoHash)) {
    return refuse('other-torrent', `the resume record is not of torrent ${metaInfo.infoHashHex}`);
  }
  const record = readRecord(dict, metaInfo);
  return record ? { ok: true, record } : refuse('damaged', 'the resume record does not fit its torrent');
}

/**
 * The pieces of a record that may be taken without reading them: those whose files all have the size and time they had
 * then. Files of length zero and pad files say nothing about a piece.
 */
export function trustedPieces(
  record: ResumeRecord,
  stats: readonly FileStat[],
  metaInfo: MetaInfo,
): PieceSet {
  const trusted = record.have.clone();
  const map = new FileMap(metaInfo.files, metaInfo.geometry);
  for (const file of metaInfo.files) {
    if (file.padding) continue;
    const now = stats[file.index];
    const { first, end } = map.piecesOf(file.index);
    if (!now || !isSameStat(record.files[file.index], now)) {
      for (let piece = first; piece < end; piece++) trusted.delete(piece);
    } else if (now.size < file.length) {
      // What lies beyond the end was not there: the file was cut or deleted while the record was made.
      const { pieceLength } = metaInfo.geometry;
      const fileEnd = file.offset + file.length;
      const isWanted = record.priorities[file.index] !== 'skip';
      const cut = Math.floor((file.offset + Math.max(0, now.size)) / pieceLength);
      for (let piece = cut; piece < end; piece++) {
        // A file that is not wanted shares its first and last piece with others, and keeps those bytes elsewhere.
        const isInside = piece * pieceLength >= file.offset && (piece + 1) * pieceLength <= fileEnd;
        if (isWanted || isInside) trusted.delete(piece);
      }
    }
  }
  return trusted;
}

/** Has a file the size and time it had then? To the microsecond, which is what a record keeps. */
export function isSameStat(then: FileStat | undefined, now: FileStat | undefined): boolean {
  if (!then || !now) return false;
  return then.size === now.size && toMicroseconds(then.mtimeMs) === toMicroseconds(now.mtimeMs);
}

function readRecord(dict: BencodeDict, metaInfo: MetaInfo): ResumeRecord | null {
  const dirBytes = readBytes(dict, 'dir');
  const dir = dirBytes && toTextStrict(dirBytes);
  const files = unpackFiles(readBytes(dict, 'files', metaInfo.files.length * BYTES_PER_FILE));
  const haveBytes = readBytes(dict, 'have');
  const have = haveBytes && PieceSet.fromBitfield(haveBytes, metaInfo.pieceCount);
  const lateBytes = readBytes(dict, 'late');
  const priorities = readBytes(dict, 'priorities', metaInfo.files.length);
  const peers = readCompactPeers(readBytes(dict, 'peers') ?? new Uint8Array(0), 4);
  const peers6 = readCompactPeers(readBytes(dict, 'peers6') ?? new Uint8Array(0), 6);
  if (!dir || dir.includes('\0') || !files || !have || !priorities || !peers || !peers6) return null;
  return {
    infoHash: metaInfo.infoHash,
    dir,
    have,
    late: lateBytes && PieceSet.fromBitfield(lateBytes, metaInfo.pieceCount),
    files,
    priorities: Array.from(priorities, (number) => PRIORITIES[Math.min(number, PRIORITIES.length - 1)]!),
    uploaded: readInt(dict, 'uploaded', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    downloaded: readInt(dict, 'downloaded', 0, Number.MAX_SAFE_INTEGER) ?? 0,
    peers: [...peers, ...peers6].filter(isDialable).slice(0, PEERS_MAX),
  };
}

function readDictionary(bytes: Uint8Array): BencodeDict | null {
  const decoded = tryDecode(bytes, LIMITS, { strict: true });
  return decoded.ok && isDict(decoded.value) ? decoded.value : null;
}

/** Per file: 8 bytes of size, 8 bytes of time in microseconds since 1970. */
function packFiles(files: readonly FileStat[]): Uint8Array {
  const bytes = new Uint8Array(files.length * BYTES_PER_FILE);
  files.forEach(({ size, mtimeMs }, i) => {
    writeU64(bytes, i * BYTES_PER_FILE, size < 0 ? NO_FILE : size);
    writeU64(bytes, i * BYTES_PER_FILE + 8, Math.max(0, toMicroseconds(mtimeMs)));
  });
  return bytes;
}

function unpackFiles(bytes: Uint8Array | null): FileStat[] | null {
  if (!bytes) return null;
  return Array.from({ length: bytes.length / BYTES_PER_FILE }, (_, i) => {
    const size = readU64(bytes, i * BYTES_PER_FILE);
    const mtimeMs = Number(readU64(bytes, i * BYTES_PER_FILE + 8)) / 1000;
    return { size: size === NO_FILE ? -1 : Number(size), mtimeMs };
  });
}

/** File systems keep nanoseconds, which a number of milliseconds cannot hold; all agree on microseconds. */
function toMicroseconds(mtimeMs: number): number {
  return Math.round(mtimeMs * 1000);
}

function checksum(version: number, body: Uint8Array): Uint8Array {
  return sha1(concatBytes([utf8(String(version)), body]));
}

function refuse(reason: 'damaged' | 'newer' | 'other-torrent', message: string): ResumeReading {
  return { ok: false, reason, error: new ResumeError(message) };
}
