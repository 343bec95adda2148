import type { InternalError } from '../errors.ts';
import { sha1 } from '../metainfo/info-hash.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import type { ResolvedOptions } from '../options.ts';
import type { Cancel, MulticastPort, World } from '../ports.ts';
import { TrackerUrls } from '../tracker/tracker-url.ts';
import { toHex } from '../util/bytes.ts';
import { Rng } from '../util/rng.ts';
import { SlabPool } from '../util/slab-pool.ts';
import type { PeerLink } from '../wire/link.ts';
import { obfuscatedName } from '../wire/mse/negotiation.ts';
import { makePeerId, PEER_ID_LENGTH } from '../wire/peer-id.ts';
import { Bandwidth } from './bandwidth.ts';
import { AnnounceLimiter } from './discovery/announce-limiter.ts';
import { DhtDriver, type DhtOptions } from './discovery/dht-driver.ts';
import type { DhtPorts } from './discovery/dht-ports.ts';
import type { PeerFinder } from './discovery/peer-finder.ts';
import { LsdDriver } from './discovery/lsd-driver.ts';
import { UdpTrackerClient } from './discovery/udp-tracker-client.ts';
import { ExternalAddress } from './external-address.ts';
import { Greeter } from './greeter.ts';
import type { Inheritance } from './metadata/inheritance.ts';
import { MetadataMemory } from './metadata/metadata-memory.ts';
import { PendingTorrent, type PendingOptions } from './metadata/pending-torrent.ts';
import { Subsystem } from './subsystem.ts';
import { bugReport, guard } from './torrent/bug-boundary.ts';
import type { ChokerPolicy } from './torrent/choke-rounds.ts';
import { DialBudget } from './torrent/dialer.ts';
import { PeerRanks } from './torrent/peer-priority.ts';
import { ReadMemory } from './torrent/read-memory.ts';
import { Torrent } from './torrent/torrent.ts';
import type { TorrentObserver, TorrentOptions } from './torrent/torrent-options.ts';
import type { ConnectionCount, TorrentDeps } from './torrent/torrent-deps.ts';
import { LaneBudget } from './transport/lane-budget.ts';

/** All deadlines but those of trackers are looked at once a second. */
const BEAT_MS = 1000;
/** A client that closes with thousands of torrents leaves for so long at a time; then others have their turn. */
const CLOSING_TURN_MS = 2;
/** One of how many connections may be a web seed's second or third: peers want to have the others. */
const WEB_LANES_SHARE = 5;

/** Options of the engine: those of the client that concern decisions. */
export type EngineOptions = Pick<
  ResolvedOptions,
  | 'downLimit'
  | 'upLimit'
  | 'connectionsMax'
  | 'connectionsPerTorrentMax'
  | 'uploadSlots'
  | 'memory'
  | 'peerIdPrefix'
  | 'encryption'
  | 'refuseLocalTrackers'
  | 'pex'
> & {
  /**
   * Take part in the DHT. Whoever built the engine starts `dht`, or says with `startsFrom` how it starts by itself when a
   * torrent needs it. Default: no.
   */
  readonly dhtNode?: DhtOptions | null;
  /** Told to peers as `v` (BEP 10). */
  readonly clientName: string;
  /** A bug of ours ended a part that belongs to no torrent. Default: it is thrown at whoever called the engine. */
  readonly onBug?: (report: InternalError) => void;
  /** Default: `tit-for-tat`. */
  readonly choker?: ChokerPolicy;
};

/**
 * All torrents of a client in one world. Synchronous: every call runs to its end, and what takes time comes back through
 * a port. The heartbeat is here.
 */
export class Engine {
  readonly down: Bandwidth;
  readonly up: Bandwidth;
  /** Where the world sees us. */
  readonly external = new ExternalAddress();
  /** Null if this client takes no part. Whoever calls it does so by `dhtPart`. */
  readonly dht: DhtDriver | null = null;
  readonly dhtPart = new Subsystem('the DHT', (report) => this.#tell(report));
  readonly #ranks = new PeerRanks(this.external, () => this.listenPort);
  readonly #world: World;
  readonly #options: EngineOptions;
  readonly #rng: Rng;
  readonly #torrents = new Map<string, Torrent>();
  /** Those whose metadata is not here yet; a torrent is in one of both maps. */
  readonly #pending = new Map<string, PendingTorrent>();
  /** Info hashes by the names that encrypted handshakes ask with, in hexadecimal. */
  readonly #obfuscated = new Map<string, Uint8Array>();
  readonly #slabs: SlabPool;
  readonly #readMemory: ReadMemory;
  readonly #connections: ConnectionCount;
  readonly #webLanes: LaneBudget;
  readonly #dialBudget: DialBudget;
  readonly #metadataMemory = new MetadataMemory();
  readonly #greeter: Greeter;
  readonly #udpTrackers: UdpTrackerClient | null;
  readonly #announces: AnnounceLimiter;
  readonly #finders: PeerFinder[] = [];
  readonly #dhtPorts: DhtPorts | null = null;
  readonly #deps: TorrentDeps;
  #beat: Cancel | null = null;
  #closed = false;

  constructor(world: World, options: EngineOptions) {
    this.#world = world;
    this.#options = options;
    this.#rng = new Rng(world.seed);
    // Half for what comes in, half for what goes out.
    this.#slabs = new SlabPool(options.memory / 2, world.allocate);
    this.#readMemory = new ReadMemory(options.memory / 2, world.allocate);
    this.down = new Bandwidth(world.clock, options.downLimit);
    this.up = new Bandwidth(world.clock, options.upLimit);
    const { connectionsMax } = options;
    this.#connections = {
      count: 0,
      get free() {
        return connectionsMax - this.count;
      },
    };
    this.#webLanes = new LaneBudget(this.#connections, Math.floor(connectionsMax / WEB_LANES_SHARE));
    this.#dialBudget = new DialBudget(world.clock);
    this.#announces = new AnnounceLimiter(world.clock);
    const onBug = (error: unknown): void => this.#tell(bugReport('a connection', error));
    this.#greeter = new Greeter(world.clock, (infoHash) => this.#find(toHex(infoHash)), onBug);
    this.#udpTrackers = world.datagrams ? new UdpTrackerClient(world, (report) => this.#tell(report)) : null;
    const dht = this.#openDht();
    if (dht) {
      this.dht = dht;
      this.#dhtPorts = this.dhtPart.dhtPorts(dht);
      this.#finders.push(this.dhtPart.finder(dht));
    }
    if (world.multicast) this.#finders.push(this.#openLsd(world.multicast));
    this.#deps = this.#makeDeps();
    const lookup = (name: Uint8Array): Uint8Array | null => this.#obfuscated.get(toHex(name)) ?? null;
    const encryption =
      options.encryption === 'off' ? undefined : { lookup, required: options.encryption === 'require' };
    for (const transport of world.transports) {
      transport.onInternalError?.(onBug);
      transport.onInbound((link) => {
        guard(
          () => this.#receive(link),
          (error) => {
            link.close('torrent-stopped');
            onBug(error);
          },
        )();
      }, encryption);
    }
  }

  #openDht(): DhtDriver | null {
    const { dhtNode } = this.#options;
    const { clock, datagrams, entropy, resolver, ed25519 } = this.#world;
    if (!dhtNode || !datagrams) return null;
    const part = this.dhtPart;
    const world = {
      clock: part.clock(clock),
      datagrams: part.datagrams(datagrams),
      resolver: resolver && part.resolver(resolver),
      entropy,
      ...(ed25519 && { ed25519 }),
    };
    const dht = new DhtDriver(world, this.#rng.fork('dht'), { external: this.external, ...dhtNode });
    part.onFailed(() => dht.stop(() => undefined));
    return dht;
  }

  #openLsd(multicast: MulticastPort): PeerFinder {
    const { clock, entropy } = this.#world;
    const part = new Subsystem('local discovery', (report) => this.#tell(report));
    const world = { clock: part.clock(clock), entropy };
    const lsd = new LsdDriver(world, part.multicast(multicast), this.#rng.fork('lsd'));
    part.onFailed(() => lsd.close());
    return part.finder(lsd);
  }

  #receive(link: PeerLink): void {
    // Also when there is no place left: its torrent may have a connection that is worth less (BEP 40).
    if (this.#closed) link.close('shutdown');
    else if (this.#isEmpty) link.close('unknown-torrent');
    else this.#greeter.greetInbound(link);
  }

  /** Of a bug that no torrent has to do with. */
  #tell(report: InternalError): void {
    if (!this.#options.onBug) throw report;
    this.#options.onBug(report);
  }

  /** By info hash, 40 hexadecimal digits. */
  get torrents(): ReadonlyMap<string, Torrent> {
    return this.#torrents;
  }

  /** Those whose metadata is not here yet, by info hash. */
  get pending(): ReadonlyMap<string, PendingTorrent> {
    return this.#pending;
  }

  /** Connections that are past their handshake. */
  get connectionCount(): number {
    return this.#connections.count;
  }

  get listenPort(): number {
    return this.#world.transports.find((transport) => transport.listenPort > 0)?.listenPort ?? 0;
  }

  /** Adds a torrent that is not here yet (ask `torrents` and `pending` first) and starts it. */
  addTorrent(metaInfo: MetaInfo, options: TorrentOptions, observer: TorrentObserver): Torrent {
    return this.#start(metaInfo, options, observer);
  }

  /**
   * Adds a torrent of which only the info hash is known. Once its metadata is here, a torrent takes its place: it is then
   * in `torrents`, and the observer hears of it.
   */
  addPending(options: PendingOptions, observer: TorrentObserver): PendingTorrent {
    const pending = new PendingTorrent(this.#deps, options, observer, (plan, inherited) =>
      this.#start(plan.metaInfo, plan.options, observer, inherited),
    );
    this.#pending.set(options.infoHashHex, pending);
    this.#onAdded(options.infoHash);
    pending.start();
    return pending;
  }

  #start(
    metaInfo: MetaInfo,
    options: TorrentOptions,
    observer: TorrentObserver,
    inherited: Inheritance | null = null,
  ): Torrent {
    const torrent = new Torrent(this.#deps, metaInfo, options, observer, inherited);
    this.#pending.delete(metaInfo.infoHashHex);
    this.#torrents.set(metaInfo.infoHashHex, torrent);
    this.#onAdded(metaInfo.infoHash);
    if (inherited) this.#startHeir(torrent, observer, inherited);
    else torrent.start();
    return torrent;
  }

  /** From here on the torrent answers for what goes wrong, and nobody else for the connections. */
  #startHeir(torrent: Torrent, observer: TorrentObserver, { sessions }: Inheritance): void {
    guard(
      () => {
        observer.onMetadata?.(torrent);
        torrent.start();
        for (const session of sessions) torrent.adopt(session);
      },
      (error) => {
        for (const session of sessions) session.close('torrent-stopped');
        torrent.onBug(error);
      },
    )();
  }

  #onAdded(infoHash: Uint8Array): void {
    this.#obfuscated.set(toHex(obfuscatedName(infoHash, sha1)), infoHash);
    if (this.#closed) return;
    this.#beat ??= this.#world.clock.at(this.#world.clock.now() + BEAT_MS, () => this.#onBeat());
  }

  #makeDeps(): TorrentDeps {
    return {
      bareWorld: this.#world,
      rng: this.#rng,
      options: this.#options,
      slabs: this.#slabs,
      readMemory: this.#readMemory,
      down: this.down,
      up: this.up,
      connections: this.#connections,
      webLanes: this.#webLanes,
      dialBudget: this.#dialBudget,
      metadataMemory: this.#metadataMemory,
      greeter: this.#greeter,
      trackerOptions: {
        limiter: this.#announces,
        udp: this.#udpTrackers,
        urls: new TrackerUrls(),
        refuseLocal: this.#options.refuseLocalTrackers,
        encryption: this.#options.encryption,
      },
      finders: this.#finders,
      dht: this.#dhtPorts,
      pex: this.#options.pex,
      external: this.external,
      ranks: this.#ranks,
      clientName: this.#options.clientName,
      listenPort: () => this.listenPort,
      newPeerId: () => makePeerId(this.#options.peerIdPrefix, this.#world.entropy.bytes(PEER_ID_LENGTH)),
    };
  }

  get #isEmpty(): boolean {
    return this.#torrents.size === 0 && this.#pending.size === 0;
  }

  get #all(): (Torrent | PendingTorrent)[] {
    return [...this.#torrents.values(), ...this.#pending.values()];
  }

  #find(infoHashHex: string): Torrent | PendingTorrent | null {
    return this.#torrents.get(infoHashHex) ?? this.#pending.get(infoHashHex) ?? null;
  }

  /** Stops a torrent and forgets it. */
  removeTorrent(torrent: Torrent | PendingTorrent, done: () => void): void {
    torrent.close(() => {
      const { infoHash } = torrent;
      const infoHashHex = toHex(infoHash);
      if (this.#find(infoHashHex) === torrent) {
        this.#torrents.delete(infoHashHex);
        this.#pending.delete(infoHashHex);
        this.#obfuscated.delete(toHex(obfuscatedName(infoHash, sha1)));
      }
      if (this.#isEmpty) {
        this.#slabs.releaseFree();
        this.#readMemory.releaseFree();
      }
      done();
    });
  }

  /** Stops everything, in any case with an answer: trackers and disks have deadlines of their own. */
  close(done: () => void): void {
    this.#closed = true;
    this.#beat?.cancel();
    this.#beat = null;
    this.down.close();
    this.up.close();
    this.#greeter.closeAll();
    this.#announces.close();
    let waiting = 1;
    const finish = (): void => {
      if (--waiting > 0) return;
      this.#udpTrackers?.close();
      this.dhtPart.run(() => this.dht?.stop(done), undefined);
      if (!this.dht || this.dhtPart.failure) done();
    };
    let open = this.#all.reverse();
    const told = new Set<Torrent | PendingTorrent>();
    const { clock } = this.#world;
    const closeSome = (): void => {
      const begun = clock.now();
      while (open.length > 0 && clock.now() - begun < CLOSING_TURN_MS) {
        const torrent = open.pop()!;
        told.add(torrent);
        waiting++;
        this.removeTorrent(torrent, finish);
      }
      // A magnet that waited for its turn may have become a torrent.
      if (open.length === 0) open = this.#all.filter((each) => !told.has(each));
      if (open.length === 0) finish();
      else clock.at(clock.now(), closeSome);
    };
    closeSome();
  }

  #onBeat(): void {
    this.#beat = null;
    const now = this.#world.clock.now();
    guard(
      () => this.#greeter.onBeat(now),
      (error) => this.#tell(bugReport('a connection', error)),
    )();
    for (const torrent of this.#all) {
      try {
        torrent.onBeat(now);
      } catch (error) {
        torrent.onBug(error);
      }
    }
    if (!this.#isEmpty || this.#greeter.pending > 0) {
      this.#beat = this.#world.clock.at(now + BEAT_MS, () => this.#onBeat());
    }
  }
}
