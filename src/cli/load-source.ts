import type { Context } from './context.ts';
import { safeText } from './escape.ts';
import { CliError, EXIT } from './exit-codes.ts';
import type { Magnet } from './library.ts';
import { loadTorrent, type LoadedTorrent } from './load-torrent.ts';

/** A magnet link: what it is a link to, peers have yet to tell. */
export interface LoadedMagnet {
  readonly magnet: Magnet;
  /** As it was given. */
  readonly source: string;
}

export type LoadedSource = LoadedTorrent | LoadedMagnet;

export function isMagnetLink(source: string): boolean {
  return /^\s*magnet:/i.test(source);
}

/**
 * Reads a torrent as `loadTorrent` does, or a magnet link.
 * @throws CliError `EXIT.badInput` naming the source and what is wrong with it.
 */
export async function loadSource(context: Context, source: string): Promise<LoadedSource> {
  if (!isMagnetLink(source)) return loadTorrent(context, source);
  const { parseMagnet } = await context.library();
  try {
    return { magnet: parseMagnet(source), source };
  } catch (error) {
    const reason = safeText(error instanceof Error ? error.message : String(error));
    throw new CliError(reason, EXIT.badInput, { cause: error });
  }
}

export function infoHashOf(loaded: LoadedSource): string {
  return 'magnet' in loaded ? loaded.magnet.infoHashHex : loaded.metaInfo.infoHashHex;
}
