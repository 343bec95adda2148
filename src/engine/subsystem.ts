import type { InternalError } from '../errors.ts';
import type { Cancel, Clock, DatagramPort, MulticastPort, Resolver } from '../ports.ts';
import { logger } from '../util/log.ts';
import type { PeerAddress } from '../util/ip.ts';
import type { DhtPorts } from './discovery/dht-ports.ts';
import type { Follow, PeerFinder } from './discovery/peer-finder.ts';
import { bugReport, guard } from './torrent/bug-boundary.ts';

const log = logger('engine');

/**
 * A part of the client that serves all torrents, such as its node of the DHT, and the boundary around it.
 *
 * What strangers say to it is no reason to throw, so whatever it throws is a bug of ours. That ends the part, once and for
 * all and with a report: it is called no more, hears nothing and sends nothing. The torrents and all other parts go on.
 */
export class Subsystem {
  readonly #name: string;
  readonly #report: (failure: InternalError) => void;
  readonly #listeners: ((failure: InternalError) => void)[] = [];
  #failure: InternalError | null = null;

  /** @param report Told once, last of all. */
  constructor(name: string, report: (failure: InternalError) => void) {
    this.#name = name;
    this.#report = report;
  }

  /** What ended it; null while it works. */
  get failure(): InternalError | null {
    return this.#failure;
  }

  /** Calls `fn` when it fails: to shut it down, or to end what waits for it. */
  onFailed(fn: (failure: InternalError) => void): void {
    this.#listeners.push(fn);
  }

  /** Our own code failed in the midst of something: nothing of this part can be relied on any more. */
  fail(error: unknown): void {
    if (this.#failure) {
      log('%s: another bug: %O', this.#name, error);
      return;
    }
    log('%s: a bug: %O', this.#name, error);
    const failure = bugReport(this.#name, error);
    this.#failure = failure;
    for (const listener of this.#listeners) {
      guard(
        () => listener(failure),
        (another) => log('%s: and another: %O', this.#name, another),
      )();
    }
    this.#report(failure);
  }

  /** What `act` gives; `otherwise` if that fails, or the part has failed before. */
  run<T>(act: () => T, otherwise: T): T {
    if (this.#failure) return otherwise;
    try {
      return act();
    } catch (error) {
      this.fail(error);
      return otherwise;
    }
  }

  /** The same callback, as one into this part. */
  guard<A extends unknown[]>(fn: (...args: A) => void): (...args: A) => void {
    return (...args) => this.run(() => fn(...args), undefined);
  }

  // — the world as this part sees it

  clock(port: Clock): Clock {
    return {
      now: () => port.now(),
      at: (time, fn) => port.at(time, this.guard(fn)),
    };
  }

  resolver(port: Resolver): Resolver {
    return { resolve: (host, family, done) => port.resolve(host, family, this.guard(done)) };
  }

  datagrams(port: DatagramPort): DatagramPort {
    return {
      send: (bytes, to) => {
        if (!this.#failure) port.send(bytes, to);
      },
      onMessage: (receiver): Cancel =>
        port.onMessage((bytes, from) => this.run(() => receiver(bytes, from), false)),
      supports: (family) => port.supports(family),
      open: () => port.open?.(),
      localPort: (family) => port.localPort?.(family) ?? 0,
    };
  }

  multicast(port: MulticastPort): MulticastPort {
    return {
      send: (bytes, family) => {
        if (!this.#failure) port.send(bytes, family);
      },
      onMessage: (receiver) => port.onMessage(this.guard(receiver)),
    };
  }

  // — this part as torrents see it

  /** The finder, without whose failures the torrents go on finding peers in other ways. */
  finder(finder: PeerFinder): PeerFinder {
    return {
      source: finder.source,
      follow: (infoHash, subject) => new GuardedFollow(this, () => finder.follow(infoHash, subject)),
    };
  }

  dhtPorts(dht: DhtPorts): DhtPorts {
    return {
      port: (family) => this.run(() => dht.port(family), 0),
      addNode: (address: PeerAddress) => this.run(() => dht.addNode(address), undefined),
    };
  }
}

/** There may be one for each of thousands of torrents, so its methods are shared. */
class GuardedFollow implements Follow {
  readonly #part: Subsystem;
  readonly #follow: Follow | null;

  constructor(part: Subsystem, begin: () => Follow) {
    this.#part = part;
    this.#follow = part.run(begin, null);
  }

  announceNow(): void {
    this.#part.run(() => this.#follow?.announceNow(), undefined);
  }

  stop(): void {
    this.#part.run(() => this.#follow?.stop(), undefined);
  }
}
