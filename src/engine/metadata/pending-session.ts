import type { PeerInfo, PeerSource } from '../../events.ts';
import { addressKey } from '../../util/ip.ts';
import { UT_METADATA, writeMetadataRequest } from '../../wire/extension/ut-metadata.ts';
import { PeerError, type DisconnectReason, type LinkSink, type PeerLink } from '../../wire/link.ts';
import { clientOfPeerId } from '../../wire/peer-id.ts';
import {
  BAD_REQUESTS_MAX,
  BITFIELDS_MAX,
  INACTIVITY_TIMEOUT_MS,
  KEEP_ALIVE_INTERVAL_MS,
  METADATA_USELESS_MS,
  UNWANTED_BLOCKS_MAX,
} from '../limits.ts';
import type { DhtPorts } from '../discovery/dht-ports.ts';
import type { ExtendedPeer } from '../peer/extended-message.ts';
import type { Extensions } from '../peer/extensions.ts';
import type { KnownPeer } from '../torrent/peer-roster.ts';
import type { Connected } from '../torrent/swarm.ts';
import { EarlyFacts } from './early-facts.ts';
import type { MetadataSource } from './metadata-fetch.ts';

/** What a session needs of what it belongs to. */
export interface PendingHost {
  readonly isShortOfConnections: boolean;
  now(): number;
  /** It may give us metadata. */
  isSource(session: PendingSession): boolean;
  onClosed(session: PendingSession, reason: DisconnectReason): void;
  onBug(error: unknown): void;
}

/**
 * One connection to a peer of a torrent whose metadata is not here yet: after the handshake, and before anybody can say
 * what a piece is. It ends as a `PeerSession` on the same link.
 */
export class PendingSession implements LinkSink, Connected, ExtendedPeer, MetadataSource {
  readonly link: PeerLink;
  readonly peerId: Uint8Array;
  /** Both sides speak BEP 6. */
  readonly fast: boolean;
  known: KnownPeer | null;
  readonly facts = new EarlyFacts();
  /** Takes its *port* message, once; null if that is of no use. */
  dhtPorts: DhtPorts | null = null;
  /** Set when both sides speak BEP 10; without it there is no metadata. */
  extensions: Extensions<PendingSession> | null = null;
  weAreInterested = false;
  closed = false;

  readonly #host: PendingHost;
  readonly #connectedAt: number;
  #receivedBytes = -1;
  #receivedAt: number;
  #sentBytes = -1;
  #sentAt: number;
  #badMessages = 0;
  #bitfields = 0;
  #blocks = 0;

  constructor(
    host: PendingHost,
    link: PeerLink,
    facts: { readonly peerId: Uint8Array; readonly fast: boolean; readonly known: KnownPeer | null },
  ) {
    this.#host = host;
    this.link = link;
    this.peerId = facts.peerId;
    this.fast = facts.fast;
    this.known = facts.known;
    this.#connectedAt = host.now();
    this.#receivedAt = this.#connectedAt;
    this.#sentAt = this.#connectedAt;
  }

  get isSeed(): boolean {
    return this.facts.hasAll;
  }

  /** Behind one address may be many peers, so where it listens tells more, if that is known. */
  get key(): string {
    return this.known ? addressKey(this.known.address) : this.link.remote.host;
  }

  get source(): PeerSource {
    return this.known?.source ?? 'inbound';
  }

  info(): PeerInfo {
    return {
      address: this.known?.address ?? this.link.remote,
      kind: this.link.kind,
      inbound: this.link.inbound,
      source: this.source,
      encryption: this.link.encryption ?? 'none',
      client: this.extensions?.client ?? clientOfPeerId(this.peerId),
      progress: this.isSeed ? 1 : 0,
      downRate: 0,
      upRate: 0,
      downloaded: 0,
      uploaded: 0,
      weChoke: true,
      weAreInterested: this.weAreInterested,
      theyChoke: this.facts.isChoking,
      theyAreInterested: this.facts.isInterested,
      snubbed: false,
    };
  }

  requestMetadata(piece: number): void {
    this.extensions?.send(UT_METADATA, writeMetadataRequest(piece));
  }

  close(reason: DisconnectReason): void {
    this.link.close(reason);
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (this.link.receivedBytes !== this.#receivedBytes) {
      this.#receivedBytes = this.link.receivedBytes;
      this.#receivedAt = now;
    } else if (now - this.#receivedAt >= INACTIVITY_TIMEOUT_MS) {
      this.close('inactive');
      return;
    }
    if (this.link.sentBytes !== this.#sentBytes) {
      this.#sentBytes = this.link.sentBytes;
      this.#sentAt = now;
    } else if (now - this.#sentAt >= KEEP_ALIVE_INTERVAL_MS) {
      this.link.keepAlive();
    }
    const isUseless = now - this.#connectedAt >= METADATA_USELESS_MS && !this.#host.isSource(this);
    if (isUseless && this.#host.isShortOfConnections) this.close('uninteresting');
  }

  // — LinkSink: what the peer says

  onHandshake(): void {
    throw new PeerError('bad-handshake', 'a second handshake');
  }

  onChoke(): void {
    this.facts.onChoke(true);
  }

  onUnchoke(): void {
    this.facts.onChoke(false);
  }

  onInterested(): void {
    this.facts.onInterest(true);
  }

  onNotInterested(): void {
    this.facts.onInterest(false);
  }

  onHave(piece: number): void {
    this.facts.onHave(piece);
    this.#showInterest();
  }

  onBitfield(bytes: Uint8Array): void {
    this.#countBitfield();
    this.facts.onBitfield(bytes);
    this.#showInterest();
  }

  onHaveAll(): void {
    this.#requireFast();
    this.#countBitfield();
    this.facts.onHaveAll();
    this.#showInterest();
  }

  onHaveNone(): void {
    this.#requireFast();
    this.#countBitfield();
    this.facts.onHaveNone();
  }

  /** We have nothing yet, and choke everybody. */
  onRequest(piece: number, begin: number, length: number): void {
    if (++this.#badMessages > BAD_REQUESTS_MAX) throw new PeerError('request-flood', 'asks while choked');
    if (this.fast) this.link.reject(piece, begin, length);
  }

  onCancel(): void {
    // Nothing was promised.
  }

  onReject(): void {
    this.#requireFast();
  }

  onSuggest(): void {
    this.#requireFast();
  }

  onAllowedFast(piece: number): void {
    this.#requireFast();
    this.facts.onAllowedFast(piece);
  }

  /** BEP 5. */
  onPort(port: number): void {
    this.dhtPorts?.addNode({ host: this.link.remote.host, port });
    this.dhtPorts = null;
  }

  onKeepAlive(): void {
    // Its bytes were counted by the link; that is all it is for.
  }

  onExtended(id: number, payload: Uint8Array): void {
    this.extensions?.onMessage(id, payload);
  }

  blockTarget(): null {
    if (++this.#blocks > UNWANTED_BLOCKS_MAX) throw new PeerError('unwanted-blocks', 'nobody asked for them');
    return null;
  }

  onBlock(): void {
    // It was skipped.
  }

  onBatchEnd(): void {
    // Nothing was put off.
  }

  onWritable(): void {
    // Nothing waits to be sent.
  }

  onClosed(reason: DisconnectReason): void {
    if (this.closed) return;
    this.closed = true;
    this.#host.onClosed(this, reason);
  }

  onBug(error: unknown): void {
    this.#host.onBug(error);
  }

  /** Said before it is known what exactly we want, so that the peer has let us fetch by the time that we can ask. */
  #showInterest(): void {
    if (this.weAreInterested || !this.facts.hasPieces) return;
    this.weAreInterested = true;
    this.link.interested();
  }

  #countBitfield(): void {
    if (++this.#bitfields > BITFIELDS_MAX) throw new PeerError('bad-bitfield', 'too many bitfields');
  }

  #requireFast(): void {
    if (!this.fast) throw new PeerError('fast-not-negotiated', 'a message of BEP 6 that was not agreed on');
  }
}
