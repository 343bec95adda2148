import type * as library from '../index.ts';

/**
 * What the command line needs of the library, and no more. Commands get it handed in: it is loaded only by those that
 * need it, because `--help` must not wait for it, and tests can stand in for it.
 */
export interface Library extends Pick<
  typeof library,
  | 'createTorrent'
  | 'parseMagnet'
  | 'parseTorrent'
  | 'scrape'
  | 'selectFiles'
  | 'verify'
  | 'writeMagnet'
  | 'writeTorrent'
> {
  readonly Client: { open(options?: library.ClientOptions): Promise<LibraryClient> };
  readonly TrackerServer: { open(options: library.TrackerServerOptions): Promise<LibraryTracker> };
}

export interface LibraryClient extends Pick<library.Client, 'dht' | 'listenPort' | 'close'> {
  add(
    source: library.MetaInfo | library.Magnet,
    options?: library.AddOptions & { signal?: AbortSignal },
  ): Promise<LibraryTorrent>;
  remove(torrent: LibraryTorrent): Promise<void>;
  on<Name extends keyof library.ClientEvents>(
    event: Name,
    listener: (...args: library.ClientEvents[Name]) => void,
  ): unknown;
}

export interface LibraryTorrent extends Pick<
  library.TorrentHandle,
  | 'completed'
  | 'dir'
  | 'error'
  | 'files'
  | 'foundPeers'
  | 'infoHash'
  | 'metaInfo'
  | 'metadata'
  | 'name'
  | 'pause'
  | 'peers'
  | 'pieceStates'
  | 'prioritize'
  | 'resume'
  | 'state'
  | 'stats'
  | 'trackers'
> {
  on<Name extends keyof library.TorrentEvents>(
    event: Name,
    listener: (...args: library.TorrentEvents[Name]) => void,
  ): unknown;
}

export type LibraryTracker = Pick<library.TrackerServer, 'httpUrl' | 'udpUrl' | 'close'>;

/** Hashing so far, in bytes. */
export interface HashProgress {
  readonly done: number;
  readonly total: number;
}

export type {
  AddOptions,
  ClientOptions,
  CreatedTorrent,
  CreateOptions,
  Encryption,
  FileFilter,
  Magnet,
  MetaInfo,
  PeerSource,
  ScrapeEntry,
  TorrentState,
  TorrentStats,
  TorrentTsError,
  TrackerInfo,
  VerifiedFile,
  VerifyResult,
} from '../index.ts';

/** The real one. */
export async function loadLibrary(): Promise<Library> {
  return import('../index.ts');
}
