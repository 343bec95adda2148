import { stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type { ClientFlags, Context } from '../context.ts';
import type { CreateFlags } from '../create-flags.ts';
import { safeText } from '../escape.ts';
import { CliError, EXIT, exitCodeOf } from '../exit-codes.ts';
import { formatPercent } from '../format.ts';
import { JsonProgress } from '../json-progress.ts';
import type { LibraryClient, LibraryTorrent, MetaInfo } from '../library.ts';
import { isMagnetLink } from '../load-source.ts';
import { loadTorrent } from '../load-torrent.ts';
import { makeTorrent, refuseToOverwrite, writeWhole } from '../make-torrent.ts';
import type { HostPort, Selection } from '../parse-values.ts';
import { ProgressView } from '../progress.ts';
import { tellError } from '../report.ts';
import { seedUntil } from '../seed-limits.ts';
import { shellQuote } from '../shell-quote.ts';
import { closeClient, openClient, resolvePeers, tellAdded, tellEvents } from '../transfer.ts';

export interface SeedFlags extends ClientFlags, CreateFlags {
  /** For a .torrent: the folder that holds its data. */
  readonly dir?: string;
  readonly select?: readonly Selection[];
  /** For a path: where to write the .torrent. */
  readonly output?: string;
  readonly force?: boolean;
  readonly peer?: readonly HostPort[];
  readonly superSeed?: boolean;
  readonly seedRatio?: number;
  readonly seedTime?: number;
}

interface Seed {
  readonly metaInfo: MetaInfo;
  /** Holds the torrent's file or folder. */
  readonly dir: string;
  /** Where its .torrent was written, if it was asked for. */
  readonly torrentFile: string | null;
}

/** `torrent-ts seed`: runs until a signal or a limit; resolves to the exit code. */
export async function seed(context: Context, sources: readonly string[], flags: SeedFlags): Promise<number> {
  if (flags.output !== undefined) {
    if (sources.length > 1) throw new CliError('--output takes one source', EXIT.usage);
    await refuseToOverwrite(flags.output, flags.force === true);
  }
  const failures: unknown[] = [];
  const seeds: Seed[] = [];
  for (const source of sources) {
    try {
      seeds.push(await prepareSeed(context, source, flags));
    } catch (error) {
      context.interrupt.signal.throwIfAborted();
      failures.push(error);
      tellError(context.terminal, error);
    }
  }
  if (seeds.length > 0) await runSeeds(context, seeds, flags, failures);
  if (failures.length === 0) return EXIT.done;
  return sources.length > 1 ? EXIT.partial : exitCodeOf(failures[0]);
}

/** A .torrent is seeded from the data it describes; anything else becomes a torrent first. */
async function prepareSeed(context: Context, source: string, flags: SeedFlags): Promise<Seed> {
  if (isMagnetLink(source)) throw magnetError(source, flags.dir ?? '.');
  const isTorrent = source === '-' || /^https?:\/\//i.test(source) || (await isTorrentFile(source));
  if (isTorrent) {
    const { metaInfo } = await loadTorrent(context, source);
    return { metaInfo, dir: resolve(flags.dir ?? '.'), torrentFile: null };
  }
  const { metaInfo, torrentFile } = await makeTorrent(context, source, flags);
  if (flags.output !== undefined) await writeWhole(flags.output, torrentFile, flags.force === true);
  return { metaInfo, dir: dirname(resolve(source)), torrentFile: flags.output ?? null };
}

/** What the files should be is known to others alone, and to ask them is to download. */
function magnetError(link: string, dir: string): CliError {
  const command = safeText(shellQuote(['torrent-ts', 'download', '--seed', '-d', dir, link.trim()]));
  return new CliError(
    `a magnet link does not tell what the files are; give the files or their .torrent. To ask peers, fetch what is missing and seed: ${command}`,
    EXIT.badInput,
  );
}

async function isTorrentFile(path: string): Promise<boolean> {
  if (!/\.torrent$/i.test(path)) return false;
  return (await stat(path).catch(() => null))?.isDirectory() !== true; // What is missing is told by who reads it.
}

async function runSeeds(
  context: Context,
  seeds: readonly Seed[],
  flags: SeedFlags,
  failures: unknown[],
): Promise<void> {
  const { terminal, interrupt, now } = context;
  const peers = await resolvePeers(context, flags.peer ?? []);
  const client = await openClient(context, flags);
  const torrents: LibraryTorrent[] = [];
  const view = new ProgressView(terminal, () => torrents, now);
  const events = terminal.json ? new JsonProgress(context, () => torrents) : null;
  view.start();
  events?.start();
  try {
    await Promise.all(
      seeds.map(async (one) => {
        try {
          await startSeed(context, client, one, torrents, {
            ...(flags.select ? { files: flags.select } : {}),
            ...(flags.superSeed ? { superSeed: true } : {}),
            peers,
          });
        } catch (error) {
          if (interrupt.signal.aborted) return; // Somebody does not want it any more.
          failures.push(error);
          tellError(terminal, error, one.metaInfo.infoHashHex);
        }
      }),
    );
    if (torrents.length > 0 && !interrupt.signal.aborted) {
      tellReachable(context, client, torrents, flags.dht !== false);
      await seedUntil(torrents, { ratio: flags.seedRatio, timeMs: flags.seedTime }, interrupt.signal, now);
    }
  } finally {
    view.stop();
    events?.stop();
    await closeClient(client);
  }
}

async function startSeed(
  context: Context,
  client: LibraryClient,
  { metaInfo, dir, torrentFile }: Seed,
  torrents: LibraryTorrent[],
  options: { files?: readonly Selection[]; peers: readonly HostPort[]; superSeed?: boolean },
): Promise<void> {
  const { signal } = context.interrupt;
  const torrent = await client.add(metaInfo, { ...options, dir, signal });
  torrents.push(torrent);
  tellEvents(context, torrent);
  tellAdded(context, torrent);
  try {
    await allThere(torrent, signal);
  } catch (error) {
    torrents.splice(torrents.indexOf(torrent), 1);
    throw error;
  }
  const magnet = (await context.library()).writeMagnet(metaInfo);
  if (context.terminal.json) {
    context.terminal.event({
      event: 'seeding',
      infoHash: torrent.infoHash,
      name: torrent.name,
      magnet,
      torrentFile,
    });
    return;
  }
  context.terminal.result(magnet);
  if (torrentFile !== null) context.terminal.note(`wrote ${safeText(torrentFile)}`);
}

/**
 * Resolves when the data was checked and is all there. Seeding never downloads: it would overwrite what somebody
 * changed in their own files.
 */
async function allThere(torrent: LibraryTorrent, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const refuse = (): void => {
    torrent.pause();
    stop.abort();
  };
  torrent.on('state', (state) => {
    if (state === 'downloading') refuse();
  });
  if (torrent.state === 'downloading') refuse();
  try {
    await torrent.completed({ signal: AbortSignal.any([signal, stop.signal]) });
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    const { progress } = torrent.stats;
    const name = safeText(torrent.name);
    const dir = safeText(torrent.dir);
    throw new CliError(
      progress === 0
        ? `nothing of ${name} is in ${dir}; --dir takes the folder that holds it`
        : `only ${formatPercent(progress)} of ${name} in ${dir} is as the torrent says; torrent-ts download fetches the rest`,
      EXIT.damaged,
      { cause: error },
    );
  }
}

function tellReachable(
  context: Context,
  client: LibraryClient,
  torrents: readonly LibraryTorrent[],
  usesDht: boolean,
): void {
  const { terminal } = context;
  if (terminal.json) return;
  terminal.note('seeding; Ctrl-C ends it');
  const isHidden = ({ metaInfo }: LibraryTorrent): boolean =>
    metaInfo?.trackers.length === 0 && (metaInfo.private || !usesDht);
  if (torrents.some(isHidden)) {
    terminal.note(`without a tracker, others need your address: --peer HOST:${client.listenPort}`);
  }
}
