import { UsageError } from './errors.ts';
import { parseHostPort } from './util/host-port.ts';

/** Options of a `Client`. Every field is optional. */
export interface ClientOptions {
  /** Folder for downloads that name none. Default: the current folder. */
  dir?: string;
  /** Folder for resume records, or false to keep none. Default: `$XDG_STATE_HOME/torrent-ts`. */
  stateDir?: string | false;
  /**
   * TCP port to listen on, 0 for a free one, false not to listen. Default: 6881, or a free one if that is taken. UDP takes
   * the same number if it can.
   */
  port?: number | false;
  /** Address to listen on, and to send UDP from. Default: all, IPv6 and IPv4. */
  host?: string;
  /** Bytes per second over all torrents. Default: unlimited. */
  downLimit?: number;
  /** Bytes per second over all torrents. Default: unlimited. */
  upLimit?: number;
  /** Connections over all torrents. Default: 200. */
  connectionsMax?: number;
  /** Connections of one torrent. Default: 55. */
  connectionsPerTorrentMax?: number;
  /**
   * Regular unchoke slots of each torrent; optimistic ones come on top, one for five. Default: as many as the uplink is
   * worth, 4 to 30.
   */
  uploadSlots?: number;
  /** Bytes for piece buffers and the read cache together. Default: 256 MiB. */
  memory?: number;
  /**
   * Find peers without a tracker, and help others to (DHT, BEP 5); never of private torrents. It starts with the first
   * torrent that may use it, or the first use of `client.dht`. Default: true.
   */
  dht?: boolean;
  /**
   * Nodes that a client begins with which knows no others, as `HOST:PORT` or `[IPV6]:PORT`. Default: routers that the
   * authors of other clients run. Names are looked up when the DHT starts.
   */
  dhtBootstrap?: readonly string[];
  /** Ask the DHT and answer nobody (BEP 43), where traffic costs money. Default: false. */
  dhtReadOnly?: boolean;
  /** Exchange peers with peers (PEX, BEP 11); never of private torrents. Default: true. */
  pex?: boolean;
  /**
   * Find peers on the local network and be found (LSD, BEP 14), on the interface of `host` if that is given; never of
   * private torrents. Default: true.
   */
  lsd?: boolean;
  /** Refuse trackers in local address ranges. Default: false, because people run trackers on their own networks. */
  refuseLocalTrackers?: boolean;
  /**
   * Whether connections to peers are encrypted (message stream encryption, MSE). It hides from boxes on the way that this
   * is BitTorrent; it does not make connections private.
   *
   * `prefer`: dial with an encrypted handshake, and at once with a plain one if that fails; take both from peers that
   * dial us. After the handshake the rest is plain if both sides agree to that, else RC4. It connects to the most peers.
   * `require`: all of every connection is RC4, both ways; peers that offer less are not connected to.
   * `off`: plain only; peers that encrypt are not connected to.
   *
   * Default: `prefer`.
   */
  encryption?: Encryption;
  /** Bytes of metadata that are taken for a magnet link, at most 32 MiB. Default: 16 MiB. */
  metadataMax?: number;
  /** First characters of the peer id (BEP 20), such as `-TT0100-`; the rest is random. */
  peerIdPrefix?: string;
  /** Seed of all decisions by chance, to repeat a run. Default: random. */
  seed?: number;
}

/**
 * A file filter: indices, ranges as `[from, to]`, or glob patterns over the path inside the torrent. A pattern without
 * a slash (`*.srt`) is about names, in whatever folder they are.
 */
export type FileFilter = readonly (number | readonly [number, number] | string)[];

export type Encryption = 'off' | 'prefer' | 'require';

export type FilePriority = 'skip' | 'low' | 'normal' | 'high';

/** Options of `client.add`. Every field is optional. */
export interface AddOptions {
  /** Folder that holds the torrent's top-level file or folder. Default: the client's. */
  dir?: string;
  /** Which files to download. Default: all. */
  files?: FileFilter;
  /** Peers to try besides those the trackers name. */
  peers?: readonly { readonly host: string; readonly port: number }[];
  /** Trackers to add, each a tier of its own. */
  trackers?: readonly string[];
  /**
   * Web servers that have the files (BEP 19), besides those the torrent names; false uses none at all. Of those that the
   * torrent names, one whose name is beyond ASCII is not used unless it is named here.
   */
  webSeeds?: readonly string[] | false;
  /**
   * Of a magnet link: fetch its .torrent from the web servers that it names (`xs`), while the swarm is asked too. Off,
   * because whoever wrote the link learns the address of whoever opens it. Default: false.
   */
  exactSource?: boolean;
  /** Download pieces in order. Default: false, rarest first. */
  sequential?: boolean;
  /**
   * While nobody else has everything, say that we have nothing and name piece by piece to each peer what it may fetch
   * (BEP 16). It saves a metered uplink, at some cost in time with clients that want to choose. Without it an only seed
   * suggests to each peer other pieces (BEP 6), which hinders nobody. Default: false.
   */
  superSeed?: boolean;
  /** Keep the torrent after it is complete. Default: true; the command line decides when to leave. */
  paused?: boolean;
  /** Of a magnet link: pause as soon as its metadata is here, before any file is looked at. Default: false. */
  metadataOnly?: boolean;
  /** Bytes per second for this torrent. Default: unlimited. */
  downLimit?: number;
  /** Bytes per second for this torrent. Default: unlimited. */
  upLimit?: number;
  /**
   * What to believe about files found on disk. `resume`: the record of an earlier run, if size and time still match,
   * else check. `check`: read and hash everything. Default: `resume`.
   */
  trust?: 'resume' | 'check';
}

/** `ClientOptions` with every field decided. */
export interface ResolvedOptions {
  readonly dir: string;
  readonly stateDir: string | false | null;
  readonly port: number | false | null;
  readonly host: string | null;
  readonly downLimit: number;
  readonly upLimit: number;
  readonly connectionsMax: number;
  readonly connectionsPerTorrentMax: number;
  readonly uploadSlots: number | null;
  readonly memory: number;
  readonly dht: boolean;
  readonly dhtBootstrap: readonly string[];
  readonly dhtReadOnly: boolean;
  readonly pex: boolean;
  readonly lsd: boolean;
  readonly refuseLocalTrackers: boolean;
  readonly encryption: Encryption;
  readonly metadataMax: number;
  readonly peerIdPrefix: string;
  readonly seed: number | null;
}

export const MiB = 1_048_576;

/** The one table of defaults. `null` means: decided by the world at start. */
export const DEFAULTS: ResolvedOptions = Object.freeze({
  dir: '.',
  stateDir: null,
  port: null,
  host: null,
  downLimit: Infinity,
  upLimit: Infinity,
  connectionsMax: 200,
  connectionsPerTorrentMax: 55,
  uploadSlots: null,
  memory: 256 * MiB,
  dht: true,
  dhtBootstrap: Object.freeze([
    'router.bittorrent.com:6881',
    'dht.transmissionbt.com:6881',
    'router.utorrent.com:6881',
    'dht.libtorrent.org:25401',
  ]),
  dhtReadOnly: false,
  pex: true,
  lsd: true,
  refuseLocalTrackers: false,
  encryption: 'prefer',
  metadataMax: 16 * MiB,
  peerIdPrefix: '-TT0100-',
  seed: null,
});

/** Metadata of more bytes is not known of any torrent; rqbit has the same limit. */
const METADATA_MAX = 32 * MiB;

/** The least memory a client can work with: two pieces of the usual largest size and a read buffer. */
const MEMORY_MIN = 16 * MiB;

/**
 * The only reader of raw options.
 * @throws UsageError `ERR_INVALID_OPTION` naming the option and its value.
 */
export function resolveOptions(options: ClientOptions = {}): ResolvedOptions {
  const known = new Set(Object.keys(DEFAULTS));
  for (const key of Object.keys(options)) {
    if (!known.has(key)) throw new UsageError(`unknown option ${JSON.stringify(key)}`);
  }
  const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  const resolved: ResolvedOptions = Object.freeze({ ...DEFAULTS, ...given });
  checkText('dir', resolved.dir);
  if (resolved.stateDir !== null && resolved.stateDir !== false) checkText('stateDir', resolved.stateDir);
  if (resolved.port !== null && resolved.port !== false) checkNumber('port', resolved.port, 0, 65_535, true);
  if (resolved.host !== null) checkText('host', resolved.host);
  checkNumber('downLimit', resolved.downLimit, 1, Infinity, false);
  checkNumber('upLimit', resolved.upLimit, 1, Infinity, false);
  checkNumber('connectionsMax', resolved.connectionsMax, 1, 65_535, true);
  checkNumber('connectionsPerTorrentMax', resolved.connectionsPerTorrentMax, 1, 65_535, true);
  if (resolved.uploadSlots !== null) checkNumber('uploadSlots', resolved.uploadSlots, 0, 10_000, true);
  checkNumber('memory', resolved.memory, MEMORY_MIN, Number.MAX_SAFE_INTEGER, true);
  for (const name of ['refuseLocalTrackers', 'dht', 'dhtReadOnly', 'pex', 'lsd'] as const) {
    if (typeof resolved[name] !== 'boolean') throw new UsageError(`option ${name} must be true or false`);
  }
  checkNodes(resolved.dhtBootstrap);
  if (!['off', 'prefer', 'require'].includes(resolved.encryption)) {
    const given = JSON.stringify(resolved.encryption);
    throw new UsageError(`option encryption must be off, prefer or require, got ${given}`);
  }
  checkNumber('metadataMax', resolved.metadataMax, 1, METADATA_MAX, true);
  if (!/^[\x20-\x7e]{0,19}$/.test(resolved.peerIdPrefix)) {
    throw new UsageError(`option peerIdPrefix must be at most 19 printable ASCII characters`);
  }
  if (resolved.seed !== null) checkNumber('seed', resolved.seed, 0, 0xffff_ffff, true);
  return resolved;
}

const ADD_OPTIONS: readonly (keyof AddOptions | 'signal')[] = [
  'dir',
  'files',
  'peers',
  'trackers',
  'webSeeds',
  'exactSource',
  'sequential',
  'superSeed',
  'paused',
  'metadataOnly',
  'downLimit',
  'upLimit',
  'trust',
  'signal',
];

/** @throws UsageError `ERR_INVALID_OPTION` naming the option and its value. Peers and files are checked where they are read. */
export function checkAddOptions(options: AddOptions): void {
  for (const key of Object.keys(options)) {
    if (!ADD_OPTIONS.includes(key as keyof AddOptions)) {
      throw new UsageError(`unknown option ${JSON.stringify(key)}`);
    }
  }
  const { dir, trackers, webSeeds, downLimit, upLimit, trust } = options;
  const { exactSource, sequential, superSeed, paused, metadataOnly } = options;
  if (dir !== undefined) checkText('dir', dir);
  for (const tracker of trackers ?? []) checkText('trackers', tracker);
  for (const url of webSeeds === false ? [] : (webSeeds ?? [])) checkText('webSeeds', url);
  if (downLimit !== undefined) checkNumber('downLimit', downLimit, 1, Infinity, false);
  if (upLimit !== undefined) checkNumber('upLimit', upLimit, 1, Infinity, false);
  for (const [name, value] of Object.entries({
    exactSource,
    sequential,
    superSeed,
    paused,
    metadataOnly,
  })) {
    if (value !== undefined && typeof value !== 'boolean') {
      throw new UsageError(`option ${name} must be true or false`);
    }
  }
  if (trust !== undefined && trust !== 'resume' && trust !== 'check') {
    throw new UsageError(`option trust must be resume or check, got ${JSON.stringify(trust)}`);
  }
}

/** @throws UsageError `ERR_INVALID_OPTION` for a limit that is no rate. */
export function checkLimits(limits: { down?: number; up?: number }): void {
  if (limits.down !== undefined) checkNumber('down', limits.down, 1, Infinity, false);
  if (limits.up !== undefined) checkNumber('up', limits.up, 1, Infinity, false);
}

/** @throws UsageError `ERR_INVALID_OPTION` for any other word. */
export function checkPriority(priority: FilePriority): void {
  if (!['skip', 'low', 'normal', 'high'].includes(priority)) {
    throw new UsageError(`priority must be skip, low, normal or high, got ${JSON.stringify(priority)}`);
  }
}

function checkNodes(nodes: unknown): void {
  const isRight = (node: unknown): boolean => typeof node === 'string' && parseHostPort(node) !== null;
  if (Array.isArray(nodes) && nodes.every(isRight)) return;
  throw new UsageError(`option dhtBootstrap must be a list of HOST:PORT, got ${JSON.stringify(nodes)}`);
}

function checkText(name: string, value: unknown): void {
  if (typeof value !== 'string' || value === '' || value.includes('\0')) {
    throw new UsageError(`option ${name} must be a non-empty text, got ${JSON.stringify(value)}`);
  }
}

function checkNumber(name: string, value: unknown, min: number, max: number, whole: boolean): void {
  const ok = typeof value === 'number' && value >= min && value <= max && (!whole || Number.isInteger(value));
  if (!ok) {
    throw new UsageError(
      `option ${name} must be a ${whole ? 'whole ' : ''}number from ${min} to ${max}, got ${String(value)}`,
    );
  }
}
