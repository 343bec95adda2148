import { lstat, rmdir, unlink } from 'node:fs/promises';
import { dirname, join, resolve, sep } from 'node:path';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import { errnoOf, toStorageError } from './storage-errors.ts';

/**
 * Deletes a torrent's files, and the folders that are empty afterwards. Only regular files at their own place go:
 * what somebody put there instead (a link, a folder) stays, and so does `dir`.
 * @throws StorageError for the first file that cannot be deleted.
 */
export async function deleteData(metaInfo: MetaInfo, dir: string): Promise<void> {
  const folders = new Set<string>();
  const own = metaInfo.files.filter((file) => !file.padding).map((file) => file.path);
  for (const path of [...own, `.${metaInfo.infoHashHex}.parts`]) {
    const full = join(dir, path);
    if (await isOwnFile(full, dir)) await remove(full);
    for (let folder = dirname(full); folder.startsWith(dir + sep); folder = dirname(folder))
      folders.add(folder);
  }
  // Longest first: a folder's folders go before it.
  for (const folder of [...folders].sort((a, b) => b.length - a.length)) await removeIfEmpty(folder);
}

/** A regular file, with no link on the way to it. */
async function isOwnFile(path: string, dir: string): Promise<boolean> {
  for (let part = path; part !== dir && part !== resolve(part, '..'); part = dirname(part)) {
    try {
      const stat = await lstat(part);
      if (stat.isSymbolicLink() || (part === path && !stat.isFile())) return false;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ENOTDIR') return false;
      throw toStorageError(error, 'look at', part);
    }
  }
  return true;
}

async function remove(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    throw toStorageError(error, 'delete', path);
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    // Somebody else's files are in it, or it was never made.
    if (!['ENOTEMPTY', 'EEXIST', 'ENOENT', 'ENOTDIR'].includes(errnoOf(error))) {
      throw toStorageError(error, 'delete the folder', folder);
    }
  }
}
