import { lstatSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, join, sep } from 'node:path';
import type { DiskFaults } from './disk-faults.ts';
import { errnoOf, fileMissing, toStorageError, unsafePath } from './storage-errors.ts';

/**
 * Keeps a torrent inside its download folder on the real disk.
 *
 * The paths of a torrent are clean as text, but a symbolic link that lies in the folder already can still lead out of
 * it, and O_NOFOLLOW guards only the last part of a path. So the real path of the parent folder must lie inside the
 * real path of the download folder before anything is opened or made there.
 */

/** Tells a folder apart from another one that is put (mounted) in its place. */
export interface FolderIdentity {
  readonly dev: number;
  readonly ino: number;
}

/** The identity of the folder at `path`, or null if there is none. */
export function folderIdentity(path: string): FolderIdentity | null {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat?.isDirectory() === true ? { dev: stat.dev, ino: stat.ino } : null;
}

export function isSameFolder(a: FolderIdentity, b: FolderIdentity): boolean {
  return a.dev === b.dev && a.ino === b.ino;
}

/** Is `path` the folder `root` or below it? Both are real paths. */
export function isInside(root: string, path: string): boolean {
  return path === root || path.startsWith(root.endsWith(sep) ? root : root + sep);
}

/**
 * Checks that the parent folder of `path` exists and really lies inside `root`.
 * @throws StorageError `ERR_UNSAFE_PATH`; `ERR_FILE_MISSING` if a folder does not exist.
 */
export function checkContained(root: string, path: string): void {
  if (isBelowWithoutLinks(root, path)) return;
  let parent: string;
  let top: string;
  try {
    parent = realpathSync.native(dirname(path));
    top = realpathSync.native(root);
  } catch (error) {
    throw toStorageError(error, 'open', path);
  }
  if (!isInside(top, parent)) throw unsafePath(path, `its folder is a link that leads out of ${root}`);
}

/**
 * Makes the parent folder of `path`, and `root` itself if nobody has seen it before. Folders are made one by one
 * inside a folder that was checked, so that none is made behind a link that leads out.
 * @param known What `root` was when it was last seen; null if it may be made.
 * @throws StorageError
 */
export function ensureParent(
  root: string,
  known: FolderIdentity | null,
  path: string,
  faults: DiskFaults | null,
): void {
  if (known === null) makeFolder(root, true, faults);
  else checkSameFolder(root, known);
  if (isBelowWithoutLinks(root, path)) return;
  const top = realpathSync.native(root);
  const missing: string[] = [];
  let folder = dirname(path);
  let real = realPath(folder);
  while (real === null && folder !== dirname(folder)) {
    missing.push(basename(folder));
    folder = dirname(folder);
    real = realPath(folder);
  }
  if (real === null || !isInside(top, real)) {
    throw unsafePath(path, `its folder is a link that leads out of ${root}`);
  }
  for (const name of missing.reverse()) {
    real = join(real, name);
    makeFolder(real, false, faults);
  }
}

/** A download folder that went away (an unmounted disk) must not be made anew on the file system below it. */
export function checkSameFolder(root: string, known: FolderIdentity): void {
  const found = folderIdentity(root);
  if (found === null) throw fileMissing(root, 'vanished while it was in use');
  if (!isSameFolder(found, known)) {
    throw fileMissing(root, 'is another folder than before; its disk may be unmounted');
  }
}

/**
 * Is each folder on the way from `root` to `path` there and no link? Then nothing on it can lead out. To see that takes
 * one system call for each, real paths a dozen: of 20,000 small files it saves a quarter of the disk thread's time.
 * @param path Clean as text, without `..`.
 */
function isBelowWithoutLinks(root: string, path: string): boolean {
  let folder = dirname(path);
  try {
    for (; folder.length > root.length; folder = dirname(folder)) {
      if (lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return false;
    }
  } catch {
    return false; // What is wrong with it is told by who asks for the real path.
  }
  return folder === root;
}

function realPath(path: string): string | null {
  try {
    return realpathSync.native(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw toStorageError(error, 'open', path);
  }
}

function makeFolder(path: string, recursive: boolean, faults: DiskFaults | null): void {
  try {
    faults?.check('mkdir', path);
    mkdirSync(path, { recursive });
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw toStorageError(error, 'create the folder', path);
    // Another worker may have made it in between. But nothing is made behind a dangling link.
    const isFolder = lstatSync(path, { throwIfNoEntry: false })?.isDirectory();
    if (isFolder !== true) throw unsafePath(path, 'it is not a folder');
  }
}
