import { FileMap } from './metainfo/file-map.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import { DiskPool } from './node/disk-pool.ts';
import { fileStorageFactory } from './node/file-storage.ts';
import { HASH_STRETCHES_PER_THREAD, HASH_STRETCH_BYTES } from './node/hash-stretch.ts';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import type { TorrentStorage } from './ports.ts';

/** Pieces under way per thread: enough to make up the stretches that a thread works on, and not too many promises. */
const CHECKS_PER_THREAD = 4;
const CHECKS_PER_THREAD_MAX = 1_024;

export interface VerifyOptions {
  /** Counts bytes. */
  onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
  signal?: AbortSignal;
}

export interface VerifiedFile {
  readonly index: number;
  readonly path: string;
  readonly length: number;
  readonly state: 'ok' | 'damaged' | 'missing';
  /** Pieces of the file that are not right; one may lie in two files. */
  readonly badPieces: number;
}

export interface VerifyResult {
  /** Every byte is there and right. */
  readonly ok: boolean;
  readonly pieces: { readonly bad: readonly number[] };
  /** Pad files left out. */
  readonly files: readonly VerifiedFile[];
}

/**
 * Reads and hashes a torrent's data under `dir`, the folder that holds its top-level file or folder.
 * @throws StorageError if the disk refuses, or the signal's reason.
 */
export async function verify(
  metaInfo: MetaInfo,
  dir: string,
  options: VerifyOptions = {},
): Promise<VerifyResult> {
  const pool = new DiskPool({ threads: availableParallelism() });
  const storage = fileStorageFactory(pool).open(metaInfo, { dir: resolve(dir) });
  try {
    const sizes = await new Promise<number[]>((done, fail) => {
      storage.stat((stats) => {
        if (stats instanceof Error) fail(stats);
        else done(stats.map((stat) => stat.size));
      });
    });
    const badPieces = await findBadPieces(
      metaInfo,
      storage,
      pool.threads * checksPerThread(metaInfo),
      options,
    );
    return report(metaInfo, sizes, badPieces);
  } finally {
    await new Promise<void>((done) => storage.close(done));
    await pool.close();
  }
}

function checksPerThread({ pieceLength }: MetaInfo): number {
  const ahead = (HASH_STRETCHES_PER_THREAD * HASH_STRETCH_BYTES) / pieceLength;
  return Math.min(CHECKS_PER_THREAD_MAX, Math.max(CHECKS_PER_THREAD, ahead));
}

async function findBadPieces(
  metaInfo: MetaInfo,
  storage: TorrentStorage,
  lanes: number,
  { onProgress, signal }: VerifyOptions,
): Promise<number[]> {
  const bad: number[] = [];
  let next = 0;
  let done = 0;
  let isOver = false;
  const lane = async (): Promise<void> => {
    while (next < metaInfo.pieceCount && !isOver) {
      signal?.throwIfAborted();
      const piece = next++;
      const valid = await new Promise<boolean>((resolve, reject) => {
        storage.checkPiece(piece, (result) => {
          if (typeof result === 'boolean') resolve(result);
          else reject(result);
        });
      });
      if (!valid) bad.push(piece);
      done += metaInfo.geometry.pieceLengthOf(piece);
      onProgress?.({ done, total: metaInfo.length });
    }
  };
  try {
    await Promise.all(Array.from({ length: lanes }, lane));
  } finally {
    // One failed: the others must not go on with a storage that is being closed.
    isOver = true;
  }
  return bad.sort((a, b) => a - b);
}

function report(metaInfo: MetaInfo, sizes: readonly number[], badPieces: readonly number[]): VerifyResult {
  const bad = new Set(badPieces);
  const map = new FileMap(metaInfo.files, metaInfo.geometry);
  const files = metaInfo.files
    .filter((file) => !file.padding)
    .map(({ index, path, length }): VerifiedFile => {
      const { first, end } = map.piecesOf(index);
      let count = 0;
      for (let piece = first; piece < end; piece++) if (bad.has(piece)) count++;
      const missing = sizes[index] === -1;
      const whole = count === 0 && sizes[index] === length;
      return { index, path, length, state: missing ? 'missing' : whole ? 'ok' : 'damaged', badPieces: count };
    });
  return { ok: files.every((file) => file.state === 'ok'), pieces: { bad: badPieces }, files };
}
