import type { PeerInfo, PeerSource } from '../../events.ts';
import { BLOCK_LENGTH } from '../../util/block-length.ts';
import { PieceSet } from '../../util/piece-set.ts';
import { RateMeter } from '../../util/rate-meter.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { PeerError, type DisconnectReason, type LinkSink, type PeerLink } from '../../wire/link.ts';
import { clientOfPeerId } from '../../wire/peer-id.ts';
import type { BandwidthShare, TokenWaiter } from '../bandwidth.ts';
import type { ChokeCandidate } from '../choker/choker.ts';
import {
  BITFIELDS_MAX,
  INACTIVITY_TIMEOUT_MS,
  KEEP_ALIVE_INTERVAL_MS,
  SEND_BACKLOG_MAX,
  USELESS_TIMEOUT_MS,
} from '../limits.ts';
import type { DhtPorts } from '../discovery/dht-ports.ts';
import type { Contributor } from '../torrent/piece-assembler.ts';
import type { KnownPeer } from '../torrent/peer-roster.ts';
import { BlockRequester, type RequesterHost, type RequesterPeer } from './block-requester.ts';
import { PacedReading } from './paced-reading.ts';
import { BlockServer, type ServerHost, type ServerPeer } from './block-server.ts';
import type { Extensions } from './extensions.ts';

/**
 * A peer that we unchoked and that asks for nothing for so long has no use for its slot now. The kernel takes a second's
 * worth of blocks from us and more, and who waits for those asks for nothing either: after 0.3 s thirty real clients all
 * unchoked each other and took 1.39 times the bound, after 1.5 s 1.21 times, after 4 s 1.17 times.
 */
const IDLE_MS = 4_000;

/** What a session needs of its torrent. */
export interface SessionHost extends RequesterHost, ServerHost {
  readonly down: BandwidthShare;
  /** Somebody else would have to wait for a connection. */
  readonly isShortOfConnections: boolean;
  /** Its interest in us changed, or we stopped choking it: a slot may be free or wanted. */
  onInterestChanged(session: PeerSession): void;
  /** It has everything. */
  onPeerComplete(session: PeerSession): void;
  onClosed(session: PeerSession, reason: DisconnectReason): void;
  /** Our own code failed. */
  onBug(error: unknown): void;
}

/** What the handshake told. */
export interface SessionFacts {
  readonly peerId: Uint8Array;
  /** Both sides speak BEP 6. */
  readonly fast: boolean;
  /** Where it listens, once known: the address we dialled, or its `p` (BEP 10). */
  readonly known: KnownPeer | null;
}

/**
 * One connection to a peer of a torrent, after the handshake: who chokes whom, who wants what, and the passing on of
 * each message to the part that it concerns.
 */
export class PeerSession implements LinkSink, RequesterPeer, ServerPeer, ChokeCandidate, TokenWaiter {
  readonly link: PeerLink;
  readonly peerId: Uint8Array;
  readonly fast: boolean;
  known: KnownPeer | null;
  readonly requester: BlockRequester;
  readonly server: BlockServer;
  readonly contributor: Contributor = this;
  /** Takes its *port* message, once; null if that is of no use. */
  dhtPorts: DhtPorts | null = null;
  /** Set when both sides speak BEP 10. */
  extensions: Extensions | null = null;

  have: PieceSet;
  wantedCount = 0;
  pickerSlot = -1;

  weChoke = true;
  weAreInterested = false;
  theyChoke = true;
  theyAreInterested = false;

  readonly connectedAt: number;
  unchokedAt = -Infinity;
  chokedAt = -Infinity;
  sentSinceUnchoke = 0;
  downloaded = 0;
  uploaded = 0;
  closed = false;

  readonly #host: SessionHost;
  #downMeter: RateMeter | null = null;
  #upMeter: RateMeter | null = null;
  #batchBytes = 0;
  #batchAt = 0;
  #uploadedAt = -Infinity;
  #receivedBytes = -1;
  #receivedAt: number;
  #sentBytes = -1;
  #sentAt: number;
  /** The last beat at which the link held nothing. */
  #linkEmptyAt: number;
  /** Last time that one side wanted something of the other. */
  #usefulAt: number;
  #bitfields = 0;
  /** Its interest as the choker knows it. */
  #saidInterested = false;
  readonly #reading: PacedReading;

  constructor(host: SessionHost, link: PeerLink, facts: SessionFacts) {
    this.#host = host;
    this.link = link;
    this.peerId = facts.peerId;
    this.fast = facts.fast;
    this.known = facts.known;
    this.have = new PieceSet(host.geometry.pieceCount);
    this.connectedAt = host.now();
    this.#receivedAt = this.connectedAt;
    this.#sentAt = this.connectedAt;
    this.#linkEmptyAt = this.connectedAt;
    this.#usefulAt = this.connectedAt;
    this.requester = new BlockRequester(host, this);
    if (link.requestQueue !== undefined) this.requester.pipeline.setPeerLimit(link.requestQueue);
    this.server = new BlockServer(host, this);
    this.#reading = new PacedReading(link, host.down);
  }

  // — what others ask of it

  /** Where it can be dialled, if known. */
  get listenAddress(): PeerAddress | null {
    return this.known?.address ?? null;
  }

  get isSeed(): boolean {
    return this.have.isFull;
  }

  get interested(): boolean {
    return this.theyAreInterested;
  }

  get choked(): boolean {
    return this.weChoke;
  }

  get snubbed(): boolean {
    return this.requester.pipeline.snubbed;
  }

  get silentSince(): number {
    return this.requester.pipeline.silentSince;
  }

  /** Web servers give long stretches best. */
  get prefersRuns(): boolean {
    return this.link.kind === 'web-seed';
  }

  /** Payload from it over the last seconds, for picking; the choker ranks by the longer average. */
  get recentRate(): number {
    return this.requester.pipeline.rate;
  }

  /** We unchoked it, and it asks for nothing. */
  get idle(): boolean {
    const { queued } = this.server;
    if (queued > 0 || this.link.queuedBytes > 0) return false;
    return this.#host.now() - Math.max(this.unchokedAt, this.#uploadedAt) > IDLE_MS;
  }

  /** How long it takes to pass on what it got from us. */
  get spreadMs(): number {
    return this.#host.rounds.firstCopies.spreadMs(this);
  }

  get downRate(): number {
    return this.#downMeter?.rate(this.#host.now()) ?? 0;
  }

  get upRate(): number {
    return this.#upMeter?.rate(this.#host.now()) ?? 0;
  }

  /** What we say waits until the block that the link holds has left; the rate of one that has just begun is no measure. */
  #wordsWaitSeconds(now: number): number {
    if (this.link.queuedBytes === 0) this.#linkEmptyAt = now;
    const { upRate } = this;
    return upRate > 0 ? Math.min(BLOCK_LENGTH / upRate, (now - this.#linkEmptyAt) / 1000) : 0;
  }

  get source(): PeerSource {
    return this.link.kind === 'web-seed' ? 'web-seed' : (this.known?.source ?? 'inbound');
  }

  info(): PeerInfo {
    return {
      address: this.listenAddress ?? this.link.remote,
      kind: this.link.kind,
      inbound: this.link.inbound,
      source: this.source,
      encryption: this.link.encryption ?? 'none',
      client: this.link.clientName ?? this.extensions?.client ?? clientOfPeerId(this.peerId),
      progress: this.have.count / this.have.size,
      downRate: this.downRate,
      upRate: this.upRate,
      downloaded: this.downloaded,
      uploaded: this.uploaded,
      weChoke: this.weChoke,
      weAreInterested: this.weAreInterested,
      theyChoke: this.theyChoke,
      theyAreInterested: this.theyAreInterested,
      snubbed: this.snubbed,
    };
  }

  // — commands

  choke(): void {
    if (this.weChoke) return;
    this.weChoke = true;
    this.chokedAt = this.#host.now();
    this.link.choke();
    this.server.onWeChoke();
  }

  unchoke(): void {
    if (!this.weChoke) return;
    this.weChoke = false;
    this.unchokedAt = this.#host.now();
    this.sentSinceUnchoke = 0;
    this.server.onWeUnchoke();
    this.link.unchoke();
  }

  /** Tells the peer whether it has something for us, if that changed. */
  updateInterest(): void {
    const interested = this.wantedCount > 0;
    if (interested === this.weAreInterested) return;
    this.weAreInterested = interested;
    if (interested) this.link.interested();
    else this.link.notInterested();
  }

  /**
   * We have a piece more. Peers that have it too are not told: they would only count it. Except for a rare one: a seed
   * that is alone learns that the piece has spread, and need not send it again. It learns it with our next requests, a
   * quarter of a window later at most: a write of its own for each is 4 % of a download's CPU time and 6 % of the seed's.
   *
   * Who waits for a slot of ours learns of several with the next beat: a write for each, and a packet that acknowledges it,
   * made a swarm of 30 on two cores take 70 s of CPU time instead of 50 to 58.
   */
  announceHave(piece: number, isRare: boolean): void {
    if (!this.have.has(piece)) this.link.have(piece, !isRare && this.weChoke && this.theyAreInterested);
    else if (isRare && this.have.isFull) this.link.have(piece, this.requester.pipeline.outstanding > 0);
  }

  close(reason: DisconnectReason): void {
    this.link.close(reason);
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (this.link.receivedBytes !== this.#receivedBytes || this.#reading.isPaused) {
      this.#receivedBytes = this.link.receivedBytes;
      this.#receivedAt = now;
    } else if (now - this.#receivedAt >= INACTIVITY_TIMEOUT_MS) {
      this.close('inactive');
      return;
    }
    if (this.link.sentBytes !== this.#sentBytes) {
      this.#sentBytes = this.link.sentBytes;
      this.#sentAt = now;
    } else if (this.link.queuedBytes > 0) {
      // It asks and does not read: what waits for it is memory that others need.
      if (now - this.#sentAt >= INACTIVITY_TIMEOUT_MS) {
        this.close('inactive');
        return;
      }
    } else if (now - this.#sentAt >= KEEP_ALIVE_INTERVAL_MS) {
      this.link.keepAlive();
    }
    if (this.weAreInterested || this.theyAreInterested) {
      this.#usefulAt = now;
    } else if (now - this.#usefulAt >= USELESS_TIMEOUT_MS && this.#host.isShortOfConnections) {
      this.close('uninteresting');
      return;
    }
    this.#reading.refund();
    this.requester.onBeat(now, this.#reading.isPaused, this.#wordsWaitSeconds(now));
    this.requester.fill(now);
    // After the look at what the link holds: these words are no block that others wait behind.
    this.link.flush?.();
  }

  // — LinkSink: what the peer says

  onHandshake(): void {
    throw new PeerError('bad-handshake', 'a second handshake');
  }

  onChoke(): void {
    if (this.theyChoke) return;
    this.theyChoke = true;
    this.requester.onChoke();
  }

  onUnchoke(): void {
    this.theyChoke = false;
  }

  onInterested(): void {
    this.theyAreInterested = true;
  }

  onNotInterested(): void {
    this.theyAreInterested = false;
  }

  onHave(piece: number): void {
    if (!this.#host.geometry.isPiece(piece)) throw new PeerError('bad-have', `no such piece: ${piece}`);
    if (!this.have.add(piece)) return;
    this.#host.picker.onPeerHave(this, piece);
    this.updateInterest();
    if (this.isSeed) this.#host.onPeerComplete(this);
  }

  /** BEP 54: it has a piece no more. */
  onDontHave(piece: number): void {
    if (!this.#host.geometry.isPiece(piece)) throw new PeerError('bad-have', `no such piece: ${piece}`);
    if (!this.have.delete(piece)) return;
    this.requester.onDontHave(piece);
    this.#host.picker.onPeerDontHave(this, piece);
    this.updateInterest();
  }

  onBitfield(bytes: Uint8Array): void {
    const have = PieceSet.fromBitfield(bytes, this.#host.geometry.pieceCount);
    if (!have)
      throw new PeerError('bad-bitfield', `a bitfield of ${bytes.length} bytes or with spare bits set`);
    this.#replaceHave(have);
  }

  onHaveAll(): void {
    this.#requireFast();
    this.#replaceHave(PieceSet.full(this.#host.geometry.pieceCount));
  }

  onHaveNone(): void {
    this.#requireFast();
    this.#replaceHave(new PieceSet(this.#host.geometry.pieceCount));
  }

  onRequest(piece: number, begin: number, length: number): void {
    this.server.onRequest(piece, begin, length);
  }

  onCancel(piece: number, begin: number, length: number): void {
    this.server.onCancel(piece, begin, length);
  }

  onReject(piece: number, begin: number, length: number): void {
    this.#requireFast();
    this.requester.onReject(piece, begin, length);
  }

  onSuggest(piece: number): void {
    this.#requireFast();
    this.requester.onSuggest(piece);
  }

  onAllowedFast(piece: number): void {
    this.#requireFast();
    this.requester.onAllowedFast(piece);
  }

  /** BEP 5. Who says another port every second would have us knock at all of its neighbours. */
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

  blockTarget(piece: number, begin: number, length: number): Uint8Array | null {
    return this.requester.target(piece, begin, length);
  }

  onBlock(piece: number, begin: number, length: number): void {
    // One look at the clock serves all blocks of a chunk.
    if (this.#batchBytes === 0) this.#batchAt = this.#host.now();
    // What nobody asked for earns nothing.
    if (this.requester.onBlock(piece, begin, length, this.#batchAt)) this.#batchBytes += length;
  }

  /** A chunk has been worked off: count it, ask for more, send what was asked for. */
  onBatchEnd(): void {
    if (this.closed) return;
    if (this.link.queuedBytes > SEND_BACKLOG_MAX) {
      throw new PeerError('request-flood', 'asks and does not read the answers');
    }
    const now = this.#host.now();
    // Here and not at the message: a chunk may hold a hundred thousand changes of mind.
    if (this.#saidInterested !== this.theyAreInterested) {
      this.#saidInterested = this.theyAreInterested;
      this.#host.onInterestChanged(this);
    }
    if (this.#batchBytes > 0) {
      this.downloaded += this.#batchBytes;
      this.#downMeter ??= new RateMeter();
      this.#downMeter.add(this.#batchBytes, now);
      this.#host.counters.onDownloaded(this.#batchBytes, now);
      this.#batchBytes = 0;
    }
    this.#reading.onReceived(now, this);
    this.requester.fill(now);
    this.server.pump();
  }

  onWritable(): void {
    if (!this.closed) this.server.pump();
  }

  onClosed(reason: DisconnectReason): void {
    if (this.closed) return;
    this.closed = true;
    this.#reading.refund();
    this.requester.close();
    this.server.close();
    this.#host.onClosed(this, reason);
  }

  onBug(error: unknown): void {
    this.#host.onBug(error);
  }

  // — ServerPeer, TokenWaiter

  onUploaded(bytes: number): void {
    this.uploaded += bytes;
    this.#uploadedAt = this.#host.now();
    this.sentSinceUnchoke += bytes;
    this.#upMeter ??= new RateMeter();
    this.#upMeter.add(bytes, this.#host.now());
    this.#host.counters.onUploaded(bytes, this.#host.now());
  }

  onTokens(now: number): void {
    if (this.closed) return;
    this.#reading.resume(this.requester.pipeline.outstanding);
    this.requester.fill(now);
  }

  #replaceHave(have: PieceSet): void {
    // Only as the first message (BEP 3), but nobody is hurt by a late one; by a stream of them, everybody.
    if (++this.#bitfields > BITFIELDS_MAX) throw new PeerError('bad-bitfield', 'too many bitfields');
    const previous = this.have;
    this.have = have;
    this.#host.picker.onPeerBitfield(this, previous);
    this.updateInterest();
    if (this.isSeed) this.#host.onPeerComplete(this);
  }

  #requireFast(): void {
    if (!this.fast) throw new PeerError('fast-not-negotiated', 'a message of BEP 6 that was not agreed on');
  }
}
