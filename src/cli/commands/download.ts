import { resolve } from 'node:path';
import type { ClientFlags, Context } from '../context.ts';
import { prepareFolder } from '../data-folder.ts';
import { safeText } from '../escape.ts';
import { CliError, EXIT, SIGNAL_EXIT, exitCodeOf } from '../exit-codes.ts';
import { listFiles, tellPlan } from '../file-list.ts';
import { formatDuration, formatPercent } from '../format.ts';
import { JsonProgress } from '../json-progress.ts';
import type { AddOptions, LibraryClient, LibraryTorrent, MetaInfo } from '../library.ts';
import { loadTorrent } from '../load-torrent.ts';
import type { LoadedTorrent } from '../load-torrent.ts';
import type { HostPort, Selection } from '../parse-values.ts';
import { describeState } from '../progress-lines.ts';
import { ProgressView } from '../progress.ts';
import { tellError } from '../report.ts';
import { seedUntil } from '../seed-limits.ts';
import { shellQuote } from '../shell-quote.ts';
import { StallWatch } from '../stall-watch.ts';
import { closeClient, openClient, resolvePeers, tellAdded, tellComplete, tellEvents } from '../transfer.ts';

export interface DownloadFlags extends ClientFlags {
  readonly dir: string;
  readonly select?: readonly Selection[];
  readonly list?: boolean;
  readonly dryRun?: boolean;
  readonly seed?: boolean;
  readonly seedRatio?: number;
  readonly seedTime?: number;
  readonly sequential?: boolean;
  readonly peer?: readonly HostPort[];
  readonly timeout?: number;
}

/** `torrent-ts download`: resolves to the exit code. */
export async function download(
  context: Context,
  sources: readonly string[],
  flags: DownloadFlags,
): Promise<number> {
  const failures: unknown[] = [];
  const loaded = await loadAll(context, sources, failures);
  if (flags.list || flags.dryRun) {
    const tell = flags.list ? listFiles : tellPlan;
    for (const { metaInfo } of loaded) await tell(context, metaInfo, flags);
  } else if (loaded.length > 0) {
    await prepareFolder(context, flags.dir, loaded, flags.select);
    const interrupted = await new DownloadRun(context, flags, failures).run(loaded);
    if (interrupted) return SIGNAL_EXIT[context.interrupt.received!];
  }
  if (failures.length === 0) return EXIT.done;
  return sources.length > 1 ? EXIT.partial : exitCodeOf(failures[0]);
}

/** Tells what cannot be loaded and goes on with the rest. */
async function loadAll(
  context: Context,
  sources: readonly string[],
  failures: unknown[],
): Promise<LoadedTorrent[]> {
  const loaded = new Map<string, LoadedTorrent>();
  for (const source of sources) {
    try {
      const torrent = await loadTorrent(context, source);
      loaded.set(torrent.metaInfo.infoHashHex, torrent); // The same torrent twice is one download.
    } catch (error) {
      context.interrupt.signal.throwIfAborted();
      failures.push(error);
      tellError(context.terminal, error);
    }
  }
  return [...loaded.values()];
}

/** The torrents of one call, from the open client to the closed one. */
class DownloadRun {
  readonly #context: Context;
  readonly #flags: DownloadFlags;
  readonly #failures: unknown[];
  /** Torrents that are shown: those under way, and with `--seed` the complete ones. */
  readonly #shown = new Set<LibraryTorrent>();
  readonly #unfinished = new Set<LibraryTorrent>();
  readonly #complete: LibraryTorrent[] = [];

  constructor(context: Context, flags: DownloadFlags, failures: unknown[]) {
    this.#context = context;
    this.#flags = flags;
    this.#failures = failures;
  }

  /** True if it was interrupted with data missing. */
  async run(loaded: readonly LoadedTorrent[]): Promise<boolean> {
    const { terminal, now } = this.#context;
    const peers = await resolvePeers(this.#context, this.#flags.peer ?? []);
    const client = await openClient(this.#context, this.#flags);
    const shown = (): LibraryTorrent[] => [...this.#shown];
    const view = new ProgressView(terminal, shown, now);
    const events = terminal.json ? new JsonProgress(this.#context, shown) : null;
    const stall = new StallWatch(this.#flags.timeout, () => [...this.#unfinished], now);
    view.start();
    events?.start();
    try {
      const signal = AbortSignal.any([this.#context.interrupt.signal, stall.signal]);
      await Promise.all(loaded.map((torrent) => this.#follow(client, torrent, peers, signal)));
      if (stall.signal.aborted) this.#tellStalled();
      else if (!signal.aborted && this.#wantsSeeding) await this.#seed();
      else if (!signal.aborted) this.#tellHowToSeed(loaded);
    } finally {
      view.stop();
      events?.stop();
      stall.stop();
      await closeClient(client);
    }
    const interrupted = this.#context.interrupt.received !== null && this.#unfinished.size > 0;
    if (interrupted) this.#tellHowToGoOn();
    return interrupted;
  }

  get #wantsSeeding(): boolean {
    const { seed, seedRatio, seedTime } = this.#flags;
    return (seed === true || seedRatio !== undefined || seedTime !== undefined) && this.#complete.length > 0;
  }

  async #follow(
    client: LibraryClient,
    { metaInfo }: LoadedTorrent,
    peers: readonly HostPort[],
    signal: AbortSignal,
  ): Promise<void> {
    const startedAt = this.#context.now();
    let torrent: LibraryTorrent | undefined;
    try {
      torrent = await client.add(metaInfo, { ...this.#addOptions(metaInfo, peers), signal });
      this.#shown.add(torrent);
      this.#unfinished.add(torrent);
      tellEvents(this.#context, torrent);
      tellAdded(this.#context, torrent);
      await torrent.completed({ signal });
      this.#unfinished.delete(torrent);
      this.#complete.push(torrent);
      if (!this.#wantsSeeding) this.#shown.delete(torrent);
      tellComplete(this.#context, torrent, this.#context.now() - startedAt);
    } catch (error) {
      if (signal.aborted) return; // Told by who aborted.
      if (torrent) {
        this.#shown.delete(torrent);
        this.#unfinished.delete(torrent);
      }
      this.#failures.push(error);
      tellError(this.#context.terminal, error, metaInfo.infoHashHex);
    }
  }

  #addOptions(metaInfo: MetaInfo, peers: readonly HostPort[]): AddOptions {
    // Said in full, because what an earlier run selected is remembered otherwise.
    const files = this.#flags.select ?? [[0, metaInfo.files.length - 1] as const];
    const options: AddOptions = { dir: resolve(this.#flags.dir), files, peers };
    if (this.#flags.sequential) options.sequential = true;
    return options;
  }

  async #seed(): Promise<void> {
    const { terminal, interrupt, now } = this.#context;
    if (!terminal.json) terminal.note('seeding; Ctrl-C ends it');
    const limits = { ratio: this.#flags.seedRatio, timeMs: this.#flags.seedTime };
    await seedUntil(this.#complete, limits, interrupt.signal, now);
  }

  #tellHowToSeed(loaded: readonly LoadedTorrent[]): void {
    const { terminal } = this.#context;
    const sources = loaded.filter(({ metaInfo, source }) => source !== '-' && this.#isComplete(metaInfo));
    if (terminal.json || sources.length === 0) return;
    const command = ['torrent-ts', 'seed', ...sources.map(({ source }) => source), '-d', this.#flags.dir];
    terminal.note(`to share it: ${safeText(shellQuote(command))}`, 'dim');
  }

  #isComplete({ infoHashHex }: MetaInfo): boolean {
    return this.#complete.some(({ infoHash }) => infoHash === infoHashHex);
  }

  #tellStalled(): void {
    const waited = formatDuration(this.#flags.timeout!);
    for (const torrent of this.#unfinished) {
      const tried = torrent.trackers.map(
        ({ url, state, message }) => `${url} ${message === null ? state : `${state}: ${message}`}`,
      );
      const diskFailed = torrent.state === 'stalled';
      const error = new CliError(
        diskFailed
          ? `${torrent.name}: the disk refused data for ${waited}`
          : `${torrent.name}: nothing arrived for ${waited} (${[describeState(torrent), ...tried].join('; ')})`,
        diskFailed ? EXIT.disk : EXIT.unreachable,
      );
      this.#failures.push(error);
      tellError(this.#context.terminal, error, torrent.infoHash);
    }
  }

  #tellHowToGoOn(): void {
    const { terminal, commandLine, interrupt } = this.#context;
    if (terminal.json) {
      this.#context.terminal.event({
        event: 'interrupted',
        signal: interrupt.received!,
        unfinished: this.#unfinished.size,
      });
      return;
    }
    for (const { name, stats } of this.#unfinished) {
      terminal.note(
        `stopped: ${safeText(name)} is ${formatPercent(stats.progress)} done, nothing of it is lost`,
      );
    }
    terminal.note(
      `the same command goes on from there: ${safeText(shellQuote(['torrent-ts', ...commandLine]))}`,
    );
  }
}
