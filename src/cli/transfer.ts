import { lookup } from 'node:dns/promises';
import { statfs } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ClientFlags, Context } from './context.ts';
import { safeText } from './escape.ts';
import { errorCode } from './exit-codes.ts';
import { formatBytes, formatDuration, formatRate } from './format.ts';
import type { ClientOptions, LibraryClient, LibraryTorrent, TorrentTsError } from './library.ts';
import type { HostPort } from './parse-values.ts';

/** What every command that runs torrents in a client does: open it, tell what happens, close it in time. */

/** Announcing `stopped` and saving may take this long; people wait for their prompt. */
const CLOSE_TIMEOUT_MS = 3000;

/** A client with the options of the command line. If the port is taken, it gets another one. */
export async function openClient(context: Context, flags: ClientFlags): Promise<LibraryClient> {
  const { Client } = await context.library();
  const options = clientOptions(flags);
  let client: LibraryClient;
  try {
    client = await Client.open(options);
  } catch (error) {
    if (errorCode(error) !== 'ERR_LISTEN' || !options.port) throw error;
    client = await Client.open({ ...options, port: 0 });
    context.terminal.warn(`port ${options.port} is in use; listening on ${client.listenPort} instead`);
  }
  client.on('warning', (error) => tellWarning(context, error));
  if (context.terminal.json) context.terminal.event({ event: 'listening', port: client.listenPort });
  else context.terminal.detail(`listening on port ${client.listenPort}`);
  return client;
}

export async function closeClient(client: LibraryClient): Promise<void> {
  await client.close({ timeoutMs: CLOSE_TIMEOUT_MS });
}

function clientOptions(flags: ClientFlags): ClientOptions {
  const options: ClientOptions = {};
  if (flags.port !== undefined) options.port = flags.port;
  if (flags.stateDir !== undefined) options.stateDir = resolve(flags.stateDir);
  if (flags.downLimit !== undefined) options.downLimit = flags.downLimit;
  if (flags.upLimit !== undefined) options.upLimit = flags.upLimit;
  if (flags.memory !== undefined) options.memory = flags.memory;
  if (flags.encryption !== undefined) options.encryption = flags.encryption;
  if (flags.dht !== undefined) options.dht = flags.dht;
  if (flags.dhtBootstrap !== undefined) options.dhtBootstrap = flags.dhtBootstrap.map(peerText);
  if (flags.pex !== undefined) options.pex = flags.pex;
  if (flags.lsd !== undefined) options.lsd = flags.lsd;
  if (flags.maxPeers !== undefined) {
    options.connectionsMax = flags.maxPeers;
    options.connectionsPerTorrentMax = flags.maxPeers;
  }
  return options;
}

/** Addresses of peers that may be given by name. Names that lead nowhere are told and left out. */
export async function resolvePeers(context: Context, peers: readonly HostPort[]): Promise<HostPort[]> {
  const found = await Promise.all(
    peers.map(async ({ host, port }) => {
      try {
        const addresses = await lookup(host, { all: true });
        return addresses.map(({ address }) => ({ host: address, port }));
      } catch {
        // Whatever the resolver says comes down to this.
        context.terminal.warn(`peer ${safeText(host)}:${port} is left out: no address found for its name`);
        return [];
      }
    }),
  );
  return found.flat();
}

/** Tells what happens to a torrent, as events or in words. */
export function tellEvents(context: Context, torrent: LibraryTorrent): void {
  const { infoHash } = torrent;
  const { terminal } = context;
  // A magnet link may call it otherwise than its metadata does.
  const name = (): string => safeText(torrent.name);
  const toldWarnings = new Set<string>();
  torrent.on('warning', (error) => {
    // A tracker that is down says so at every announce; once is enough.
    const key = `${error.code} ${error.message}`;
    if (toldWarnings.has(key)) return;
    toldWarnings.add(key);
    void tellTorrentWarning(context, torrent, error);
  });
  if (terminal.json) {
    torrent.on('state', (state, before) =>
      context.terminal.event({ event: 'state', infoHash, state, before }),
    );
    torrent.on('file', ({ index, path, length }) =>
      context.terminal.event({ event: 'file', infoHash, index, path, length }),
    );
    torrent.on('reject', (piece, from) =>
      context.terminal.event({ event: 'reject', infoHash, piece, from: from.map(peerText) }),
    );
    torrent.on('ban', ({ address, piece }) =>
      context.terminal.event({ event: 'ban', infoHash, peer: peerText(address), piece }),
    );
    return;
  }
  torrent.on('file', (file) => terminal.detail(`done: ${safeText(file.path)}`));
  torrent.on('reject', (piece) =>
    terminal.detail(`${name()}: piece ${piece} was damaged and is fetched again`),
  );
  torrent.on('ban', ({ address, piece }) =>
    terminal.note(`${name()}: banned ${peerText(address)}, it sent damaged data (piece ${piece})`, 'yellow'),
  );
  torrent.on('state', (state, before) => {
    if (before === 'stalled' && state === 'downloading')
      terminal.note(`${name()}: the disk works again, going on`);
  });
}

export function peerText({ host, port }: HostPort): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Of a magnet link: what it is a link to is told when it is known. */
export function tellMagnet(context: Context, torrent: LibraryTorrent): void {
  const { dir, infoHash, name } = torrent;
  if (context.terminal.json) context.terminal.event({ event: 'magnet', infoHash, name, dir: resolve(dir) });
  torrent.on('metadata', () => tellAdded(context, torrent));
}

export function tellAdded(context: Context, torrent: LibraryTorrent): void {
  const { infoHash, name, stats, metaInfo } = torrent;
  if (!context.terminal.json || !metaInfo) return;
  context.terminal.event({
    event: 'added',
    infoHash,
    name,
    dir: resolve(torrent.dir),
    length: metaInfo.length,
    wantedBytes: stats.wantedBytes,
    pieceCount: metaInfo.pieceCount,
  });
}

/** The one line that says that a torrent is whole. `withPath` is for data that stays there. */
export function tellComplete(
  context: Context,
  torrent: LibraryTorrent,
  elapsedMs: number,
  withPath = true,
): void {
  const { infoHash, name, stats } = torrent;
  const path = dataPath(torrent);
  if (context.terminal.json) {
    const { wantedBytes, downloaded } = stats;
    context.terminal.event({
      event: 'complete',
      infoHash,
      name,
      path,
      wantedBytes,
      downloaded,
      elapsedMs: Math.round(elapsedMs),
    });
    return;
  }
  const size = formatBytes(stats.wantedBytes);
  const how =
    stats.downloaded === 0 && stats.wantedBytes > 0
      ? `${size}, already there`
      : `${size} in ${formatDuration(elapsedMs)} (${formatRate((1000 * stats.downloaded) / Math.max(1, elapsedMs))})`;
  const place = withPath ? `  ${safeText(path)}` : '';
  context.terminal.result(`complete  ${safeText(name)}  ${how}${place}`);
}

/** The torrent's file or folder on disk. */
export function dataPath(torrent: LibraryTorrent): string {
  return resolve(join(torrent.dir, torrent.name));
}

async function tellTorrentWarning(
  context: Context,
  torrent: LibraryTorrent,
  error: TorrentTsError,
): Promise<void> {
  const { infoHash, name, stats } = torrent;
  if (context.terminal.json) {
    context.terminal.event({ event: 'warning', infoHash, code: error.code, message: error.message });
    return;
  }
  let message = `${safeText(name)}: ${safeText(error.message)}`;
  if (error.code === 'ERR_DISK_FULL') {
    const missing = formatBytes(stats.wantedBytes - stats.doneBytes);
    const free = await freeBytes(torrent.dir);
    message = `${safeText(name)}: the disk is full: ${missing} more needed, ${
      free === null ? 'none' : formatBytes(free)
    } free in ${safeText(resolve(torrent.dir))}; it goes on by itself when there is space`;
  }
  context.terminal.warn(message);
}

function tellWarning(context: Context, error: TorrentTsError): void {
  if (context.terminal.json)
    context.terminal.event({ event: 'warning', code: error.code, message: error.message });
  else context.terminal.warn(safeText(error.message));
}

/** Bytes that may be written in a folder, or null if the system does not say. */
export async function freeBytes(dir: string): Promise<number | null> {
  try {
    const { bavail, bsize } = await statfs(dir);
    return bavail * bsize;
  } catch {
    return null; // Not every file system answers, and it is only for information.
  }
}
