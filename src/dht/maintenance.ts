/**
 * What keeps a node's knowledge fresh when nobody wants anything.
 *
 * BEP 5 refreshes whole buckets every 15 minutes. Done bit by bit it costs the same and finds the dead sooner: every few
 * seconds the node that was looked after the longest time ago is asked for nodes of its own bucket. That tells if it is
 * alive, and names candidates for exactly that bucket.
 */
import type { TableNode } from './table-node.ts';

/** libtorrent's rhythm: a table of 300 nodes is gone through within half an hour. */
const PROBE_EVERY_MS = 6000;
/** A node that answered within this is left alone; good ones stay good for 15 minutes. */
const PROBE_AFTER_MS = 10 * 60_000;
/** A node that failed once is asked again soon, to know whether it is bad. */
const RETRY_AFTER_MS = 15_000;
/** Our own neighbourhood, which others rely on us to know (BEP 5). */
const OWN_LOOKUP_EVERY_MS = 15 * 60_000;
const EXPIRE_EVERY_MS = 60_000;

export interface MaintenanceHost {
  nodes(): Iterable<TableNode>;
  /** Asks a node for others that are as far from us as it is. */
  probe(node: TableNode, now: number): void;
  lookUpOwnId(now: number): void;
  expireStores(now: number): void;
  /** Takes a new id, if our address asks for one (BEP 42). */
  reviewOwnId(now: number): void;
}

export class Maintenance {
  readonly #host: MaintenanceHost;
  #probeAt: number;
  #ownLookupAt: number;
  #expireAt: number;

  constructor(host: MaintenanceHost, now: number) {
    this.#host = host;
    this.#probeAt = now + PROBE_EVERY_MS;
    this.#ownLookupAt = now + OWN_LOOKUP_EVERY_MS;
    this.#expireAt = now + EXPIRE_EVERY_MS;
  }

  nextDeadline(): number {
    return Math.min(this.#probeAt, this.#ownLookupAt, this.#expireAt);
  }

  onTime(now: number): void {
    if (now >= this.#probeAt) {
      this.#probeAt = now + PROBE_EVERY_MS;
      this.#host.reviewOwnId(now);
      const node = this.#mostDue(now);
      if (node !== null) this.#host.probe(node, now);
    }
    if (now >= this.#ownLookupAt) {
      this.#ownLookupAt = now + OWN_LOOKUP_EVERY_MS;
      this.#host.lookUpOwnId(now);
    }
    if (now >= this.#expireAt) {
      this.#expireAt = now + EXPIRE_EVERY_MS;
      this.#host.expireStores(now);
    }
  }

  #mostDue(now: number): TableNode | null {
    let mostDue: TableNode | null = null;
    let since = now;
    for (const node of this.#host.nodes()) {
      const isDoubtful = node.fails > 0 || !node.isConfirmed;
      const dueSince = caredAt(node) + (isDoubtful ? RETRY_AFTER_MS : PROBE_AFTER_MS);
      if (dueSince <= since) [mostDue, since] = [node, dueSince];
    }
    return mostDue;
  }
}

function caredAt(node: TableNode): number {
  return Math.max(node.answeredAt, node.probedAt);
}
