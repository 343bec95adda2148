import type {
  Cancel,
  Clock,
  PeerTransport,
  RangePort,
  StorageFactory,
  TorrentStorage,
  World,
} from '../../ports.ts';
import { InternalError } from '../../errors.ts';
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

/** Our own code failed in the midst of something: nothing of this torrent can be relied on any more. */
export function stopForBug(name: string, error: unknown, fail: (report: InternalError) => void): void {
  log('%s: a bug: %O', name, error);
  const what = error instanceof Error ? error.message : String(error);
  const report = new InternalError(`a bug stopped ${name}: ${what}`, { cause: error });
  guard(
    () => fail(report),
    (another) => log('%s: and another: %O', name, another),
  )();
}

/** The same world, all of whose callbacks are guarded. */
export function guardWorld(world: World, onBug: OnBug): World {
  const { http, resolver, resume, web } = world;
  return {
    ...world,
    clock: guardClock(world.clock, onBug),
    transports: world.transports.map((transport) => guardTransport(transport, onBug)),
    storage: guardStorageFactory(world.storage, onBug),
    ...(web && { web: guardRanges(web, onBug) }),
    http: http && { get: (request, done) => http.get(request, guard(done, onBug)) },
    resolver: resolver && {
      resolve: (host, family, done) => resolver.resolve(host, family, guard(done, onBug)),
    },
    resume: resume && {
      load: (key, done) => resume.load(key, guard(done, onBug)),
      save: (key, record, done) => resume.save(key, record, guard(done, onBug)),
      remove: (key, done) => resume.remove(key, guard(done, onBug)),
      setAside: (key, done) => resume.setAside(key, guard(done, onBug)),
    },
  };
}

function guardRanges(web: RangePort, onBug: OnBug): RangePort {
  return {
    stream: (request, sink) =>
      web.stream(request, {
        onHead: (head) => {
          let goesOn = false;
          guard(() => (goesOn = sink.onHead(head)), onBug)();
          return goesOn;
        },
        onData: guard((chunk) => sink.onData(chunk), onBug),
        onEnd: guard(() => sink.onEnd(), onBug),
        onFail: guard((error) => sink.onFail(error), onBug),
      }),
  };
}

function guardClock(clock: Clock, onBug: OnBug): Clock {
  return {
    now: () => clock.now(),
    at: (time, fn): Cancel => clock.at(time, guard(fn, onBug)),
  };
}

function guardTransport(transport: PeerTransport, onBug: OnBug): PeerTransport {
  return {
    dial: (to, timeoutMs, done, encryption) => transport.dial(to, timeoutMs, guard(done, onBug), encryption),
    onInbound: (listener, encryption) => transport.onInbound(guard(listener, onBug), encryption),
    get listenPort() {
      return transport.listenPort;
    },
  };
}

function guardStorageFactory(factory: StorageFactory, onBug: OnBug): StorageFactory {
  return { open: (metaInfo, options) => guardStorage(factory.open(metaInfo, options), onBug) };
}

function guardStorage(storage: TorrentStorage, onBug: OnBug): TorrentStorage {
  return {
    stat: (done) => storage.stat(guard(done, onBug)),
    checkPiece: (piece, done) => storage.checkPiece(piece, guard(done, onBug)),
    writePiece: (piece, slab, wantDigests, done) =>
      storage.writePiece(piece, slab, wantDigests, guard(done, onBug)),
    read: (piece, begin, into, done) => storage.read(piece, begin, into, guard(done, onBug)),
    setWanted: (wanted) => storage.setWanted(wanted),
    flush: (done) => storage.flush(guard(done, onBug)),
    close: (done) => storage.close(guard(done, onBug)),
  };
}
