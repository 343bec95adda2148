import { EventEmitter } from 'node:events';
import type { Context } from '../../../src/cli/context.ts';
import { Interrupt } from '../../../src/cli/interrupt.ts';
import type {
  AddOptions,
  ClientOptions,
  Library,
  LibraryClient,
  LibraryTorrent,
  Magnet,
  MetaInfo,
  TorrentState,
  TorrentStats,
  TorrentTsError,
  TrackerInfo,
} from '../../../src/cli/library.ts';
import * as library from '../../../src/index.ts';
import { STATS } from './fake-torrent.ts';
import { fakeTerminal } from './fake-terminal.ts';
import type { FakeTerminal } from './fake-terminal.ts';

/** A torrent in a client, told by the test what happens to it. */
export class FakeTorrent extends EventEmitter implements LibraryTorrent {
  /** Null for a magnet link, whose metadata never comes: such downloads are tried with real clients. */
  readonly metaInfo: MetaInfo | null;
  readonly infoHash: string;
  readonly name: string;
  readonly dir: string;
  readonly options: AddOptions;
  stats: TorrentStats;
  error: TorrentTsError | null = null;
  trackers: readonly TrackerInfo[] = [];
  peers: LibraryTorrent['peers'] = [];
  foundPeers: LibraryTorrent['foundPeers'] = [];
  files: LibraryTorrent['files'] = [];
  paused = false;
  #settle: { resolve: () => void; reject: (error: Error) => void } | null = null;
  readonly #settled: Promise<void>;

  constructor(source: MetaInfo | Magnet, options: AddOptions) {
    super();
    this.#settled = new Promise((resolve, reject) => (this.#settle = { resolve, reject }));
    this.metaInfo = 'infoBytes' in source ? source : null;
    this.infoHash = source.infoHashHex;
    this.name = source.name ?? this.infoHash;
    this.options = options;
    this.dir = options.dir ?? '.';
    const { length, pieceCount } = this.metaInfo ?? { length: 0, pieceCount: 0 };
    this.stats = {
      ...STATS,
      state: this.metaInfo ? 'checking' : 'metadata',
      progress: 0,
      wantedBytes: length,
      doneBytes: 0,
      downloaded: 0,
      uploaded: 0,
      pieceCount,
    };
  }

  get state(): TorrentState {
    return this.stats.state;
  }

  pieceStates(): Uint8Array {
    return new Uint8Array(this.stats.pieceCount);
  }

  metadata({ signal }: { signal?: AbortSignal } = {}): Promise<MetaInfo> {
    return this.metaInfo ? Promise.resolve(this.metaInfo) : abortOf(signal);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  prioritize(): void {
    // What a command wants is seen in the options it adds a torrent with.
  }

  async completed(options: { signal?: AbortSignal } = {}): Promise<void> {
    await Promise.race([this.#settled, abortOf(options.signal)]);
  }

  enter(state: TorrentState, stats: Partial<TorrentStats> = {}): void {
    const before = this.stats.state;
    this.stats = { ...this.stats, ...stats, state };
    this.emit('state', state, before);
  }

  complete(downloaded = this.stats.wantedBytes): void {
    this.enter('seeding', { progress: 1, doneBytes: this.stats.wantedBytes, downloaded });
    this.#settle?.resolve();
  }

  fail(error: TorrentTsError): void {
    this.error = error;
    this.enter('failed');
    this.#settle?.reject(error);
  }
}

/** Rejects when the signal says so, and else does nothing. */
function abortOf(signal: AbortSignal | undefined): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal?.reason as Error);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort);
  });
}

export class FakeClient extends EventEmitter implements LibraryClient {
  readonly options: ClientOptions;
  readonly listenPort = 40_000;
  readonly dht = null;
  readonly torrents: FakeTorrent[] = [];
  closed = false;
  readonly #onAdded: (torrent: FakeTorrent) => void;

  constructor(options: ClientOptions, onAdded: (torrent: FakeTorrent) => void) {
    super();
    this.options = options;
    this.#onAdded = onAdded;
  }

  add(source: MetaInfo | Magnet, options: AddOptions = {}): Promise<FakeTorrent> {
    const torrent = new FakeTorrent(source, options);
    this.torrents.push(torrent);
    // After the command has begun to listen.
    setImmediate(() => this.#onAdded(torrent));
    return Promise.resolve(torrent);
  }

  remove(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

export interface Stage extends FakeTerminal {
  readonly context: Context;
  readonly clients: FakeClient[];
  /** Sends a signal to the command. */
  signal(name: 'SIGINT' | 'SIGTERM' | 'SIGHUP'): void;
  /** The exit codes of immediate ends. */
  readonly forced: number[];
  /** Lines of `--json`. */
  readonly events: () => Record<string, unknown>[];
}

export interface StageOptions {
  readonly terminal?: Parameters<typeof fakeTerminal>[0];
  /** What happens to each torrent after it was added. */
  readonly onAdded?: (torrent: FakeTorrent) => void;
  readonly openClient?: (options: ClientOptions) => void;
  readonly commandLine?: readonly string[];
  readonly stdin?: readonly Uint8Array[];
}

/** Everything a command needs, with a client that does nothing by itself. Parsing and selecting are the real ones. */
export function stage(options: StageOptions = {}): Stage {
  const fake = fakeTerminal(options.terminal);
  const clients: FakeClient[] = [];
  const forced: number[] = [];
  const signals = new EventEmitter();
  const interrupt = new Interrupt(signals, (code) => forced.push(code));
  const Client = {
    open(clientOptions: ClientOptions = {}): Promise<FakeClient> {
      options.openClient?.(clientOptions);
      const client = new FakeClient(clientOptions, options.onAdded ?? (() => undefined));
      clients.push(client);
      return Promise.resolve(client);
    },
  };
  const context: Context = {
    terminal: fake.terminal,
    interrupt,
    library: () => Promise.resolve({ ...library, Client } as Library),
    stdin: chunks(options.stdin ?? []),
    commandLine: options.commandLine ?? [],
    now: () => performance.now(),
  };
  return {
    ...fake,
    context,
    clients,
    forced,
    signal: (name) => void signals.emit(name, name),
    events: () => fake.stdout.lines.map((line) => JSON.parse(line) as Record<string, unknown>),
  };
}

// eslint-disable-next-line @typescript-eslint/require-await -- a stream is asynchronous by nature
async function* chunks(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
