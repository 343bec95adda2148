import { access, constants, mkdir, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Context } from './context.ts';
import { safeText } from './escape.ts';
import { CliError, EXIT, reasonOf } from './exit-codes.ts';
import { formatBytes } from './format.ts';
import type { MetaInfo } from './library.ts';
import type { Selection } from './parse-values.ts';
import { freeBytes } from './transfer.ts';

/** `stat` counts what a file takes in these units, whatever the file system's own are. */
const STAT_BLOCK_BYTES = 512;

/**
 * Makes the download folder and makes sure that it can be written, before anything is connected.
 * @throws CliError `EXIT.disk`
 */
export async function prepareFolder(dir: string): Promise<void> {
  const shown = safeText(resolve(dir));
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    // `mkdir` says EEXIST for a file where the folder belongs.
    const isFile = (await stat(dir).catch(() => null))?.isDirectory() === false;
    const reason = isFile ? 'it is a file' : reasonOf(error);
    throw new CliError(`cannot download into ${shown}: ${reason}`, EXIT.disk, { cause: error });
  }
}

/**
 * Warns when torrents will not fit.
 * @throws UsageError if the selection matches no file of a torrent.
 */
export async function warnOfSpace(
  context: Context,
  dir: string,
  torrents: readonly MetaInfo[],
  select: readonly Selection[] | undefined,
): Promise<void> {
  const { selectFiles } = await context.library();
  const wanted = torrents.map((metaInfo) => (select ? selectFiles(metaInfo, select) : null));
  const free = await freeBytes(dir);
  if (free === null) return;
  // Where all would fit even if nothing were there, thousands of files need not be looked at.
  if (torrents.reduce((sum, { length }) => sum + length, 0) <= free) return;
  let missing = 0;
  for (const [i, metaInfo] of torrents.entries()) missing += await missingBytes(metaInfo, dir, wanted[i]!);
  if (missing > free) {
    context.terminal.warn(
      `${formatBytes(missing)} to download, but only ${formatBytes(free)} free in ${safeText(resolve(dir))}; it will have to wait for space`,
    );
  }
}

/** About as many bytes as the disk has yet to take. */
async function missingBytes(
  metaInfo: MetaInfo,
  dir: string,
  wanted: readonly boolean[] | null,
): Promise<number> {
  let missing = 0;
  for (const { index, path, length, padding } of metaInfo.files) {
    if (padding || length === 0 || wanted?.[index] === false) continue;
    const there = await stat(join(dir, path)).catch(() => null); // Most of them are not there yet.
    missing += Math.max(0, length - (there?.blocks ?? 0) * STAT_BLOCK_BYTES);
  }
  return missing;
}
