import { StorageError, type TorrentTsError } from '../../errors.ts';
import type { PeerInfo, TorrentState, TorrentStats, TrackerInfo } from '../../events.ts';
import { FileMap } from '../../metainfo/file-map.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import type { FilePriority } from '../../options.ts';
import type { TorrentStorage } from '../../ports.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { logger } from '../../util/log.ts';
import type { Rng } from '../../util/rng.ts';
import type { DisconnectReason, Handshake, PeerLink } from '../../wire/link.ts';
import type { BandwidthShare } from '../bandwidth.ts';
import type { TrackerDriver } from '../discovery/tracker-driver.ts';
import type { GreetedTorrent } from '../greeter.ts';
import type { BlockRequester } from '../peer/block-requester.ts';
import type { PeerSession, SessionHost } from '../peer/peer-session.ts';
import { PiecePicker } from '../picker/piece-picker.ts';
import { announceTorrent } from './announcing.ts';
import { ChokeRounds } from './choke-rounds.ts';
import { Dialer } from './dialer.ts';
import { DiskHealth } from './disk-health.ts';
import { FileChecker } from './file-checker.ts';
import { FileProgress } from './file-progress.ts';
import { Lifecycle } from './lifecycle.ts';
import { PeerRoster, type KnownPeer } from './peer-roster.ts';
import { PieceAssembler } from './piece-assembler.ts';
import { PieceFlow } from './piece-flow.ts';
import { ReadCache } from './read-cache.ts';
import { Reception } from './reception.ts';
import { ResumeKeeper, type ResumeFacts, type StartingPoint } from './resume-keeper.ts';
import { Swarm } from './swarm.ts';
import { TailShare } from './tail-share.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import type { TorrentObserver, TorrentOptions } from './torrent-options.ts';
import { TorrentCounters } from './torrent-stats.ts';

const log = logger('torrent');
/** With fewer peers than this a download is worth an early announce. */
const FEW_PEERS = 5;
/** Peers kept in the resume record. */
const RESUME_PEERS_MAX = 100;

/**
 * One torrent: wires its collaborators together and owns nothing but the lifecycle. Who changes what is told in
 * ARCHITECTURE.md; a new feature that needs a field here needs a collaborator of its own instead.
 */
export class Torrent implements SessionHost, GreetedTorrent {
  readonly metaInfo: MetaInfo;
  readonly geometry: PieceGeometry;
  readonly options: TorrentOptions;
  readonly peerId: Uint8Array;

  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
  readonly cache: ReadCache;
  readonly down: BandwidthShare;
  readonly up: BandwidthShare;
  readonly files: FileProgress;
  readonly counters = new TorrentCounters();
  readonly roster: PeerRoster;
  readonly swarm = new Swarm();

  readonly #deps: TorrentDeps;
  readonly #observer: TorrentObserver;
  readonly #rng: Rng;
  readonly #lifecycle: Lifecycle;
  readonly #storage: TorrentStorage;
  readonly #pieces: PieceFlow;
  readonly #dialer: Dialer;
  readonly #rounds: ChokeRounds;
  readonly #resume: ResumeKeeper;
  readonly #disk: DiskHealth;
  readonly #tail: TailShare;
  readonly #trackers: TrackerDriver;
  readonly #reception: Reception;
  #checker: FileChecker | null = null;
  #error: TorrentTsError | null = null;
  /** Something was missing when this run began to download: `completed` is worth announcing (BEP 3). */
  #wasIncomplete = false;
  #completion: 'open' | 'flushing' | 'said' = 'open';

  constructor(deps: TorrentDeps, metaInfo: MetaInfo, options: TorrentOptions, observer: TorrentObserver) {
    this.#deps = deps;
    this.#observer = observer;
    this.metaInfo = metaInfo;
    this.geometry = metaInfo.geometry;
    this.options = options;
    this.peerId = deps.peerId;
    const { clock } = deps.world;
    this.#rng = deps.rng.fork(metaInfo.infoHashHex);
    this.#lifecycle = new Lifecycle((state, before) => {
      log('%s: %s -> %s', metaInfo.name, before, state);
      observer.onState(state, before);
    });
    this.#storage = deps.world.storage.open(metaInfo, { dir: options.dir });
    this.assembler = new PieceAssembler(metaInfo.geometry, deps.slabs);
    this.picker = new PiecePicker(metaInfo.geometry, this.#rng.fork('picker'), {
      mayStartPiece: (piece) => this.assembler.reserve(piece),
    });
    this.picker.sequential = options.sequential;
    this.#disk = new DiskHealth(this.#storage, {
      onStalled: (error) => this.#onStalled(error),
      onRecovered: () => this.#enterActive(),
    });
    this.cache = new ReadCache(metaInfo.geometry, this.#storage, deps.readBuffers, (error, piece) => {
      this.#disk.onReadError(error, piece, clock.now());
    });
    this.files = new FileProgress(metaInfo, new FileMap(metaInfo.files, metaInfo.geometry));
    this.down = deps.down.share(options.downLimit);
    this.up = deps.up.share(options.upLimit);
    this.roster = new PeerRoster(this.#rng.fork('roster'));
    this.#dialer = new Dialer(clock, deps.world.transports, deps.dialBudget, this.roster, this);
    this.#rounds = new ChokeRounds(this.#rng, deps.options.uploadSlots, this.swarm);
    this.#tail = new TailShare(this.picker, metaInfo.geometry, this.swarm);
    this.#resume = new ResumeKeeper(
      metaInfo,
      this.#storage,
      deps.world.resume,
      options.resumeKey,
      clock.now(),
    );
    this.#pieces = new PieceFlow(this, this.#storage, clock, observer, {
      onChanged: () => this.#resume.touch(),
      onAllVerified: () => {
        if (this.state !== 'checking') this.#enterActive();
      },
      onDiskError: (error) => this.#disk.onWriteError(error),
      onDiskRecovered: () => this.#disk.onWriteRecovered(),
    });
    this.#reception = new Reception(this, deps);
    this.#trackers = announceTorrent(this, deps, this.#rng.fork('trackers'), {
      onPeers: (peers) => {
        for (const peer of peers) this.roster.add(peer, 'tracker');
        if (this.#lifecycle.isActive) this.#dialer.fill();
      },
      onExternalIp: (ip) => log('%s: a tracker sees us at %s', metaInfo.name, ip),
      onWarning: (error) => observer.onWarning(error),
    });
  }

  // — questions

  get state(): TorrentState {
    return this.#lifecycle.state;
  }

  get error(): TorrentTsError | null {
    return this.#error;
  }

  get freeConnections(): number {
    if (!this.#wantsPeers) return 0;
    const { options, connections } = this.#deps;
    return Math.min(options.connectionsPerTorrentMax - this.swarm.size, connections.free);
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

  /** All wanted pieces are on disk and flushed. */
  get isComplete(): boolean {
    return this.#completion === 'said';
  }

  hasPiece(piece: number): boolean {
    return this.picker.hasPiece(piece) && !this.#disk.isReadFailing;
  }

  now(): number {
    return this.#deps.world.clock.now();
  }

  windowCap(rate: number): number {
    return this.#tail.windowCap(rate);
  }

  stats(): TorrentStats {
    const now = this.now();
    const { wantedBytes, wantedDoneBytes } = this.files;
    const downRate = this.counters.downRate(now);
    const left = wantedBytes - wantedDoneBytes;
    const done = wantedBytes === 0 ? 1 : wantedDoneBytes / wantedBytes;
    return {
      state: this.state,
      progress: this.state === 'checking' ? (this.#checker?.progress ?? 0) : done,
      wantedBytes,
      doneBytes: wantedDoneBytes,
      piecesDone: this.picker.have.count,
      pieceCount: this.geometry.pieceCount,
      downloaded: this.counters.downloaded,
      uploaded: this.counters.uploaded,
      wasted: this.counters.wasted,
      corrupt: this.counters.corrupt,
      downRate,
      upRate: this.counters.upRate(now),
      peers: this.swarm.size,
      seeds: this.swarm.seedCount,
      knownPeers: Math.max(0, this.roster.size - this.roster.connectedCount),
      etaMs: left === 0 ? 0 : downRate > 0 ? (left / downRate) * 1000 : null,
    };
  }

  peers(): PeerInfo[] {
    return this.swarm.sessions.map((session) => session.info());
  }

  trackers(): readonly TrackerInfo[] {
    return this.#trackers.trackers();
  }

  // — commands

  /** Checks what is on disk, then goes to work. */
  start(): void {
    if (this.options.paused) this.#loadOnly();
    else this.#check(this.options.trust);
  }

  pause(): void {
    if (!this.#lifecycle.isActive) return;
    this.#checker?.cancel();
    this.#lifecycle.to('paused');
    this.#leaveSwarm('torrent-stopped');
    this.#trackers.stop(() => log('%s: paused', this.metaInfo.name));
    this.#saveResume(() => log('%s: saved', this.metaInfo.name));
  }

  /** Goes on after a pause or a failure; what changed on disk meanwhile is found out first. */
  resume(): void {
    const { state, error } = this;
    if (state === 'paused' || state === 'failed') this.#check('resume');
    else if (state !== 'stalled') return;
    else if (error instanceof StorageError && error.code === 'ERR_FILE_MISSING') {
      // The user says that what is gone is gone: what it held is fetched again.
      this.#leaveSwarm('torrent-stopped');
      this.#check('resume');
    } else this.#pieces.retryNow();
  }

  /** Reads and hashes everything again. Connections are closed, because there is no taking back of a *have*. */
  recheck(): void {
    if (this.state === 'closed') return;
    this.#checker?.cancel();
    this.#leaveSwarm('torrent-stopped');
    this.#check('check');
  }

  announce(): void {
    if (this.#lifecycle.isActive) this.#trackers.announceNow();
  }

  addPeers(addresses: readonly PeerAddress[]): void {
    for (const address of addresses) this.roster.add(address, 'user');
    this.#dialer.fill();
  }

  addTrackers(urls: readonly string[]): void {
    this.#trackers.addTrackers(urls);
  }

  setLimits(limits: { down?: number; up?: number }): void {
    if (limits.down !== undefined) this.down.setLimit(limits.down);
    if (limits.up !== undefined) this.up.setLimit(limits.up);
  }

  setFilePriority(files: readonly number[], priority: FilePriority): void {
    this.files.setPriority(files, priority);
    this.#pieces.applySelection();
    this.#resume.touch();
    if (this.state === 'downloading' || this.state === 'seeding') this.#enterActive();
  }

  /** Stops for good: peers, trackers, disk, in this order, and saves where it stands. */
  close(done: () => void): void {
    if (this.state === 'closed') {
      done();
      return;
    }
    const wasChecking = this.state === 'checking';
    this.#checker?.cancel();
    this.#lifecycle.to('closed');
    this.#leaveSwarm('torrent-stopped');
    let waiting = 2;
    const finish = (): void => {
      if (--waiting === 0) done();
    };
    this.#trackers.stop(finish);
    this.#pieces.stop(() => {
      const closeStorage = (): void => {
        this.#releaseMemory();
        this.#storage.close(finish);
      };
      // A check that was cut short knows less than the record on disk.
      if (wasChecking) closeStorage();
      else this.#saveResume(closeStorage);
    });
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (!this.#lifecycle.isActive) return;
    if (this.swarm.size > 0) {
      this.#tail.onBeat();
      for (const session of [...this.swarm.sessions]) session.onBeat(now);
      this.#rounds.onBeat(this.isSeeding, now);
      this.#pieces.dropIdle();
    }
    this.#pieces.onBeat(now);
    this.#disk.onBeat(now);
    this.#dialer.fill();
    this.#askForPeers();
    if (this.#resume.isDue(now)) this.#saveResume(() => log('%s: saved', this.metaInfo.name));
  }

  // — GreetedTorrent

  greet(link: PeerLink): void {
    this.#reception.greet(link);
  }

  admit(link: PeerLink, handshake: Handshake, known: KnownPeer | null): void {
    const session = this.#reception.admit(link, handshake, known);
    this.swarm.add(session);
    this.#deps.connections.count++;
    this.picker.onPeerJoined(session);
    this.#reception.introduce(session);
    this.#observer.onPeer(link.remote);
  }

  onGreetingFailed(known: KnownPeer | null, reason: DisconnectReason): void {
    if (known) this.roster.onDisconnected(known, reason, this.now());
  }

  // — DialerHost

  onDialed(link: PeerLink, peer: KnownPeer): void {
    this.#deps.greeter.greetOutbound(link, this, peer);
  }

  // — SessionHost

  onInterestChanged(): void {
    this.#rounds.onVacancy(this.isSeeding, this.now());
  }

  onPeerComplete(session: PeerSession): void {
    if (this.isSeeding) session.close('both-seeds');
  }

  onDownloaded(bytes: number): void {
    this.counters.onDownloaded(bytes, this.now());
  }

  onUploaded(bytes: number): void {
    this.counters.onUploaded(bytes, this.now());
  }

  onWaste(bytes: number): void {
    this.counters.wasted += bytes;
  }

  onBlockReceived(from: BlockRequester, piece: number, block: number): void {
    this.#pieces.onBlockReceived(from, piece, block);
  }

  onClosed(session: PeerSession, reason: DisconnectReason): void {
    log('%s: %o left: %s', this.metaInfo.name, session.link.remote, reason);
    if (!this.swarm.remove(session)) return;
    this.#deps.connections.count--;
    this.picker.onPeerLeft(session);
    this.#rounds.onGone(session);
    if (session.known) this.roster.onDisconnected(session.known, reason, this.now());
    this.#observer.onPeerGone(session.link.remote, reason);
    if (!this.#lifecycle.isActive) return;
    this.#rounds.onVacancy(this.isSeeding, this.now());
    this.swarm.wakeStarved(this.now());
    this.#dialer.fill();
  }

  // — starting

  #loadOnly(): void {
    this.#lifecycle.to('checking');
    this.#load('resume', () => this.#lifecycle.to('paused'));
  }

  #check(trust: 'resume' | 'check'): void {
    this.#error = null;
    this.#lifecycle.to('checking');
    this.picker.have.clone().forEach((piece) => this.#pieces.lose(piece));
    this.#load(trust, (start) => {
      this.#checker = new FileChecker(this.#storage, start.toCheck, {
        onChecked: (piece, valid) => {
          if (valid) this.#pieces.gain(piece);
        },
        onDone: (error) => this.#onChecked(start, error),
      });
      this.#checker.start();
    });
  }

  #load(trust: 'resume' | 'check', then: (start: StartingPoint) => void): void {
    const warn = (error: TorrentTsError): void => this.#observer.onWarning(error);
    this.#resume.load(trust, warn, (start) => {
      if (this.state !== 'checking') return;
      if (start instanceof Error) {
        this.fail(start);
        return;
      }
      this.#applyRecord(start);
      then(start);
    });
  }

  #applyRecord({ record, trusted }: StartingPoint): void {
    const priorities = this.options.priorities ?? record?.priorities;
    if (priorities) this.files.setPriorities(priorities);
    this.#pieces.applySelection();
    trusted.forEach((piece) => this.#pieces.gain(piece));
    if (!record) return;
    this.counters.before.uploaded = record.uploaded;
    this.counters.before.downloaded = record.downloaded;
    for (const address of record.peers) this.roster.add(address, 'resume');
  }

  #onChecked(start: StartingPoint, error: StorageError | null): void {
    this.#checker = null;
    if (error) {
      this.fail(error);
      return;
    }
    if (start.toCheck.length > 0) this.#resume.touch();
    for (const address of this.options.peers) this.roster.add(address, 'user');
    this.#enterActive();
    this.#trackers.start();
    this.#dialer.fill();
  }

  /** Downloading or seeding, by what is missing; also after a stall and after a change of wishes. */
  #enterActive(): void {
    if (!this.#lifecycle.isActive || this.#disk.isFailing) return;
    if (this.picker.wantedCount > 0) {
      this.#wasIncomplete = true;
      this.#completion = 'open';
      this.#lifecycle.to('downloading');
      this.roster.forgive(this.now());
    } else {
      this.#lifecycle.to('seeding');
    }
    const now = this.now();
    this.swarm.updateInterest();
    for (const session of this.swarm.sessions) session.requester.fill(now);
    if (this.isSeeding) this.#onComplete();
  }

  #onComplete(): void {
    if (this.#completion !== 'open') return;
    this.#completion = 'flushing';
    if (this.#wasIncomplete && this.picker.have.isFull) this.#trackers.completed();
    for (const session of [...this.swarm.sessions]) {
      if (session.isSeed) session.close('both-seeds');
      else this.#reception.sendExtendedHandshake(session);
    }
    this.#pieces.giveUpUnwanted();
    // Only what was flushed is called complete; empty files are made there too.
    this.#saveResume(() => {
      if (this.#completion !== 'flushing') return;
      this.#completion = 'said';
      this.#observer.onComplete();
    });
  }

  // — peers

  /** A seed dials too: peers that cannot be reached from outside would not find it otherwise. */
  get #wantsPeers(): boolean {
    return this.#lifecycle.isActive && this.state !== 'checking';
  }

  /** Downloading with few peers and nobody left to dial: ask the trackers, who pace this themselves. */
  #askForPeers(): void {
    if (this.state !== 'downloading' || this.swarm.size >= FEW_PEERS || this.#dialer.pending > 0) return;
    if (this.roster.candidates(this.now(), 1).length === 0) this.#trackers.announceNow();
  }

  #leaveSwarm(reason: DisconnectReason): void {
    this.#dialer.stop();
    this.#deps.greeter.closeFor(this);
    this.swarm.closeAll(reason);
  }

  // — trouble and the end

  #onStalled(error: StorageError): void {
    this.#error = error;
    if (this.state === 'downloading' || this.state === 'seeding') this.#lifecycle.to('stalled');
    this.#observer.onWarning(error);
  }

  /** Stops for good reason; `resume` tries again. */
  fail(error: TorrentTsError): void {
    if (!this.#lifecycle.isActive) return;
    this.#error = error;
    this.#lifecycle.to('failed');
    this.#leaveSwarm('torrent-stopped');
    this.#observer.onFailed(error);
  }

  #saveResume(done: () => void): void {
    this.#resume.save(
      () => this.#resumeFacts(),
      this.now(),
      (error) => {
        if (error) this.#observer.onWarning(error);
        done();
      },
    );
  }

  #resumeFacts(): ResumeFacts {
    return {
      dir: this.options.dir,
      have: this.picker.have.clone(),
      priorities: this.files.priorities,
      uploaded: this.counters.before.uploaded + this.counters.uploaded,
      downloaded: this.counters.before.downloaded + this.counters.downloaded,
      peers: this.roster.worthKeeping(RESUME_PEERS_MAX),
    };
  }

  #releaseMemory(): void {
    this.cache.close();
    for (const { piece } of [...this.assembler.pieces()]) this.assembler.release(piece);
  }
}
