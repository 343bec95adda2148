import { resolve } from 'node:path';
import type { ClientFlags, Context } from '../context.ts';
import { prepareFolder, warnOfSpace } from '../data-folder.ts';
import { safeText } from '../escape.ts';
import { CliError, EXIT, SIGNAL_EXIT, exitCodeOf } from '../exit-codes.ts';
import { listFiles, tellPlan } from '../file-list.ts';
import { fetchMetadata } from '../fetch-metadata.ts';
import { formatBytes, formatPercent, plural } from '../format.ts';
import { JsonProgress } from '../json-progress.ts';
import type { AddOptions, LibraryClient, LibraryTorrent, MetaInfo } from '../library.ts';
import { infoHashOf, loadSource, type LoadedSource } from '../load-source.ts';
import { writeWhole } from '../make-torrent.ts';
import type { HostPort, Selection } from '../parse-values.ts';
import { ProgressView } from '../progress.ts';
import { tellError } from '../report.ts';
import { seedUntil } from '../seed-limits.ts';
import { shellQuote } from '../shell-quote.ts';
import { EXACT_SOURCE_HINT, hasUnaskedSource, stalledError, StallWatch } from '../stall-watch.ts';
import {
  closeClient,
  openClient,
  resolvePeers,
  tellAdded,
  tellComplete,
  tellEvents,
  tellMagnet,
} from '../transfer.ts';

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
  /** Where to write the .torrent. */
  readonly saveTorrent?: string;
  /** Fetch the .torrent of a magnet link from where the link says it is. */
  readonly exactSource?: boolean;
  /** False after `--no-web-seeds`. */
  readonly webSeeds?: boolean;
}

/** Who has metadata answers within seconds. After this long people look for what else they can do. */
const HINT_AFTER_MS = 20_000;

/** More than any torrent has. */
const FILES_MAX = 2 ** 31;

/** `torrent-ts download`: resolves to the exit code. */
export async function download(
  context: Context,
  sources: readonly string[],
  flags: DownloadFlags,
): Promise<number> {
  if (flags.saveTorrent !== undefined && sources.length > 1) {
    throw new CliError('--save-torrent takes one source', EXIT.usage);
  }
  const failures: unknown[] = [];
  const loaded = await loadAll(context, sources, failures);
  if (flags.list || flags.dryRun) {
    const tell = flags.list ? listFiles : tellPlan;
    for (const one of loaded) {
      await tell(
        context,
        'magnet' in one ? await fetchMetadata(context, one.magnet, flags) : one.metaInfo,
        flags,
      );
    }
  } else if (loaded.length > 0) {
    await prepareFolder(flags.dir);
    const known = loaded.flatMap((one) => ('metaInfo' in one ? [one.metaInfo] : []));
    await warnOfSpace(context, flags.dir, known, flags.select);
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
): Promise<LoadedSource[]> {
  const loaded = new Map<string, LoadedSource>();
  for (const source of sources) {
    try {
      const one = await loadSource(context, source);
      const infoHash = infoHashOf(one);
      // The same torrent twice is one download, and a .torrent tells more than a magnet link.
      if (!loaded.has(infoHash) || 'metaInfo' in one) loaded.set(infoHash, one);
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
  /** Of links that name a server that was not asked. */
  readonly #unasked = new Set<LibraryTorrent>();

  constructor(context: Context, flags: DownloadFlags, failures: unknown[]) {
    this.#context = context;
    this.#flags = flags;
    this.#failures = failures;
  }

  /** True if it was interrupted with data missing. */
  async run(loaded: readonly LoadedSource[]): Promise<boolean> {
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
    loaded: LoadedSource,
    peers: readonly HostPort[],
    signal: AbortSignal,
  ): Promise<void> {
    const startedAt = this.#context.now();
    let torrent: LibraryTorrent | undefined;
    try {
      const what = 'magnet' in loaded ? loaded.magnet : loaded.metaInfo;
      torrent = await client.add(what, { ...this.#addOptions(loaded, peers), signal });
      this.#shown.add(torrent);
      this.#unfinished.add(torrent);
      tellEvents(this.#context, torrent);
      if (torrent.metaInfo) tellAdded(this.#context, torrent);
      else await this.#awaitMetadata(torrent, loaded, signal);
      await this.#saveTorrent(torrent.metaInfo!);
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
      tellError(this.#context.terminal, error, infoHashOf(loaded));
    }
  }

  async #awaitMetadata(torrent: LibraryTorrent, loaded: LoadedSource, signal: AbortSignal): Promise<void> {
    tellMagnet(this.#context, torrent);
    if ('magnet' in loaded && hasUnaskedSource(loaded.magnet, this.#flags)) this.#unasked.add(torrent);
    const hint = setTimeout(() => this.#tellHint(torrent), HINT_AFTER_MS);
    const metaInfo = await torrent.metadata({ signal }).finally(() => clearTimeout(hint));
    const { name, files, stats } = torrent;
    if (!this.#context.terminal.json) {
      const what = `${plural(files.length, 'file')}, ${formatBytes(stats.wantedBytes)}`;
      this.#context.terminal.note(`${safeText(name)}: ${what}`);
    }
    await warnOfSpace(this.#context, this.#flags.dir, [metaInfo], this.#flags.select);
  }

  #tellHint(torrent: LibraryTorrent): void {
    const { terminal } = this.#context;
    if (!terminal.json && this.#unasked.has(torrent))
      terminal.note(`${safeText(torrent.name)}: ${EXACT_SOURCE_HINT}`);
  }

  async #saveTorrent(metaInfo: MetaInfo): Promise<void> {
    const { saveTorrent } = this.#flags;
    if (saveTorrent === undefined) return;
    const { writeTorrent } = await this.#context.library();
    // The same command again, to go on, finds the file of the first time.
    await writeWhole(saveTorrent, writeTorrent(metaInfo.infoBytes, metaInfo), true);
    const { terminal } = this.#context;
    if (terminal.json) {
      terminal.event({ event: 'saved', infoHash: metaInfo.infoHashHex, torrentFile: saveTorrent });
    } else terminal.note(`wrote ${safeText(saveTorrent)}`);
  }

  #addOptions(loaded: LoadedSource, peers: readonly HostPort[]): AddOptions {
    const options: AddOptions = { dir: resolve(this.#flags.dir), peers };
    // Said in full, because what an earlier run selected is remembered otherwise; a magnet link may select itself.
    const count = 'metaInfo' in loaded ? loaded.metaInfo.files.length : FILES_MAX;
    const isSelective = 'magnet' in loaded && loaded.magnet.select !== null;
    if (this.#flags.select) options.files = this.#flags.select;
    else if (!isSelective) options.files = [[0, count - 1]];
    if (this.#flags.sequential) options.sequential = true;
    if (this.#flags.exactSource) options.exactSource = true;
    if (this.#flags.webSeeds === false) options.webSeeds = false;
    return options;
  }

  async #seed(): Promise<void> {
    const { terminal, interrupt, now } = this.#context;
    if (!terminal.json) terminal.note('seeding; Ctrl-C ends it');
    const limits = { ratio: this.#flags.seedRatio, timeMs: this.#flags.seedTime };
    await seedUntil(this.#complete, limits, interrupt.signal, now);
  }

  #tellHowToSeed(loaded: readonly LoadedSource[]): void {
    const { terminal } = this.#context;
    const sources = loaded.filter(
      (one) => 'metaInfo' in one && one.source !== '-' && this.#isComplete(one.metaInfo),
    );
    if (terminal.json || sources.length === 0) return;
    const command = ['torrent-ts', 'seed', ...sources.map(({ source }) => source), '-d', this.#flags.dir];
    terminal.note(`to share it: ${safeText(shellQuote(command))}`, 'dim');
  }

  #isComplete({ infoHashHex }: MetaInfo): boolean {
    return this.#complete.some(({ infoHash }) => infoHash === infoHashHex);
  }

  #tellStalled(): void {
    for (const torrent of this.#unfinished) {
      const hint = this.#unasked.has(torrent) ? EXACT_SOURCE_HINT : null;
      const error = stalledError(torrent, this.#flags.timeout!, hint);
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
