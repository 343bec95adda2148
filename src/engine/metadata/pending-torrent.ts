import { TorrentTsError } from '../../errors.ts';
import type { TorrentState, TorrentStats } from '../../events.ts';
import { infoHashOf } from '../../metainfo/info-hash.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import { equalBytes } from '../../util/bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { logger } from '../../util/log.ts';
import { Feature, hasFeature } from '../../wire/handshake.ts';
import type { DisconnectReason, Handshake, LinkEncryption, PeerLink } from '../../wire/link.ts';
import type { ExtendedHandshake } from '../../wire/extension/extended-handshake.ts';
import type { World } from '../../ports.ts';
import { exchangePorts, featuresWith } from '../discovery/dht-ports.ts';
import { Discovery, type DiscoverySubject } from '../discovery/discovery.ts';
import {
  TrackerDriver,
  type AnnounceSubject,
  type TrackerDriverEvents,
} from '../discovery/tracker-driver.ts';
import { UPLOAD_QUEUE_MAX } from '../limits.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import { Extensions } from '../peer/extensions.ts';
import { checkAdmission } from '../torrent/admission.ts';
import { guardWorld, stopForBug } from '../torrent/bug-boundary.ts';
import { Ending } from '../torrent/ending.ts';
import { Lifecycle } from '../torrent/lifecycle.ts';
import { PeerExchange } from '../torrent/peer-exchange.ts';
import { PeerRoster, type KnownPeer, type PeerSource } from '../torrent/peer-roster.ts';
import { PeerSupply, type SuppliedTorrent } from '../torrent/peer-supply.ts';
import { Connections } from '../torrent/swarm.ts';
import type { Torrent } from '../torrent/torrent.ts';
import { countSources } from '../torrent/torrent-stats.ts';
import type { TorrentDeps } from '../torrent/torrent-deps.ts';
import type { TorrentObserver, TorrentOptions } from '../torrent/torrent-options.ts';
import { ExactSource } from './exact-source.ts';
import type { Inheritance } from './inheritance.ts';
import { MetadataExchange } from './metadata-exchange.ts';
import { MetadataFetch } from './metadata-fetch.ts';
import { PendingSession, type PendingHost } from './pending-session.ts';

const log = logger('magnet');

/** Trackers want to know how much is left, and do not give peers to whom nothing is; libtorrent says a block too. */
const UNKNOWN_LEFT = 16_384;

/** Addresses asked for, as long as room is for more. */
const PEERS_WANTED = 50;

/** What a torrent is to be, once it is known. */
export interface TorrentPlan {
  readonly metaInfo: MetaInfo;
  readonly options: TorrentOptions;
}

/** Options of a torrent whose metadata is not here yet. */
export interface PendingOptions {
  readonly infoHash: Uint8Array;
  readonly infoHashHex: string;
  readonly trackers: readonly (readonly string[])[];
  /** Peers of the link, and those that the user named. */
  readonly peers: readonly { readonly address: PeerAddress; readonly source: 'magnet' | 'user' }[];
  /** Web servers that have the .torrent and may be asked for it. Default: none. */
  readonly exactSources?: readonly string[];
  /** The largest info dictionary that is taken from peers, in bytes. */
  readonly metadataMax: number;
  readonly paused: boolean;
  /**
   * Makes a torrent of an info dictionary whose hash is right.
   * @param found The .torrent around it, if a web server gave one. Of that nothing else is vouched for.
   * @throws TorrentTsError if no torrent can be made of it.
   */
  readonly plan: (infoBytes: Uint8Array, found?: MetaInfo) => TorrentPlan;
}

/** Makes the torrent and starts it; it takes the place of the one that was pending. */
export type Fulfil = (plan: TorrentPlan, inherited: Inheritance) => Torrent;

/**
 * A torrent of which only the info hash is known, as a magnet link tells it: it finds peers, asks them for the metadata
 * (BEP 9), and makes way for a `Torrent` that goes on with the same peers, trackers and connections.
 *
 * What was fetched is kept under its hash, so that the next run need not ask anybody.
 */
export class PendingTorrent implements SuppliedTorrent, PendingHost {
  readonly infoHash: Uint8Array;
  readonly infoHashHex: string;
  readonly peerId: Uint8Array;
  readonly world: World;
  readonly roster: PeerRoster;
  readonly swarm = new Connections<PendingSession>();
  readonly isSeeding = false;
  readonly discovery: Discovery;
  readonly #deps: TorrentDeps;
  readonly #options: PendingOptions;
  readonly #observer: TorrentObserver;
  readonly #fulfil: Fulfil;
  readonly #lifecycle: Lifecycle;
  readonly #supply: PeerSupply;
  readonly #messages: readonly ExtendedMessage<PendingSession>[];
  readonly #ending = new Ending();
  /** Null without web servers that may be asked. */
  readonly #exactSource: ExactSource | null;
  #fetch: MetadataFetch<PendingSession>;
  #error: TorrentTsError | null = null;
  /** What an earlier run kept is being looked for. */
  #isRemembering = false;
  #limits: { readonly down?: number; readonly up?: number } = {};
  /** What it has become. */
  #heir: Torrent | null = null;

  constructor(deps: TorrentDeps, options: PendingOptions, observer: TorrentObserver, fulfil: Fulfil) {
    this.world = guardWorld(deps.bareWorld, (error) => this.onBug(error));
    this.infoHash = options.infoHash;
    this.infoHashHex = options.infoHashHex;
    this.peerId = deps.newPeerId();
    this.#deps = deps;
    this.#options = options;
    this.#observer = observer;
    this.#fulfil = fulfil;
    const rng = deps.rng.fork(`magnet ${options.infoHashHex}`);
    this.#lifecycle = new Lifecycle({
      onState: (state, before) => {
        log('%s: %s -> %s', options.infoHashHex, before, state);
        observer.onState(state, before);
      },
    });
    this.roster = new PeerRoster(rng.fork('roster'));
    this.#supply = new PeerSupply(this, deps);
    this.#fetch = this.#newFetch();
    this.#exactSource = this.#newExactSource();
    const exchange = new MetadataExchange(
      () => this.#fetch,
      () => this.now(),
    );
    this.#messages = deps.pex ? [exchange, new PeerExchange<PendingSession>(this)] : [exchange];
    const driver = new TrackerDriver(
      this.world,
      rng.fork('trackers'),
      this.#announced(),
      options.trackers,
      this.#trackerEvents(),
      deps.trackerOptions,
    );
    this.discovery = new Discovery(driver, deps.finders, this.#subject());
  }

  // — questions

  get state(): TorrentState {
    return this.#lifecycle.state;
  }

  get error(): TorrentTsError | null {
    return this.#error;
  }

  /** Peers are welcome. */
  get isActive(): boolean {
    return this.state === 'metadata' && !this.#isRemembering;
  }

  get isShortOfConnections(): boolean {
    return this.#supply.freeConnections <= 0;
  }

  isSource(session: PendingSession): boolean {
    return this.#fetch.isSource(session);
  }

  now(): number {
    return this.world.clock.now();
  }

  stats(): TorrentStats {
    const { roster, swarm } = this;
    return {
      state: this.state,
      progress: this.#fetch.progress,
      wantedBytes: 0,
      doneBytes: 0,
      piecesDone: 0,
      pieceCount: 0,
      downloaded: 0,
      uploaded: 0,
      wasted: 0,
      corrupt: 0,
      downRate: 0,
      upRate: 0,
      peers: swarm.size,
      seeds: swarm.sessions.filter((session) => session.isSeed).length,
      peersBySource: countSources(swarm.sessions),
      knownPeers: Math.max(0, roster.size - roster.connectedCount),
      etaMs: null,
    };
  }

  // — commands

  /** Looks for what an earlier run kept, then asks peers. */
  start(): void {
    for (const { address, source } of this.#options.peers) this.roster.add(address, source);
    this.#begin(this.#options.paused);
  }

  pause(): void {
    if (this.state !== 'metadata') return;
    this.#lifecycle.to('paused');
    this.#leave();
  }

  resume(): void {
    if (this.state === 'paused' || this.state === 'failed') this.#begin(false);
  }

  announce(): void {
    if (this.isActive) this.discovery.announceNow(true);
  }

  setLimits(limits: { down?: number; up?: number }): void {
    this.#limits = { ...this.#limits, ...limits };
  }

  /** Somebody named peers of this torrent. */
  onPeersFound(peers: readonly PeerAddress[], source: PeerSource): void {
    this.#supply.add(peers, source);
  }

  /** Somebody has the torrent: nothing is left to be asked for. */
  supply(metaInfo: MetaInfo): void {
    if (this.#heir || this.state === 'closed') return;
    const { options } = this.#options.plan(metaInfo.infoBytes);
    this.#become({ metaInfo, options });
  }

  close(done: () => void): void {
    this.#ending.wait(done);
    if (this.state === 'closed') return;
    this.#lifecycle.to('closed');
    this.#exactSource?.stop();
    this.#fetch.stop();
    this.#supply.leave('torrent-stopped');
    this.discovery.stop(() => this.#ending.reach());
  }

  /** Stops for good reason; `resume` tries again. */
  fail(error: TorrentTsError): void {
    if (this.state === 'failed' || this.state === 'closed') return;
    this.#error = error;
    this.#lifecycle.to('failed');
    this.#observer.onFailed(error);
    this.#leave();
  }

  /** Our own code failed in the midst of something. */
  onBug(error: unknown): void {
    if (this.#heir) this.#heir.onBug(error);
    else stopForBug(this.infoHashHex, error, (report) => this.fail(report));
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (!this.isActive) return;
    this.#fetch.onBeat(now);
    for (const message of this.#messages) message.onBeat?.(now);
    for (const session of [...this.swarm.sessions]) session.onBeat(now);
    this.#supply.onBeat(now);
    if (this.#supply.isLow) this.discovery.announceNow();
  }

  // — GreetedTorrent

  greet(link: PeerLink): void {
    link.handshake({ infoHash: this.infoHash, peerId: this.peerId, reserved: featuresWith(this.#deps.dht) });
  }

  admit(link: PeerLink, handshake: Handshake, known: KnownPeer | null): void {
    const { clientName, connections, options } = this.#deps;
    const limits = { connections, perTorrentMax: options.connectionsPerTorrentMax };
    checkAdmission(this, limits, link, handshake, known);
    if (known) this.roster.onConnected(known);
    const fast = hasFeature(handshake.reserved, Feature.fast);
    const session = new PendingSession(this, link, { peerId: handshake.peerId.slice(), fast, known });
    link.attach(session);
    this.swarm.add(session);
    connections.count++;
    if (hasFeature(handshake.reserved, Feature.extensions)) {
      const onHandshake = (remote: ExtendedHandshake): void => this.#onExtendedHandshake(session, remote);
      session.extensions = new Extensions(session, this.#messages, onHandshake, () => this.now());
      session.extensions.sendHandshake({
        client: clientName,
        listenPort: this.#deps.listenPort(),
        requestQueue: UPLOAD_QUEUE_MAX,
        uploadOnly: false,
        metadataSize: null,
      });
    }
    // BEP 6 wants to hear it, and it is true: without the metadata we cannot know what lies on the disk.
    if (fast) link.haveNone();
    exchangePorts(session, this.#deps.dht, handshake.reserved);
    this.#observer.onPeer(link.remote);
  }

  onGreetingFailed(known: KnownPeer | null, reason: DisconnectReason, reached: LinkEncryption): void {
    if (known) this.#supply.onGreetingFailed(known, reason, reached);
  }

  // — PendingHost

  onClosed(session: PendingSession, reason: DisconnectReason): void {
    log('%s: %o left: %s', this.infoHashHex, session.link.remote, reason);
    if (!this.swarm.remove(session)) return;
    this.#deps.connections.count--;
    session.extensions?.onGone(reason);
    this.#fetch.gone(session);
    if (session.known) this.#supply.onGone(session.known, reason);
    this.#observer.onPeerGone(session.link.remote, reason);
    this.#supply.fill();
  }

  // — the way to the metadata

  #begin(paused: boolean): void {
    this.#error = null;
    this.#lifecycle.to(paused ? 'paused' : 'metadata');
    if (this.#isRemembering) return;
    const store = this.world.resume;
    if (!store) {
      this.#ask();
      return;
    }
    // Before anybody is asked: what was private last time must not be looked for in public.
    this.#isRemembering = true;
    store.load(this.infoHashHex, (record) => {
      this.#isRemembering = false;
      if (this.#heir || this.state === 'closed') return;
      if (record && equalBytes(infoHashOf(record), this.infoHash)) this.#onInfo(record);
      else this.#ask();
    });
  }

  #ask(): void {
    if (!this.isActive) return;
    this.#fetch = this.#newFetch();
    this.discovery.start();
    this.#exactSource?.start();
    this.#supply.fill();
  }

  #newFetch(): MetadataFetch<PendingSession> {
    const events = {
      onFound: (infoBytes: Uint8Array) => this.#onFound(infoBytes),
      onLiar: (session: PendingSession) => session.close('corrupt-data'),
    };
    return new MetadataFetch(this.infoHash, this.#options.metadataMax, events, this.#deps.metadataMemory);
  }

  #newExactSource(): ExactSource | null {
    const { world } = this;
    const { trackerOptions } = this.#deps;
    const { infoHash, exactSources: urls = [] } = this.#options;
    if (!world.http || urls.length === 0) return null;
    return new ExactSource(world.http, {
      infoHash,
      urls,
      refuseLocal: trackerOptions.refuseLocal ?? false,
      onFound: (metaInfo) => this.#onFound(metaInfo.infoBytes, metaInfo),
      onTrouble: (error) => this.#observer.onWarning(error),
    });
  }

  #onExtendedHandshake(session: PendingSession, remote: ExtendedHandshake): void {
    if (remote.yourIp !== null) this.#deps.external.vote(session.link.remote.host, remote.yourIp);
    if (remote.port === null || session.known) return;
    session.known = this.roster.add({ host: session.link.remote.host, port: remote.port }, 'inbound');
    if (session.known?.state === 'idle') this.roster.onConnected(session.known);
  }

  #onFound(infoBytes: Uint8Array, found?: MetaInfo): void {
    this.world.resume?.save(this.infoHashHex, infoBytes, (error) => {
      if (error) this.#observer.onWarning(error);
    });
    this.#onInfo(infoBytes, found);
  }

  /** The hash is right; whether it is a torrent is another question. */
  #onInfo(infoBytes: Uint8Array, found?: MetaInfo): void {
    let plan: TorrentPlan;
    try {
      plan = this.#options.plan(infoBytes, found);
    } catch (error) {
      if (!(error instanceof TorrentTsError)) throw error;
      this.fail(error);
      return;
    }
    // Those of the link are known.
    if (found) this.discovery.addTrackers(plan.metaInfo.trackers.flat());
    this.#become(plan);
  }

  #become({ metaInfo, options }: TorrentPlan): void {
    const { down = options.downLimit, up = options.upLimit } = this.#limits;
    const paused = options.paused || this.state === 'paused';
    this.#exactSource?.stop();
    this.#fetch.stop();
    if (metaInfo.private) this.#forgetStrangers();
    const sessions = metaInfo.private ? [] : [...this.swarm.sessions];
    for (const session of sessions) {
      this.swarm.remove(session);
      this.#deps.connections.count--;
      session.extensions?.onGone('torrent-stopped');
    }
    const { roster, discovery, state } = this;
    const { peerId } = this;
    const inherited = { state, peerId, roster, discovery, supply: this.#supply, sessions };
    const plan = { metaInfo, options: { ...options, paused, downLimit: down, upLimit: up } };
    try {
      this.#heir = this.#fulfil(plan, inherited);
    } catch (error) {
      this.#takeBack(sessions);
      this.onBug(error);
    }
  }

  /** There is no torrent after all, by a fault of ours: what was given to it is ours to end. */
  #takeBack(sessions: readonly PendingSession[]): void {
    this.#supply.serve(this);
    this.discovery.handOver(this.#subject(), this.#announced(), this.#trackerEvents());
    for (const session of sessions) {
      this.swarm.add(session);
      this.#deps.connections.count++;
    }
  }

  /** It turned out private (BEP 27): whoever was found otherwise than by its trackers, or found us, is let go. */
  #forgetStrangers(): void {
    this.#supply.leave('torrent-stopped');
    this.roster.keepOnly(({ source }) => source === 'tracker' || source === 'user' || source === 'magnet');
  }

  #leave(): void {
    this.#exactSource?.stop();
    this.#fetch.stop();
    this.#supply.leave('torrent-stopped');
    this.discovery.stop(() => log('%s: %s', this.infoHashHex, this.state));
  }

  // — what others are told

  #subject(): DiscoverySubject {
    return {
      infoHash: this.infoHash,
      private: false,
      port: () => this.#deps.listenPort(),
      isSeed: () => false,
      isHungry: () => this.#supply.isLow,
      hasPeers: () => this.swarm.size > 0,
      onFound: (peers, source) => this.onPeersFound(peers, source),
      onBug: (error) => this.onBug(error),
    };
  }

  #announced(): AnnounceSubject {
    return {
      infoHash: this.infoHash,
      peerId: this.peerId,
      private: false,
      port: () => this.#deps.listenPort(),
      totals: () => ({ uploaded: 0, downloaded: 0, left: UNKNOWN_LEFT }),
      wantedPeers: () => Math.max(PEERS_WANTED, this.#supply.freeConnections),
    };
  }

  #trackerEvents(): TrackerDriverEvents {
    return {
      onPeers: (peers) => this.onPeersFound(peers, 'tracker'),
      onExternalIp: (ip, tracker) => this.#deps.external.vote(tracker, ip),
      onWarning: (error) => this.#observer.onWarning(error),
      onBug: (error) => this.onBug(error),
    };
  }
}
