/**
 * One torrent on the real disk.
 *
 * Pieces are hashed and written by `DiskPool`, blocks for peers are read by `ReadFiles`, `FilePlaces` says where bytes
 * belong. What is left to this file is order, and what is known of the disk.
 *
 * Order: reads, checks and writes run side by side. A survey of the disk, and moving bytes out of the part file, run
 * alone (`OperationGate`), and before the first of the others.
 *
 * Knowledge: a file that was there is never made anew. When it vanishes, what touches it fails with `ERR_FILE_MISSING`
 * until `stat` is called, which takes what it finds as the truth. The same holds for the download folder, which must not
 * be made on the file system below when its disk is unmounted; there `stat` fails as well, until the folder is the one
 * of before or shows a file that we know.
 */
import { unlink } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../errors.ts';
import type { FileSlice } from '../metainfo/file-map.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import type { FileStat, PieceVerdict, StorageFactory, TorrentStorage } from '../ports.ts';
import { EMPTY_BYTES } from '../util/bytes.ts';
import type { Slab } from '../util/slab-pool.ts';
import type { SurveyResult, WriteJob, WriteResult } from './disk-jobs.ts';
import type { DiskPool } from './disk-pool.ts';
import { FilePlaces } from './file-places.ts';
import type { DiskRoot } from './open-files.ts';
import { OperationGate } from './operation-gate.ts';
import { PieceChecks } from './piece-checks.ts';
import { ReadFiles } from './read-files.ts';
import { isSameFolder } from './safe-path.ts';
import type { FolderIdentity } from './safe-path.ts';
import { fileMissing, fromFailure, toStorageError, unsafePath } from './storage-errors.ts';
import { UnsyncedFiles } from './unsynced-files.ts';

type Done = (error: StorageError | null) => void;
type StatDone = (result: readonly FileStat[] | StorageError) => void;
const SHA1_BYTES = 20;

/**
 * Storage in plain files. The pool stays the caller's: close it after the torrents.
 *
 * Besides the contract: `stat` fails with `ERR_UNSAFE_PATH` if something that is no regular file, or lies behind a link
 * that leads out of the folder, is in the place of a wanted file. `writePiece` sets the bytes of pad files in the slab to
 * zero.
 */
export function fileStorageFactory(pool: DiskPool): StorageFactory {
  const share = Math.floor(pool.openFilesMax / (pool.threads + 1));
  const reader = new ReadFiles(share, (done) => pool.shrink(done), pool.faults);
  pool.onShrink((done) => reader.shrink(done));
  const shared: SharedFiles = { pool, reader, writers: new Map() };
  return { open: (metaInfo, { dir }) => new FileStorage(shared, metaInfo, dir) };
}

/** What all torrents of a client have in common. */
interface SharedFiles {
  readonly pool: DiskPool;
  readonly reader: ReadFiles;
  /** Which torrent writes to a file: two must not mix their bytes in one. */
  readonly writers: Map<string, TorrentStorage>;
}

class FileStorage implements TorrentStorage {
  readonly #shared: SharedFiles;
  readonly #metaInfo: MetaInfo;
  readonly #places: FilePlaces;
  readonly #gate = new OperationGate();
  readonly #unsynced: UnsyncedFiles;
  #checks: PieceChecks | null = null;
  /** What the download folder is; null until it is there. */
  #folder: FolderIdentity | null = null;
  #wasSurveyed = false;
  /** The disk was looked at and everything lies where it belongs. Until then each operation tries to bring that about. */
  #isSettled = false;
  #isSettling = false;
  /** Why it is not settled. */
  #fault: StorageError | null = null;
  #isClosed = false;

  constructor(shared: SharedFiles, metaInfo: MetaInfo, dir: string) {
    this.#shared = shared;
    this.#metaInfo = metaInfo;
    this.#places = new FilePlaces(metaInfo, dir);
    this.#unsynced = new UnsyncedFiles(this.#places.dir, shared.pool);
  }

  stat(done: StatDone): void {
    this.#gate.enterAlone(() => {
      this.#survey((result) => {
        this.#gate.leave();
        done(result);
      });
    });
  }

  checkPiece(piece: number, done: (result: boolean | StorageError) => void): void {
    this.#begin((fault) => {
      const finish = (result: boolean | StorageError): void => {
        this.#gate.leave();
        done(result);
      };
      const slices = this.#places.pieceSlices(piece);
      if (fault !== null) {
        setImmediate(finish, fault);
      } else if (!slices.every((slice) => this.#places.isThere(piece, slice.file))) {
        setImmediate(finish, false);
      } else {
        (this.#checks ??= this.#makeChecks()).check(piece, finish);
      }
    });
  }

  writePiece(piece: number, slab: Slab, wantDigests: boolean, done: (verdict: PieceVerdict) => void): void {
    const { bytes } = slab;
    slab.bytes = EMPTY_BYTES;
    this.#begin((fault) => {
      const finish = (verdict: PieceVerdict): void => {
        slab.bytes = bytes;
        this.#gate.leave();
        done(verdict);
      };
      const error = fault ?? this.#claim(piece);
      if (error) setImmediate(finish, { status: 'failed', error });
      else this.#write(piece, bytes, wantDigests, finish);
    });
  }

  read(piece: number, begin: number, into: Uint8Array, done: Done): void {
    this.#begin((fault) => {
      const finish = (error: StorageError | null): void => {
        this.#gate.leave();
        done(error);
      };
      if (fault !== null) setImmediate(finish, fault);
      else this.#readFrom(piece, begin, this.#places.slices(piece, begin, into.length), 0, into, finish);
    });
  }

  setWanted(wanted: readonly boolean[]): void {
    this.#gate.enterAlone(() => {
      this.#places.setWanted(wanted);
      this.#isSettled = false;
      this.#settle(() => this.#gate.leave());
    });
  }

  flush(done: Done): void {
    this.#begin((fault) => {
      const afterFiles = (error: StorageError | null): void => {
        this.#gate.leave();
        if (error) done(error);
        else this.#unsynced.sync(done);
      };
      if (fault !== null) setImmediate(afterFiles, fault);
      else this.#createEmptyFiles(afterFiles);
    });
  }

  close(done: () => void): void {
    this.#gate.enterAlone(() => {
      this.#isClosed = true;
      this.#unsynced.whenIdle(() => {
        this.#release(() => {
          this.#gate.leave();
          done();
        });
      });
    });
  }

  #makeChecks(): PieceChecks {
    const { pieceLength, pieceHashes } = this.#metaInfo;
    return new PieceChecks(this.#shared.pool, {
      pieceLength,
      pieceHashes,
      root: () => this.#root(),
      spansOf: (piece) => this.#places.pieceSlices(piece).map((slice) => this.#places.readSpan(piece, slice)),
    });
  }

  #root(): DiskRoot {
    return { path: this.#places.dir, known: this.#folder };
  }

  #expectedHash(piece: number): Uint8Array {
    return this.#metaInfo.pieceHashes.subarray(piece * SHA1_BYTES, (piece + 1) * SHA1_BYTES);
  }

  /** Starts an operation when everything lies where it belongs, or with the reason why it does not. */
  #begin(start: (fault: StorageError | null) => void): void {
    if (!this.#isSettled && !this.#isSettling) {
      this.#isSettling = true;
      this.#gate.enterAlone(() => {
        this.#settle(() => {
          this.#isSettling = false;
          this.#gate.leave();
        });
      });
    }
    this.#gate.enter(() =>
      start(this.#isClosed ? this.#closedError() : this.#isSettled ? null : this.#fault),
    );
  }

  /** Looks at the disk if nobody has, then moves what is in the part file and belongs into files. Runs alone. */
  #settle(done: () => void): void {
    if (this.#isSettled || this.#isClosed) done();
    else if (!this.#wasSurveyed) this.#survey(() => done());
    else this.#moveParts(() => done());
  }

  /** Takes the disk as it is. Runs alone. */
  #survey(done: StatDone): void {
    const fail = (error: StorageError): void => {
      this.#fault = error;
      this.#isSettled = false;
      done(error);
    };
    if (this.#isClosed) {
      setImmediate(fail, this.#closedError());
      return;
    }
    const { paths, partPath, parts } = this.#places;
    const job = { paths, partPath, partHeaderLength: parts.headerLength, root: this.#root() };
    this.#shared.pool.run({ kind: 'survey', ...job }, (survey) => {
      const error = survey instanceof StorageError ? survey : this.#findMount(survey);
      if (error !== null || survey instanceof StorageError) {
        fail(error!);
        return;
      }
      this.#folder = survey.root;
      this.#places.accept(survey);
      this.#wasSurveyed = true;
      this.#moveParts((moveError, hasMoved) => {
        if (moveError) done(moveError);
        else if (hasMoved) this.#survey(done);
        else done(this.#findUnsafe(survey) ?? this.#places.toStats(survey));
      });
    });
  }

  /** Is the download folder the one of before, or does it at least show a file that we know? */
  #findMount(survey: SurveyResult): StorageError | null {
    const { dir } = this.#places;
    if (this.#folder === null) return null;
    if (survey.root === null) return fileMissing(dir, 'vanished while it was in use');
    if (isSameFolder(this.#folder, survey.root)) return null;
    if (survey.sizes.some((size, i) => this.#places.isOnDisk(i) && size >= 0)) return null;
    return fileMissing(dir, 'is another folder than before; its disk may be unmounted');
  }

  #findUnsafe(survey: SurveyResult): StorageError | null {
    const unsafe = survey.sizes.findIndex((size, i) => size === -2 && this.#places.isWanted(i));
    if (unsafe < 0) return null;
    return unsafePath(this.#places.pathOf(unsafe), 'it is no regular file inside the download folder');
  }

  /** Puts the bytes of files that became wanted where they belong, and lets go of slots nobody needs. Runs alone. */
  #moveParts(done: (error: StorageError | null, hasMoved: boolean) => void): void {
    const finish = (error: StorageError | null, hasMoved: boolean): void => {
      this.#fault = error;
      this.#isSettled = error === null;
      done(error, hasMoved);
    };
    const { parts } = this.#places;
    const moves = this.#places.moves();
    const spare = this.#places.spareParts();
    if (moves.length === 0 && spare.length === 0) {
      this.#deleteSparePartFile((error) => finish(error, false));
      return;
    }
    const after = spare.flatMap((piece) => this.#places.partEntries(piece, null));
    this.#shared.pool.run({ kind: 'move', root: this.#root(), copies: moves, after }, (result) => {
      if (!(result instanceof StorageError)) {
        this.#folder ??= result;
        for (const { file, to } of moves) {
          this.#unsynced.add(to.path, to.mayCreate);
          this.#places.noteOnDisk(file);
        }
        for (const piece of spare) parts.delete(piece);
      } else if (result.code === 'ERR_FILE_MISSING' && result.path === this.#places.partPath) {
        parts.forget(); // Someone cut or deleted it. Its pieces will be found missing and fetched anew.
      } else {
        finish(result, false);
        return;
      }
      this.#deleteSparePartFile((error) => finish(error, true));
    });
  }

  /** A part file without pieces is of no use, or is one whose index is damaged. */
  #deleteSparePartFile(done: Done): void {
    const { parts } = this.#places;
    if (!parts.isOnDisk || !parts.isEmpty) {
      done(null);
      return;
    }
    const { partPath } = this.#places;
    this.#closeFiles([partPath], () => {
      unlink(partPath, (error) => {
        if (error && error.code !== 'ENOENT') {
          done(toStorageError(error, 'delete', partPath));
          return;
        }
        parts.clear();
        this.#unsynced.delete(partPath);
        done(null);
      });
    });
  }

  /** Takes the files of a piece for this torrent, unless another one writes to them. */
  #claim(piece: number): StorageError | null {
    const { writers } = this.#shared;
    for (const { file } of this.#places.pieceSlices(piece)) {
      const path = this.#places.pathOf(file);
      const writer = writers.get(path);
      if (writer === undefined) writers.set(path, this);
      else if (writer !== this) return unsafePath(path, 'another torrent writes to it');
    }
    return null;
  }

  #write(
    piece: number,
    bytes: Uint8Array,
    wantDigests: boolean,
    finish: (verdict: PieceVerdict) => void,
  ): void {
    const { parts } = this.#places;
    const slices = this.#places.pieceSlices(piece);
    const slot = slices.some(({ file }) => this.#places.isOutside(file)) ? parts.reserve(piece) : null;
    const job: WriteJob = {
      kind: 'write',
      root: this.#root(),
      bytes: bytes.subarray(0, this.#metaInfo.geometry.pieceLengthOf(piece)),
      // A copy for sure, which `slice` of a Buffer is not: a view takes all the memory that it looks at to the thread,
      // which was the whole .torrent for each piece.
      expected: new Uint8Array(this.#expectedHash(piece)),
      wantDigests,
      spans: this.#places.writeSpans(piece, slot),
      after: slot === null ? [] : this.#places.partEntries(piece, slot),
    };
    this.#shared.pool.run(job, (result) => {
      const isWritten = !(result instanceof StorageError) && result.status === 'written';
      if (slot !== null && isWritten) parts.add(piece, slot);
      else if (slot !== null) parts.cancel(piece, slot);
      if (result instanceof StorageError) {
        finish({ status: 'failed', error: result });
        return;
      }
      if (isWritten) this.#noteWritten(job, slices, result);
      finish(toVerdict(result));
    });
  }

  #noteWritten(job: WriteJob, slices: readonly FileSlice[], result: WriteResult): void {
    this.#folder ??= result.root;
    for (const { path, mayCreate, zero } of job.spans) if (zero !== true) this.#unsynced.add(path, mayCreate);
    for (const { file } of slices) if (!this.#places.isOutside(file)) this.#places.noteOnDisk(file);
  }

  /** Reads the slices from number `next` on, one after the other; most blocks have one. */
  #readFrom(
    piece: number,
    begin: number,
    slices: readonly FileSlice[],
    next: number,
    into: Uint8Array,
    done: Done,
  ): void {
    const slice = slices[next]!;
    const at = this.#places.beginOf(piece, slice) - begin;
    const target = slices.length === 1 ? into : into.subarray(at, at + slice.length);
    const goOn: Done = (error) => {
      if (error || next + 1 === slices.length) done(error);
      else this.#readFrom(piece, begin, slices, next + 1, into, done);
    };
    if (!this.#places.isThere(piece, slice.file)) {
      setImmediate(goOn, fileMissing(this.#places.pathOf(slice.file), 'is not on disk'));
      return;
    }
    const { path, offset, zero } = this.#places.readSpan(piece, slice);
    if (zero === true) {
      target.fill(0);
      setImmediate(goOn, null);
    } else {
      this.#shared.reader.read(path, this.#places.dir, offset, target, goOn);
    }
  }

  #createEmptyFiles(done: Done): void {
    const files = this.#places.missingEmptyFiles();
    const paths = files.map((file) => this.#places.pathOf(file));
    if (paths.length === 0) {
      setImmediate(done, null);
      return;
    }
    this.#shared.pool.run({ kind: 'create', root: this.#root(), paths }, (result) => {
      if (result instanceof StorageError) {
        done(result);
        return;
      }
      this.#folder ??= result;
      for (const path of paths) this.#unsynced.add(path, true);
      for (const file of files) this.#places.noteOnDisk(file);
      done(null);
    });
  }

  /** Gives up open files, and those no other torrent may write to. */
  #release(done: () => void): void {
    const { dir, partPath } = this.#places;
    const name = this.#metaInfo.files[0]?.path.split('/')[0];
    const tops = name === undefined ? [partPath] : [join(dir, name), partPath];
    const { writers } = this.#shared;
    // Most torrents are closed when nobody writes to anything.
    for (const path of writers.size > 0 ? this.#places.paths : []) {
      if (writers.get(path) === this) writers.delete(path);
    }
    this.#closeFiles(tops, done);
  }

  /** In all threads. Also Windows lets go of a file only then. */
  #closeFiles(tops: readonly string[], done: () => void): void {
    const { reader, pool } = this.#shared;
    let left = tops.length;
    const next = (): void => {
      if (--left === 0) pool.release(tops, done);
    };
    for (const top of tops) reader.release(top, next);
  }

  #closedError(): StorageError {
    const { dir } = this.#places;
    return new StorageError(`the storage of ${JSON.stringify(dir)} is closed`, 'ERR_DISK_IO', dir);
  }
}

function toVerdict(result: WriteResult): PieceVerdict {
  switch (result.status) {
    case 'written':
      return { status: 'written', blockDigests: result.digests };
    case 'mismatch':
      return { status: 'mismatch', blockDigests: result.digests! };
    case 'failed':
      return { status: 'failed', error: fromFailure(result.failure!) };
  }
}
