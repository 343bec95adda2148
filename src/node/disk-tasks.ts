import { createHash, hash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  fsyncSync,
  lstatSync,
  openSync,
  readSync,
  writeSync,
} from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname } from 'node:path';
import { StorageError } from '../errors.ts';
import { BLOCK_LENGTH } from '../util/block-length.ts';
import { collectSharedGarbage } from '../util/shared-garbage.ts';
import type { DiskFaults } from './disk-faults.ts';
import type {
  CreateJob,
  DiskAnswer,
  DiskJob,
  DiskResults,
  HashJob,
  LoadJob,
  MoveJob,
  SmallWrite,
  SurveyJob,
  SurveyResult,
  SyncJob,
  WriteJob,
  WriteResult,
  WriteSpan,
} from './disk-jobs.ts';
import type { DiskRoot, OpenFiles } from './open-files.ts';
import { checkContained, folderIdentity } from './safe-path.ts';
import type { FolderIdentity } from './safe-path.ts';
import {
  errnoOf,
  fileMissing,
  isFolderSyncRefused,
  toFailure,
  toStorageError,
  unsafePath,
} from './storage-errors.ts';

/**
 * What a disk worker does for each kind of job: synchronous calls, one system call per file span, no allocation per
 * byte. It keeps nothing between jobs but open files and one read buffer.
 */

/** Large enough to make calls cheap, small enough to be hashed while still in the CPU's cache. */
const READ_CHUNK = 262_144;
const SHA1_BYTES = 20;

/** What a survey finds in the place of a folder: none, one of the torrent's, or one that leads elsewhere. */
type FolderKind = 'absent' | 'safe' | 'unsafe';

export class DiskTasks {
  readonly #files: OpenFiles;
  readonly #faults: DiskFaults | null;
  readonly #chunk = new Uint8Array(READ_CHUNK);

  constructor(files: OpenFiles, faults: DiskFaults | null = null) {
    this.#files = files;
    this.#faults = faults;
  }

  /** Does a job. What goes wrong is part of the answer. */
  run(job: DiskJob): DiskAnswer {
    try {
      return { ok: true, result: this.#do(job) };
    } catch (error) {
      return { ok: false, failure: toFailure(error) };
    }
  }

  #do(job: DiskJob): DiskResults[keyof DiskResults] {
    switch (job.kind) {
      case 'hash':
        return this.#hash(job);
      case 'write':
        return this.#write(job);
      case 'move':
        return this.#move(job);
      case 'create':
        return this.#create(job);
      case 'survey':
        return this.#survey(job);
      case 'load':
        return loadFile(job);
      case 'sync':
        return this.#syncAll(job);
      case 'release':
        for (const top of job.tops) this.#files.release(top);
        return null;
      case 'shrink':
        this.#files.shrink();
        return null;
      case 'collect':
        collectSharedGarbage();
        return null;
    }
  }

  #hash(job: HashJob): Uint8Array {
    const hasher = new StretchHasher(job);
    for (const span of job.spans) {
      if (span.zero === true) this.#chunk.fill(0);
      const fd = span.zero === true ? -1 : this.#files.forReading(span.path, job.root);
      for (let done = 0; done < span.length;) {
        const chunk = this.#chunk.subarray(0, Math.min(span.length - done, READ_CHUNK));
        if (fd >= 0) this.#fill(fd, span.path, span.offset + done, chunk);
        hasher.update(chunk);
        done += chunk.length;
      }
    }
    return hasher.digests();
  }

  /** A piece that is right and one that is not are told apart whatever the disk says, so failures are a part of the result. */
  #write(job: WriteJob): WriteResult {
    const piece = job.bytes;
    zeroPads(piece, job.spans);
    const isRight = hash('sha1', piece, 'buffer').equals(job.expected);
    const digests = !isRight || job.wantDigests ? blockDigests(piece) : null;
    const answer = { digests, failure: null, root: null };
    if (!isRight) return { ...answer, status: 'mismatch' };
    try {
      for (const span of job.spans) {
        if (span.zero === true) continue;
        this.#writeSpan(job.root, span, piece.subarray(span.begin, span.begin + span.length));
      }
      this.#writeSmall(job.root, job.after);
      return { ...answer, status: 'written', root: job.root.known ?? folderIdentity(job.root.path) };
    } catch (error) {
      return { ...answer, status: 'failed', failure: toFailure(error) };
    }
  }

  #move(job: MoveJob): FolderIdentity | null {
    for (const { from, to } of job.copies) {
      for (let done = 0; done < from.length; done += READ_CHUNK) {
        const length = Math.min(from.length - done, READ_CHUNK);
        const chunk = this.#chunk.subarray(0, length);
        this.#read(from.path, job.root, from.offset + done, chunk);
        this.#writeSpan(job.root, { ...to, offset: to.offset + done, length }, chunk);
      }
    }
    for (const path of new Set(job.copies.map((copy) => copy.to.path))) this.#sync(job.root, path);
    this.#writeSmall(job.root, job.after);
    return folderIdentity(job.root.path);
  }

  #create(job: CreateJob): FolderIdentity | null {
    for (const path of job.paths) this.#files.forWriting(path, job.root, 0, true);
    return folderIdentity(job.root.path);
  }

  #survey(job: SurveyJob): SurveyResult {
    const root = folderIdentity(job.root.path);
    const sizes = new Float64Array(job.paths.length).fill(-1);
    const mtimesMs = new Float64Array(job.paths.length);
    const folders = new Map<string, FolderKind>();
    for (let i = 0; i < job.paths.length && root !== null; i++) {
      const path = job.paths[i]!;
      const folder = dirname(path);
      let kind = folders.get(folder);
      if (kind === undefined) folders.set(folder, (kind = this.#kindOf(folder, job.root, path)));
      // A new torrent of thousands of files has a folder that is not there: one look instead of thousands.
      const stat = kind === 'absent' ? undefined : this.#stat(path);
      if (!stat) continue;
      sizes[i] = stat.isFile() && kind === 'safe' ? stat.size : -2;
      mtimesMs[i] = stat.mtimeMs;
    }
    const part = root === null ? undefined : this.#stat(job.partPath);
    const partHeader =
      part?.isFile() === true ? new Uint8Array(Math.min(part.size, job.partHeaderLength)) : null;
    if (partHeader) this.#read(job.partPath, job.root, 0, partHeader);
    return { root, sizes, mtimesMs, partHeader, partMtimeMs: part?.mtimeMs ?? 0 };
  }

  #kindOf(folder: string, root: DiskRoot, path: string): FolderKind {
    if (!this.#stat(folder)) return 'absent';
    return isContained(root, path) ? 'safe' : 'unsafe';
  }

  #stat(path: string): Stats | undefined {
    try {
      this.#faults?.check('stat', path);
      return lstatSync(path, { throwIfNoEntry: false });
    } catch (error) {
      throw toStorageError(error, 'look at', path);
    }
  }

  /** Fills `into`; a file that ends before is `ERR_FILE_MISSING`. */
  #read(path: string, root: DiskRoot | null, offset: number, into: Uint8Array): void {
    this.#fill(this.#files.forReading(path, root), path, offset, into);
  }

  #fill(fd: number, path: string, offset: number, into: Uint8Array): void {
    let done = 0;
    while (done < into.length) {
      let count: number;
      try {
        const most = this.#faults?.check('read', path) ?? Infinity;
        count = readSync(fd, into, done, Math.min(into.length - done, most), offset + done);
      } catch (error) {
        throw toStorageError(error, 'read', path);
      }
      if (count === 0)
        throw fileMissing(path, `is shorter than expected: it ends before byte ${offset + done}`);
      done += count;
    }
  }

  #writeSpan(root: DiskRoot, span: WriteSpan, bytes: Uint8Array): void {
    const fd = this.#files.forWriting(span.path, root, span.fileLength, span.mayCreate);
    this.#writeAll(fd, span.path, span.offset, bytes);
  }

  #writeSmall(root: DiskRoot, writes: readonly SmallWrite[]): void {
    for (const { path, offset, bytes } of writes) {
      this.#writeAll(this.#files.forWriting(path, root, -1, false), path, offset, bytes);
    }
  }

  #writeAll(fd: number, path: string, offset: number, bytes: Uint8Array): void {
    let done = 0;
    while (done < bytes.length) {
      try {
        const most = this.#faults?.check('write', path) ?? Infinity;
        done += writeSync(fd, bytes, done, Math.min(bytes.length - done, most), offset + done);
      } catch (error) {
        throw toStorageError(error, 'write to', path);
      }
    }
  }

  #syncAll({ files, folders }: SyncJob): null {
    for (const path of files) this.#syncPath(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
    for (const path of folders) {
      try {
        this.#syncPath(path, constants.O_RDONLY);
      } catch (error) {
        if (!(error instanceof StorageError && isFolderSyncRefused(error.cause))) throw error;
      }
    }
    return null;
  }

  /** Past the open files, of which the threads that sync keep none. */
  #syncPath(path: string, flags: number): void {
    let fd = -1;
    try {
      this.#faults?.check('fsync', path);
      fd = openSync(path, flags | (constants.O_NONBLOCK ?? 0));
      fsyncSync(fd);
    } catch (error) {
      throw toStorageError(error, 'sync', path);
    } finally {
      if (fd >= 0) closeSync(fd);
    }
  }

  #sync(root: DiskRoot, path: string): void {
    const fd = this.#files.forWriting(path, root, -1, false);
    try {
      this.#faults?.check('fsync', path);
      fsyncSync(fd);
    } catch (error) {
      throw toStorageError(error, 'sync', path);
    }
  }
}

/** Takes the bytes of a job in any portions. */
class StretchHasher {
  readonly #pieceLength: number;
  readonly #digests: Uint8Array;
  #at = 0;
  #sha1 = createHash('sha1');
  /** Bytes missing in the current piece. */
  #left: number;

  constructor({ spans, pieceLength }: HashJob) {
    const total = spans.reduce((sum, span) => sum + span.length, 0);
    this.#pieceLength = pieceLength;
    this.#digests = new Uint8Array(SHA1_BYTES * Math.ceil(total / pieceLength));
    this.#left = pieceLength;
  }

  update(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const portion = bytes.subarray(done, done + this.#left);
      this.#sha1.update(portion);
      done += portion.length;
      this.#left -= portion.length;
      if (this.#left === 0) this.#next();
    }
  }

  digests(): Uint8Array {
    if (this.#at < this.#digests.length) this.#next();
    return this.#digests;
  }

  #next(): void {
    this.#digests.set(this.#sha1.digest(), this.#at);
    this.#at += SHA1_BYTES;
    this.#sha1 = createHash('sha1');
    this.#left = this.#pieceLength;
  }
}

/** 20 bytes per 16 KiB block, in order. */
function blockDigests(piece: Uint8Array): Uint8Array<ArrayBuffer> {
  const digests = new Uint8Array(SHA1_BYTES * Math.ceil(piece.length / BLOCK_LENGTH));
  for (let begin = 0, i = 0; begin < piece.length; begin += BLOCK_LENGTH, i++) {
    digests.set(hash('sha1', piece.subarray(begin, begin + BLOCK_LENGTH), 'buffer'), i * SHA1_BYTES);
  }
  return digests;
}

/** Nobody sends the bytes of pad files (BEP 47), so the buffer holds anything there. */
function zeroPads(piece: Uint8Array, spans: readonly WriteSpan[]): void {
  for (const { begin, length, zero } of spans) if (zero === true) piece.fill(0, begin, begin + length);
}

function isContained(root: DiskRoot, path: string): boolean {
  try {
    checkContained(root.path, path);
    return true;
  } catch {
    return false; // The caller reports the path as unsafe; opening it would tell why.
  }
}

function loadFile({ path, bytesMax }: LoadJob): Uint8Array | null {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  let fd = -1;
  try {
    fd = openSync(path, flags);
    const found = fstatSync(fd);
    if (!found.isFile()) throw unsafePath(path, 'it is not a regular file');
    if (found.size > bytesMax) throw unsafePath(path, `it has more than ${bytesMax} bytes`);
    // Its own memory, so that the answer carries no more than it says.
    const bytes = new Uint8Array(found.size);
    return bytes.subarray(0, readSync(fd, bytes, 0, bytes.length, 0));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw toStorageError(error, 'read', path);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
}
