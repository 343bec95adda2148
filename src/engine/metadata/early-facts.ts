import { EMPTY_BYTES } from '../../util/bytes.ts';
import { PeerError, type LinkSink } from '../../wire/link.ts';
import { PIECE_COUNT_MAX } from '../../wire/message.ts';
import { ALLOWED_FAST_MAX } from '../limits.ts';

/**
 * What a peer says about itself while we do not know how many pieces there are: kept unchecked, in at most the 256 KiB
 * of the longest bitfield there is, and said again to its session as soon as there is one.
 */
export class EarlyFacts {
  #isUnchoked = false;
  #isInterested = false;
  #hasAll = false;
  /** The bitfield that it sent, in its length; null if none. */
  #bitfield: Uint8Array | null = null;
  /** Pieces that it named one by one, as bits; grows with the highest of them. */
  #named = EMPTY_BYTES;
  readonly #allowedFast: number[] = [];

  /** It has something that we may want. */
  get hasPieces(): boolean {
    return this.#hasAll || this.#named.length > 0 || (this.#bitfield?.some((byte) => byte !== 0) ?? false);
  }

  get hasAll(): boolean {
    return this.#hasAll;
  }

  get isChoking(): boolean {
    return !this.#isUnchoked;
  }

  get isInterested(): boolean {
    return this.#isInterested;
  }

  onChoke(isChoking: boolean): void {
    this.#isUnchoked = !isChoking;
  }

  onInterest(isInterested: boolean): void {
    this.#isInterested = isInterested;
  }

  onHaveAll(): void {
    this.#forgetPieces();
    this.#hasAll = true;
  }

  onHaveNone(): void {
    this.#forgetPieces();
  }

  onBitfield(bytes: Uint8Array): void {
    this.#forgetPieces();
    this.#bitfield = bytes.slice();
  }

  onHave(piece: number): void {
    if (piece >= PIECE_COUNT_MAX) throw new PeerError('bad-have', `no torrent has a piece ${piece}`);
    const at = piece >> 3;
    if (at >= this.#named.length) {
      const grown = new Uint8Array(Math.min(PIECE_COUNT_MAX / 8, Math.max(64, 2 * at, at + 1)));
      grown.set(this.#named);
      this.#named = grown;
    }
    this.#named[at]! |= 0x80 >> (piece & 7);
  }

  onAllowedFast(piece: number): void {
    if (this.#allowedFast.length < ALLOWED_FAST_MAX) this.#allowedFast.push(piece);
  }

  /** @throws PeerError for what turns out to be wrong, now that the torrent is known. */
  replay(sink: LinkSink): void {
    if (this.#hasAll) sink.onHaveAll();
    else if (this.#bitfield) sink.onBitfield(this.#bitfield);
    for (let at = 0; at < this.#named.length; at++) {
      const byte = this.#named[at]!;
      for (let bit = 0; byte !== 0 && bit < 8; bit++) if (byte & (0x80 >> bit)) sink.onHave(8 * at + bit);
    }
    for (const piece of this.#allowedFast) sink.onAllowedFast(piece);
    if (this.#isInterested) sink.onInterested();
    if (this.#isUnchoked) sink.onUnchoke();
  }

  #forgetPieces(): void {
    this.#hasAll = false;
    this.#bitfield = null;
    this.#named = EMPTY_BYTES;
  }
}
