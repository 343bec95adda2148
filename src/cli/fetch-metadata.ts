import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClientFlags, Context } from './context.ts';
import type { Magnet, MetaInfo } from './library.ts';
import type { HostPort } from './parse-values.ts';
import { ProgressView } from './progress.ts';
import { EXACT_SOURCE_HINT, hasUnaskedSource, stalledError, StallWatch } from './stall-watch.ts';
import { closeClient, openClient, resolvePeers } from './transfer.ts';

export interface MetadataFlags extends ClientFlags {
  readonly peer?: readonly HostPort[];
  readonly timeout?: number;
  /** Fetch the .torrent from where the link says it is. */
  readonly exactSource?: boolean;
}

/** Somebody who has the metadata answers within seconds; looking for one takes longer. */
const TIMEOUT_MS = 60_000;

/**
 * Asks the swarm of a magnet link what its torrent is, and leaves it again with nothing kept.
 * @throws CliError `EXIT.unreachable` if nobody tells within the timeout.
 */
export async function fetchMetadata(
  context: Context,
  magnet: Magnet,
  flags: MetadataFlags,
): Promise<MetaInfo> {
  const { interrupt, now, terminal } = context;
  const peers = await resolvePeers(context, flags.peer ?? []);
  // A folder that a torrent may call its own, though it gets nothing.
  const dir = await mkdtemp(join(tmpdir(), 'torrent-ts-'));
  const client = await openClient(context, flags);
  try {
    const torrent = await client.add(magnet, {
      dir,
      peers,
      metadataOnly: true,
      exactSource: flags.exactSource ?? false,
      signal: interrupt.signal,
    });
    const timeout = flags.timeout ?? TIMEOUT_MS;
    const view = new ProgressView(terminal, () => [torrent], now);
    const stall = new StallWatch(timeout, () => [torrent], now);
    view.start();
    try {
      return await torrent.metadata({ signal: AbortSignal.any([interrupt.signal, stall.signal]) });
    } catch (error) {
      if (interrupt.signal.aborted || !stall.signal.aborted) throw error;
      throw stalledError(torrent, timeout, hasUnaskedSource(magnet, flags) ? EXACT_SOURCE_HINT : null);
    } finally {
      view.stop();
      stall.stop();
      await client.remove(torrent);
    }
  } finally {
    await closeClient(client);
    await rm(dir, { recursive: true, force: true });
  }
}
