import { close, constants, fsync, open } from 'node:fs';
import { dirname } from 'node:path';
import type { StorageError } from '../errors.ts';
import type { DiskFaults } from './disk-faults.ts';
import { errnoOf, toStorageError } from './storage-errors.ts';

type Done = (error: StorageError | null) => void;

/** A sync takes seconds on a busy disk; more at once would keep libuv's four threads from reads and name look-ups. */
const SYNCS_AT_ONCE = 2;
const NOFOLLOW = constants.O_NOFOLLOW ?? 0;
const NONBLOCK = constants.O_NONBLOCK ?? 0;

/**
 * Knows what a power cut would take away: files written to, and folders with new entries. Syncs run in libuv's pool
 * instead of the disk threads, where pieces would wait behind them for seconds.
 */
export class UnsyncedFiles {
  readonly #dir: string;
  readonly #faults: DiskFaults | null;
  // Most torrents are never written to.
  #files: Set<string> | null = null;
  #folders: Set<string> | null = null;
  #running = 0;
  #whenIdle: (() => void)[] = [];

  /** @param dir The folder that everything lies in. */
  constructor(dir: string, faults: DiskFaults | null) {
    this.#dir = dir;
    this.#faults = faults;
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
    syncAll(files, folders, this.#faults, (error) => {
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
}

function syncAll(
  files: readonly string[],
  folders: readonly string[],
  faults: DiskFaults | null,
  done: Done,
): void {
  // Windows cannot open a folder for this and keeps its entries by itself.
  const paths = process.platform === 'win32' ? files : [...files, ...folders];
  let next = 0;
  let running = 0;
  let failure: StorageError | null = null;

  const goOn = (): void => {
    while (running < SYNCS_AT_ONCE && next < paths.length && failure === null) {
      const isFolder = next >= files.length;
      running++;
      syncOne(paths[next++]!, isFolder, faults, (error) => {
        running--;
        failure ??= error;
        goOn();
      });
    }
    if (running === 0) done(failure);
  };
  if (paths.length === 0) setImmediate(done, null);
  else goOn();
}

function syncOne(path: string, isFolder: boolean, faults: DiskFaults | null, done: Done): void {
  try {
    faults?.check('fsync', path);
  } catch (error) {
    setImmediate(done, toStorageError(error, 'sync', path));
    return;
  }
  const access = isFolder ? constants.O_RDONLY : constants.O_RDWR | NOFOLLOW;
  open(path, access | NONBLOCK, (openError, fd) => {
    if (openError) {
      done(toStorageError(openError, 'sync', path));
      return;
    }
    fsync(fd, (syncError) => {
      close(fd, (closeError) => {
        const error = syncError ?? closeError;
        // Some network and FUSE file systems cannot sync a folder and say so.
        const isRefused = isFolder && ['EINVAL', 'ENOTSUP', 'EBADF'].includes(errnoOf(error));
        done(error && !isRefused ? toStorageError(error, 'sync', path) : null);
      });
    });
  });
}
