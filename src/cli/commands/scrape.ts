import type { Context } from '../context.ts';
import { safeText } from '../escape.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import type { Library } from '../library.ts';
import { loadTorrent } from '../load-torrent.ts';
import { renderTable } from '../table.ts';

export interface ScrapeFlags {
  /** Instead of the torrent's own trackers. */
  readonly tracker?: readonly (readonly string[])[];
}

interface Answer {
  readonly tracker: string;
  readonly seeders: number;
  readonly leechers: number;
  readonly downloads: number;
}

/** `torrent-ts scrape`: resolves to the exit code. */
export async function scrape(context: Context, source: string, flags: ScrapeFlags): Promise<number> {
  const { terminal } = context;
  const { metaInfo } = await loadTorrent(context, source);
  const trackers = [...new Set((flags.tracker ?? metaInfo.trackers).flat())];
  if (trackers.length === 0) {
    throw new CliError(`${safeText(metaInfo.name)} names no tracker; give one with --tracker`, EXIT.badInput);
  }
  const library = await context.library();
  const results = await Promise.allSettled(
    trackers.map((url) => ask(library, url, metaInfo.infoHash, context.interrupt.signal)),
  );
  context.interrupt.signal.throwIfAborted();
  const answers: Answer[] = [];
  results.forEach((result, i) => {
    if (result.status === 'fulfilled') answers.push(result.value);
    else terminal.warn(`${safeText(trackers[i]!)}: ${safeText(messageOf(result.reason))}`);
  });
  if (terminal.json) {
    terminal.resultJson({ infoHash: metaInfo.infoHashHex, name: metaInfo.name, trackers: answers });
  } else {
    const header = ['seeders', 'leechers', 'downloads', 'tracker'];
    const rows = answers.map((answer) => [
      String(answer.seeders),
      String(answer.leechers),
      String(answer.downloads),
      safeText(answer.tracker),
    ]);
    const forPeople = terminal.stdoutIsTerminal;
    const table = forPeople && rows.length > 0 ? [header, ...rows] : rows;
    for (const line of renderTable(table, ['right', 'right', 'right', 'left'], forPeople))
      terminal.result(line);
  }
  if (answers.length === 0) throw new CliError('no tracker answered', EXIT.unreachable);
  return EXIT.done;
}

async function ask(
  library: Library,
  tracker: string,
  infoHash: Uint8Array,
  signal: AbortSignal,
): Promise<Answer> {
  const [entry] = await library.scrape(tracker, [infoHash], { signal });
  if (!entry) throw new Error('it does not know this torrent');
  return { tracker, seeders: entry.seeders, leechers: entry.leechers, downloads: entry.downloads };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
