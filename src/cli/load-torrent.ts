import { closeSync, constants, createReadStream, fstatSync, openSync, readSync } from 'node:fs';
import { Socket } from 'node:net';
import type { Context } from './context.ts';
import { safeText } from './escape.ts';
import { CliError, errorCode, EXIT, reasonOf } from './exit-codes.ts';
import type { MetaInfo } from './library.ts';

/**
 * The largest .torrent that is read: the hashes of 2,097,152 pieces take 40 MiB, and long paths some more.
 */
const TORRENT_BYTES_MAX = 64 * 1_048_576;
/** The whole fetch of a .torrent, redirects included. */
const FETCH_TIMEOUT_MS = 30_000;

export interface LoadedTorrent {
  readonly metaInfo: MetaInfo;
  readonly bytes: Uint8Array;
  /** Where it came from, as it was given. */
  readonly source: string;
}

/**
 * Reads a torrent from a file, an http(s) URL, or stdin (`-`).
 * @throws CliError `EXIT.badInput` naming the source and what is wrong with it.
 */
export async function loadTorrent(context: Context, source: string): Promise<LoadedTorrent> {
  const label = source === '-' ? 'stdin' : safeText(source);
  const bytes = await readSource(context, source, label);
  const { parseTorrent } = await context.library();
  try {
    return { metaInfo: parseTorrent(bytes), bytes, source };
  } catch (error) {
    const hint = describeContent(bytes);
    const reason = hint ?? safeText(error instanceof Error ? error.message : String(error));
    throw new CliError(`${label} is not a usable torrent: ${reason}`, EXIT.badInput, { cause: error });
  }
}

async function readSource(context: Context, source: string, label: string): Promise<Uint8Array> {
  if (/^magnet:/i.test(source)) {
    throw new CliError(
      'a magnet link has no files yet; give the .torrent file or its http(s) URL',
      EXIT.badInput,
    );
  }
  try {
    if (source === '-') return await collect(context.stdin);
    if (/^https?:\/\//i.test(source)) return await fetchBytes(source, context.interrupt.signal);
    return await readFile(source, context.interrupt.signal);
  } catch (error) {
    context.interrupt.signal.throwIfAborted();
    if (error instanceof CliError) throw error;
    throw new CliError(`cannot read ${label}: ${safeText(reasonOf(error))}`, EXIT.badInput, { cause: error });
  }
}

async function readFile(path: string, signal: AbortSignal): Promise<Uint8Array> {
  // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  const stat = fstatSync(fd);
  if (stat.isFIFO()) return readPipe(fd, signal);
  if (!stat.isFile()) {
    closeSync(fd);
    throw new Error(stat.isDirectory() ? 'it is a folder' : 'it is not a regular file');
  }
  return collect(createReadStream('', { fd, signal }));
}

/** A pipe, as shells make for `<(command)`. */
async function readPipe(fd: number, signal: AbortSignal): Promise<Uint8Array> {
  const first = Buffer.alloc(65_536);
  let length: number;
  try {
    length = readSync(fd, first);
    if (length === 0) {
      closeSync(fd);
      throw new Error('nothing is written into this pipe');
    }
  } catch (error) {
    if (errorCode(error) !== 'EAGAIN') throw error;
    length = 0; // Somebody is going to write.
  }
  // A socket waits for a pipe without keeping a thread, and it closes the descriptor.
  const rest = new Socket({ fd, readable: true, writable: false, signal });
  return Buffer.concat([first.subarray(0, length), await collect(rest)]);
}

async function fetchBytes(url: string, signal: AbortSignal): Promise<Uint8Array> {
  const timeout = AbortSignal.timeout(FETCH_TIMEOUT_MS);
  try {
    const response = await fetch(url, { signal: AbortSignal.any([signal, timeout]) });
    if (!response.ok) throw new Error(`the server answered ${response.status} ${response.statusText}`.trim());
    // Counted after decompression, so that a small answer cannot become a large one.
    return await collect(response.body ?? new ReadableStream<Uint8Array>());
  } catch (error) {
    if (timeout.aborted)
      throw new Error(`no answer within ${FETCH_TIMEOUT_MS / 1000} seconds`, { cause: error });
    // fetch says "fetch failed" and keeps the reason in the cause.
    const cause = error instanceof Error ? error.cause : undefined;
    throw cause instanceof Error ? new Error(cause.message, { cause: error }) : error;
  }
}

async function collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of chunks) {
    parts.push(part);
    length += part.length;
    if (length > TORRENT_BYTES_MAX)
      throw new Error(`it is larger than ${TORRENT_BYTES_MAX >> 20} MiB, no torrent is`);
  }
  return Buffer.concat(parts);
}

/** What bytes are that are no torrent, when it is easy to see. */
function describeContent(bytes: Uint8Array): string | null {
  if (bytes.length === 0) return 'it is empty';
  if (bytes[0] === 0x1f && bytes[1] === 0x8b) return 'it is gzip data; unpack it first (gunzip)';
  if (bytes[0] === 0x50 && bytes[1] === 0x4b) return 'it is a zip archive; unpack it first';
  const start = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart().toLowerCase();
  if (start.startsWith('<'))
    return 'it looks like a web page (HTML); was a login or an error page saved instead?';
  if (start.startsWith('magnet:')) return 'it holds a magnet link; give the link itself';
  return null;
}
