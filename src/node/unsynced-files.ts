import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { StorageError } from '../errors.ts';
import type { DiskPool } from './disk-pool.ts';
import { isFolderSyncRefused, toStorageError } from './storage-errors.ts';

type Done = (error: StorageError | null) => void;

/**
 * So few paths are left to libuv's threads: three turns for each cost less than the start of a thread of ours, which takes
 * 39 ms of CPU, an eighth of a small download.
 */
const FEW_PATHS = 8;
/** Never more than one of them, because a sync takes seconds on a busy disk: the whole process shares the four. */
let isLibuvSyncing = false;
/** Many for each message, and few enough that the threads share them evenly. */
const PATHS_PER_JOB = 64;
/** For each thread one to work on and one to go on with. */
const JOBS_AT_ONCE = 4;

/** Knows what a power cut would take away: files written to, and folders with new entries. */
export class UnsyncedFiles {
  readonly #dir: string;
  readonly #pool: DiskPool;
  // Most torrents are never written to.
  #files: Set<string> | null = null;
  #folders: Set<string> | null = null;
  #running = 0;
  #whenIdle: (() => void)[] = [];

  /** @param dir The folder that everything lies in. */
  constructor(dir: string, pool: DiskPool) {
    this.#dir = dir;
    this.#pool = pool;
  }

  /** A file was written to. If it is new, its folder has a new entry; so may each folder above, up to `dir`. */
  add(path: string, isNew: boolean): void {
    (this.#files ??= new Set()).add(path);
    if (!isNew) return;
    this.#folders ??= new Set();
    for (let folder = dirname(path); ; folder = dirname(folder)) {
      this.#folders.add(folder);
      if (folder === this.#dir || folder === dirname(folder)) return;
    }
  }

  /** A file was deleted. */
  delete(path: string): void {
    this.#files?.delete(path);
  }

  /** When `done` says null, everything that was added before survives a power cut. */
  sync(done: Done): void {
    const files = [...(this.#files ?? [])];
    const folders = [...(this.#folders ?? [])];
    this.#files = null;
    this.#folders = null;
    this.#running++;
    // Windows cannot open a folder for this and keeps its entries by itself.
    this.#syncAll(files, process.platform === 'win32' ? [] : folders, (error) => {
      if (error) {
        // What came in since waits beside what failed.
        this.#files = new Set([...files, ...(this.#files ?? [])]);
        this.#folders = new Set([...folders, ...(this.#folders ?? [])]);
      }
      done(error);
      this.#running--;
      if (this.#running === 0) for (const goOn of this.#whenIdle.splice(0)) goOn();
    });
  }

  /** Calls `goOn` when no sync is under way, at once if none is. */
  whenIdle(goOn: () => void): void {
    if (this.#running === 0) goOn();
    else this.#whenIdle.push(goOn);
  }

  #syncAll(files: readonly string[], folders: readonly string[], done: Done): void {
    const isFew = files.length + folders.length <= FEW_PATHS && this.#pool.faults === null;
    const inThreads = (): void => this.#syncInThreads(files, folders, done);
    if (!isFew || isLibuvSyncing) {
      inThreads();
      return;
    }
    isLibuvSyncing = true;
    void syncFew(files, folders)
      .finally(() => (isLibuvSyncing = false))
      .then(done, inThreads);
  }

  /** Stops at the first failure: on a disk in trouble each of the others may take seconds too. */
  #syncInThreads(files: readonly string[], folders: readonly string[], done: Done): void {
    const total = files.length + folders.length;
    let next = 0;
    let underWay = 0;
    let failure: StorageError | null = null;

    const onSynced: Done = (error) => {
      underWay--;
      failure ??= error;
      goOn();
    };
    const goOn = (): void => {
      for (; underWay < JOBS_AT_ONCE && next < total && failure === null; next += PATHS_PER_JOB) {
        const end = next + PATHS_PER_JOB;
        const before = files.length;
        underWay++;
        this.#pool.sync(
          files.slice(next, end),
          folders.slice(Math.max(0, next - before), Math.max(0, end - before)),
          onSynced,
        );
      }
      if (underWay === 0) done(failure);
    };
    if (total === 0) setImmediate(done, null);
    else goOn();
  }
}

/**
 * Null when all are safe. A file that could not be written is an error now: opened once more, it would have nothing left to
 * write, and its sync would succeed.
 *
 * @throws Error if one cannot be opened: our threads know what to do about each reason, such as too few descriptors.
 */
async function syncFew(files: readonly string[], folders: readonly string[]): Promise<StorageError | null> {
  for (const path of files) {
    const error = await syncPath(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0));
    if (error) return toStorageError(error, 'sync', path);
  }
  for (const path of folders) {
    const error = await syncPath(path, constants.O_RDONLY);
    if (error && !isFolderSyncRefused(error)) return toStorageError(error, 'sync', path);
  }
  return null;
}

/**
 * @returns Why it could not be synced.
 * @throws Error if it could not be opened.
 */
async function syncPath(path: string, flags: number): Promise<Error | null> {
  const file = await open(path, flags | (constants.O_NONBLOCK ?? 0));
  let failure: Error | null = null;
  const note = (error: Error): void => void (failure ??= error);
  await file.sync().catch(note);
  await file.close().catch(note);
  return failure;
}
