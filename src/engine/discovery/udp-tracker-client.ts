import { type InternalError, TrackerError } from '../../errors.ts';
import type { Cancel, World } from '../../ports.ts';
import type { AnnounceRequest, AnnounceResponse } from '../../tracker/announce.ts';
import { noAddressError } from '../../tracker/announce.ts';
import type { ScrapeResult } from '../../tracker/scrape.ts';
import type { TrackerUrl } from '../../tracker/tracker-url.ts';
import {
  ACTION_ANNOUNCE,
  ACTION_SCRAPE,
  readAnnounceReply,
  readScrapeReply,
  writeAnnounce,
  writeScrape,
} from '../../tracker/udp-codec.ts';
import type { UdpRequest } from '../../tracker/udp-exchange.ts';
import { UdpExchange } from '../../tracker/udp-exchange.ts';
import { readU32, toHex } from '../../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../../util/ip.ts';
import { addressKey, isDialable, isLocalIp, isLocalService } from '../../util/ip.ts';
import { bugReport, guard } from '../torrent/bug-boundary.ts';
import { Chain } from './chain.ts';

export interface UdpRequestOptions {
  /** From the look-up of the name to the answer. */
  readonly timeoutMs: number;
  readonly refuseLocal: boolean;
}

interface TrackerRequest<Answer> extends Pick<UdpRequest, 'action' | 'write'> {
  read(reply: Uint8Array): Answer | TrackerError;
  done(answer: Answer | TrackerError): void;
}

/** What our own failure is called towards the torrent that asked. */
const FAILED = 'an internal error ended the request';

/**
 * Speaks to all UDP trackers (BEP 15) for all torrents: one exchange per address, so that a connection id serves
 * every torrent that announces there. One timer, for the earliest deadline of them all.
 *
 * A bug of ours in the talk with one tracker ends that talk with an error for whoever waits, and leaves those with the
 * others alone. The next request begins a new one.
 */
export class UdpTrackerClient {
  readonly #world: Pick<World, 'clock' | 'entropy' | 'datagrams' | 'resolver'>;
  readonly #onBug: (report: InternalError) => void;
  readonly #exchanges = new Map<string, UdpExchange>();
  readonly #subscription: Cancel | null;
  #timer: { readonly at: number; readonly cancel: Cancel } | null = null;

  /** @param onBug Told of our own failures. Default: they are thrown at whoever called. */
  constructor(
    world: Pick<World, 'clock' | 'entropy' | 'datagrams' | 'resolver'>,
    onBug: (report: InternalError) => void = rethrow,
  ) {
    this.#world = world;
    this.#onBug = onBug;
    this.#subscription = world.datagrams?.onMessage((bytes, from) => this.#onMessage(bytes, from)) ?? null;
  }

  announce(
    url: TrackerUrl,
    family: IpFamily,
    request: AnnounceRequest,
    options: UdpRequestOptions,
    done: (result: AnnounceResponse | TrackerError) => void,
  ): Cancel {
    return this.#request(url, family, options, {
      action: ACTION_ANNOUNCE,
      write: (connectionId, transactionId) => writeAnnounce(connectionId, transactionId, request, url.path),
      read: (reply) => readAnnounceReply(reply, family, url.text),
      done,
    });
  }

  /** At most `SCRAPE_HASHES_MAX` info hashes. */
  scrape(
    url: TrackerUrl,
    family: IpFamily,
    infoHashes: readonly Uint8Array[],
    options: UdpRequestOptions,
    done: (result: ScrapeResult | TrackerError) => void,
  ): Cancel {
    return this.#request(url, family, options, {
      action: ACTION_SCRAPE,
      write: (connectionId, transactionId) => writeScrape(connectionId, transactionId, infoHashes),
      read: (reply) => {
        const counts = readScrapeReply(reply, infoHashes.length, url.text);
        if (counts instanceof TrackerError) return counts;
        return new Map(infoHashes.map((hash, i) => [toHex(hash), counts[i]!]));
      },
      done,
    });
  }

  /** Forgets everything under way without an answer. */
  close(): void {
    this.#subscription?.cancel();
    this.#timer?.cancel.cancel();
    this.#timer = null;
    this.#exchanges.clear();
  }

  #request<Answer>(
    url: TrackerUrl,
    family: IpFamily,
    options: UdpRequestOptions,
    request: TrackerRequest<Answer>,
  ): Cancel {
    const { clock, datagrams, resolver } = this.#world;
    const deadline = clock.now() + options.timeoutMs;
    const chain = new Chain();
    if (!datagrams?.supports(family) || resolver === null) {
      chain.next(clock.at(clock.now(), () => request.done(noAddressError(url.text, family))));
      return chain;
    }
    chain.next(
      resolver.resolve(url.host, family, (addresses) => {
        const allowed = options.refuseLocal ? addresses.filter((host) => !isLocalIp(host)) : addresses;
        const to = allowed
          .map((host) => ({ host, port: url.port }))
          .find((address) => isDialable(address) && !isLocalService(address));
        if (to === undefined) {
          const refused = addresses.length > 0;
          request.done(
            refused
              ? new TrackerError('the tracker has a local address, which is refused', url.text)
              : noAddressError(url.text, family),
          );
          return;
        }
        const exchange = this.#exchangeWith(to, datagrams);
        const { action, write } = request;
        let isAnswered = false;
        const done = (reply: Uint8Array | string): void => {
          if (isAnswered) return;
          isAnswered = true;
          request.done(this.#answerOf(url, request, reply));
        };
        const sent: UdpRequest = { action, write, deadline, done };
        const hasBegun = this.#attempt(addressKey(to), exchange, () =>
          chain.next(exchange.request(sent, clock.now())),
        );
        if (!hasBegun) done(FAILED);
        this.#arm();
      }),
    );
    return chain;
  }

  #answerOf<Answer>(
    url: TrackerUrl,
    request: TrackerRequest<Answer>,
    reply: Uint8Array | string,
  ): Answer | TrackerError {
    if (typeof reply === 'string') return new TrackerError(reply, url.text);
    let answer: Answer | TrackerError = new TrackerError(FAILED, url.text);
    guard(
      () => (answer = request.read(reply)),
      (error) => this.#onBug(bugReport(`the answer of ${url.text}`, error)),
    )();
    return answer;
  }

  /** Does something in the talk with a tracker; a bug ends that talk. False if it did. */
  #attempt(key: string, exchange: UdpExchange, act: () => void): boolean {
    let isWell = true;
    guard(act, (error) => {
      isWell = false;
      if (this.#exchanges.get(key) === exchange) this.#exchanges.delete(key);
      exchange.abandon(FAILED);
      this.#onBug(bugReport(`the talk with the tracker at ${key}`, error));
    })();
    return isWell;
  }

  #exchangeWith(to: PeerAddress, datagrams: NonNullable<World['datagrams']>): UdpExchange {
    const key = addressKey(to);
    let exchange = this.#exchanges.get(key);
    if (exchange === undefined) {
      const now = this.#world.clock.now();
      for (const [other, idle] of this.#exchanges) if (idle.isIdle(now)) this.#exchanges.delete(other);
      exchange = new UdpExchange(
        (packet) => datagrams.send(packet, to),
        () => readU32(this.#world.entropy.bytes(4), 0),
      );
      this.#exchanges.set(key, exchange);
    }
    return exchange;
  }

  #onMessage(bytes: Uint8Array, from: PeerAddress): boolean {
    const key = addressKey(from);
    const exchange = this.#exchanges.get(key);
    if (!exchange) return false;
    // What makes us fail was for us.
    let taken = true;
    this.#attempt(key, exchange, () => (taken = exchange.receive(bytes, this.#world.clock.now())));
    if (taken) this.#arm();
    return taken;
  }

  #onTime(): void {
    this.#timer = null;
    const now = this.#world.clock.now();
    for (const [key, exchange] of this.#exchanges) {
      if (exchange.nextDeadline() <= now) this.#attempt(key, exchange, () => exchange.onTime(now));
      if (exchange.isIdle(now)) this.#exchanges.delete(key);
    }
    this.#arm();
  }

  #arm(): void {
    let next = Infinity;
    for (const exchange of this.#exchanges.values()) next = Math.min(next, exchange.nextDeadline());
    if (this.#timer?.at === next) return;
    this.#timer?.cancel.cancel();
    this.#timer =
      next === Infinity ? null : { at: next, cancel: this.#world.clock.at(next, () => this.#onTime()) };
  }
}

function rethrow(report: InternalError): never {
  throw report;
}
