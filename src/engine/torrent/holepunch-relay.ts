import { isDialable, isLocalIp, type PeerAddress } from '../../util/ip.ts';
import { PeerError } from '../../wire/link.ts';
import {
  HolepunchError,
  readHolepunch,
  UT_HOLEPUNCH,
  writeHolepunch,
} from '../../wire/extension/ut-holepunch.ts';
import type { ExternalAddress } from '../external-address.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import type { PeerSession } from '../peer/peer-session.ts';

/** Introductions made for one peer in a minute; each costs two messages. It has no more connections to make than that. */
const INTRODUCTIONS_PER_MINUTE = 30;
/** Messages in a minute that are no mistake any more. */
const MESSAGES_PER_MINUTE_MAX = 300;
const MINUTE_MS = 60_000;

export interface HolepunchHost {
  readonly swarm: { readonly sessions: readonly PeerSession[] };
  now(): number;
}

/**
 * Introduces peers that cannot be dialled to each other (BEP 55), as the third that is connected to both. We ask nobody
 * for the same, and do not follow where others lead us: that takes uTP, and BEP 55 lets a target stay silent.
 */
export class HolepunchRelay implements ExtendedMessage {
  readonly name = UT_HOLEPUNCH;
  readonly #host: HolepunchHost;
  readonly #external: ExternalAddress;
  readonly #listenPort: () => number;
  /** What each peer sent in its present minute. */
  readonly #counts = new Map<PeerSession, { since: number; messages: number }>();

  constructor(host: HolepunchHost, external: ExternalAddress, listenPort: () => number) {
    this.#host = host;
    this.#external = external;
    this.#listenPort = listenPort;
  }

  onMessage(session: PeerSession, payload: Uint8Array): void {
    const messages = this.#count(session);
    if (messages > MESSAGES_PER_MINUTE_MAX)
      throw new PeerError('message-flood', 'asks to be introduced all the time');
    if (messages > INTRODUCTIONS_PER_MINUTE) return;
    // BEP 55: whoever does not offer the extension is not answered.
    if (!session.extensions?.understands(UT_HOLEPUNCH)) return;
    const message = readHolepunch(payload);
    if (message?.type !== 'rendezvous') return;
    const target = this.#find(session, message.peer);
    if (typeof target === 'number') {
      session.extensions.send(
        UT_HOLEPUNCH,
        writeHolepunch({ type: 'error', peer: message.peer, error: target }),
      );
      return;
    }
    introduce(target, endpointOf(session));
    introduce(session, message.peer);
  }

  onGone(session: PeerSession): void {
    this.#counts.delete(session);
  }

  /** The peer at this endpoint, or why it cannot be met. */
  #find(asker: PeerSession, peer: PeerAddress): PeerSession | number {
    if (!isDialable(peer)) return HolepunchError.noSuchPeer;
    if (this.#isOurs(asker, peer)) return HolepunchError.noSelf;
    const target = this.#host.swarm.sessions.find(
      (session) =>
        !session.closed && (isSame(session.link.remote, peer) || isSame(session.known?.address, peer)),
    );
    if (!target) return HolepunchError.notConnected;
    if (target === asker) return HolepunchError.noSuchPeer;
    // Nobody out there is led into a network of ours.
    if (isLocalIp(peer.host) !== isLocalIp(asker.link.remote.host)) return HolepunchError.noSuchPeer;
    return target.extensions?.understands(UT_HOLEPUNCH) ? target : HolepunchError.noSupport;
  }

  #isOurs(asker: PeerSession, { host, port }: PeerAddress): boolean {
    if (port !== this.#listenPort()) return false;
    return host === this.#external.of(host.includes(':') ? 6 : 4) || host === asker.extensions?.remote.yourIp;
  }

  #count(session: PeerSession): number {
    const now = this.#host.now();
    const count = this.#counts.get(session) ?? { since: now, messages: 0 };
    this.#counts.set(session, count);
    if (now - count.since >= MINUTE_MS) {
      count.since = now;
      count.messages = 0;
    }
    return ++count.messages;
  }
}

/** Where a peer is to be dialled: where it listens, if it said so. */
function endpointOf(session: PeerSession): PeerAddress {
  return session.known?.address ?? session.link.remote;
}

function introduce(to: PeerSession, peer: PeerAddress): void {
  to.extensions?.send(UT_HOLEPUNCH, writeHolepunch({ type: 'connect', peer, error: 0 }));
}

function isSame(a: PeerAddress | undefined, b: PeerAddress): boolean {
  return a?.host === b.host && a.port === b.port;
}
