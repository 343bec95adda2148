import { TrackerError } from '../../errors.ts';
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
import { addressKey, isDialable, isLocalIp } from '../../util/ip.ts';
import { Chain } from './chain.ts';

export interface UdpRequestOptions {
  /** From the look-up of the name to the answer. */
  readonly timeoutMs: number;
  readonly refuseLocal: boolean;
}

/**
 * Speaks to all UDP trackers (BEP 15) for all torrents: one exchange per address, so that a connection id serves
 * every torrent that announces there. One timer, for the earliest deadline of them all.
 */
export class UdpTrackerClient {
  readonly #world: Pick<World, 'clock' | 'entropy' | 'datagrams' | 'resolver'>;
  readonly #exchanges = new Map<string, UdpExchange>();
  readonly #subscription: Cancel | null;
  #timer: { readonly at: number; readonly cancel: Cancel } | null = null;

  constructor(world: Pick<World, 'clock' | 'entropy' | 'datagrams' | 'resolver'>) {
    this.#world = world;
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
      done: (reply) =>
        done(reply instanceof TrackerError ? reply : readAnnounceReply(reply, family, url.text)),
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
      done: (reply) => {
        const counts =
          reply instanceof TrackerError ? reply : readScrapeReply(reply, infoHashes.length, url.text);
        if (counts instanceof TrackerError) done(counts);
        else done(new Map(infoHashes.map((hash, i) => [toHex(hash), counts[i]!])));
      },
    });
  }

  /** Forgets everything under way without an answer. */
  close(): void {
    this.#subscription?.cancel();
    this.#timer?.cancel.cancel();
    this.#timer = null;
    this.#exchanges.clear();
  }

  #request(
    url: TrackerUrl,
    family: IpFamily,
    options: UdpRequestOptions,
    request: Pick<UdpRequest, 'action' | 'write'> & { done(reply: Uint8Array | TrackerError): void },
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
        const to = allowed.map((host) => ({ host, port: url.port })).find(isDialable);
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
        const sent: UdpRequest = {
          ...request,
          deadline,
          done: (reply) =>
            request.done(typeof reply === 'string' ? new TrackerError(reply, url.text) : reply),
        };
        chain.next(exchange.request(sent, clock.now()));
        this.#arm();
      }),
    );
    return chain;
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
    const taken = this.#exchanges.get(addressKey(from))?.receive(bytes, this.#world.clock.now()) ?? false;
    if (taken) this.#arm();
    return taken;
  }

  #onTime(): void {
    this.#timer = null;
    const now = this.#world.clock.now();
    for (const [key, exchange] of this.#exchanges) {
      if (exchange.nextDeadline() <= now) exchange.onTime(now);
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
