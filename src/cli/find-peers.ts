import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from './context.ts';
import { safeText } from './escape.ts';
import { CliError, EXIT } from './exit-codes.ts';
import type { MetadataFlags } from './fetch-metadata.ts';
import { formatDuration } from './format.ts';
import type { LibraryClient, LibraryTorrent, PeerSource } from './library.ts';
import { infoHashOf, type LoadedSource } from './load-source.ts';
import type { HostPort } from './parse-values.ts';
import { renderTable } from './table.ts';
import { closeClient, openClient, peerText, resolvePeers } from './transfer.ts';

/** No end of a search is ever announced: as long as somebody new turns up now and then, it goes on. */
const QUIET_MS = 5000;
const TIMEOUT_MS = 60_000;
const POLL_MS = 200;

interface ListedPeer {
  readonly peer: string;
  readonly source: PeerSource;
  /** What it calls itself, if it stayed long enough to be asked. */
  client: string | null;
}

/**
 * `torrent-ts info --peers`: who is in the swarm, and who told us. Nothing is downloaded.
 * @throws CliError `EXIT.unreachable` if nobody is found within the timeout.
 */
export async function listPeers(
  context: Context,
  loaded: LoadedSource,
  flags: MetadataFlags,
): Promise<number> {
  const { terminal } = context;
  const timeoutMs = flags.timeout ?? TIMEOUT_MS;
  const peers = await inSwarm(context, loaded, flags, (torrent) => collect(context, torrent, timeoutMs));
  const infoHash = infoHashOf(loaded);
  if (peers.length === 0) {
    throw new CliError(`no peer of ${infoHash} was found in ${formatDuration(timeoutMs)}`, EXIT.unreachable);
  }
  if (terminal.json) {
    terminal.resultJson({ infoHash, peers });
    return EXIT.done;
  }
  const rows = peers.map(({ peer, source, client }) => [peer, source, safeText(client ?? '')]);
  const forPeople = terminal.stdoutIsTerminal;
  for (const line of renderTable(rows, ['left', 'left', 'left'], forPeople)) terminal.result(line);
  return EXIT.done;
}

/** Takes part in a swarm without wanting anything of it, in a folder of no importance. */
async function inSwarm<T>(
  context: Context,
  loaded: LoadedSource,
  flags: MetadataFlags,
  look: (torrent: LibraryTorrent) => Promise<T>,
): Promise<T> {
  const peers = await resolvePeers(context, flags.peer ?? []);
  const dir = await mkdtemp(join(tmpdir(), 'torrent-ts-'));
  const client = await openClient(context, flags);
  try {
    const torrent = await takePart(client, loaded, { dir, peers, signal: context.interrupt.signal });
    const result = await look(torrent);
    await client.remove(torrent);
    return result;
  } finally {
    await closeClient(client);
    await rm(dir, { recursive: true, force: true });
  }
}

async function takePart(
  client: LibraryClient,
  loaded: LoadedSource,
  options: { readonly dir: string; readonly peers: readonly HostPort[]; readonly signal: AbortSignal },
): Promise<LibraryTorrent> {
  const isMagnet = 'magnet' in loaded;
  const torrent = await client.add(isMagnet ? loaded.magnet : loaded.metaInfo, {
    ...options,
    // Until it is told that no file of it is wanted.
    ...(isMagnet ? { metadataOnly: true } : { paused: true }),
  });
  const wantNothing = (): void => {
    torrent.prioritize([[0, torrent.files.length - 1]], 'skip');
    torrent.resume();
  };
  if (torrent.metaInfo) wantNothing();
  else torrent.on('metadata', wantNothing);
  return torrent;
}

async function collect(context: Context, torrent: LibraryTorrent, timeoutMs: number): Promise<ListedPeer[]> {
  const { interrupt, now } = context;
  const found = new Map<string, ListedPeer>();
  let lastAt = now();
  for (;;) {
    const before = found.size;
    for (const { address, source } of torrent.foundPeers) {
      const peer = peerText(address);
      if (!found.has(peer)) found.set(peer, { peer, source, client: null });
    }
    for (const { address, client } of torrent.peers) {
      const listed = found.get(peerText(address));
      if (listed) listed.client ??= client;
    }
    if (found.size > before) lastAt = now();
    if (now() - lastAt >= (found.size > 0 ? Math.min(QUIET_MS, timeoutMs) : timeoutMs)) break;
    await sleep(POLL_MS, undefined, { signal: interrupt.signal });
  }
  return [...found.values()];
}
