import type {
  Cancel,
  Clock,
  DatagramPort,
  Entropy,
  HttpPort,
  PeerTransport,
  RangePort,
  RangeRequest,
  RangeSink,
  RangeStream,
  Resolver,
  ResumeStore,
  StorageFactory,
  TorrentStorage,
  World,
} from '../../ports.ts';
import { InternalError, type TrackerError } from '../../errors.ts';
import { logger } from '../../util/log.ts';

const log = logger('torrent');

/**
 * Where a bug of ours stops.
 *
 * What a peer, a tracker or a disk does wrong is a value or a `PeerError`; anything else that is thrown is a broken
 * promise of our own code. It must not end the process, and the torrents beside it have nothing to do with it. So all
 * that calls a torrent back is caught here and ends this one torrent, with a report. Links catch for themselves
 * (`LinkSink.onBug`), because one more call per message would cost.
 */
export type OnBug = (error: unknown) => void;

/** The same callback, with what it throws told to `onBug`. */
export function guard<A extends unknown[]>(fn: (...args: A) => void, onBug: OnBug): (...args: A) => void {
  return (...args) => {
    try {
      fn(...args);
    } catch (error) {
      onBug(error);
    }
  };
}

/** What users are told of a bug that ended `name`. */
export function bugReport(name: string, error: unknown): InternalError {
  const what = error instanceof Error ? error.message : String(error);
  return new InternalError(`a bug stopped ${name}: ${what}`, { cause: error });
}

/** Our own code failed in the midst of something: nothing of this torrent can be relied on any more. */
export function stopForBug(name: string, error: unknown, fail: (report: InternalError) => void): void {
  log('%s: a bug: %O', name, error);
  const report = bugReport(name, error);
  guard(
    () => fail(report),
    (another) => log('%s: and another: %O', name, another),
  )();
}

/**
 * The same world, all of whose callbacks are guarded. Each torrent has its own, and there may be thousands: so its ports
 * are small objects that share their methods, made when they are asked for.
 */
export function guardWorld(world: World, onBug: OnBug): World {
  return new GuardedWorld(world, onBug);
}

class GuardedWorld implements World {
  readonly #world: World;
  readonly #onBug: OnBug;
  readonly clock: Clock;

  constructor(world: World, onBug: OnBug) {
    this.#world = world;
    this.#onBug = onBug;
    this.clock = new GuardedClock(world.clock, onBug);
  }

  get transports(): readonly PeerTransport[] {
    return this.#world.transports.map((transport) => new GuardedTransport(transport, this.#onBug));
  }

  get storage(): StorageFactory {
    return new GuardedStorageFactory(this.#world.storage, this.#onBug);
  }

  get http(): HttpPort | null {
    return this.#world.http && new GuardedHttp(this.#world.http, this.#onBug);
  }

  get web(): RangePort | null {
    return this.#world.web ? new GuardedRanges(this.#world.web, this.#onBug) : null;
  }

  get resolver(): Resolver | null {
    return this.#world.resolver && new GuardedResolver(this.#world.resolver, this.#onBug);
  }

  get resume(): ResumeStore | null {
    return this.#world.resume && new GuardedResume(this.#world.resume, this.#onBug);
  }

  // What calls nobody back, or belongs to all torrents.

  get entropy(): Entropy {
    return this.#world.entropy;
  }

  get seed(): number {
    return this.#world.seed;
  }

  get datagrams(): DatagramPort | null {
    return this.#world.datagrams;
  }
}

/** A port, and who hears what its callbacks throw. */
class Guarded<Port> {
  protected readonly port: Port;
  protected readonly onBug: OnBug;

  constructor(port: Port, onBug: OnBug) {
    this.port = port;
    this.onBug = onBug;
  }

  protected guard<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
    return guard(fn, this.onBug);
  }
}

class GuardedClock extends Guarded<Clock> implements Clock {
  now(): number {
    return this.port.now();
  }

  at(time: number, fn: () => void): Cancel {
    return this.port.at(time, this.guard(fn));
  }
}

class GuardedTransport extends Guarded<PeerTransport> implements PeerTransport {
  get listenPort(): number {
    return this.port.listenPort;
  }

  dial(...[to, timeoutMs, done, encryption]: Parameters<PeerTransport['dial']>): Cancel {
    return this.port.dial(to, timeoutMs, this.guard(done), encryption);
  }

  onInbound(...[listener, encryption]: Parameters<PeerTransport['onInbound']>): void {
    this.port.onInbound(this.guard(listener), encryption);
  }
}

class GuardedHttp extends Guarded<HttpPort> implements HttpPort {
  get(...[request, done]: Parameters<HttpPort['get']>): Cancel {
    return this.port.get(request, this.guard(done));
  }
}

class GuardedResolver extends Guarded<Resolver> implements Resolver {
  resolve(...[host, family, done]: Parameters<Resolver['resolve']>): Cancel {
    return this.port.resolve(host, family, this.guard(done));
  }
}

class GuardedResume extends Guarded<ResumeStore> implements ResumeStore {
  load(...[key, done]: Parameters<ResumeStore['load']>): void {
    this.port.load(key, this.guard(done));
  }

  save(...[key, record, done]: Parameters<ResumeStore['save']>): void {
    this.port.save(key, record, this.guard(done));
  }

  remove(key: string, done: () => void): void {
    this.port.remove(key, this.guard(done));
  }

  setAside(key: string, done: () => void): void {
    this.port.setAside(key, this.guard(done));
  }
}

class GuardedRanges extends Guarded<RangePort> implements RangePort {
  stream(request: RangeRequest, sink: RangeSink): RangeStream {
    return this.port.stream(request, {
      onHead: (head) => {
        let goesOn = false;
        this.guard(() => (goesOn = sink.onHead(head)))();
        return goesOn;
      },
      onData: this.guard((chunk: Uint8Array) => sink.onData(chunk)),
      onEnd: this.guard(() => sink.onEnd()),
      onFail: this.guard((error: TrackerError) => sink.onFail(error)),
    });
  }
}

class GuardedStorageFactory extends Guarded<StorageFactory> implements StorageFactory {
  open(...[metaInfo, options]: Parameters<StorageFactory['open']>): TorrentStorage {
    return new GuardedStorage(this.port.open(metaInfo, options), this.onBug);
  }
}

class GuardedStorage extends Guarded<TorrentStorage> implements TorrentStorage {
  stat(...[done]: Parameters<TorrentStorage['stat']>): void {
    this.port.stat(this.guard(done));
  }

  checkPiece(...[piece, done]: Parameters<TorrentStorage['checkPiece']>): void {
    this.port.checkPiece(piece, this.guard(done));
  }

  writePiece(...[piece, slab, wantDigests, done]: Parameters<TorrentStorage['writePiece']>): void {
    this.port.writePiece(piece, slab, wantDigests, this.guard(done));
  }

  read(...[piece, begin, into, done]: Parameters<TorrentStorage['read']>): void {
    this.port.read(piece, begin, into, this.guard(done));
  }

  setWanted(wanted: readonly boolean[]): void {
    this.port.setWanted(wanted);
  }

  flush(...[done]: Parameters<TorrentStorage['flush']>): void {
    this.port.flush(this.guard(done));
  }

  close(done: () => void): void {
    this.port.close(this.guard(done));
  }
}
