/** The whole public surface of the library. What is not exported here may change at any time. */
export { Client } from './client.ts';
export {
  DhtHandle,
  type DhtItem,
  type DhtPutResult,
  type DhtValue,
  type MutableDhtItem,
  type MutablePut,
} from './dht-handle.ts';
export type { DhtFamilyStats } from './engine/discovery/dht-driver.ts';
export type { InfoHashSample } from './engine/discovery/dht-operations.ts';
export { TorrentHandle, PieceState } from './torrent-handle.ts';
export { loadTorrent, type TorrentSource } from './load-torrent.ts';
export { parseTorrent } from './metainfo/parse-torrent.ts';
export { parseMagnet, writeMagnet, type Magnet, type MagnetParts } from './metainfo/magnet.ts';
export { writeTorrent, type TorrentNotes } from './metainfo/write-torrent.ts';
export { createTorrent, type CreateOptions, type CreatedTorrent } from './create-torrent.ts';
export { verify, type VerifiedFile, type VerifyOptions, type VerifyResult } from './verify.ts';
export { selectFiles } from './select-files.ts';
export { scrape, type ScrapeEntry, type ScrapeOptions } from './scrape.ts';
export { TrackerServer, type TrackerServerOptions, type TrackerServerStats } from './node/tracker-server.ts';
export {
  InternalError,
  ListenError,
  MagnetError,
  MetainfoError,
  ResumeError,
  StorageError,
  TimeoutError,
  TorrentTsError,
  TrackerError,
  UsageError,
  WebSeedError,
  type ErrorCode,
  type StorageErrorCode,
} from './errors.ts';
export type { AddOptions, ClientOptions, Encryption, FileFilter, FilePriority } from './options.ts';
export type {
  BanInfo,
  ClientEvents,
  FoundPeer,
  PeerInfo,
  PeerSource,
  TorrentEvents,
  TorrentFile,
  TorrentState,
  TorrentStats,
  TrackerInfo,
} from './events.ts';
export type { FileEntry, MetaInfo } from './metainfo/metainfo.ts';
export type { PeerAddress } from './util/ip.ts';
export { VERSION } from './version.ts';
