import type { TorrentTsError } from './errors.ts';
import type { FileEntry, MetaInfo } from './metainfo/metainfo.ts';
import type { FilePriority } from './options.ts';
import type { PeerAddress } from './util/ip.ts';

/**
 * What a torrent is doing.
 *
 * `metadata`: of a magnet link, whose torrent peers have yet to tell. `checking`: comparing files on disk with the torrent. `downloading`: some wanted piece is missing. `seeding`: all
 * wanted pieces are there. `stalled`: the disk refused something; uploads go on and the write is tried again.
 */
export type TorrentState =
  'metadata' | 'checking' | 'downloading' | 'seeding' | 'stalled' | 'paused' | 'failed' | 'closed';

/** A snapshot of one torrent. Byte counts are bytes, rates bytes per second. */
export interface TorrentStats {
  readonly state: TorrentState;
  /**
   * Share of wanted bytes that are verified and on disk, 0 to 1. While checking: share of pieces checked. In state
   * `metadata`: share of the metadata that is here.
   */
  readonly progress: number;
  /** Bytes of wanted files, pad files left out. */
  readonly wantedBytes: number;
  /** Of those, verified and on disk. */
  readonly doneBytes: number;
  readonly piecesDone: number;
  readonly pieceCount: number;
  /** Payload received and sent in this run. */
  readonly downloaded: number;
  readonly uploaded: number;
  /** Payload received for nothing: duplicates, blocks of failed pieces, unasked ones. */
  readonly wasted: number;
  /** Bytes of pieces that failed their hash. */
  readonly corrupt: number;
  readonly downRate: number;
  readonly upRate: number;
  /** Connected peers, and how many of them have everything. */
  readonly peers: number;
  readonly seeds: number;
  /** Connected peers by where they were found; sources of none are left out. */
  readonly peersBySource: Readonly<Partial<Record<PeerSource, number>>>;
  /** Peers known but not connected. */
  readonly knownPeers: number;
  /** Milliseconds until done at the present rate; null when unknown. */
  readonly etaMs: number | null;
}

/**
 * How a peer was found first. `magnet`: named by the magnet link. `user`: by the caller. `resume`: known from an earlier
 * run. `inbound`: it came to us.
 */
export type PeerSource =
  'tracker' | 'dht' | 'lsd' | 'pex' | 'magnet' | 'user' | 'resume' | 'inbound' | 'web-seed';

/** A peer that is known of. */
export interface FoundPeer {
  readonly address: PeerAddress;
  readonly source: PeerSource;
  readonly state: 'idle' | 'dialing' | 'connected';
}

/** One connected peer. */
export interface PeerInfo {
  /** Of a web seed, the host may be a name. */
  readonly address: PeerAddress;
  readonly kind: 'tcp' | 'utp' | 'web-seed' | 'sim';
  readonly inbound: boolean;
  readonly source: PeerSource;
  /** What of the connection is encrypted: nothing, the handshake alone, or everything with RC4. */
  readonly encryption: 'none' | 'handshake' | 'rc4';
  /** From the extension handshake or the peer id; of a web seed its URL; null if unknown. Remote text: escape it before showing it. */
  readonly client: string | null;
  readonly progress: number;
  readonly downRate: number;
  readonly upRate: number;
  readonly downloaded: number;
  readonly uploaded: number;
  readonly weChoke: boolean;
  readonly weAreInterested: boolean;
  readonly theyChoke: boolean;
  readonly theyAreInterested: boolean;
  readonly snubbed: boolean;
}

/** One tracker as last heard of. */
export interface TrackerInfo {
  readonly url: string;
  readonly tier: number;
  readonly state: 'idle' | 'announcing' | 'working' | 'failed';
  /** Remote text: escape it before showing it. */
  readonly message: string | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
  /** Milliseconds until the next announce; null if none is planned. */
  readonly nextAnnounceMs: number | null;
}

/** A file of a torrent in a client. */
export interface TorrentFile extends FileEntry {
  readonly priority: FilePriority;
  /** Verified bytes. */
  readonly doneBytes: number;
  readonly done: boolean;
  /** Absolute path on disk. */
  readonly diskPath: string;
}

/** Why a peer was banned: the evidence is a piece that failed its hash. */
export interface BanInfo {
  readonly address: PeerAddress;
  readonly piece: number;
}

/** Events of a `TorrentHandle`. No event throws if nobody listens. */
export interface TorrentEvents {
  state: [state: TorrentState, before: TorrentState];
  /** Of a magnet link: what the torrent is, is known now. */
  metadata: [metaInfo: MetaInfo];
  /** A piece passed its hash and is on disk. `from` are the peers that sent its blocks. */
  piece: [piece: number, from: readonly PeerAddress[]];
  /** A piece failed its hash and was thrown away. */
  reject: [piece: number, from: readonly PeerAddress[]];
  ban: [ban: BanInfo];
  file: [file: TorrentFile];
  /** All wanted pieces are on disk. */
  complete: [];
  peer: [peer: PeerAddress];
  peerGone: [peer: PeerAddress, reason: string];
  warning: [error: TorrentTsError];
  failed: [error: TorrentTsError];
}

/** Events of a `Client`. */
export interface ClientEvents {
  listening: [address: { readonly host: string; readonly port: number }];
  warning: [error: TorrentTsError];
  close: [];
}
