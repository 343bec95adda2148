import { open } from 'node:fs/promises';
import { constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { MetainfoError, UsageError } from './errors.ts';
import { parseMagnet, type Magnet } from './metainfo/magnet.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import { parseTorrent } from './metainfo/parse-torrent.ts';
import { toStorageError } from './node/storage-errors.ts';
import type { HttpPort, HttpResponse } from './ports.ts';

/** The largest .torrent that is read: the hashes of 2,097,152 pieces take 40 MiB. */
const TORRENT_BYTES_MAX = 64 * 1_048_576;
const FETCH_TIMEOUT_MS = 30_000;
const MAGNET = /^\s*magnet:/i;

/**
 * What `add` takes: a path or an http(s) URL of a .torrent, its bytes, or what `parseTorrent` made of them; a magnet link,
 * or what `parseMagnet` made of it.
 */
export type TorrentSource = string | URL | Uint8Array | MetaInfo | Magnet;

/**
 * A torrent, or of a magnet link what it says.
 * @throws MagnetError for a bad magnet link, otherwise as `loadTorrent` does.
 */
export async function loadSource(
  source: TorrentSource,
  http: HttpPort | null,
  signal?: AbortSignal,
): Promise<MetaInfo | Magnet> {
  if (isMagnet(source)) return source;
  const isText = typeof source === 'string' || source instanceof URL;
  if (isText && MAGNET.test(String(source))) return parseMagnet(String(source));
  return loadTorrent(source, http, signal);
}

/**
 * @throws MetainfoError if it is no torrent or cannot be fetched, StorageError if it cannot be read, UsageError for a
 * source of no known kind, or the signal's reason.
 */
export async function loadTorrent(
  source: TorrentSource,
  http: HttpPort | null,
  signal?: AbortSignal,
): Promise<MetaInfo> {
  signal?.throwIfAborted();
  if (source instanceof Uint8Array) return parse(source);
  if (typeof source === 'object' && source !== null && 'infoBytes' in source) return source;
  if (typeof source !== 'string' && !(source instanceof URL)) {
    throw new UsageError('a torrent is a path, a URL, bytes, or what parseTorrent made');
  }
  const isFileUrl = source instanceof URL && source.protocol === 'file:';
  const text = isFileUrl ? fileURLToPath(source) : String(source);
  if (MAGNET.test(text)) throw new UsageError('a magnet link is no torrent yet; client.add takes it');
  if (!/^https?:\/\//i.test(text)) return parse(await readTorrentFile(text, signal));
  if (!http) throw new UsageError(`${text} cannot be fetched: this client has no HTTP`);
  return parse(await fetchTorrent(text, http, signal));
}

function isMagnet(source: TorrentSource): source is Magnet {
  return typeof source === 'object' && source !== null && 'peers' in source && 'infoHashHex' in source;
}

/** File names are made safe for the system that we run on. */
function parse(bytes: Uint8Array): MetaInfo {
  return parseTorrent(bytes, { windows: process.platform === 'win32' });
}

async function readTorrentFile(path: string, signal?: AbortSignal): Promise<Uint8Array> {
  try {
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    const file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stat = await file.stat();
      if (!stat.isFile()) throw new MetainfoError(`${path} is not a regular file`);
      if (stat.size > TORRENT_BYTES_MAX) throw tooLarge(path);
      const bytes = await file.readFile({ ...(signal && { signal }) });
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof MetainfoError) throw error;
    signal?.throwIfAborted();
    throw toStorageError(error, 'read', path);
  }
}

async function fetchTorrent(url: string, http: HttpPort, signal?: AbortSignal): Promise<Uint8Array> {
  const request = { url, timeoutMs: FETCH_TIMEOUT_MS, maxBytes: TORRENT_BYTES_MAX, refuseLocal: false };
  const response = await new Promise<HttpResponse>((resolve, reject) => {
    const onAbort = (): void => {
      get.cancel();
      reject(signal?.reason as Error);
    };
    const get = http.get(request, (result) => {
      signal?.removeEventListener('abort', onAbort);
      if (result instanceof Error) {
        reject(new MetainfoError(`cannot fetch ${url}: ${result.message}`));
      } else resolve(result);
    });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
  if (response.status !== 200) throw new MetainfoError(`cannot fetch ${url}: status ${response.status}`);
  return response.body;
}

function tooLarge(path: string): MetainfoError {
  return new MetainfoError(`${path} is larger than ${TORRENT_BYTES_MAX >> 20} MiB: no torrent is`);
}
