import type { Context } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import { loadTorrent } from '../load-torrent.ts';
import type { HostPort } from '../parse-values.ts';
import { resolvePeers } from '../transfer.ts';

export interface MagnetFlags {
  /** False with `--no-trackers`. */
  readonly trackers: boolean;
  readonly peer?: readonly HostPort[];
}

/** `torrent-ts magnet`: resolves to the exit code. */
export async function magnet(context: Context, source: string, flags: MagnetFlags): Promise<number> {
  const { terminal } = context;
  const { metaInfo } = await loadTorrent(context, source);
  const { writeMagnet } = await context.library();
  const peers = await resolvePeers(context, flags.peer ?? []);
  const link = writeMagnet({ ...metaInfo, peers, ...(flags.trackers ? {} : { trackers: [] }) });
  if (terminal.json) {
    terminal.resultJson({ infoHash: metaInfo.infoHashHex, name: metaInfo.name, magnet: link });
  } else {
    terminal.result(link);
  }
  return EXIT.done;
}
