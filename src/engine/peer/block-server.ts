import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { PieceSet } from '../../util/piece-set.ts';
import { PeerError, type PeerLink } from '../../wire/link.ts';
import type { BandwidthShare } from '../bandwidth.ts';
import { BAD_REQUESTS_MAX, REQUEST_LENGTH_MAX } from '../limits.ts';
import type { FirstCopies } from '../torrent/first-copies.ts';
import type { ReadCache } from '../torrent/read-cache.ts';
import { UploadQueue, type UploadHost } from './upload-queue.ts';

/** So long after a choke requests may still come from before it. libtorrent 2 s; slow lines have queues of seconds. */
const CHOKE_GRACE_MS = 5000;

/** An allowed-fast piece may be fetched this often while choked. libtorrent 3. */
const ALLOWED_FAST_TIMES = 3;

/** What the server needs of its torrent. */
export interface ServerHost {
  readonly geometry: PieceGeometry;
  readonly cache: ReadCache;
  readonly up: BandwidthShare;
  /** Hears what peers ask for and get. */
  readonly rounds: { readonly firstCopies: FirstCopies; onSent(bytes: number): void };
  /** Do we have it, verified and on disk? */
  hasPiece(piece: number): boolean;
  /** False while the disk refuses reads. */
  readonly isReadable: boolean;
  now(): number;
}

/** The peer as seen from here. */
export interface ServerPeer {
  readonly link: PeerLink;
  readonly fast: boolean;
  readonly weChoke: boolean;
  /** When we last choked it. */
  readonly chokedAt: number;
  /** Payload we give it, bytes per second. */
  readonly upRate: number;
  /** Pieces it has. */
  readonly have: PieceSet;
  readonly server: BlockServer;
  onUploaded(bytes: number): void;
}

/** Our side of giving blocks to one peer: which requests to accept, and what to answer to the others. */
export class BlockServer implements UploadHost {
  readonly cache: ReadCache;
  readonly bandwidth: BandwidthShare;
  readonly link: PeerLink;
  readonly #host: ServerHost;
  readonly #peer: ServerPeer;
  #queue: UploadQueue | null = null;
  /** Blocks that may still be taken of each allowed-fast piece. */
  #allowed: Map<number, number> | null = null;
  /** Bytes that may still be taken of begun pieces although we choke it now. */
  #owed: Map<number, number> | null = null;
  #badRequests = 0;

  constructor(host: ServerHost, peer: ServerPeer) {
    this.#host = host;
    this.#peer = peer;
    this.link = peer.link;
    this.cache = host.cache;
    this.bandwidth = host.up;
  }

  /** Requests waiting here. */
  get queued(): number {
    return this.#queue?.count ?? 0;
  }

  get upRate(): number {
    return this.#peer.upRate;
  }

  now(): number {
    return this.#host.now();
  }

  /** Lets the peer fetch these pieces while choked (BEP 6). */
  allow(pieces: readonly number[]): void {
    this.#allowed ??= new Map();
    for (const piece of pieces) {
      this.#allowed.set(piece, ALLOWED_FAST_TIMES * this.#host.geometry.blockCount(piece));
      this.link.allowedFast(piece);
    }
  }

  /** Before a choke: this piece is still to be had to its end (BEP 6 *allowed fast*). */
  owe(piece: number): void {
    if (!this.#peer.fast) return;
    this.#owed ??= new Map();
    this.#owed.set(piece, this.#host.geometry.pieceLengthOf(piece));
    this.link.allowedFast(piece);
  }

  onRequest(piece: number, begin: number, length: number): void {
    const { geometry } = this.#host;
    if (!geometry.isRange(piece, begin, length, REQUEST_LENGTH_MAX) || !this.#host.hasPiece(piece)) {
      this.#refuse(piece, begin, length);
      return;
    }
    if (this.#peer.weChoke && !this.#owed?.has(piece) && !this.#takeAllowed(piece)) {
      // Hundreds of requests may have crossed with the choke on their way.
      if (this.#host.now() - this.#peer.chokedAt < CHOKE_GRACE_MS) this.#reject(piece, begin, length);
      else this.#refuse(piece, begin, length);
      return;
    }
    this.#queue ??= new UploadQueue(this);
    if (!this.#host.isReadable || this.#queue.isFull) {
      // The peer asks for what we said we have: our fault, not its.
      this.#reject(piece, begin, length);
    } else if (!this.#queue.has(piece, begin, length)) {
      this.#queue.add(piece, begin, length);
      if (this.#peer.weChoke) this.#payOwed(piece, length);
      this.#host.rounds.firstCopies.onAsked(this.#peer, piece);
    }
  }

  onCancel(piece: number, begin: number, length: number): void {
    // BEP 6: a cancelled request is answered too, by a reject if not by the block.
    if (this.#queue?.remove(piece, begin, length)) this.#reject(piece, begin, length);
  }

  /** We choke the peer: what it waits for is dropped, but for pieces that it may have while choked. */
  onWeChoke(): void {
    this.#queue?.drop(
      (piece) => (this.#owed?.has(piece) ?? false) || (this.#allowed?.has(piece) ?? false),
      (piece, begin, length) => this.#reject(piece, begin, length),
    );
  }

  /** It may have anything now; what it has begun is owed again when it is choked again. */
  onWeUnchoke(): void {
    this.#owed = null;
  }

  /** Sends what can be sent. */
  pump(): void {
    this.#queue?.pump();
  }

  close(): void {
    this.#queue?.close();
  }

  onSent(piece: number, bytes: number): void {
    this.#peer.onUploaded(bytes);
    this.#host.rounds.firstCopies.onGiven(this.#peer, piece, bytes);
    this.#host.rounds.onSent(bytes);
  }

  onUnreadable(piece: number, begin: number, length: number): void {
    this.#reject(piece, begin, length);
  }

  #payOwed(piece: number, bytes: number): void {
    const left = this.#owed?.get(piece);
    if (left === undefined) return;
    if (left <= bytes) this.#owed!.delete(piece);
    else this.#owed!.set(piece, left - bytes);
  }

  /** BEP 6: allowed-fast pieces are for peers that have nothing to trade yet. */
  #takeAllowed(piece: number): boolean {
    const left = this.#allowed?.get(piece) ?? 0;
    if (left <= 0 || this.#peer.have.count > this.#allowed!.size) return false;
    this.#allowed!.set(piece, left - 1);
    return true;
  }

  /** A request that should not have been made. A few are mistakes; hundreds are not. */
  #refuse(piece: number, begin: number, length: number): void {
    if (++this.#badRequests > BAD_REQUESTS_MAX)
      throw new PeerError('request-flood', 'asks for what it may not have');
    this.#reject(piece, begin, length);
  }

  #reject(piece: number, begin: number, length: number): void {
    if (this.#peer.fast) this.link.reject(piece, begin, length);
  }
}
