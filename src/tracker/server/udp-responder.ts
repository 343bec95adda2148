/**
 * A tracker's answers over UDP (BEP 15).
 *
 * A connection id proves that the sender receives at the address it sends from. It is a keyed digest of that
 * address and the current minute, so nothing has to be remembered and nobody can make one up. Before it is shown,
 * nobody gets more bytes back than they sent, so the tracker is of no use for flooding a forged address.
 */
import { concatBytes, equalBytes, toHex, utf8, writeU32 } from '../../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../../util/ip.ts';
import { ipFamily, ipToBytes } from '../../util/ip.ts';
import type { UdpRequestPacket } from '../udp-codec.ts';
import {
  readRequest,
  writeAnnounceReply,
  writeConnectReply,
  writeErrorReply,
  writeScrapeReply,
} from '../udp-codec.ts';
import { SCRAPE_HASHES_MAX } from '../scrape.ts';
import type { TrackerPolicy } from './announce-policy.ts';
import { serveAnnounce } from './announce-policy.ts';
import { compactOf } from './peer-store.ts';

/** BEP 15: ids are accepted "until two minutes after it has been sent". This minute and the two before it are. */
const WINDOW_MS = 60_000;
const WINDOWS_ACCEPTED = 3;

/** A digest of a message under a secret that only this tracker knows, of at least 8 bytes. */
export type KeyedDigest = (message: Uint8Array) => Uint8Array;

export class UdpResponder {
  readonly #policy: TrackerPolicy;
  readonly #digest: KeyedDigest;

  constructor(policy: TrackerPolicy, digest: KeyedDigest) {
    this.#policy = policy;
    this.#digest = digest;
  }

  /** The answer to a datagram, or null for none. `from.host` is canonical. */
  answer(packet: Uint8Array, from: PeerAddress, now: number): Uint8Array | null {
    const request = readRequest(packet);
    if (request === null || ipFamily(from.host) === 0) return null;
    if (request.action === 'connect') {
      return writeConnectReply(request.transactionId, this.#connectionId(from.host, windowOf(now)));
    }
    if (!this.#isConnected(request.connectionId, from.host, now)) {
      const reply = writeErrorReply(request.transactionId, 'connection id expired');
      return reply.length <= packet.length ? reply : null;
    }
    return request.action === 'announce' ? this.#announce(request, from, now) : this.#scrape(request, now);
  }

  #announce(
    { transactionId, announce }: Extract<UdpRequestPacket, { action: 'announce' }>,
    from: PeerAddress,
    now: number,
  ): Uint8Array {
    const view = serveAnnounce(
      this.#policy,
      {
        infoHash: toHex(announce.infoHash),
        peerId: announce.peerId,
        port: announce.port,
        left: announce.left,
        event: announce.event,
        numWant: announce.numWant,
        from: from.host,
        at: null,
        bothFamilies: false, // BEP 15: the packet has room for the socket's family only
      },
      now,
    );
    if (typeof view === 'string') return writeErrorReply(transactionId, view);
    const { interval } = this.#policy;
    const { seeders, leechers } = view;
    const peers = compactOf(view, ipFamily(from.host) as IpFamily);
    return writeAnnounceReply(transactionId, { interval, seeders, leechers, peers });
  }

  #scrape(
    { transactionId, infoHashes }: Extract<UdpRequestPacket, { action: 'scrape' }>,
    now: number,
  ): Uint8Array {
    const unknown = { seeders: 0, leechers: 0, downloads: 0 };
    const counts = infoHashes.slice(0, SCRAPE_HASHES_MAX).map((hash) => {
      const infoHash = toHex(hash);
      return (this.#policy.allows(infoHash) ? this.#policy.store.scrape(infoHash, now) : null) ?? unknown;
    });
    return writeScrapeReply(transactionId, counts);
  }

  #isConnected(connectionId: Uint8Array, host: string, now: number): boolean {
    for (let age = 0; age < WINDOWS_ACCEPTED; age++) {
      if (equalBytes(this.#connectionId(host, windowOf(now) - age), connectionId)) return true;
    }
    return false;
  }

  #connectionId(host: string, window: number): Uint8Array {
    const minute = new Uint8Array(4);
    writeU32(minute, 0, window);
    return this.#digest(concatBytes([utf8('connection id'), minute, ipToBytes(host)!])).slice(0, 8);
  }
}

function windowOf(now: number): number {
  return Math.floor(now / WINDOW_MS);
}
