import type { TorrentTsError } from '../errors.ts';
import type {
  ClientEvents,
  TorrentEvents,
  TorrentFile,
  TorrentState,
  TorrentStats,
  TrackerInfo,
} from '../events.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import type { AddOptions, ClientOptions, FileFilter } from '../options.ts';

/**
 * What the command line needs of the library, and no more: commands get it handed in, so that it is loaded only by
 * those that need it (`--help` must not wait for it) and tests can stand in for it.
 */
export interface Library {
  readonly Client: { open(options?: ClientOptions): Promise<LibraryClient> };
  readonly TrackerServer: { open(options: TrackerOptions): Promise<LibraryTracker> };
  /** Which files a filter means, by index. */
  readonly selectFiles: (metaInfo: MetaInfo, filter: FileFilter) => readonly boolean[];
  readonly parseTorrent: (bytes: Uint8Array) => MetaInfo;
  readonly createTorrent: (path: string, options: CreateOptions) => Promise<CreatedTorrent>;
  readonly verify: (metaInfo: MetaInfo, dir: string, options: VerifyOptions) => Promise<VerifyResult>;
  readonly scrape: (
    trackerUrl: string,
    infoHashes: readonly Uint8Array[],
    options: { signal?: AbortSignal },
  ) => Promise<readonly ScrapeEntry[]>;
}

export interface LibraryClient {
  readonly listenPort: number;
  add(source: MetaInfo, options?: AddOptions & { signal?: AbortSignal }): Promise<LibraryTorrent>;
  close(options?: { timeoutMs?: number }): Promise<void>;
  on<Name extends keyof ClientEvents>(event: Name, listener: (...args: ClientEvents[Name]) => void): unknown;
}

export interface LibraryTorrent {
  readonly infoHash: string;
  readonly name: string;
  readonly dir: string;
  readonly metaInfo: MetaInfo;
  readonly state: TorrentState;
  readonly error: TorrentTsError | null;
  readonly stats: TorrentStats;
  readonly files: readonly TorrentFile[];
  readonly trackers: readonly TrackerInfo[];
  pieceStates(): Uint8Array;
  completed(options?: { signal?: AbortSignal }): Promise<void>;
  pause(): void;
  on<Name extends keyof TorrentEvents>(
    event: Name,
    listener: (...args: TorrentEvents[Name]) => void,
  ): unknown;
}

export interface CreateOptions {
  name?: string;
  trackers?: readonly (readonly string[])[];
  webSeeds?: readonly string[];
  private?: boolean;
  source?: string;
  comment?: string;
  /** Bytes. */
  pieceLength?: number;
  exclude?: readonly string[];
  /** Seconds since 1970, or null to leave it out. */
  createdAt?: number | null;
  onProgress?: (progress: HashProgress) => void;
  signal?: AbortSignal;
}

export interface HashProgress {
  readonly done: number;
  readonly total: number;
}

export interface CreatedTorrent {
  readonly metaInfo: MetaInfo;
  readonly torrentFile: Uint8Array;
}

export interface VerifyOptions {
  onProgress?: (progress: HashProgress) => void;
  signal?: AbortSignal;
}

export interface VerifyResult {
  readonly ok: boolean;
  readonly pieces: { readonly bad: readonly number[] };
  readonly files: readonly VerifiedFile[];
}

export interface VerifiedFile {
  readonly index: number;
  readonly path: string;
  readonly state: 'ok' | 'damaged' | 'missing';
  readonly badPieces: number;
}

export interface ScrapeEntry {
  readonly infoHash: Uint8Array | string;
  readonly seeders: number;
  readonly leechers: number;
  readonly downloads: number;
}

export interface TrackerOptions {
  host?: string;
  httpPort?: number | false;
  udpPort?: number | false;
}

export interface LibraryTracker {
  readonly httpPort: number;
  readonly udpPort: number;
  close(): Promise<void>;
}

export type {
  ClientOptions,
  FileFilter,
  TorrentEvents,
  AddOptions,
  MetaInfo,
  TorrentFile,
  TorrentState,
  TorrentStats,
  TorrentTsError,
  TrackerInfo,
};

/** The real one. */
export async function loadLibrary(): Promise<Library> {
  return import('../index.ts');
}
