import { availableParallelism } from 'node:os';
import { basename, resolve } from 'node:path';
import picomatch from 'picomatch';
import { StorageError, UsageError } from './errors.ts';
import { hasRealPort, isTrackerUrl, isWebSeedUrl } from './metainfo/announce-urls.ts';
import { choosePieceLength, makeTorrent, PIECE_LENGTH_LEAST, PIECE_LENGTH_MOST } from './metainfo/create.ts';
import { CREATED_AT_MAX, PIECES_MAX } from './metainfo/limits.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import { parseTorrent } from './metainfo/parse-torrent.ts';
import { safeName } from './metainfo/safe-name.ts';
import { DiskPool } from './node/disk-pool.ts';
import { hashPieces } from './node/hash-pieces.ts';
import type { Content } from './node/walk-content.ts';
import { changed, checkUnchanged, walkContent } from './node/walk-content.ts';
import { utf8 } from './util/bytes.ts';
import { VERSION } from './version.ts';

/** Options of `createTorrent`. Every field is optional. */
export interface CreateOptions {
  /** Name of the torrent. Default: that of the file or folder. */
  name?: string;
  /** Bytes per piece, a power of two from 16 KiB to 64 MiB. Default: chosen by the size of the content. */
  pieceLength?: number;
  /** Announce URLs (http, https, udp) in tiers (BEP 12). Default: none. */
  trackers?: readonly (readonly string[])[];
  /** URLs (http, https) of the content itself (BEP 19). Default: none. */
  webSeeds?: readonly string[];
  /** Peers come from the trackers alone (BEP 27). Default: false. */
  private?: boolean;
  /** Part of what is hashed, to tell torrents of the same files apart. Default: none. */
  source?: string;
  comment?: string;
  /** Name of the creating program, or null for none. Default: torrent-ts and its version. */
  createdBy?: string | null;
  /** Seconds since 1970, or null for none, so that the same files give the same bytes. Default: now. */
  createdAt?: number | null;
  /** Glob patterns of paths below the folder that are left out, such as `*.tmp` (in any folder) or `build/**`. */
  exclude?: readonly string[];
  /** Is told how many bytes are hashed, often. */
  onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  /** Ends the work; the promise is then rejected with the signal's reason. */
  signal?: AbortSignal;
}

export interface CreatedTorrent {
  /** Parsed from `torrentFile`; the paths of its files are exactly those on disk, beside `path`. */
  readonly metaInfo: MetaInfo;
  /** The bytes of the .torrent. */
  readonly torrentFile: Uint8Array;
  /** Paths on disk of symbolic links, sockets and the like, which are not part of the torrent. */
  readonly skipped: readonly string[];
  /** Paths whose names are not safe everywhere: whoever downloads the torrent, or seeds it from its file, has others. */
  readonly renamed: readonly string[];
}

/**
 * Makes a torrent of a file or folder, hashing on all cores. Hidden files are included, symbolic links are not.
 *
 * @throws UsageError `ERR_INVALID_OPTION`
 * @throws StorageError if something cannot be read, or changed while it was hashed
 * @throws the reason of `signal`
 */
export async function createTorrent(path: string, options: CreateOptions = {}): Promise<CreatedTorrent> {
  checkOptions(path, options);
  const { signal, onProgress } = options;
  const full = resolve(path);
  const content = await walkContent(full, excludedBy(options.exclude ?? []), signal);
  const length = content.files.reduce((sum, file) => sum + file.length, 0);
  if (length === 0) throw new UsageError(`${JSON.stringify(path)} has no content to make a torrent of`);
  const pieceLength = options.pieceLength ?? choosePieceLength(length);
  if (length / pieceLength > PIECES_MAX) {
    throw new UsageError(`option pieceLength ${pieceLength} would make more than ${PIECES_MAX} pieces`);
  }
  const pieceHashes = await hashContent(
    content,
    pieceLength,
    (done) => onProgress?.({ done, total: length }),
    signal,
  );
  const files = content.files.map((file) => ({ path: file.names, length: file.length }));
  const torrentFile = makeTorrent(
    {
      name: options.name ?? basename(full),
      files: content.isSingleFile ? null : files,
      length,
      pieceLength,
      pieceHashes,
      private: options.private ?? false,
      ...(options.source !== undefined && { source: options.source }),
    },
    {
      ...options,
      createdBy: options.createdBy === undefined ? `torrent-ts/${VERSION}` : options.createdBy,
      createdAt: options.createdAt === undefined ? Math.floor(Date.now() / 1000) : options.createdAt,
    },
  );
  const asDownloaded = parseTorrent(torrentFile);
  const metaInfo = asOnDisk(asDownloaded, full, content);
  // A name of the user's own choice is meant to differ.
  const top = options.name === undefined ? 0 : 1;
  const below = (path: string): string => path.split('/').slice(top).join('/');
  const renamed = metaInfo.files.filter((file, i) => below(file.path) !== below(asDownloaded.files[i]!.path));
  return { metaInfo, torrentFile, skipped: content.skipped, renamed: renamed.map((file) => file.path) };
}

async function hashContent(
  content: Content,
  pieceLength: number,
  onHashed: (bytes: number) => void,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  // Nothing else is going on in these threads or in this one, so all cores hash.
  const pool = new DiskPool({ threads: availableParallelism() });
  try {
    const hashes = await hashPieces(pool, content.files, pieceLength, onHashed, signal);
    await checkUnchanged(content.files);
    return hashes;
  } catch (error) {
    // The file was there a moment ago, and longer.
    if (error instanceof StorageError && error.code === 'ERR_FILE_MISSING') throw changed(error.path, error);
    throw error;
  } finally {
    await pool.close();
  }
}

/**
 * What a parser makes of names it must distrust may differ from the names on disk. These were found there, so they
 * stay, and the content can be seeded from where it lies.
 */
function asOnDisk(metaInfo: MetaInfo, full: string, content: Content): MetaInfo {
  const top = basename(full);
  const files = metaInfo.files.map((file, i) => {
    const { names } = content.files[i]!;
    return Object.freeze({
      ...file,
      path: content.isSingleFile ? top : [top, ...names].join('/'),
      padding: false,
    });
  });
  return Object.freeze({ ...metaInfo, files: Object.freeze(files) });
}

function excludedBy(patterns: readonly string[]): (path: string) => boolean {
  const matchers = patterns.map((pattern) =>
    // As in other tools, a pattern without a slash is about names, wherever they are.
    picomatch(pattern, { dot: true, basename: !pattern.includes('/') }),
  );
  return (path) => matchers.some((matches) => matches(path));
}

const KNOWN_OPTIONS: Readonly<Record<keyof CreateOptions, true>> = {
  name: true,
  pieceLength: true,
  trackers: true,
  webSeeds: true,
  private: true,
  source: true,
  comment: true,
  createdBy: true,
  createdAt: true,
  exclude: true,
  onProgress: true,
  signal: true,
};

function checkOptions(path: string, options: CreateOptions): void {
  if (typeof path !== 'string' || path === '' || path.includes('\0')) {
    throw new UsageError(`the path must be a non-empty text, got ${JSON.stringify(path)}`);
  }
  const { name, pieceLength, trackers = [], webSeeds = [], createdAt } = options;
  for (const option of Object.keys(options)) {
    if (!Object.hasOwn(KNOWN_OPTIONS, option))
      throw new UsageError(`unknown option ${JSON.stringify(option)}`);
  }
  if (name !== undefined && safeName(utf8(name)) !== name) {
    throw new UsageError(`option name must be the name of a file, got ${JSON.stringify(name)}`);
  }
  if (pieceLength !== undefined && !isPieceLength(pieceLength)) {
    throw new UsageError(
      `option pieceLength must be a power of two from ${PIECE_LENGTH_LEAST} to ${PIECE_LENGTH_MOST}, got ${pieceLength}`,
    );
  }
  const badTracker = trackers.flat().find((url) => !isTrackerUrl(url) || !hasRealPort(url));
  if (badTracker !== undefined) {
    throw new UsageError(
      `option trackers must hold http, https or udp URLs, got ${JSON.stringify(badTracker)}`,
    );
  }
  const badSeed = webSeeds.find((url) => !isWebSeedUrl(url) || !hasRealPort(url));
  if (badSeed !== undefined) {
    throw new UsageError(`option webSeeds must hold http or https URLs, got ${JSON.stringify(badSeed)}`);
  }
  if (createdAt !== undefined && createdAt !== null && !isSecond(createdAt)) {
    throw new UsageError(`option createdAt must be whole seconds since 1970, got ${createdAt}`);
  }
}

function isPieceLength(value: number): boolean {
  return value >= PIECE_LENGTH_LEAST && value <= PIECE_LENGTH_MOST && Number.isInteger(Math.log2(value));
}

function isSecond(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= CREATED_AT_MAX;
}
