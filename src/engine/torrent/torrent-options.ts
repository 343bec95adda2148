import type { TorrentTsError } from '../../errors.ts';
import type { TorrentState } from '../../events.ts';
import type { FilePriority } from '../../options.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { DisconnectReason } from '../../wire/link.ts';
import type { Torrent } from './torrent.ts';

/** What the outside hears of a torrent. Calls come from within the engine: do not call back in the same turn. */
export interface TorrentObserver {
  onState(state: TorrentState, before: TorrentState): void;
  /** The metadata is here, and this is the torrent; it has begun already. */
  onMetadata?(torrent: Torrent): void;
  onPiece(piece: number, from: readonly PeerAddress[]): void;
  onReject(piece: number, from: readonly PeerAddress[]): void;
  onBan(address: PeerAddress, piece: number): void;
  onFile(file: number): void;
  onComplete(): void;
  onPeer(address: PeerAddress): void;
  onPeerGone(address: PeerAddress, reason: DisconnectReason): void;
  onWarning(error: TorrentTsError): void;
  onFailed(error: TorrentTsError): void;
}

/** Options of one torrent, all decided. */
export interface TorrentOptions {
  /** Folder that holds the torrent's top-level file or folder. */
  readonly dir: string;
  /** Names the resume record: unique for torrent and folder. */
  readonly resumeKey: string;
  readonly trackers: readonly (readonly string[])[];
  readonly peers: readonly PeerAddress[];
  /** URLs of the torrent's files on web servers (BEP 19). */
  readonly webSeeds?: readonly string[];
  /** By file; null for the resume record's, or normal. */
  readonly priorities: readonly FilePriority[] | null;
  readonly sequential: boolean;
  readonly trust: 'resume' | 'check';
  readonly paused: boolean;
  readonly downLimit: number;
  readonly upLimit: number;
  /** Hide what we have while we are the only seed (BEP 16). */
  readonly superSeed?: boolean;
}
