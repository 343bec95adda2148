import type { Clock } from '../ports.ts';
import type { KnownPeer } from './torrent/peer-roster.ts';
import {
  PeerError,
  type DisconnectReason,
  type Handshake,
  type LinkEncryption,
  type LinkSink,
  type PeerLink,
} from '../wire/link.ts';
import { HANDSHAKE_TIMEOUT_MS, PENDING_INBOUND_MAX } from './limits.ts';

/** Who takes over a link once its handshake is here. */
export interface GreetedTorrent {
  /** Sends our handshake. */
  greet(link: PeerLink): void;
  /** Takes the link over, attaching a sink of its own, or refuses it by throwing a PeerError. */
  admit(link: PeerLink, handshake: Handshake, known: KnownPeer | null): void;
  /** The link ended before its handshake was complete; `reached` is what of it was encrypted by then. */
  onGreetingFailed(known: KnownPeer | null, reason: DisconnectReason, reached: LinkEncryption): void;
  /** Our own code failed on the handshake. */
  onBug(error: unknown): void;
}

/** Finds the torrent of an inbound handshake. */
export type TorrentLookup = (infoHash: Uint8Array) => GreetedTorrent | null;

/** Links whose handshake is not complete yet. */
export class Greeter {
  readonly #clock: Clock;
  readonly #lookup: TorrentLookup;
  readonly #onBug: (error: unknown) => void;
  readonly #greetings = new Set<Greeting>();
  #inbound = 0;

  /** @param onBug Told of our own faults before it is known which torrent a link is for. */
  constructor(clock: Clock, lookup: TorrentLookup, onBug: (error: unknown) => void) {
    this.#clock = clock;
    this.#lookup = lookup;
    this.#onBug = onBug;
  }

  get pending(): number {
    return this.#greetings.size;
  }

  /** A link that we dialled for a torrent: we speak first. */
  greetOutbound(link: PeerLink, torrent: GreetedTorrent, known: KnownPeer): void {
    this.#add(new Greeting(this, link, torrent, known));
    torrent.greet(link);
  }

  /** A link that somebody opened to us: the other side speaks first and names the torrent. */
  greetInbound(link: PeerLink): void {
    this.#add(new Greeting(this, link, null, null));
    if (++this.#inbound > PENDING_INBOUND_MAX) link.close('too-many-connections');
  }

  /** Once a second: the deadline is absolute, so a byte now and then does not extend it. */
  onBeat(now: number): void {
    for (const greeting of this.#greetings) {
      if (now >= greeting.deadline) greeting.link.close('handshake-timeout');
    }
  }

  closeAll(): void {
    for (const greeting of this.#greetings) greeting.link.close('shutdown');
  }

  /** Drops the links of a torrent that stops. */
  closeFor(torrent: GreetedTorrent): void {
    for (const greeting of this.#greetings) {
      if (greeting.torrent === torrent) greeting.link.close('torrent-stopped');
    }
  }

  /** What was dialled for one torrent is now for another, which has the same info hash and peer id. */
  handOver(from: GreetedTorrent, to: GreetedTorrent): void {
    for (const greeting of this.#greetings) if (greeting.torrent === from) greeting.torrent = to;
  }

  /** Links that we dialled for a torrent and that are in their handshake. */
  outboundTo(torrent: GreetedTorrent): number {
    let count = 0;
    for (const greeting of this.#greetings) if (greeting.torrent === torrent) count++;
    return count;
  }

  /** @internal */
  remove(greeting: Greeting): void {
    if (!this.#greetings.delete(greeting)) return;
    if (greeting.known === null) this.#inbound--;
  }

  /** @internal */
  find(infoHash: Uint8Array): GreetedTorrent | null {
    return this.#lookup(infoHash);
  }

  /** @internal */
  onBug(error: unknown): void {
    this.#onBug(error);
  }

  #add(greeting: Greeting): void {
    greeting.deadline = this.#clock.now() + HANDSHAKE_TIMEOUT_MS;
    this.#greetings.add(greeting);
    greeting.link.attach(greeting);
  }
}

/** One link in its handshake. Every message but the handshake is out of order. */
class Greeting implements LinkSink {
  deadline = Infinity;
  readonly link: PeerLink;
  /** Null for an inbound link until its handshake tells. */
  torrent: GreetedTorrent | null;
  readonly known: KnownPeer | null;
  readonly #greeter: Greeter;
  #found: GreetedTorrent | null = null;

  constructor(greeter: Greeter, link: PeerLink, torrent: GreetedTorrent | null, known: KnownPeer | null) {
    this.#greeter = greeter;
    this.link = link;
    this.torrent = torrent;
    this.known = known;
  }

  onHandshake(handshake: Handshake): void {
    const found = this.#greeter.find(handshake.infoHash);
    // Nothing is said to a peer that asks for a torrent we do not have: we do not even confirm what we are.
    if (!found) throw new PeerError('unknown-torrent', 'a torrent that we do not have');
    if (this.torrent && found !== this.torrent)
      throw new PeerError('bad-handshake', 'not the torrent we asked for');
    this.#found = found;
    if (!this.torrent) found.greet(this.link);
    this.#greeter.remove(this);
    found.admit(this.link, handshake, this.known);
  }

  onClosed(reason: DisconnectReason): void {
    this.#greeter.remove(this);
    this.torrent?.onGreetingFailed(this.known, reason, this.link.encryption ?? 'none');
  }

  onBug(error: unknown): void {
    this.#greeter.remove(this);
    const torrent = this.torrent ?? this.#found;
    if (torrent) torrent.onBug(error);
    else this.#greeter.onBug(error);
  }

  onBatchEnd(): void {
    // Nothing to do between the bytes of a handshake.
  }

  onWritable(): void {
    // Nothing waits to be sent.
  }

  onChoke = outOfOrder;
  onUnchoke = outOfOrder;
  onInterested = outOfOrder;
  onNotInterested = outOfOrder;
  onHave = outOfOrder;
  onBitfield = outOfOrder;
  onHaveAll = outOfOrder;
  onHaveNone = outOfOrder;
  onRequest = outOfOrder;
  onCancel = outOfOrder;
  onReject = outOfOrder;
  onSuggest = outOfOrder;
  onAllowedFast = outOfOrder;
  onPort = outOfOrder;
  onExtended = outOfOrder;
  onKeepAlive = outOfOrder;
  blockTarget = outOfOrder;
  onBlock = outOfOrder;
}

function outOfOrder(): never {
  throw new PeerError('bad-handshake', 'a message before the handshake');
}
