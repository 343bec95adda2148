import { access, open, rename, rm } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Context } from './context.ts';
import { createOptions } from './create-flags.ts';
import type { CreateFlags } from './create-flags.ts';
import { safeText } from './escape.ts';
import { CliError, EXIT, errorCode, reasonOf } from './exit-codes.ts';
import { plural } from './format.ts';
import { HashView } from './hash-progress.ts';
import type { CreatedTorrent } from './library.ts';

/** Makes a torrent of a file or folder, showing how far it is. */
export async function makeTorrent(
  context: Context,
  path: string,
  flags: CreateFlags,
): Promise<CreatedTorrent> {
  const shown = safeText(path);
  try {
    await access(path);
  } catch (error) {
    throw new CliError(`cannot read ${shown}: ${reasonOf(error)}`, EXIT.badInput, { cause: error });
  }
  const { createTorrent } = await context.library();
  const view = new HashView(context, `hashing ${shown}`);
  try {
    const created = await createTorrent(path, {
      ...createOptions(flags),
      onProgress: view.update,
      signal: context.interrupt.signal,
    });
    tellSkipped(context, created.skipped);
    tellRenamed(context, created.renamed);
    return created;
  } finally {
    view.end();
  }
}

function tellSkipped({ terminal }: Context, skipped: readonly string[]): void {
  if (skipped.length > 0) {
    terminal.warn(
      `left out ${plural(skipped.length, 'symbolic link or special file', 'symbolic links or special files')}`,
    );
  }
  for (const path of skipped) terminal.detail(`left out: ${safeText(path)}`);
}

function tellRenamed({ terminal }: Context, renamed: readonly string[]): void {
  if (renamed.length === 0) return;
  const names = plural(renamed.length, 'name is', 'names are');
  terminal.warn(`${names} not safe on every system and will be others for those who download`);
  for (const path of renamed) terminal.detail(`renamed for others: ${safeText(path)}`);
}

/** Refuses early, before much is hashed for nothing. */
export async function refuseToOverwrite(path: string, force: boolean): Promise<void> {
  if (force) return;
  try {
    await access(path);
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return;
    throw new CliError(`cannot write ${safeText(path)}: ${reasonOf(error)}`, EXIT.disk, { cause: error });
  }
  throw new CliError(`${safeText(path)} exists already; --force replaces it`, EXIT.disk);
}

/** Writes a whole file or none: a reader never sees half of it. */
export async function writeWhole(path: string, bytes: Uint8Array, force: boolean): Promise<void> {
  const target = resolve(path);
  const temporary = force ? `${target}.${process.pid}.tmp` : target;
  try {
    const file = await open(temporary, 'wx');
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    if (force) await rename(temporary, target);
  } catch (error) {
    if (errorCode(error) === 'EEXIST') await refuseToOverwrite(path, false);
    await rm(temporary, { force: true });
    throw new CliError(`cannot write ${safeText(path)}: ${reasonOf(error)}`, EXIT.disk, { cause: error });
  }
}
