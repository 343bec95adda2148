import { EventEmitter } from 'node:events';
import { join } from 'node:path';
import type { PendingTorrent } from './engine/metadata/pending-torrent.ts';
import type { Torrent } from './engine/torrent/torrent.ts';
import type { TorrentObserver } from './engine/torrent/torrent-options.ts';
import { TimeoutError, UsageError, type TorrentTsError } from './errors.ts';
import type {
  FoundPeer,
  PeerInfo,
  TorrentEvents,
  TorrentFile,
  TorrentState,
  TorrentStats,
  TrackerInfo,
} from './events.ts';
import { hasRealPort, isWebSeedUrl } from './metainfo/announce-urls.ts';
import type { Magnet } from './metainfo/magnet.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import { checkLimits, checkPriority, type FileFilter, type FilePriority } from './options.ts';
import { selectFiles } from './select-files.ts';
import { canonicalIp, type PeerAddress } from './util/ip.ts';
import type { DisconnectReason } from './wire/link.ts';

/** Snapshots this often unless asked otherwise. */
const PROGRESS_INTERVAL_MS = 500;

/** Per piece, as `pieceStates` says it. */
export const PieceState = { missing: 0, inFlight: 1, have: 2, unwanted: 3 } as const;

/**
 * One torrent in a client. Made by `client.add`; the same torrent always has the same handle.
 *
 * Events come after the turn that caused them, so a listener may call any method. No event needs a listener.
 */
export class TorrentHandle extends EventEmitter<TorrentEvents> {
  /** 40 hexadecimal digits. */
  readonly infoHash: string;
  /** Folder that holds the torrent's top-level file or folder. */
  readonly dir: string;
  readonly #owner: HandleOwner;
  #torrent: Torrent | PendingTorrent | null = null;
  #metaInfo: MetaInfo | null;
  /** What a magnet link calls it. */
  readonly #calledName: string | null;
  /** Given before there was a torrent to give them to. */
  #webSeeds: { readonly urls: readonly string[]; readonly byUser: boolean }[] = [];

  /** @internal Use `client.add`. */
  constructor(source: MetaInfo | Magnet, dir: string, owner: HandleOwner) {
    super();
    this.#metaInfo = 'infoBytes' in source ? source : null;
    this.#calledName = source.name;
    this.infoHash = source.infoHashHex;
    this.dir = dir;
    this.#owner = owner;
  }

  /** Null for a magnet link as long as its metadata is not here; `metadata()` waits for it. */
  get metaInfo(): MetaInfo | null {
    return this.#metaInfo;
  }

  /** Until the metadata is here, what the magnet link says, or else the info hash. */
  get name(): string {
    return this.#metaInfo?.name ?? this.#calledName ?? this.infoHash;
  }

  get state(): TorrentState {
    return this.#engineTorrent.state;
  }

  /** Why it stalled or failed; null while all is well. */
  get error(): TorrentTsError | null {
    return this.#engineTorrent.error;
  }

  get stats(): TorrentStats {
    return this.#engineTorrent.stats();
  }

  get peers(): readonly PeerInfo[] {
    return this.#engineTorrent.swarm.sessions.map((session) => session.info());
  }

  /** All peers known of, connected or not, with where each was found first. */
  get foundPeers(): readonly FoundPeer[] {
    return this.#engineTorrent.roster.found();
  }

  get trackers(): readonly TrackerInfo[] {
    return this.#engineTorrent.discovery.trackers();
  }

  /** None as long as the metadata is not here. */
  get files(): readonly TorrentFile[] {
    const torrent = this.#known;
    return torrent ? torrent.metaInfo.files.map((file) => this.#file(torrent, file.index)) : [];
  }

  /** One byte per piece: see `PieceState`. Empty as long as the metadata is not here. */
  pieceStates(): Uint8Array {
    const torrent = this.#known;
    if (!torrent) return new Uint8Array(0);
    const { metaInfo, picker } = torrent;
    const states = new Uint8Array(metaInfo.pieceCount);
    for (let piece = 0; piece < states.length; piece++) {
      if (picker.priority(piece) === 0) states[piece] = PieceState.unwanted;
    }
    for (const piece of picker.partialPieces()) states[piece] = PieceState.inFlight;
    picker.have.forEach((piece) => (states[piece] = PieceState.have));
    return states;
  }

  /**
   * Resolves with what the torrent is: at once, or for a magnet link when a peer has told it. Rejects with the torrent's
   * error if it fails, `ERR_CLOSED` if it is removed, or the signal's reason.
   */
  async metadata(options: { signal?: AbortSignal } = {}): Promise<MetaInfo> {
    const { signal } = options;
    let wake: () => void = () => undefined;
    const onChange = (): void => wake();
    this.on('state', onChange).on('metadata', onChange);
    signal?.addEventListener('abort', onChange);
    try {
      for (;;) {
        if (this.#metaInfo) return this.#metaInfo;
        signal?.throwIfAborted();
        this.#throwIfEnded();
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      this.off('state', onChange).off('metadata', onChange);
      signal?.removeEventListener('abort', onChange);
    }
  }

  /**
   * Resolves when all wanted pieces are on disk, at once if they are.
   * Rejects with the torrent's error if it fails, `ERR_CLOSED` if it is removed, or the signal's reason.
   */
  async completed(options: { signal?: AbortSignal } = {}): Promise<void> {
    const snapshots = this.progress({ ...options, intervalMs: Infinity });
    let ended = false;
    while (!ended) ended = (await snapshots.next()).done ?? false;
  }

  /**
   * Snapshots until everything wanted is there: the first at once, then one per interval and one at the end. Throws the
   * torrent's error if it fails, `ERR_CLOSED` if it is removed, or the signal's reason.
   */
  async *progress(
    options: { intervalMs?: number; signal?: AbortSignal } = {},
  ): AsyncIterableIterator<TorrentStats> {
    const { intervalMs = PROGRESS_INTERVAL_MS, signal } = options;
    let wake: () => void = () => undefined;
    const onChange = (): void => wake();
    const isOver = (): boolean => this.#isComplete || this.state === 'failed' || this.state === 'closed';
    this.on('state', onChange).on('complete', onChange);
    signal?.addEventListener('abort', onChange);
    try {
      for (;;) {
        signal?.throwIfAborted();
        this.#throwIfEnded();
        yield this.stats;
        if (this.#isComplete) return;
        await new Promise<void>((resolve) => {
          const timer = intervalMs === Infinity ? undefined : setTimeout(resolve, intervalMs);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
          // What happened while the caller held the last snapshot.
          if (isOver() || signal?.aborted) wake();
        });
      }
    } finally {
      this.off('state', onChange).off('complete', onChange);
      signal?.removeEventListener('abort', onChange);
    }
  }

  /**
   * Resolves as soon as some peer is connected. Rejects with `ERR_NO_PEERS` after `timeoutMs`, with the torrent's error
   * if it fails, or `ERR_CLOSED` if it is removed.
   */
  async connected(timeoutMs: number): Promise<void> {
    this.#throwIfEnded();
    if (this.peers.length > 0) return;
    const isInTime = await new Promise<boolean>((resolve) => {
      const timer = setTimeout(() => finish(false), timeoutMs);
      const onPeer = (): void => finish(true);
      const onState = (state: TorrentState): void => {
        if (state === 'failed' || state === 'closed') finish(true);
      };
      const finish = (result: boolean): void => {
        clearTimeout(timer);
        this.off('peer', onPeer).off('state', onState);
        resolve(result);
      };
      this.on('peer', onPeer).on('state', onState);
    });
    this.#throwIfEnded();
    if (!isInTime) throw new TimeoutError(`no peer of ${this.name} could be reached in ${timeoutMs} ms`);
  }

  /**
   * Sets how much files are wanted; `skip` leaves them out. May be called at any time.
   * @throws UsageError as long as the metadata is not here.
   */
  prioritize(files: FileFilter, priority: FilePriority): void {
    checkPriority(priority);
    const torrent = this.#known;
    if (!torrent) throw new UsageError(`the files of ${this.name} are not known yet; await metadata() first`);
    const { metaInfo } = torrent;
    const chosen = selectFiles(metaInfo, files);
    torrent.setFilePriority(
      metaInfo.files.filter((file) => chosen[file.index]).map((file) => file.index),
      priority,
    );
  }

  /** Leaves the swarm and keeps all that is on disk. Blocks of unfinished pieces are fetched again after it. */
  pause(): void {
    this.#engineTorrent.pause();
  }

  /** Goes on after `pause`, after a failure, and at once after a disk error that was mended. */
  resume(): void {
    this.#engineTorrent.resume();
  }

  /** Reads and hashes everything on disk again. */
  recheck(): void {
    this.#known?.recheck();
  }

  /** Asks the trackers for more peers now, as far as their minimum intervals allow. */
  announce(): void {
    this.#engineTorrent.announce();
  }

  /** @throws UsageError if a host is not an IP address or a port not from 1 to 65535. */
  addPeers(peers: readonly { readonly host: string; readonly port: number }[]): void {
    this.#engineTorrent.onPeersFound(peers.map(checkPeer), 'user');
  }

  addTrackers(urls: readonly string[]): void {
    this.#engineTorrent.discovery.addTrackers(urls);
  }

  /** Web servers that have the files (BEP 19). @throws UsageError for what is no http or https URL. */
  addWebSeeds(urls: readonly string[]): void {
    checkWebSeeds(urls);
    this.#addWebSeeds(urls, true);
  }

  /** Bytes per second for this torrent; Infinity is no limit. */
  setLimits(limits: { down?: number; up?: number }): void {
    checkLimits(limits);
    this.#engineTorrent.setLimits(limits);
  }

  /** @internal The torrent was added once more, from a source that names these. */
  addFoundWebSeeds(urls: readonly string[]): void {
    this.#addWebSeeds(urls, false);
  }

  /** @internal */
  begin(start: (observer: TorrentObserver) => Torrent | PendingTorrent): void {
    this.#torrent = start(new EventSource(this));
  }

  /** @internal */
  onState(state: TorrentState, before: TorrentState): void {
    if (state === 'downloading') this.#owner.onDownloading(this);
    this.emit('state', state, before);
  }

  /** @internal The metadata of a magnet link is here. */
  onMetadata(torrent: Torrent): void {
    this.#torrent = torrent;
    this.#metaInfo = torrent.metaInfo;
    for (const { urls, byUser } of this.#webSeeds) torrent.webSeeds.add(urls, byUser);
    this.#webSeeds = [];
  }

  /** @internal */
  file(index: number): TorrentFile {
    return this.#file(this.#known!, index);
  }

  /** @internal */
  get engineTorrent(): Torrent | PendingTorrent {
    return this.#engineTorrent;
  }

  /** The torrent, unless its metadata is still awaited. */
  get #known(): Torrent | null {
    const torrent = this.#engineTorrent;
    return 'metaInfo' in torrent ? torrent : null;
  }

  get #isComplete(): boolean {
    return this.#known?.isComplete ?? false;
  }

  get #engineTorrent(): Torrent | PendingTorrent {
    if (!this.#torrent) throw new UsageError(`torrent ${this.name} has not begun`, 'ERR_CLOSED');
    return this.#torrent;
  }

  #throwIfEnded(): void {
    if (this.state === 'failed' && this.error) throw this.error;
    if (this.state === 'closed') throw new UsageError(`torrent ${this.name} was removed`, 'ERR_CLOSED');
  }

  #addWebSeeds(urls: readonly string[], byUser: boolean): void {
    if (this.#known) this.#known.webSeeds.add(urls, byUser);
    else this.#webSeeds.push({ urls, byUser });
  }

  #file({ files, metaInfo }: Torrent, index: number): TorrentFile {
    const entry = metaInfo.files[index]!;
    return {
      ...entry,
      priority: files.priorities[index]!,
      doneBytes: files.doneBytes(index),
      done: files.isDone(index),
      diskPath: join(this.dir, entry.path),
    };
  }
}

/** The client that a handle belongs to. */
export interface HandleOwner {
  /** It writes to its files from now on. */
  onDownloading(handle: TorrentHandle): void;
}

/** Makes events of what the engine says. They leave in a later turn: the engine must not be called back within its own. */
class EventSource implements TorrentObserver {
  readonly #handle: TorrentHandle;

  constructor(handle: TorrentHandle) {
    this.#handle = handle;
  }

  onState(state: TorrentState, before: TorrentState): void {
    queueMicrotask(() => this.#handle.onState(state, before));
  }

  onMetadata(torrent: Torrent): void {
    this.#handle.onMetadata(torrent);
    queueMicrotask(() => this.#handle.emit('metadata', torrent.metaInfo));
  }

  onPiece(piece: number, from: readonly PeerAddress[]): void {
    queueMicrotask(() => this.#handle.emit('piece', piece, from));
  }

  onReject(piece: number, from: readonly PeerAddress[]): void {
    queueMicrotask(() => this.#handle.emit('reject', piece, from));
  }

  onBan(address: PeerAddress, piece: number): void {
    queueMicrotask(() => this.#handle.emit('ban', { address, piece }));
  }

  onFile(file: number): void {
    queueMicrotask(() => this.#handle.emit('file', this.#handle.file(file)));
  }

  onComplete(): void {
    queueMicrotask(() => this.#handle.emit('complete'));
  }

  onPeer(address: PeerAddress): void {
    queueMicrotask(() => this.#handle.emit('peer', address));
  }

  onPeerGone(address: PeerAddress, reason: DisconnectReason): void {
    queueMicrotask(() => this.#handle.emit('peerGone', address, reason));
  }

  onWarning(error: TorrentTsError): void {
    queueMicrotask(() => this.#handle.emit('warning', error));
  }

  onFailed(error: TorrentTsError): void {
    queueMicrotask(() => this.#handle.emit('failed', error));
  }
}

/** @throws UsageError for a URL that no web seed can have. */
export function checkWebSeeds(urls: readonly string[]): void {
  const bad = urls.find((url) => !isWebSeedUrl(url) || !hasRealPort(url));
  if (bad !== undefined)
    throw new UsageError(`web seeds must be http or https URLs, got ${JSON.stringify(bad)}`);
}

/** @throws UsageError if it is not an address that can be dialled. */
export function checkPeer(peer: { readonly host: string; readonly port: number }): PeerAddress {
  const host = canonicalIp(peer.host);
  if (host === null)
    throw new UsageError(`peer host must be an IP address, got ${JSON.stringify(peer.host)}`);
  if (!Number.isInteger(peer.port) || peer.port < 1 || peer.port > 65_535) {
    throw new UsageError(`peer port must be from 1 to 65535, got ${peer.port}`);
  }
  return { host, port: peer.port };
}
