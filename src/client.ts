import { createHash } from 'node:crypto';
import { EventEmitter } from 'node:events';
import { mkdir, realpath } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createTorrent, type CreateOptions } from './create-torrent.ts';
import { DhtHandle } from './dht-handle.ts';
import type { Engine } from './engine/engine.ts';
import type { DhtDriver, DhtOptions } from './engine/discovery/dht-driver.ts';
import type { PendingTorrent } from './engine/metadata/pending-torrent.ts';
import type { TorrentObserver, TorrentOptions } from './engine/torrent/torrent-options.ts';
import { StorageError, UsageError } from './errors.ts';
import type { ClientEvents } from './events.ts';
import type { Magnet } from './metainfo/magnet.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import { parseInfo } from './metainfo/parse-torrent.ts';
import { deleteData } from './node/delete-data.ts';
import { DhtState, type DhtMemory } from './node/dht-state.ts';
import type { NodeWorld } from './node/node-world.ts';
import { defaultStateDir } from './node/state-dir.ts';
import { takeStateLock, type StateLock } from './node/state-lock.ts';
import { toStorageError } from './node/storage-errors.ts';
import { Turnstile } from './node/turnstile.ts';
import {
  checkAddOptions,
  checkLimits,
  resolveOptions,
  type AddOptions,
  type ClientOptions,
  type FilePriority,
  type ResolvedOptions,
} from './options.ts';
import { loadSource, type TorrentSource } from './load-torrent.ts';
import { selectFiles, selectRanges } from './select-files.ts';
import { checkPeer, checkWebSeeds, TorrentHandle, type HandleOwner } from './torrent-handle.ts';
import { parseHostPort } from './util/host-port.ts';
import type { PeerAddress } from './util/ip.ts';
import { VERSION } from './version.ts';

/** A closing client does not wait longer for trackers and disks. */
const CLOSE_TIMEOUT_MS = 3000;
/** Then sockets and threads have this long to end. */
const WORLD_CLOSE_TIMEOUT_MS = 500;

/**
 * A BitTorrent client: any number of torrents over one listening port.
 *
 *     const client = await Client.open({ dir: './downloads' });
 *     const torrent = await client.add('./debian.torrent');
 *     await torrent.completed();
 *     await client.close();
 */
export class Client extends EventEmitter<ClientEvents> implements AsyncDisposable {
  readonly #options: ResolvedOptions;
  readonly #world: NodeWorld;
  readonly #engine: Engine;
  readonly #torrents = new Map<string, TorrentHandle>();
  readonly #stateDir: string | null;
  readonly #dht: DhtHandle | null;
  readonly #dhtState: DhtState | null;
  /** Of torrents that this process writes, by resume key. */
  readonly #locks = new Map<string, StateLock>();
  /** Removals under way, by info hash. */
  readonly #removing = new Map<string, Promise<void>>();
  /** Download folders that are being made, by path as it was given. */
  readonly #dirs = new Map<string, Promise<string>>();
  // Thousands may be added in one go. Two, because many may wait for one folder between them.
  readonly #toRead = new Turnstile();
  readonly #toBegin = new Turnstile();
  readonly #owner: HandleOwner = { onDownloading: (handle) => this.#lock(handle) };
  #closing: Promise<void> | null = null;

  private constructor(
    EngineClass: typeof Engine,
    options: ResolvedOptions,
    world: NodeWorld,
    stateDir: string | null,
    dhtState: DhtState | null,
  ) {
    super();
    this.#options = options;
    this.#stateDir = stateDir;
    this.#world = world;
    this.#dhtState = dhtState;
    const dhtNode = options.dht ? dhtOptions(options, dhtState) : null;
    this.#engine = new EngineClass(world, {
      ...options,
      dhtNode,
      clientName: `torrent-ts ${VERSION}`,
      // In a turn of its own: what a listener throws is no business of the engine's.
      onBug: (report) => queueMicrotask(() => this.emit('warning', report)),
    });
    const { dht, dhtPart } = this.#engine;
    this.#dht = dht && new DhtHandle(dht, dhtPart, world.resolver);
    if (dht) dhtState?.keep(this.#dhtMemory(dht), world.clock);
  }

  /**
   * Opens a client and its listening port.
   * @throws UsageError for a bad option, ListenError if the port that was asked for cannot be had.
   */
  static async open(options: ClientOptions = {}): Promise<Client> {
    const resolved = resolveOptions(options);
    const stateDir =
      resolved.stateDir === false
        ? null
        : (resolved.stateDir ?? defaultStateDir(process.env, process.platform));
    // Loaded with the first client: who makes, checks or reads torrents needs none of it, and starts a tenth sooner. The
    // world comes first, because it starts a thread, which takes longer than to load the engine meanwhile.
    const { openNodeWorld } = await import('./node/node-world.ts');
    const world = await openNodeWorld(resolved, stateDir);
    const keepsDht = resolved.dht && stateDir !== null && world.resume !== null;
    const dhtState = keepsDht ? await DhtState.open(stateDir, world.resume) : null;
    const { Engine } = await import('./engine/engine.ts');
    return new Client(Engine, resolved, world, stateDir, dhtState);
  }

  /** By info hash, 40 hexadecimal digits. */
  get torrents(): ReadonlyMap<string, TorrentHandle> {
    return this.#torrents;
  }

  /** The TCP port peers can reach us at; 0 if we do not listen. */
  get listenPort(): number {
    return this.#engine.listenPort;
  }

  /** Questions to the DHT itself; null with the option `dht: false`. */
  get dht(): DhtHandle | null {
    return this.#dht;
  }

  /**
   * Adds a torrent and starts it. The same torrent again gives the same handle; its new trackers and peers are added.
   *
   * A magnet link is begun in the state `metadata`, in which its handle knows nothing of files and pieces yet. A .torrent
   * of what was added as a magnet link makes its metadata known.
   * @throws MetainfoError for a bad torrent, MagnetError for a bad magnet link, UsageError for bad options, StorageError
   * if `dir` cannot be made.
   */
  async add(
    source: TorrentSource,
    options: AddOptions & { signal?: AbortSignal } = {},
  ): Promise<TorrentHandle> {
    this.#throwIfClosed();
    checkAddOptions(options);
    const peers = (options.peers ?? []).map(checkPeer);
    if (options.webSeeds) checkWebSeeds(options.webSeeds);
    // What waits is kept small.
    await this.#toRead.pass();
    return this.#add(source, options, peers);
  }

  async #add(
    source: TorrentSource,
    options: AddOptions & { signal?: AbortSignal },
    peers: readonly PeerAddress[],
  ): Promise<TorrentHandle> {
    const found = await loadSource(source, this.#world.http, options.signal);
    const { infoHashHex } = found;
    const named = options.webSeeds ?? [];
    const [webSeeds, ownWebSeeds] = named === false ? [[], []] : [found.webSeeds, named];
    // Before anything is begun: a filter that fits nothing is a mistake.
    if ('infoBytes' in found) prioritiesOf(found, found, options);
    const known = this.#torrents.get(infoHashHex);
    const dir = known?.dir ?? (await this.#prepareDir(resolve(options.dir ?? this.#options.dir)));
    await this.#toBegin.pass();
    // The files of the one before are not ours until it is gone; how that ended is the business of who removed it.
    for (let removal; (removal = this.#removing.get(infoHashHex));) await removal.catch(() => undefined);
    options.signal?.throwIfAborted();
    this.#throwIfClosed();
    // Somebody may have added the same torrent while we waited.
    const same = this.#torrents.get(infoHashHex);
    if (same) {
      same.addTrackers([...found.trackers.flat(), ...(options.trackers ?? [])]);
      same.addPeers('infoBytes' in found ? peers : [...found.peers, ...peers]);
      same.addFoundWebSeeds(webSeeds);
      same.addWebSeeds(ownWebSeeds);
      const { engineTorrent } = same;
      if ('infoBytes' in found && 'supply' in engineTorrent) engineTorrent.supply(found);
      return same;
    }
    const withOwn = { ...options, webSeeds, usesWebSeeds: named !== false };
    const handle = new TorrentHandle(found, dir, this.#owner);
    handle.begin((observer) =>
      'infoBytes' in found
        ? this.#engine.addTorrent(found, torrentOptions(found, found, dir, withOwn, peers), observer)
        : this.#addMagnet(found, dir, withOwn, peers, observer),
    );
    handle.addWebSeeds(ownWebSeeds);
    this.#torrents.set(infoHashHex, handle);
    return handle;
  }

  /** Torrents that are added together mostly go to one folder, which is made once for all of them. */
  #prepareDir(dir: string): Promise<string> {
    let prepared = this.#dirs.get(dir);
    if (!prepared) {
      prepared = prepareDir(dir).finally(() => this.#dirs.delete(dir));
      this.#dirs.set(dir, prepared);
    }
    return prepared;
  }

  #addMagnet(
    magnet: Magnet,
    dir: string,
    options: OwnOptions,
    peers: readonly PeerAddress[],
    observer: TorrentObserver,
  ): PendingTorrent {
    return this.#engine.addPending(
      {
        infoHash: magnet.infoHash,
        infoHashHex: magnet.infoHashHex,
        trackers: [...magnet.trackers, ...(options.trackers ?? [])].map((url) => [url]),
        peers: [
          ...magnet.peers.map((address) => ({ address, source: 'magnet' as const })),
          ...peers.map((address) => ({ address, source: 'user' as const })),
        ],
        exactSources: options.exactSource ? magnet.exactSources : [],
        metadataMax: this.#options.metadataMax,
        paused: options.paused ?? false,
        plan: (infoBytes, found) => {
          // A private torrent (BEP 27) goes where the link sends it, and not where some server would.
          const beside = found?.private === false ? found : { trackers: [], webSeeds: [] };
          const notes = {
            trackers: [...magnet.trackers.map((url) => [url]), ...beside.trackers],
            webSeeds: [...magnet.webSeeds, ...beside.webSeeds],
          };
          const metaInfo = parseInfo(infoBytes, notes, { windows: process.platform === 'win32' });
          const webSeeds = options.usesWebSeeds ? [...options.webSeeds, ...beside.webSeeds] : [];
          const own = { ...options, webSeeds, paused: options.metadataOnly ?? false };
          return { metaInfo, options: torrentOptions(metaInfo, magnet, dir, own, []) };
        },
      },
      observer,
    );
  }

  /** Makes a torrent of a file or folder and seeds it where it is. */
  async seed(
    path: string,
    options: CreateOptions & Omit<AddOptions, 'dir' | 'trackers'> = {},
  ): Promise<TorrentHandle> {
    const full = resolve(path);
    const { metaInfo } = await createTorrent(full, options);
    const { files, peers, webSeeds, downLimit, upLimit, paused, trust, sequential, superSeed } = options;
    return this.add(metaInfo, {
      dir: resolve(full, '..'),
      ...(files && { files }),
      ...(peers && { peers }),
      ...(webSeeds && { webSeeds }),
      ...(downLimit !== undefined && { downLimit }),
      ...(upLimit !== undefined && { upLimit }),
      ...(superSeed !== undefined && { superSeed }),
      ...(paused !== undefined && { paused }),
      ...(trust !== undefined && { trust }),
      ...(sequential !== undefined && { sequential }),
    });
  }

  /** Stops a torrent and forgets it; with `deleteData` its files go too, and nothing else in their folders. */
  async remove(torrent: TorrentHandle, options: { deleteData?: boolean } = {}): Promise<void> {
    const { infoHash } = torrent;
    if (this.#torrents.get(infoHash) !== torrent) {
      await this.#removing.get(infoHash);
      return;
    }
    this.#torrents.delete(infoHash);
    const removal = this.#remove(torrent, options.deleteData ?? false);
    this.#removing.set(infoHash, removal);
    try {
      await removal;
    } finally {
      this.#removing.delete(infoHash);
    }
  }

  async #remove(torrent: TorrentHandle, withData: boolean): Promise<void> {
    await new Promise<void>((done) => this.#engine.removeTorrent(torrent.engineTorrent, done));
    const { dir, infoHash, metaInfo } = torrent;
    const key = resumeKey(infoHash, dir);
    this.#unlock(key);
    // What was kept of its metadata goes too.
    for (const record of [key, infoHash]) {
      await new Promise<void>((done) => {
        if (this.#world.resume) this.#world.resume.remove(record, done);
        else done();
      });
    }
    if (withData && metaInfo) await deleteData(metaInfo, dir);
  }

  /** Bytes per second over all torrents; Infinity is no limit. */
  setLimits(limits: { down?: number; up?: number }): void {
    checkLimits(limits);
    if (limits.down !== undefined) this.#engine.down.setLimit(limits.down);
    if (limits.up !== undefined) this.#engine.up.setLimit(limits.up);
  }

  /**
   * Leaves all swarms, tells the trackers, saves resume records and closes the port. Never rejects and always ends: what
   * does not answer within `timeoutMs` (3000) is left behind. Calling it again waits for the same end.
   */
  close(options: { timeoutMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(options.timeoutMs ?? CLOSE_TIMEOUT_MS);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #dhtMemory(dht: DhtDriver): DhtMemory {
    const { dhtPart } = this.#engine;
    return { savedState: () => dhtPart.run(() => (dht.isRunning ? dht.savedState() : null), null) };
  }

  async #close(timeoutMs: number): Promise<void> {
    this.#dht?.close();
    // While it runs, because what has stopped is not worth keeping.
    const { dht } = this.#engine;
    const saved = dht && this.#dhtState?.save(this.#dhtMemory(dht));
    const left = new Promise<void>((done) => this.#engine.close(done));
    await within(timeoutMs, Promise.all([saved, left]).then());
    this.#dhtState?.close();
    // In any case: a disk that hangs must not keep a port open.
    await within(WORLD_CLOSE_TIMEOUT_MS, this.#world.close());
    for (const key of [...this.#locks.keys()]) this.#unlock(key);
    this.#torrents.clear();
    this.emit('close');
  }

  /** Only one process may write a torrent's files; any number may read them. */
  #lock(handle: TorrentHandle): void {
    const key = resumeKey(handle.infoHash, handle.dir);
    if (this.#stateDir === null || this.#locks.has(key) || handle.state === 'closed') return;
    try {
      const lock = takeStateLock(this.#stateDir, key);
      if ('release' in lock) {
        this.#locks.set(key, lock);
      } else {
        const message = `${handle.name} in ${handle.dir} is being downloaded by process ${lock.pid}`;
        handle.engineTorrent.fail(new UsageError(message, 'ERR_LOCKED'));
      }
    } catch (error) {
      // Without a state folder there are no records to guard either: say so and go on.
      if (!(error instanceof StorageError)) throw error;
      this.emit('warning', error);
    }
  }

  #unlock(key: string): void {
    this.#locks.get(key)?.release();
    this.#locks.delete(key);
  }

  #throwIfClosed(): void {
    if (this.#closing) throw new UsageError('the client is closed', 'ERR_CLOSED');
  }
}

/** Waits for an end, but not longer than that. */
async function within(timeoutMs: number, end: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((done) => (timer = setTimeout(done, timeoutMs)));
  await Promise.race([end, timeout]);
  clearTimeout(timer);
}

function dhtOptions(options: ResolvedOptions, state: DhtState | null): DhtOptions {
  return {
    saved: state?.saved ?? null,
    newIds: state?.isOthers ?? false,
    readOnly: options.dhtReadOnly,
    startsFrom: { hosts: options.dhtBootstrap.map((node) => parseHostPort(node)!), nodes: [] },
  };
}

/** Options of one torrent, its web seeds those of its source alone. */
type OwnOptions = Omit<AddOptions, 'webSeeds'> & {
  readonly webSeeds: readonly string[];
  /** Of those that become known later too. */
  readonly usesWebSeeds: boolean;
};

function torrentOptions(
  metaInfo: MetaInfo,
  source: MetaInfo | Magnet,
  dir: string,
  options: OwnOptions,
  peers: readonly PeerAddress[],
): TorrentOptions {
  return {
    dir,
    resumeKey: resumeKey(metaInfo.infoHashHex, dir),
    trackers: options.trackers
      ? [...metaInfo.trackers, ...options.trackers.map((url) => [url])]
      : metaInfo.trackers,
    peers,
    webSeeds: options.webSeeds,
    priorities: prioritiesOf(metaInfo, source, options),
    sequential: options.sequential ?? false,
    trust: options.trust ?? 'resume',
    paused: options.paused ?? false,
    downLimit: options.downLimit ?? Infinity,
    upLimit: options.upLimit ?? Infinity,
    superSeed: options.superSeed ?? false,
  };
}

/**
 * What is wanted of each file: as the user says, else as a magnet link does (BEP 53), else null.
 * @throws UsageError if the user's filter fits nothing.
 */
function prioritiesOf(
  metaInfo: MetaInfo,
  source: MetaInfo | Magnet,
  { files }: Pick<AddOptions, 'files'>,
): FilePriority[] | null {
  const select = 'select' in source ? source.select : null;
  const wanted = files ? selectFiles(metaInfo, files) : select && selectRanges(metaInfo, select);
  return wanted && metaInfo.files.map((file) => (wanted[file.index] ? 'normal' : 'skip'));
}

/** Resume records are kept by torrent and real folder, so that the same torrent may lie in two places. */
function resumeKey(infoHash: string, dir: string): string {
  const place = createHash('sha1').update(dir).digest('hex').slice(0, 16);
  return `${infoHash}${place}`;
}

async function prepareDir(dir: string): Promise<string> {
  try {
    await mkdir(dir, { recursive: true });
    return await realpath(dir);
  } catch (error) {
    throw toStorageError(error, 'create the folder', dir);
  }
}
