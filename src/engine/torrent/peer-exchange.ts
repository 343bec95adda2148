import { isLocalIp, type PeerAddress } from '../../util/ip.ts';
import {
  PEX_FIRST_PEERS_MAX,
  PEX_PEERS_MAX,
  PexFlag,
  readPex,
  UT_PEX,
  writePex,
} from '../../wire/extension/ut-pex.ts';
import { PeerError, type DisconnectReason, type PeerLink } from '../../wire/link.ts';
import type { ExtendedMessage, ExtendedPeer } from '../peer/extended-message.ts';
import type { Extensions } from '../peer/extensions.ts';
import type { PeerSession } from '../peer/peer-session.ts';
import { onPrefersEncryption } from './dial-manners.ts';
import type { KnownPeer, PeerRoster } from './peer-roster.ts';
import { PexTimeline, type PexCursor } from './pex-timeline.ts';

/** BEP 11: one message a minute at most. */
const SEND_INTERVAL_MS = 60_000;
/** The first one goes out this long after the handshake, so that peers who come together are told of together. */
const FIRST_DELAY_MS = 1000;
/** Peers told of at first. Others send 100. */
const FIRST_SENT_MAX = 100;

/** What comes sooner after the last message than this is not read. Others send each minute, not by the second. */
const HEARING_INTERVAL_MS = 45_000;
/** So many messages in a minute are no mistake any more. libtorrent 6. */
const MESSAGES_PER_MINUTE_MAX = 6;
/** New addresses believed of one peer at once, and each minute after that: one liar cannot fill the roster. */
const LEARNED_MAX = 200;
const LEARNED_PER_MINUTE = 25;

/** Ends of our doing that say nothing against the peer: BEP 11 allows to tell of it for a while. */
const PEACEFUL: ReadonlySet<DisconnectReason> = new Set<DisconnectReason>([
  'both-seeds',
  'uninteresting',
  'too-many-connections',
]);

/** What the exchange needs of a connected peer. */
export interface PexPeer extends ExtendedPeer {
  readonly extensions: Pick<Extensions, 'understands' | 'send' | 'remote'> | null;
  /** Where it listens, if known. */
  readonly known: KnownPeer | null;
  readonly isSeed: boolean;
}

/** What the exchange needs of its torrent. */
export interface PexHost<Peer> {
  readonly isSeeding: boolean;
  readonly swarm: { readonly sessions: readonly Peer[] };
  readonly roster: Pick<PeerRoster, 'get'>;
  now(): number;
  onPeersFound(peers: readonly PeerAddress[], source: 'pex'): void;
}

/**
 * When a link may carry the next message. A magnet that becomes a torrent gets another exchange and keeps its links, and
 * a peer counts by the link.
 */
const nextSendAt = new WeakMap<PeerLink, number>();

/** Kept of a peer that speaks PEX. */
interface Partner {
  readonly cursor: PexCursor;
  /** False: it switched PEX off. What it may do if it switches it on again goes on from there. */
  isOn: boolean;
  sendAt: number;
  /** Last message of it that was read. */
  heardAt: number;
  /** Messages since `minuteAt`. */
  messages: number;
  minuteAt: number;
  /** New addresses that it may name now. */
  credit: number;
  creditAt: number;
}

/** Peers tell each other whom they are connected to (BEP 11). */
export class PeerExchange<Peer extends PexPeer = PeerSession> implements ExtendedMessage<Peer> {
  readonly name = UT_PEX;
  readonly #host: PexHost<Peer>;
  readonly #timeline = new PexTimeline();
  readonly #partners = new Map<Peer, Partner>();
  /** The connected peers whom others are told of. */
  readonly #told = new Map<KnownPeer, Peer>();
  /** Flags of those who left. */
  readonly #lastFlags = new WeakMap<KnownPeer, number>();

  constructor(host: PexHost<Peer>) {
    this.#host = host;
  }

  onHandshake(session: Peer): void {
    const isOn = session.extensions?.understands(UT_PEX) ?? false;
    const partner = this.#partners.get(session);
    if (partner) partner.isOn = isOn;
    if (partner || !isOn) return;
    const now = this.#host.now();
    this.#partners.set(session, {
      cursor: this.#timeline.cursor(),
      isOn,
      sendAt: Math.max(now + FIRST_DELAY_MS, nextSendAt.get(session.link) ?? 0),
      heardAt: -Infinity,
      messages: 0,
      minuteAt: now,
      credit: LEARNED_MAX,
      creditAt: now,
    });
  }

  onMessage(session: Peer, payload: Uint8Array): void {
    const partner = this.#partners.get(session);
    // Who does not want such messages is not listened to either: everybody who sends them wants them.
    if (!partner?.isOn) return;
    const now = this.#host.now();
    if (now - partner.minuteAt >= SEND_INTERVAL_MS) {
      partner.minuteAt = now;
      partner.messages = 0;
    }
    if (++partner.messages > MESSAGES_PER_MINUTE_MAX) {
      throw new PeerError('message-flood', 'peer exchange many times a minute');
    }
    if (now - partner.heardAt < HEARING_INTERVAL_MS) return;
    const isFirst = partner.heardAt === -Infinity;
    const { host } = session.link.remote;
    const message = readPex(payload, host, isFirst ? PEX_FIRST_PEERS_MAX : PEX_PEERS_MAX);
    if (!message) return;
    partner.heardAt = now;
    const { isSeeding, roster } = this.#host;
    const found: PeerAddress[] = [];
    const seeds: PeerAddress[] = [];
    for (const { address, flags } of message.added) {
      // Two seeds have nothing to say to each other.
      if (isSeeding && (flags & PexFlag.seed) !== 0) continue;
      const known = roster.get(address);
      if (known === undefined && !takeCredit(partner, now)) break;
      if (known && (flags & PexFlag.prefersEncryption) !== 0) onPrefersEncryption(known);
      found.push(address);
      // What we do not know better ourselves.
      if (known === undefined && (flags & PexFlag.seed) !== 0) seeds.push(address);
    }
    // That the sender lost a peer says nothing about whether we can reach it, so `dropped` changes nothing here.
    if (found.length > 0) this.#host.onPeersFound(found, 'pex');
    for (const address of seeds) {
      const known = roster.get(address);
      if (known) known.isSeed = true;
    }
  }

  onGone(session: Peer, reason: DisconnectReason): void {
    this.#partners.delete(session);
    const { known } = session;
    if (!known || (this.#told.has(known) && this.#told.get(known) !== session)) return;
    this.#lastFlags.set(known, flagsOf(session));
    this.#told.delete(known);
    if (PEACEFUL.has(reason)) this.#timeline.onLeftInPeace(known);
    else this.#timeline.onLeft(known);
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (this.#partners.size === 0) return;
    this.#lookAround();
    for (const [session, partner] of this.#partners)
      if (partner.isOn && now >= partner.sendAt) this.#send(session, partner, now);
  }

  /** Peers that do not speak BEP 10, and where others listen, are found out by looking. */
  #lookAround(): void {
    for (const [known, session] of this.#told) {
      if (!session.closed) continue;
      this.#told.delete(known);
      this.#timeline.onLeft(known);
    }
    for (const session of this.#host.swarm.sessions) {
      const { known } = session;
      if (!known || session.closed || this.#told.has(known)) continue;
      this.#told.set(known, session);
      this.#timeline.onJoined(known);
    }
  }

  #send(session: Peer, partner: Partner, now: number): void {
    const { cursor } = partner;
    const isNeighbour = isLocalIp(session.link.remote.host);
    const max = cursor.position < 0 ? FIRST_SENT_MAX : PEX_PEERS_MAX;
    const { added, dropped } = this.#timeline.take(
      cursor,
      max,
      // Nobody is told of itself, and the world not of our own network.
      (peer) => peer !== session.known && (isNeighbour || !isLocalIp(peer.address.host)),
    );
    if (added.length === 0 && dropped.length === 0) return;
    const message = {
      added: added.map((peer) => ({ address: peer.address, flags: this.#flagsOf(peer) })),
      dropped: dropped.map((peer) => peer.address),
    };
    session.extensions?.send(UT_PEX, writePex(message));
    partner.sendAt = now + SEND_INTERVAL_MS;
    nextSendAt.set(session.link, partner.sendAt);
  }

  #flagsOf(peer: KnownPeer): number {
    const session = this.#told.get(peer);
    return session ? flagsOf(session) : (this.#lastFlags.get(peer) ?? 0);
  }
}

function flagsOf(session: PexPeer): number {
  const isSeed = session.isSeed || (session.extensions?.remote.uploadOnly ?? false);
  const { inbound, encryption = 'none' } = session.link;
  return (
    (encryption === 'none' ? 0 : PexFlag.prefersEncryption) |
    (isSeed ? PexFlag.seed : 0) |
    (inbound ? 0 : PexFlag.reachable)
  );
}

function takeCredit(partner: Partner, now: number): boolean {
  const earned = ((now - partner.creditAt) / SEND_INTERVAL_MS) * LEARNED_PER_MINUTE;
  partner.credit = Math.min(LEARNED_MAX, partner.credit + earned);
  partner.creditAt = now;
  if (partner.credit < 1) return false;
  partner.credit--;
  return true;
}
