import { StorageError, type TorrentTsError } from '../../errors.ts';
import type { TorrentState, TorrentStats } from '../../events.ts';
import { FileMap } from '../../metainfo/file-map.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import type { FilePriority } from '../../options.ts';
import type { TorrentStorage, World } from '../../ports.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { logger } from '../../util/log.ts';
import type { DisconnectReason, Handshake, LinkEncryption, PeerLink } from '../../wire/link.ts';
import type { BandwidthShare } from '../bandwidth.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { GreetedTorrent } from '../greeter.ts';
import type { Inheritance } from '../metadata/inheritance.ts';
import type { PendingSession } from '../metadata/pending-session.ts';
import type { BlockRequester } from '../peer/block-requester.ts';
import type { PeerSession, SessionHost } from '../peer/peer-session.ts';
import { PiecePicker } from '../picker/piece-picker.ts';
import { discoverPeers } from './announcing.ts';
import { guardWorld, stopForBug } from './bug-boundary.ts';
import { ChokeRounds } from './choke-rounds.ts';
import { DiskHealth } from './disk-health.ts';
import { Ending } from './ending.ts';
import { FileProgress } from './file-progress.ts';
import { Holdings } from './holdings.ts';
import { Lifecycle } from './lifecycle.ts';
import type { PartsHost } from './parts-host.ts';
import { PeerRoster, type KnownPeer, type PeerSource } from './peer-roster.ts';
import { PeerSupply } from './peer-supply.ts';
import { PieceAssembler } from './piece-assembler.ts';
import { PieceFlow } from './piece-flow.ts';
import { ReadCache } from './read-cache.ts';
import { Reception } from './reception.ts';
import { Swarm } from './swarm.ts';
import { TailShare } from './tail-share.ts';
import { WebSeeds } from './web-seeds.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import type { TorrentObserver, TorrentOptions } from './torrent-options.ts';
import { statsOf, TorrentCounters } from './torrent-stats.ts';

const log = logger('torrent');
/**
 * One torrent: wires its collaborators together and owns nothing but the lifecycle. Who changes what is told in
 * ARCHITECTURE.md; a new feature that needs a field here needs a collaborator of its own instead.
 */
export class Torrent implements SessionHost, GreetedTorrent, PartsHost {
  readonly metaInfo: MetaInfo;
  readonly geometry: PieceGeometry;
  readonly options: TorrentOptions;
  readonly peerId: Uint8Array;
  /** All whose callbacks are guarded: a bug in one ends this torrent and nothing else. */
  readonly world: World;

  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
  readonly cache: ReadCache;
  readonly down: BandwidthShare;
  readonly up: BandwidthShare;
  readonly files: FileProgress;
  readonly counters = new TorrentCounters();
  readonly roster: PeerRoster;
  readonly swarm = new Swarm();
  readonly tail: TailShare;
  readonly webSeeds: WebSeeds;
  readonly discovery: Discovery;

  readonly infoHash: Uint8Array;
  readonly #observer: TorrentObserver;
  readonly #lifecycle: Lifecycle;
  readonly #storage: TorrentStorage;
  readonly #pieces: PieceFlow;
  readonly #supply: PeerSupply;
  readonly rounds: ChokeRounds;
  readonly #disk: DiskHealth;
  readonly #reception: Reception;
  readonly #holdings: Holdings;
  /** Paused as soon as the check that runs is done. */
  #staysPaused = false;
  #error: TorrentTsError | null = null;
  readonly #ending = new Ending();

  /** @param inherited What it had found while it was a magnet. */
  constructor(
    deps: TorrentDeps,
    metaInfo: MetaInfo,
    options: TorrentOptions,
    observer: TorrentObserver,
    inherited: Inheritance | null = null,
  ) {
    const onBug = (error: unknown): void => this.onBug(error);
    const world = guardWorld(deps.bareWorld, onBug);
    this.world = world;
    this.#observer = observer;
    this.metaInfo = metaInfo;
    this.infoHash = metaInfo.infoHash;
    this.geometry = metaInfo.geometry;
    this.options = options;
    this.peerId = inherited?.peerId ?? deps.newPeerId();
    const rng = deps.rng.fork(metaInfo.infoHashHex);
    this.#lifecycle = new Lifecycle(this, inherited?.state);
    this.#storage = world.storage.open(metaInfo, { dir: options.dir });
    this.assembler = new PieceAssembler(metaInfo.geometry, deps.slabs);
    this.picker = new PiecePicker(metaInfo.geometry, rng.fork('picker'), this);
    this.picker.sequential = options.sequential;
    this.#disk = new DiskHealth(this.#storage, this);
    this.cache = new ReadCache(metaInfo.geometry, this.#storage, deps.readMemory, this.#disk, onBug);
    this.files = new FileProgress(metaInfo, new FileMap(metaInfo.files, metaInfo.geometry));
    this.down = deps.down.share(options.downLimit, onBug);
    this.up = deps.up.share(options.upLimit, onBug);
    this.roster = inherited?.roster ?? new PeerRoster(rng.fork('roster'));
    this.#supply = inherited?.supply ?? new PeerSupply(this, deps);
    this.#supply.serve(this);
    this.rounds = new ChokeRounds(rng, deps.options.uploadSlots, this, deps.options.choker);
    this.webSeeds = new WebSeeds(this, deps, observer);
    this.tail = new TailShare(this.picker, metaInfo.geometry, this.swarm);
    this.#pieces = new PieceFlow(this, this.#storage, world.clock, observer, this.#disk, this);
    this.#holdings = new Holdings(this, this.#storage, this.#pieces, observer);
    this.#reception = new Reception(this, deps);
    this.discovery = discoverPeers(this, deps, observer, rng.fork('trackers'), inherited?.discovery);
  }

  // — questions

  get state(): TorrentState {
    return this.#lifecycle.state;
  }

  get error(): TorrentTsError | null {
    return this.#error;
  }

  get freeConnections(): number {
    return this.#supply.freeConnections;
  }

  get isShortOfConnections(): boolean {
    return this.freeConnections <= 0;
  }

  /** Peers are few, and none is known that could be dialled. */
  get isHungry(): boolean {
    return this.#supply.isLow;
  }

  get mayRequest(): boolean {
    return this.state === 'downloading';
  }

  /** Peers are welcome. */
  get isActive(): boolean {
    return this.#lifecycle.isActive;
  }

  get isSeeding(): boolean {
    return this.state === 'seeding';
  }

  /** All wanted pieces are known to be on disk and flushed. */
  get isComplete(): boolean {
    return this.#holdings.isComplete;
  }

  hasPiece(piece: number): boolean {
    return this.picker.hasPiece(piece);
  }

  get isReadable(): boolean {
    return !this.#disk.isReadFailing;
  }

  now(): number {
    return this.world.clock.now();
  }

  stats(): TorrentStats {
    return statsOf(this, this.#holdings.progress);
  }

  // — commands

  /** Checks what is on disk, then goes to work. */
  start(): void {
    if (this.options.priorities) this.files.setPriorities(this.options.priorities);
    for (const address of this.options.peers) this.roster.add(address, 'user');
    this.#staysPaused = this.options.paused;
    this.#check(this.options.trust, !this.options.paused);
  }

  pause(): void {
    if (!this.#lifecycle.isActive) return;
    this.#holdings.interrupt();
    this.#lifecycle.to('paused');
    this.#supply.leave('torrent-stopped');
    this.#pieces.giveUpBegun();
    this.discovery.stop(() => log('%s: paused', this.metaInfo.name));
    this.#holdings.save();
  }

  /** Goes on after a pause or a failure; what changed on disk meanwhile is found out first. */
  resume(): void {
    const { state, error } = this;
    const wasToPause = this.#staysPaused;
    this.#staysPaused = false;
    if (state === 'paused' || state === 'failed') this.#check('resume');
    else if (state === 'checking' && wasToPause && !this.#holdings.readsPieces) this.#check('resume');
    if (state !== 'stalled') return;
    // The user says that what is gone is gone, so what it held is fetched again; or that the disk is well.
    if (error instanceof StorageError && error.code === 'ERR_FILE_MISSING') this.#check('resume');
    this.#pieces.retryNow();
    this.#disk.retryNow(this.now());
  }

  /**
   * Reads and hashes everything again; a paused torrent is paused after it. Connections are closed, because there is no
   * taking back of a *have*.
   */
  recheck(): void {
    if (this.state === 'closed') return;
    if (this.state === 'paused') this.#staysPaused = true;
    this.#check('check');
  }

  announce(): void {
    if (this.#lifecycle.isActive) this.discovery.announceNow(true);
  }

  /** Somebody named peers of this torrent. */
  onPeersFound(peers: readonly PeerAddress[], source: PeerSource): void {
    this.#supply.add(peers, source);
  }

  setLimits(limits: { down?: number; up?: number }): void {
    if (limits.down !== undefined) this.down.setLimit(limits.down);
    if (limits.up !== undefined) this.up.setLimit(limits.up);
  }

  setFilePriority(files: readonly number[], priority: FilePriority): void {
    this.files.setPriority(files, priority);
    this.#pieces.applySelection();
    this.#pieces.giveUpUnwanted();
    this.#holdings.touch();
    if (this.state === 'downloading' || this.state === 'seeding') this.#enterActive();
  }

  /** Stops for good: peers, trackers, disk, in this order, and saves where it stands. */
  close(done: () => void): void {
    this.#ending.wait(done);
    if (this.state === 'closed') return;
    this.#holdings.interrupt();
    this.#lifecycle.to('closed');
    this.#supply.leave('torrent-stopped');
    const finish = this.#ending.reachAfter(2);
    this.discovery.stop(finish);
    this.#pieces.stop(() => this.#holdings.save(() => this.#storage.close(finish)));
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (!this.#lifecycle.isActive) return;
    if (this.swarm.size > 0) {
      this.tail.onBeat();
      this.#reception.onBeat(now);
      for (const session of [...this.swarm.sessions]) session.onBeat(now);
      this.rounds.onBeat(this.isSeeding, now);
    }
    this.#pieces.onBeat(now);
    this.#disk.onBeat(now);
    this.#supply.onBeat(now);
    this.webSeeds.fill(now);
    if (this.#supply.isLow) this.discovery.announceNow();
    this.#holdings.onBeat(now);
  }

  // — GreetedTorrent

  greet(link: PeerLink): void {
    this.#reception.greet(link);
  }

  admit(link: PeerLink, handshake: Handshake, known: KnownPeer | null): void {
    this.#reception.admit(link, handshake, known);
    this.#observer.onPeer(link.remote);
  }

  /** Goes on with a connection of the magnet that this was. */
  adopt(early: PendingSession): void {
    this.#reception.adopt(early);
  }

  onGreetingFailed(known: KnownPeer | null, reason: DisconnectReason, reached: LinkEncryption): void {
    if (known) this.#supply.onGreetingFailed(known, reason, reached);
  }

  // — SessionHost

  onInterestChanged(): void {
    this.rounds.onVacancy(this.isSeeding, this.now());
  }

  onPeerComplete(session: PeerSession): void {
    if (session.known) session.known.isSeed = true;
    if (this.isSeeding) session.close('both-seeds');
  }

  onBlockReceived(from: BlockRequester, piece: number, block: number): void {
    this.#pieces.onBlockReceived(from, piece, block);
  }

  onClosed(session: PeerSession, reason: DisconnectReason): void {
    log('%s: %o left: %s', this.metaInfo.name, session.link.remote, reason);
    if (!this.#reception.farewell(session, reason)) return;
    if (session.known) this.#supply.onGone(session.known, reason);
    this.#observer.onPeerGone(session.link.remote, reason);
    if (!this.#lifecycle.isActive) return;
    this.rounds.onVacancy(this.isSeeding, this.now());
    this.swarm.wakeStarved(this.now());
    this.#supply.fill();
  }

  // — LifecycleEvents, PickerMediator

  onState(state: TorrentState, before: TorrentState): void {
    log('%s: %s -> %s', this.metaInfo.name, before, state);
    this.#observer.onState(state, before);
  }

  mayStartPiece(piece: number): boolean {
    return this.#pieces.mayStart(piece);
  }

  // — starting

  #check(trust: 'resume' | 'check', readsPieces = true): void {
    this.#error = null;
    // What a magnet had begun goes on.
    if (this.state !== 'metadata') this.#supply.leave('torrent-stopped');
    this.#lifecycle.to('checking');
    this.#disk.forgetReadError();
    this.#holdings.check(trust, readsPieces);
  }

  onChecked(error: StorageError | null, hasRead: boolean): void {
    if (error) {
      this.fail(error);
      return;
    }
    if (this.#staysPaused) {
      this.#lifecycle.to('paused');
      this.#supply.leave('torrent-stopped');
      if (hasRead) this.#holdings.save();
      return;
    }
    if (hasRead) this.#holdings.touch();
    this.#enterActive();
    this.#pieces.retryNow();
    this.discovery.start();
    this.#supply.fill();
  }

  // — PieceFlowEvents, DiskHealthEvents

  onPieceGained(): void {
    this.#holdings.touch();
  }

  goOn(): void {
    if (this.state !== 'checking') this.#enterActive();
  }

  /** Downloading or seeding, by what is missing; also after a stall and after a change of wishes. */
  #enterActive(): void {
    if (!this.#lifecycle.isActive) return;
    if (this.#disk.isFailing) {
      this.#lifecycle.to('stalled');
      return;
    }
    this.#error = null;
    if (this.picker.wantedCount > 0) {
      const isNews = this.#holdings.completion.onMissing();
      this.#lifecycle.to('downloading');
      if (isNews) this.#reception.onMissing();
      this.roster.forgive(this.now());
      this.webSeeds.fill(this.now());
      this.#supply.fill();
    } else {
      this.#lifecycle.to('seeding');
    }
    this.swarm.updateInterest();
    this.swarm.fill(this.now());
    if (this.isSeeding) this.#onComplete();
  }

  #onComplete(): void {
    if (!this.#holdings.completion.onAllThere()) return;
    if (this.picker.have.isFull && this.#holdings.completion.onWhole()) this.discovery.completed();
    this.#reception.onComplete();
    this.#pieces.giveUpUnwanted();
    // Only what was flushed is called complete; empty files are made there too.
    this.#holdings.save();
  }

  // — trouble and the end

  onDiskStalled(error: StorageError): void {
    // What lies in the way of a file does not go by itself; whoever removed it resumes.
    if (error.code === 'ERR_UNSAFE_PATH') this.fail(error);
    else {
      this.#error = error;
      if (this.state === 'downloading' || this.state === 'seeding') this.#lifecycle.to('stalled');
      this.#observer.onWarning(error);
    }
  }

  /** Stops for good reason; `resume` tries again. */
  fail(error: TorrentTsError): void {
    if (!this.#lifecycle.isActive) return;
    this.#error = error;
    // Whatever went wrong, what is on disk is found out anew before anything is remembered of it.
    this.#holdings.distrust();
    this.#lifecycle.to('failed');
    this.#observer.onFailed(error);
    this.#supply.leave('torrent-stopped');
    this.discovery.stop(() => log('%s: failed', this.metaInfo.name));
    this.#pieces.giveUpBegun();
  }

  /** Our own code failed in the midst of something: nothing of this torrent can be relied on any more. */
  onBug(error: unknown): void {
    stopForBug(this.metaInfo.name, error, (report) => this.fail(report));
  }
}
