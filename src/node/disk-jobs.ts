import type { DiskRoot } from './open-files.ts';
import type { FolderIdentity } from './safe-path.ts';
import type { StorageFailure } from './storage-errors.ts';

/** The messages between `DiskPool` and its workers. Plain data only: classes do not survive the way. */

/** A stretch of bytes in a file, or of zeros that lie in none. */
export interface DiskSpan {
  readonly path: string;
  readonly offset: number;
  readonly length: number;
  /** A pad file (BEP 47): `path` is not touched. */
  readonly zero?: boolean;
}

/** A stretch of a piece that is to be written. */
export interface WriteSpan extends DiskSpan {
  /** Where it begins in the piece. */
  readonly begin: number;
  /** Bytes of the whole file, or -1 if it grows by itself. */
  readonly fileLength: number;
  /** False if the file was there before: one that vanished is not made again. */
  readonly mayCreate: boolean;
}

/** A few bytes written after the others, such as an index that may only name what is there. */
export interface SmallWrite {
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** SHA-1 of the spans one after the other: a digest for every `pieceLength` bytes, and one for what is left over. */
export interface HashJob {
  readonly kind: 'hash';
  readonly pieceLength: number;
  /** The folder that the files must lie in; null for files that the user named. */
  readonly root: DiskRoot | null;
  readonly spans: readonly DiskSpan[];
}

/** Hashes a piece and writes it if it is the right one. */
export interface WriteJob {
  readonly kind: 'write';
  readonly root: DiskRoot;
  /** In shared memory; nobody else touches it meanwhile. */
  readonly bytes: Uint8Array;
  readonly expected: Uint8Array;
  readonly wantDigests: boolean;
  readonly spans: readonly WriteSpan[];
  readonly after: readonly SmallWrite[];
}

export interface WriteResult {
  readonly status: 'written' | 'mismatch' | 'failed';
  readonly digests: Uint8Array<ArrayBuffer> | null;
  readonly failure: StorageFailure | null;
  /** What the root is; null if nothing was written. */
  readonly root: FolderIdentity | null;
}

/** Copies stretches from the part file into files, makes those last on disk, and then writes `after`. */
export interface MoveJob {
  readonly kind: 'move';
  readonly root: DiskRoot;
  readonly copies: readonly { readonly from: DiskSpan; readonly to: WriteSpan }[];
  readonly after: readonly SmallWrite[];
}

/** Creates the missing ones of some files of length zero. */
export interface CreateJob {
  readonly kind: 'create';
  readonly root: DiskRoot;
  readonly paths: readonly string[];
}

/** What the disk says about the files of a torrent. */
export interface SurveyJob {
  readonly kind: 'survey';
  readonly root: DiskRoot;
  readonly paths: readonly string[];
  readonly partPath: string;
  /** Bytes at the start of the part file to bring along. */
  readonly partHeaderLength: number;
}

export interface SurveyResult {
  readonly root: FolderIdentity | null;
  /** Per path: bytes, -1 if there is none, -2 if there is something that is no regular file inside the root. */
  readonly sizes: Float64Array;
  readonly mtimesMs: Float64Array;
  /** The first bytes of the part file, or null if there is none. */
  readonly partHeader: Uint8Array | null;
  readonly partMtimeMs: number;
}

/** Reads a small file as a whole, if it is a regular one of at most `bytesMax` bytes. */
export interface LoadJob {
  readonly kind: 'load';
  readonly path: string;
  readonly bytesMax: number;
}

/** Makes what was written to some files last, and the entries of some folders. */
export interface SyncJob {
  readonly kind: 'sync';
  readonly files: readonly string[];
  readonly folders: readonly string[];
}

/** Closes the file `top` and all files below it. For every worker, out of turn. */
export interface ReleaseJob {
  readonly kind: 'release';
  readonly tops: readonly string[];
}

/** Keeps half as many files open from here on. For every worker, out of turn. */
export interface ShrinkJob {
  readonly kind: 'shrink';
}

/** Lets go of memory of pieces that nobody uses any more. */
export interface CollectJob {
  readonly kind: 'collect';
}

export type DiskJob =
  | HashJob
  | WriteJob
  | MoveJob
  | CreateJob
  | SurveyJob
  | LoadJob
  | SyncJob
  | ReleaseJob
  | ShrinkJob
  | CollectJob;

/** What each kind of job answers with. */
export interface DiskResults {
  hash: Uint8Array;
  write: WriteResult;
  move: FolderIdentity | null;
  create: FolderIdentity | null;
  survey: SurveyResult;
  /** Null if there is no such file. */
  load: Uint8Array | null;
  sync: null;
  release: null;
  shrink: null;
  collect: null;
}

export type DiskAnswer<K extends keyof DiskResults = keyof DiskResults> =
  | { readonly ok: true; readonly result: DiskResults[K] }
  | { readonly ok: false; readonly failure: StorageFailure };
