import type { PeerAddress } from '../util/ip.ts';
import type { Contact } from './contact.ts';
import { networkOf, senderOf } from './contact.ts';
import { factsOf } from './host-facts.ts';
import { isSecureId } from './node-id.ts';

/** BEP 5: a node is good for 15 minutes after it was heard of. */
export const GOOD_MS = 15 * 60_000;
/** BEP 5: bad after "multiple queries in a row" without an answer. */
const FAILS_BAD = 2;
/**
 * A bad node nobody replaced is kept this long: when our own network fails, all nodes look bad, and an empty table would
 * be worse. libtorrent uses the same number.
 */
const FAILS_GONE = 20;

/** A node of the routing table. */
export class TableNode implements Contact {
  readonly id: Uint8Array;
  readonly address: PeerAddress;
  /** See `senderOf`: there is one node of each in the table. */
  readonly sender: string;
  /** See `networkOf`: there is one node of each in a bucket. */
  readonly network: string;
  /** Its id fits its address (BEP 42). */
  readonly secure: boolean;
  /** Of use in its own network alone. */
  readonly isLocal: boolean;
  /** When it last answered a query of ours; -Infinity if it never did. */
  answeredAt = -Infinity;
  /** When it last asked us something. */
  heardAt = -Infinity;
  /** When it was last sent something to see if it is alive. */
  probedAt = -Infinity;
  /** Queries in a row without an answer. */
  fails = 0;

  constructor({ id, address }: Contact) {
    this.id = id;
    this.address = address;
    this.sender = senderOf(address);
    this.network = networkOf(address);
    this.secure = isSecureId(id, address.host);
    this.isLocal = factsOf(address.host).isLocal;
  }

  /** It answered once. Until then it may be anybody's invention. */
  get isConfirmed(): boolean {
    return this.answeredAt > -Infinity;
  }

  get isBad(): boolean {
    return this.fails >= (this.isConfirmed ? FAILS_BAD : 1);
  }

  get isGone(): boolean {
    return this.fails >= (this.isConfirmed ? FAILS_GONE : 1);
  }

  /** Fit to be named to others. */
  get isNameable(): boolean {
    return this.isConfirmed && this.fails === 0;
  }

  isGood(now: number): boolean {
    return this.isNameable && now - Math.max(this.answeredAt, this.heardAt) < GOOD_MS;
  }
}
