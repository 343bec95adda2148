import { Engine, type EngineOptions } from '../engine/engine.ts';
import type { Torrent } from '../engine/torrent/torrent.ts';
import type { TorrentObserver, TorrentOptions } from '../engine/torrent/torrent-options.ts';
import { InternalError, type TorrentTsError } from '../errors.ts';
import type { TorrentState, TorrentStats } from '../events.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import { DEFAULTS } from '../options.ts';
import { assert } from '../util/assert.ts';
import type { PeerAddress } from '../util/ip.ts';
import { PieceSet } from '../util/piece-set.ts';
import type { Rng } from '../util/rng.ts';
import type { DisconnectReason } from '../wire/link.ts';
import type { SimNetwork } from './network.ts';
import type { HostOptions, SimHost } from './sim-host.ts';
import type { SimWeb } from './sim-http.ts';
import { SimDisk, type DiskOptions } from './sim-storage.ts';
import { simWorld } from './sim-world.ts';

const DIR = '/torrents';

/** Buffers of a client, in pieces: enough to keep its links busy, and thousands of clients share one real memory. */
const MEMORY_PIECES = 64;

export interface SimPeerOptions extends HostOptions {
  /** What it has at the start. Default: none. */
  readonly pieces?: 'all' | 'none' | PieceSet;
  /** When it joins, in milliseconds. Default: at once. */
  readonly joinsAtMs?: number;
  /** How long it stays after it is complete. Default: to the end. */
  readonly seedsForMs?: number;
  readonly disk?: DiskOptions;
  /** What is wrong with the blocks it gives: see `SimDisk.flawOf`. */
  readonly flawOf?: (piece: number, begin: number) => number;
  /** Peers to try besides those that the tracker names. */
  readonly knows?: readonly PeerAddress[];
  /** Begins with the info hash alone and has to ask for the metadata. Its torrent must have a hash of its info bytes. */
  readonly hasMagnet?: boolean;
  /** What it tells others is the metadata. Default: the truth. */
  readonly tells?: Uint8Array;
  /** Default: keep resume records. */
  readonly keepsRecords?: boolean;
  readonly engine?: Partial<EngineOptions>;
  readonly sequential?: boolean;
  /** As a seed it hides what it has (BEP 16). */
  readonly superSeed?: boolean;
  /** How it chooses pieces. Default: rarest first, or in order if `sequential`. */
  readonly picker?: 'rarest-first' | 'random' | 'sequential';
}

/** What all peers of a swarm share. */
export interface SwarmSetting {
  readonly network: SimNetwork;
  readonly metaInfo: MetaInfo;
  readonly web: SimWeb;
  readonly announceUrl: string;
  /** A bug of the engine ended its torrent; the run is to end as well. */
  onBug(name: string, report: InternalError): void;
}

export interface PeerGone {
  readonly address: PeerAddress;
  readonly reason: DisconnectReason;
}

/**
 * One machine in a swarm with a real engine on it, and a record of what that engine said.
 *
 * `start`, `leave`, `kill` and `vanish` may be called at any time, in any turn but one of its own engine.
 */
export class SimPeer implements TorrentObserver {
  readonly name: string;
  readonly options: SimPeerOptions;
  readonly host: SimHost;
  readonly disk: SimDisk;
  /** What the run that ended knew; null while one goes on. */
  lastStats: TorrentStats | null = null;
  startedAtMs: number | null = null;
  completedAtMs: number | null = null;
  firstPieceAtMs: number | null = null;
  /** How often all that it has was found out anew. */
  checksBegun = 0;
  leftAtMs: number | null = null;
  readonly rejects: { readonly piece: number; readonly from: readonly PeerAddress[] }[] = [];
  readonly bans: PeerAddress[] = [];
  readonly gone = new Map<DisconnectReason, number>();
  readonly warnings: TorrentTsError[] = [];
  readonly failures: TorrentTsError[] = [];
  readonly #setting: SwarmSetting;
  readonly #rng: Rng;
  readonly #records = new Map<string, Uint8Array>();
  #engine: Engine | null = null;
  #torrent: Torrent | null = null;
  #runs = 0;

  constructor(name: string, options: SimPeerOptions, setting: SwarmSetting, rng: Rng) {
    this.name = name;
    this.options = options;
    this.host = setting.network.addHost(options);
    this.disk = new SimDisk(options.disk);
    this.disk.flawOf = options.flawOf ?? null;
    this.#setting = setting;
    this.#rng = rng;
    const { pieces = 'none' } = options;
    const set = typeof pieces === 'string' ? null : pieces;
    if (pieces === 'all') this.disk.put(setting.metaInfo, DIR, PieceSet.full(setting.metaInfo.pieceCount));
    else if (set !== null) this.disk.put(setting.metaInfo, DIR, set);
  }

  get isSeeder(): boolean {
    return this.options.pieces === 'all';
  }

  get isRunning(): boolean {
    return this.#engine !== null;
  }

  get isComplete(): boolean {
    return this.completedAtMs !== null;
  }

  /** Null before it joins and after it is gone. */
  get engine(): Engine | null {
    return this.#engine;
  }

  get torrent(): Torrent | null {
    return this.#torrent;
  }

  /** Of the present run, or of the last one. */
  get stats(): TorrentStats | null {
    return this.#torrent?.stats() ?? this.lastStats;
  }

  start(): void {
    assert(this.#engine === null, `${this.name} is running already`);
    const { network, metaInfo, web, announceUrl } = this.#setting;
    const process = this.host.start();
    const records = this.options.keepsRecords === false ? null : this.#records;
    const rng = this.#rng.fork(`run ${this.#runs++}`);
    this.#engine = new Engine(simWorld(network, process, { disk: this.disk, records, web, rng }), {
      ...DEFAULTS,
      memory: MEMORY_PIECES * metaInfo.pieceLength,
      clientName: 'simulated',
      ...this.options.engine,
    });
    this.startedAtMs ??= network.clock.now();
    this.leftAtMs = null;
    const { hasMagnet, knows: peers = [], tells } = this.options;
    const options: TorrentOptions = {
      dir: DIR,
      resumeKey: `${metaInfo.infoHashHex}00`,
      trackers: [[announceUrl]],
      peers,
      priorities: null,
      sequential: this.options.sequential ?? this.options.picker === 'sequential',
      trust: 'resume',
      paused: false,
      downLimit: Infinity,
      upLimit: Infinity,
      superSeed: this.options.superSeed ?? false,
    };
    if (hasMagnet) {
      const { infoHash, infoHashHex } = metaInfo;
      this.#engine.addPending(
        {
          infoHash,
          infoHashHex,
          trackers: options.trackers,
          peers: peers.map((address) => ({ address, source: 'magnet' as const })),
          metadataMax: DEFAULTS.metadataMax,
          paused: false,
          plan: () => ({ metaInfo, options }),
        },
        this,
      );
    } else {
      const told = tells ? { ...metaInfo, infoBytes: tells } : metaInfo;
      this.onMetadata(this.#engine.addTorrent(told, options, this));
    }
  }

  /** Leaves in good order: tells peers and tracker, saves where it stands. */
  leave(done: () => void = () => undefined): void {
    const engine = this.#engine;
    if (engine === null) return;
    const process = this.host.process;
    engine.close(() => {
      this.#ended();
      process?.kill();
      done();
    });
  }

  /** Ends as `kill -9` does; `start` begins again from what is on its disk. */
  kill(): void {
    this.#ended();
    this.host.process?.kill();
  }

  /** Loses power or its cable, for good. */
  vanish(): void {
    this.#ended();
    this.host.vanish();
  }

  // TorrentObserver

  onMetadata(torrent: Torrent): void {
    this.#torrent = torrent;
    torrent.picker.random = this.options.picker === 'random';
  }

  onComplete(): void {
    if (this.isSeeder) return;
    this.completedAtMs ??= this.#setting.network.clock.now();
    const { seedsForMs = Infinity } = this.options;
    if (seedsForMs === Infinity) return;
    const { clock } = this.#setting.network;
    clock.at(clock.now() + seedsForMs, () => this.leave());
  }

  onReject(piece: number, from: readonly PeerAddress[]): void {
    this.rejects.push({ piece, from });
  }

  onBan(address: PeerAddress): void {
    this.bans.push(address);
  }

  onPeerGone(_address: PeerAddress, reason: DisconnectReason): void {
    this.gone.set(reason, (this.gone.get(reason) ?? 0) + 1);
  }

  onWarning(error: TorrentTsError): void {
    this.warnings.push(error);
  }

  onFailed(error: TorrentTsError): void {
    this.failures.push(error);
    if (error instanceof InternalError) this.#setting.onBug(this.name, error);
  }

  onState(state: TorrentState): void {
    // Otherwise the state is asked for where it matters.
    if (state === 'checking') this.checksBegun++;
  }

  onPiece(): void {
    this.firstPieceAtMs ??= this.#setting.network.clock.now();
  }

  onFile(): void {
    // There is one file.
  }

  onPeer(): void {
    // Connections are counted where they are.
  }

  #ended(): void {
    if (this.#engine === null) return;
    this.lastStats = this.#torrent?.stats() ?? null;
    this.leftAtMs = this.#setting.network.clock.now();
    this.#engine = null;
    this.#torrent = null;
  }
}
