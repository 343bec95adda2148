import { closeSync, constants, fstatSync, ftruncateSync, lstatSync, openSync } from 'node:fs';
import type { Stats } from 'node:fs';
import { dirname, sep } from 'node:path';
import type { DiskFaults } from './disk-faults.ts';
import { checkContained, ensureParent } from './safe-path.ts';
import type { FolderIdentity } from './safe-path.ts';
import { errnoOf, isShortOfFiles, toStorageError, unsafePath } from './storage-errors.ts';

/** Absent on Windows, where the check of the opened file (`#verify`) does the same work. */
const NOFOLLOW = constants.O_NOFOLLOW ?? 0;
/** A FIFO or device in place of a file must not hang the open. */
const NONBLOCK = constants.O_NONBLOCK ?? 0;
const RDWR = constants.O_RDWR | NOFOLLOW | NONBLOCK;

/** Where a torrent may touch the disk. */
export interface DiskRoot {
  readonly path: string;
  /** What the folder was when it was last seen; null if it may be made. */
  readonly known: FolderIdentity | null;
}

interface OpenFile {
  readonly fd: number;
  readonly dev: number;
  readonly ino: number;
  readonly writable: boolean;
}

/**
 * The open files of one worker, least recently used first. Each use of a cached descriptor first asks whether the path
 * still names the same file, so bytes never go to a file that was deleted or replaced (about 2 µs).
 */
export class OpenFiles {
  #capacity: number;
  readonly #faults: DiskFaults | null;
  readonly #files = new Map<string, OpenFile>();
  /** A folder that was looked at, and for which job: what was seen for one is not believed for the next. */
  #safeFor: DiskRoot | null = null;
  #safeFolder = '';

  /** @param capacity Files kept open at once; shrinks by itself when the process runs out of descriptors. */
  constructor(capacity: number, faults: DiskFaults | null = null) {
    this.#capacity = Math.max(1, capacity);
    this.#faults = faults;
  }

  get size(): number {
    return this.#files.size;
  }

  /**
   * A descriptor to read from; valid until the next call.
   * @param root The folder it must lie in and without links; null for a file that the user named.
   * @throws StorageError
   */
  forReading(path: string, root: DiskRoot | null): number {
    const cached = this.#cached(path);
    if (cached) return cached.fd;
    if (root) checkContained(root.path, path);
    const flags = constants.O_RDONLY | NONBLOCK | (root ? NOFOLLOW : 0);
    const fd = this.#open(path, flags, 'open');
    this.#keep(path, fd, false, root !== null);
    return fd;
  }

  /**
   * A descriptor to write to; valid until the next call. The file then has `length` bytes, without holes filled.
   * @param root The same object for all files of a job, whose folders are then looked at once.
   * @param length Bytes of the whole file, or -1 if it grows by itself.
   * @param mayCreate False if the file was there before: one that vanished is not made again.
   * @throws StorageError
   */
  forWriting(path: string, root: DiskRoot, length: number, mayCreate: boolean): number {
    const cached = this.#cached(path);
    if (cached?.writable === true) return cached.fd;
    if (cached) this.#drop(path);
    const fd = mayCreate ? this.#openOrCreate(path, root) : this.#openExisting(path, root);
    const { size } = this.#keep(path, fd, true, true);
    try {
      if (length >= 0) this.#setLength(path, fd, size, length);
    } catch (error) {
      this.#drop(path);
      throw error;
    }
    return fd;
  }

  /** Closes the file `top` and all files below it. */
  release(top: string): void {
    for (const path of [...this.#files.keys()]) {
      if (path === top || path.startsWith(top + sep)) this.#drop(path);
    }
  }

  /** The process is short of descriptors: keeps half as many files open from here on. */
  shrink(): void {
    if (this.#files.size === 0) return; // It was not us.
    this.#capacity = Math.max(1, this.#files.size >> 1);
    this.#closeOldest(this.#files.size >> 1);
  }

  closeAll(): void {
    for (const path of [...this.#files.keys()]) this.#drop(path);
  }

  #cached(path: string): OpenFile | null {
    const file = this.#files.get(path);
    if (!file) return null;
    const now = lstatSync(path, { throwIfNoEntry: false });
    if (now?.ino !== file.ino || now.dev !== file.dev) {
      this.#drop(path);
      return null;
    }
    this.#files.delete(path);
    this.#files.set(path, file);
    return file;
  }

  /** Makes the file, or opens the one that another worker made or the survey overlooked. */
  #openOrCreate(path: string, root: DiskRoot): number {
    this.#makeSafe(path, root, () => ensureParent(root.path, root.known, path, this.#faults));
    try {
      return this.#open(path, constants.O_CREAT | constants.O_EXCL | RDWR, 'create');
    } catch (error) {
      if (errnoOf(causeOf(error)) !== 'EEXIST') throw error;
      return this.#open(path, RDWR, 'write to');
    }
  }

  #openExisting(path: string, root: DiskRoot): number {
    this.#makeSafe(path, root, () => checkContained(root.path, path));
    return this.#open(path, RDWR, 'write to');
  }

  /** Looks at the folder of `path`, unless it is the one that was looked at last for the same job. */
  #makeSafe(path: string, root: DiskRoot, look: () => void): void {
    const folder = dirname(path);
    if (root === this.#safeFor && folder === this.#safeFolder) return;
    look();
    this.#safeFor = root;
    this.#safeFolder = folder;
  }

  /** Opens; at the limit of descriptors it first closes files of our own. */
  #open(path: string, flags: number, action: string): number {
    if (this.#files.size >= this.#capacity) this.#closeOldest(this.#capacity - 1);
    for (;;) {
      try {
        this.#faults?.check('open', path);
        return openSync(path, flags, 0o666);
      } catch (error) {
        if (!isShortOfFiles(errnoOf(error)) || this.#files.size === 0)
          throw toStorageError(error, action, path);
        this.shrink();
      }
    }
  }

  #closeOldest(count: number): void {
    for (const path of this.#files.keys()) {
      if (this.#files.size <= count) return;
      this.#drop(path);
    }
  }

  #keep(path: string, fd: number, writable: boolean, strict: boolean): Stats {
    try {
      const stat = fstatSync(fd);
      verifyRegular(path, stat, strict);
      this.#files.set(path, { fd, dev: stat.dev, ino: stat.ino, writable });
      return stat;
    } catch (error) {
      closeSync(fd);
      throw toStorageError(error, 'open', path);
    }
  }

  #setLength(path: string, fd: number, size: number, length: number): void {
    if (size > length) {
      throw unsafePath(path, `it has ${size} bytes, more than the ${length} of the torrent, and is not cut`);
    }
    if (size === length) return;
    try {
      this.#faults?.check('truncate', path);
      ftruncateSync(fd, length);
    } catch (error) {
      throw toStorageError(error, 'set the length of', path);
    }
  }

  #drop(path: string): void {
    const file = this.#files.get(path);
    if (!file) return;
    this.#files.delete(path);
    closeSync(file.fd);
  }
}

/** Refuses folders, FIFOs and devices; and links too, where the system has no O_NOFOLLOW. */
function verifyRegular(path: string, stat: Stats, strict: boolean): void {
  if (!stat.isFile()) throw unsafePath(path, 'it is not a regular file');
  if (strict && NOFOLLOW === 0 && lstatSync(path).isSymbolicLink()) {
    throw unsafePath(path, 'it is a symbolic link');
  }
}

function causeOf(error: unknown): unknown {
  return error instanceof Error ? error.cause : undefined;
}
