import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { damage, sha256Of, writeDemoData } from '../demo-data.ts';
import { DemoStory } from '../demo-story.ts';
import { DemoSwarm, makeFolders, openTracker } from '../demo-swarm.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import { formatBytes, formatDuration, formatRate, plural } from '../format.ts';
import { HashView } from '../hash-progress.ts';
import type { CreatedTorrent, Library } from '../library.ts';
import { tellAdded, tellComplete, tellEvents } from '../transfer.ts';

export interface DemoFlags {
  /** Bytes. */
  readonly size: number;
  readonly keep?: boolean;
}

const NAME = 'demo.bin';
/** Enough to see, few enough to see each. */
const PIECES = 256;
const PIECE_LENGTH_MIN = 16_384;
const SIZE_MIN = 1_048_576;
const SIZE_MAX = 4 * 1_073_741_824;
/** The demo takes some ten seconds; a machine that needs longer than this has another problem. */
const TIMEOUT_MS = 120_000;

/** `torrent-ts demo`: resolves to the exit code. */
export async function demo(context: Context, flags: DemoFlags): Promise<number> {
  if (flags.size < SIZE_MIN || flags.size > SIZE_MAX) {
    throw new CliError('--size must be from 1M to 4G', EXIT.usage);
  }
  const dir = await mkdtemp(join(tmpdir(), 'torrent-ts-demo-'));
  try {
    return await run(context, flags, dir);
  } finally {
    if (flags.keep) context.terminal.note(`the files are in ${dir}`);
    else await rm(dir, { recursive: true, force: true });
  }
}

async function run(context: Context, flags: DemoFlags, dir: string): Promise<number> {
  const { terminal, interrupt, now } = context;
  const library = await context.library();
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = AbortSignal.any([interrupt.signal, timeout]);
  const startedAt = now();

  terminal.note('one downloader, three seeders and a tracker, all on this machine', 'bold');
  const files = await makeFolders(dir);
  const expected = await writeDemoData(join(files.source, NAME), flags.size);
  const tracker = await openTracker(library);
  let swarm: DemoSwarm | null = null;
  try {
    const { metaInfo, torrentFile } = await makeTorrent(
      context,
      library,
      files.source,
      tracker.httpUrl!,
      flags.size,
    );
    await writeFile(join(dir, `${NAME}.torrent`), torrentFile);
    swarm = new DemoSwarm(library, metaInfo, files);
    await swarm.openSeeders(signal);
    const { torrent } = await swarm.openDownloader(signal);
    const story = new DemoStory(context, swarm, torrent, () => damage(join(files.liar, NAME), flags.size));
    const downloadStartedAt = now();
    tellAdded(context, torrent);
    if (terminal.json) tellEvents(context, torrent);
    story.start();
    try {
      await torrent.completed({ signal });
    } finally {
      await story.stop();
    }
    tellComplete(context, torrent, now() - downloadStartedAt, flags.keep === true);
    await swarm.close();
    const actual = await sha256Of(join(files.got, NAME));
    const elapsedMs = now() - startedAt;
    return tellResult(context, story, {
      expected,
      actual,
      length: flags.size,
      elapsedMs,
      seederLimit: swarm.seederLimit,
    });
  } catch (error) {
    if (!interrupt.signal.aborted && timeout.aborted) {
      throw new CliError(`the demo did not end within ${formatDuration(TIMEOUT_MS)}`, EXIT.unreachable, {
        cause: error,
      });
    }
    throw error;
  } finally {
    await swarm?.close();
    await tracker.close();
  }
}

async function makeTorrent(
  context: Context,
  library: Library,
  dir: string,
  trackerUrl: string,
  size: number,
): Promise<CreatedTorrent> {
  const startedAt = context.now();
  const view = new HashView(context, `hashing ${NAME}`);
  try {
    const created = await library.createTorrent(join(dir, NAME), {
      trackers: [[trackerUrl]],
      pieceLength: pieceLengthFor(size),
      createdAt: null,
      onProgress: view.update,
      signal: context.interrupt.signal,
    });
    const { pieceCount, pieceLength } = created.metaInfo;
    context.terminal.note(
      `made a torrent of ${formatBytes(size)}: ${plural(pieceCount, 'piece')} of ${formatBytes(pieceLength)}, ` +
        `hashed in ${formatDuration(context.now() - startedAt)}`,
    );
    return created;
  } finally {
    view.end();
  }
}

/** The power of two that gives about as many pieces as can be seen. */
function pieceLengthFor(size: number): number {
  return Math.max(PIECE_LENGTH_MIN, 2 ** Math.round(Math.log2(size / PIECES)));
}

interface Outcome {
  readonly expected: string;
  readonly actual: string;
  readonly length: number;
  readonly elapsedMs: number;
  readonly seederLimit: number;
}

function tellResult({ terminal }: Context, story: DemoStory, outcome: Outcome): number {
  const { expected, actual, length, elapsedMs } = outcome;
  const verified = expected === actual;
  const { liarCaught } = story;
  const exitCode = verified && liarCaught ? EXIT.done : EXIT.damaged;
  if (terminal.json) {
    const rounded = Math.round(elapsedMs);
    terminal.event({
      event: 'demo-result',
      verified,
      liarCaught,
      sha256: actual,
      length,
      elapsedMs: rounded,
    });
    return exitCode;
  }
  if (verified) terminal.result(`verified  SHA-256 equal: ${actual}`);
  else terminal.error(`the copy differs from the source: SHA-256 ${actual} instead of ${expected}`);
  if (!liarCaught) terminal.error('the lying seeder was not caught');
  terminal.note(
    `all of it, from nothing to verified, took ${formatDuration(elapsedMs)}; the seeders were held to ${formatRate(outcome.seederLimit)} each`,
    'dim',
  );
  terminal.note(`next: torrent-ts download FILE.torrent    or    torrent-ts seed FOLDER`);
  return exitCode;
}
