import { close, constants, fstat, lstat, open, read, realpath } from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname, sep } from 'node:path';
import { StorageError } from '../errors.ts';
import type { DiskFaults, DiskOperation } from './disk-faults.ts';
import { isInside } from './safe-path.ts';
import { errnoOf, fileMissing, isShortOfFiles, toStorageError, unsafePath } from './storage-errors.ts';

/** How long a deleted or replaced file may be read on before it is noticed. */
const RECHECK_MS = 2_000;
const FLAGS = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

type Done = (error: StorageError | null) => void;

interface ReadFile {
  readonly path: string;
  fd: number;
  dev: number;
  ino: number;
  checkedAt: number;
  /** Reads under way; the descriptor is closed when there are none. */
  users: number;
  /** No longer in the cache. */
  isDropped: boolean;
  /** While it is being opened or looked at again: who waits for it. */
  waiting: ((file: ReadFile | StorageError) => void)[] | null;
}

/**
 * Reads for uploads: without blocking the calling thread (libuv's pool does the work) and straight into the caller's
 * buffer. Keeps files open, least recently used first.
 */
export class ReadFiles {
  #capacity: number;
  readonly #makeRoom: (done: () => void) => void;
  readonly #faults: DiskFaults | null;
  readonly #files = new Map<string, ReadFile>();
  #closing = 0;
  readonly #whenClosed: (() => void)[] = [];

  /**
   * @param capacity Files kept open at once; shrinks by itself when the process runs out of descriptors.
   * @param makeRoom Asks all that keep files open, this one too, to close some.
   */
  constructor(capacity: number, makeRoom: (done: () => void) => void, faults: DiskFaults | null = null) {
    this.#capacity = Math.max(1, capacity);
    this.#makeRoom = makeRoom;
    this.#faults = faults;
  }

  /**
   * Fills `into` from `offset` on. A file that is shorter is `ERR_FILE_MISSING`.
   * @param root The folder that the file must really lie in.
   */
  read(path: string, root: string, offset: number, into: Uint8Array, done: Done): void {
    this.#acquire(path, root, (file) => {
      if (file instanceof StorageError) {
        done(file);
        return;
      }
      this.#fill(file, offset, into, 0, (error) => {
        this.#leave(file);
        done(error);
      });
    });
  }

  /** The process is short of descriptors: keeps half as many files open from here on. `done` when those are closed. */
  shrink(done: () => void): void {
    if (this.#files.size > 0) this.#capacity = Math.max(1, this.#files.size >> 1);
    let left = 1;
    const finished = (): void => {
      if (--left === 0) done();
    };
    left += this.#evict(this.#files.size >> 1, finished);
    setImmediate(finished);
  }

  /** Closes the file `top` and all files below it. Those that are being read are closed after that. */
  release(top: string, done: () => void): void {
    for (const [path, file] of this.#files) {
      if (path === top || path.startsWith(top + sep)) this.#drop(file);
    }
    if (this.#closing === 0) setImmediate(done);
    else this.#whenClosed.push(done);
  }

  #acquire(path: string, root: string, use: (file: ReadFile | StorageError) => void): void {
    let file = this.#files.get(path);
    if (file?.waiting === null) {
      if (performance.now() - file.checkedAt < RECHECK_MS) {
        file.users++;
        this.#files.delete(path);
        this.#files.set(path, file);
        use(file);
        return;
      }
      file.waiting = [use];
      this.#recheck(file, root);
      return;
    }
    if (file) {
      file.waiting.push(use);
      return;
    }
    file = { path, fd: -1, dev: 0, ino: 0, checkedAt: 0, users: 0, isDropped: false, waiting: [use] };
    this.#files.set(path, file);
    this.#evict(this.#capacity);
    this.#open(file, root, true);
  }

  #fill(file: ReadFile, offset: number, into: Uint8Array, filled: number, done: Done): void {
    const most = this.#limit('read', file.path);
    if (typeof most !== 'number') {
      setImmediate(done, most);
      return;
    }
    const want = Math.min(into.length - filled, most);
    read(file.fd, into, filled, want, offset + filled, (error, count) => {
      if (error) done(toStorageError(error, 'read', file.path));
      else if (filled + count === into.length) done(null);
      else if (count > 0) this.#fill(file, offset, into, filled + count, done);
      else done(fileMissing(file.path, `is shorter than expected: it ends before byte ${offset + filled}`));
    });
  }

  #open(file: ReadFile, root: string, mayRetry: boolean): void {
    const { path } = file;
    realpath.native(root, (rootError, realRoot) => {
      realpath.native(dirname(path), (error, folder) => {
        const failed = rootError ?? error;
        if (failed) this.#settle(file, toStorageError(failed, 'open', path));
        else if (isInside(realRoot, folder)) this.#openContained(file, root, mayRetry);
        else this.#settle(file, unsafePath(path, `its folder is a link that leads out of ${root}`));
      });
    });
  }

  #openContained(file: ReadFile, root: string, mayRetry: boolean): void {
    const { path } = file;
    const fault = this.#limit('open', path);
    if (typeof fault !== 'number') {
      setImmediate(() => this.#onOpenError(file, root, fault, mayRetry));
      return;
    }
    open(path, FLAGS, (error, fd) => {
      if (error) {
        this.#onOpenError(file, root, toStorageError(error, 'open', path), mayRetry);
        return;
      }
      file.fd = fd;
      fstat(fd, (statError, stat) => {
        if (statError) this.#settle(file, toStorageError(statError, 'open', path));
        else if (!stat.isFile()) this.#settle(file, unsafePath(path, 'it is not a regular file'));
        else this.#accept(file, stat);
      });
    });
  }

  #onOpenError(file: ReadFile, root: string, error: StorageError, mayRetry: boolean): void {
    if (mayRetry && isShortOfFiles(errnoOf(error.cause))) {
      this.#makeRoom(() => this.#openContained(file, root, false));
    } else {
      this.#settle(file, error);
    }
  }

  /** Does the path still name the file that is open? If not, open what is there. */
  #recheck(file: ReadFile, root: string): void {
    lstat(file.path, (error, stat) => {
      if (!error && stat.ino === file.ino && stat.dev === file.dev) {
        this.#accept(file, stat);
        return;
      }
      const { waiting } = file;
      file.waiting = null;
      this.#drop(file);
      for (const use of waiting!) this.#acquire(file.path, root, use);
    });
  }

  #accept(file: ReadFile, stat: Stats): void {
    file.dev = stat.dev;
    file.ino = stat.ino;
    file.checkedAt = performance.now();
    this.#settle(file, file);
  }

  #settle(file: ReadFile, result: ReadFile | StorageError): void {
    const waiting = file.waiting!;
    file.waiting = null;
    if (result === file) file.users += waiting.length;
    else this.#drop(file);
    for (const use of waiting) use(result);
    // Released while it was being opened, and nobody came to read.
    if (file.isDropped && file.users === 0) this.#close(file);
  }

  #leave(file: ReadFile): void {
    file.users--;
    if (file.isDropped && file.users === 0) this.#close(file);
  }

  /** How many it closes; each calls `closed`. Those in use stay. */
  #evict(capacity: number, closed?: () => void): number {
    let count = 0;
    for (const file of this.#files.values()) {
      if (this.#files.size <= capacity) break;
      if (file.users > 0 || file.waiting !== null) continue;
      this.#drop(file, closed);
      count++;
    }
    return count;
  }

  #drop(file: ReadFile, closed?: () => void): void {
    if (this.#files.get(file.path) === file) this.#files.delete(file.path);
    file.isDropped = true;
    if (file.users === 0 && file.waiting === null) this.#close(file, closed);
  }

  #close(file: ReadFile, closed?: () => void): void {
    if (file.fd < 0) return;
    const { fd } = file;
    file.fd = -1;
    this.#closing++;
    close(fd, () => {
      // An error does not matter: nothing was written through it, so nothing can be lost.
      this.#closing--;
      closed?.();
      if (this.#closing === 0) for (const done of this.#whenClosed.splice(0)) done();
    });
  }

  #limit(operation: DiskOperation, path: string): number | StorageError {
    try {
      return this.#faults?.check(operation, path) ?? Infinity;
    } catch (error) {
      return toStorageError(error, operation, path);
    }
  }
}
