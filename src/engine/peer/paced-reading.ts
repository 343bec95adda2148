import { BLOCK_LENGTH } from '../../util/block-length.ts';
import type { PeerLink } from '../../wire/link.ts';
import type { BandwidthShare, TokenWaiter } from '../bandwidth.ts';

/**
 * Reading from a peer under a rate limit: what came is paid for, and while nothing may pass the link is not read.
 *
 * Who goes on reading pays for the first read in advance. Else all that wait would go on at the first token, and what they
 * take together would be followed by seconds of silence for all of them.
 */
export class PacedReading {
  /** Not reading, because the limit was used up. */
  isPaused = false;
  readonly #link: PeerLink;
  readonly #share: BandwidthShare;
  #countedBytes = 0;
  #paidAhead = 0;
  #readBytesMax = Infinity;

  constructor(link: PeerLink, share: BandwidthShare) {
    this.#link = link;
    this.#share = share;
    this.#limitReads();
  }

  /** Bytes were received: pays for them. `waiter` hears when to go on, if they were too many. */
  onReceived(now: number, waiter: TokenWaiter): void {
    const received = this.#link.receivedBytes;
    const bytes = received - this.#countedBytes;
    this.#countedBytes = received;
    this.#limitReads();
    const paidAhead = this.#paidAhead;
    this.#paidAhead = 0;
    if (this.#share.isUnlimited) return;
    this.#share.take(bytes - paidAhead);
    if (this.isPaused || this.#share.available(now) > 0) return;
    this.isPaused = true;
    this.#link.pauseReading();
    this.#share.wait(waiter);
  }

  /** Goes on reading. `blocks` are expected. */
  resume(blocks: number): void {
    this.isPaused = false;
    this.#paidAhead = this.#share.isUnlimited ? 0 : Math.min(this.#share.bytesAtOnce, blocks * BLOCK_LENGTH);
    this.#share.take(this.#paidAhead);
    this.#limitReads();
    this.#link.resumeReading();
  }

  /** Once a second, and at the end: what was paid for and has not come may be others'. */
  refund(): void {
    this.#share.take(-this.#paidAhead);
    this.#paidAhead = 0;
  }

  #limitReads(): void {
    const most = this.#share.bytesAtOnce;
    if (most === this.#readBytesMax) return;
    this.#readBytesMax = most;
    this.#link.limitReads?.(most);
  }
}
