/**
 * Finds the files of a folder for a new torrent.
 *
 * In the order of their raw bytes, folder by folder, so that the same files give the same torrent on every machine.
 * Hidden files belong to the content. Symbolic links do not: what they lead to may lie outside, change, or be the folder
 * itself, and a seeder could not serve them safely. Sockets, pipes and devices have no content. Both are reported.
 */
import { isUtf8 } from 'node:buffer';
import type { Stats } from 'node:fs';
import { lstat, readdir, realpath, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { StorageError } from '../errors.ts';
import { toStorageError, unsafePath } from './storage-errors.ts';

/** A regular file, as it was when it was found. */
export interface FoundFile {
  /** Path on disk. */
  readonly path: string;
  /** Path below the folder, one element for each part; the name of the file itself for a single file. */
  readonly names: readonly string[];
  readonly length: number;
  readonly mtimeMs: number;
  readonly ino: number;
}

export interface Content {
  readonly isSingleFile: boolean;
  readonly files: readonly FoundFile[];
  /** Paths on disk of links and special files. */
  readonly skipped: readonly string[];
}

/** Calls of the file system at once; more only wait for each other. */
const PARALLEL = 32;

/**
 * @param root A file or folder; if it is a symbolic link, what that leads to.
 * @param isExcluded Is asked with the path below the root, `/` between parts, of each file and folder.
 * @throws StorageError; the reason of `signal`
 */
export async function walkContent(
  root: string,
  isExcluded: (path: string) => boolean,
  signal?: AbortSignal,
): Promise<Content> {
  const top = await ask(root, (path) => stat(path));
  if (top.isFile()) {
    const path = await ask(root, (link) => realpath(link));
    return { isSingleFile: true, files: [foundFile(path, [basename(root)], top)], skipped: [] };
  }
  if (!top.isDirectory()) throw unsafePath(root, 'it is neither a file nor a folder');
  const files: FoundFile[] = [];
  const skipped: string[] = [];
  await walkFolder(root, []);
  return { isSingleFile: false, files, skipped };

  async function walkFolder(folder: string, above: readonly string[]): Promise<void> {
    signal?.throwIfAborted();
    const names = (await namesIn(folder)).filter((name) => !isExcluded([...above, name].join('/')));
    for (let i = 0; i < names.length; i += PARALLEL) {
      const some = names.slice(i, i + PARALLEL);
      const stats = await Promise.all(some.map((name) => ask(join(folder, name), (path) => lstat(path))));
      for (const [j, name] of some.entries()) {
        const path = join(folder, name);
        const entry = stats[j]!;
        if (entry.isDirectory()) await walkFolder(path, [...above, name]);
        else if (entry.isFile()) files.push(foundFile(path, [...above, name], entry));
        else skipped.push(path);
      }
    }
  }
}

/** @throws StorageError naming the first file that is no longer what it was. */
export async function checkUnchanged(files: readonly FoundFile[]): Promise<void> {
  for (let i = 0; i < files.length; i += PARALLEL) {
    await Promise.all(
      files.slice(i, i + PARALLEL).map(async (file) => {
        const { size, mtimeMs, ino } = await ask(file.path, (path) => stat(path));
        if (size !== file.length || mtimeMs !== file.mtimeMs || ino !== file.ino) throw changed(file.path);
      }),
    );
  }
}

/** The error for content that did not hold still. */
export function changed(path: string, cause?: unknown): StorageError {
  return new StorageError(`${JSON.stringify(path)} changed while it was hashed`, 'ERR_DISK_IO', path, {
    cause,
  });
}

/** The names in a folder in the order of their raw bytes. */
async function namesIn(folder: string): Promise<string[]> {
  const names = await ask(folder, (path) => readdir(path, { encoding: 'buffer' }));
  return names
    .sort((a, b) => a.compare(b))
    .map((name) => {
      if (!isUtf8(name)) throw unsafePath(join(folder, name.toString()), 'its name is not UTF-8');
      return name.toString();
    });
}

function foundFile(path: string, names: readonly string[], stats: Stats): FoundFile {
  return { path, names, length: stats.size, mtimeMs: stats.mtimeMs, ino: stats.ino };
}

async function ask<T>(path: string, question: (path: string) => Promise<T>): Promise<T> {
  try {
    return await question(path);
  } catch (error) {
    throw toStorageError(error, 'look at', path);
  }
}
