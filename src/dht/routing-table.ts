/**
 * The routing table (BEP 5): many nodes near our own id, few far from it.
 *
 * Bucket `i` holds nodes whose ids share exactly `i` leading bits with ours, and the last one those that share more. When
 * the last is full it is split, so the table grows only towards our own id, where it is the one that must know everybody.
 *
 * Only nodes that answered us count. What others merely name, or what asks us something, costs nothing to forge, so it
 * gets a place if there is one but is neither named to others nor kept against a node that answered. One node per
 * address, and one per network in a bucket, so that a table cannot be bought with one rented machine; among equals, an id
 * that fits its address (BEP 42) is preferred.
 */
import { equalBytes } from '../util/bytes.ts';
import type { PeerAddress } from '../util/ip.ts';
import { Bucket, K } from './bucket.ts';
import type { Contact } from './contact.ts';
import { networkOf, senderOf } from './contact.ts';
import { commonBits, compareDistance, ID_BITS } from './node-id.ts';
import { TableNode } from './table-node.ts';

export class RoutingTable {
  readonly ownId: Uint8Array;
  readonly #buckets: Bucket[] = [new Bucket(0)];
  /** By sender; those that wait for a place included. */
  readonly #known = new Map<string, TableNode>();
  #size = 0;

  constructor(ownId: Uint8Array) {
    this.ownId = ownId;
  }

  /** Nodes that have a place. */
  get size(): number {
    return this.#size;
  }

  get bucketCount(): number {
    return this.#buckets.length;
  }

  /** A node answered a query of ours. True if it is new to us and got a place. */
  onAnswered(contact: Contact, now: number): boolean {
    const known = this.#known.get(senderOf(contact.address));
    if (known !== undefined && isSame(known, contact)) {
      known.answeredAt = now;
      known.fails = 0;
      return false;
    }
    // Elsewhere at the same sender lives another node (or a liar): the one we have goes first. At the very same address
    // it is the same node under a new id.
    if (known !== undefined && !isSameAddress(known, contact) && !known.isBad) return false;
    const node = new TableNode(contact);
    node.answeredAt = now;
    if (known !== undefined) this.#remove(known);
    return this.#insert(node);
  }

  /** A node that answered in an earlier run. */
  addUnconfirmed(contact: Contact): void {
    if (this.#known.has(senderOf(contact.address))) return;
    this.#insert(new TableNode(contact));
  }

  /** A node asked us something. True if it is worth finding out whether it also answers. */
  onHeard(contact: Contact, now: number): boolean {
    const known = this.#known.get(senderOf(contact.address));
    if (known !== undefined && isSame(known, contact)) {
      known.heardAt = now;
      return !known.isConfirmed || known.fails > 0;
    }
    if (known !== undefined && !known.isBad) return false;
    const bits = commonBits(this.ownId, contact.id);
    if (bits >= ID_BITS) return false;
    const bucket = this.#bucketOf(bits);
    const network = networkOf(contact.address);
    if (bucket.nodes.some((node) => node.network === network && !node.isBad)) return false;
    const isLast = bucket === this.#buckets.at(-1);
    return !bucket.isFull || isLast || bucket.weakest({ isConfirmed: true }) !== undefined;
  }

  /** A node did not answer. */
  onFailed(address: PeerAddress): void {
    const node = this.#known.get(senderOf(address));
    if (node === undefined || !isSameAddress(node, { address })) return;
    node.fails++;
    if (!node.isBad) return;
    const bucket = this.#bucketOf(commonBits(this.ownId, node.id));
    if (!bucket.nodes.includes(node)) {
      this.#remove(node);
      return;
    }
    const replacement = bucket.takeReplacement();
    if (replacement === undefined && !node.isGone) return;
    this.#remove(node);
    if (replacement !== undefined) {
      bucket.nodes.push(replacement);
      this.#size++;
    }
  }

  /** Up to `count` nodes, the closest to `target` first, of those that `isWanted` takes. */
  closest(target: Uint8Array, count: number, isWanted: (node: TableNode) => boolean): TableNode[] {
    const result: TableNode[] = [];
    const last = this.#buckets.length - 1;
    const own = Math.min(commonBits(this.ownId, target), last);
    const take = (from: number, to: number): void => {
      const group: TableNode[] = [];
      for (let i = from; i <= to; i++) {
        for (const node of this.#buckets[i]!.nodes) if (isWanted(node)) group.push(node);
      }
      result.push(...nearest(group, target, count - result.length));
    };
    // Its own bucket shares the most bits with the target. All deeper ones are equally far up to that bit, then each
    // shallower one is farther than all before it.
    take(own, own);
    if (result.length < count) take(own + 1, last);
    for (let i = own - 1; i >= 0 && result.length < count; i--) take(i, i);
    return result;
  }

  /** From whom to begin a search: the closest that are worth asking, bad ones only if there are few others. */
  starts(target: Uint8Array): TableNode[] {
    const fit = this.closest(target, STARTS, (node) => !node.isBad);
    return fit.length >= K ? fit : this.closest(target, STARTS, () => true);
  }

  /** All nodes that have a place. */
  *nodes(): Generator<TableNode> {
    for (const bucket of this.#buckets) yield* bucket.nodes;
  }

  #insert(node: TableNode): boolean {
    const bits = commonBits(this.ownId, node.id);
    if (bits >= ID_BITS) return false;
    for (;;) {
      const bucket = this.#bucketOf(bits);
      const rival = bucket.nodes.find(
        (other) => other.network === node.network || equalBytes(other.id, node.id),
      );
      if (rival !== undefined && !rival.isBad && (rival.isConfirmed || !node.isConfirmed)) return false;
      if (rival !== undefined) this.#remove(rival);
      const weakest = bucket.isFull ? bucket.weakest(node) : undefined;
      if (weakest !== undefined) this.#remove(weakest);
      if (!bucket.isFull) {
        bucket.nodes.push(node);
        this.#known.set(node.sender, node);
        this.#size++;
        return true;
      }
      if (bucket === this.#buckets.at(-1) && this.#buckets.length < ID_BITS) this.#split();
      else return this.#insertIntoFull(bucket, node);
    }
  }

  #insertIntoFull(bucket: Bucket, node: TableNode): boolean {
    const insecure = node.secure ? bucket.nodes.findLastIndex((other) => !other.secure) : -1;
    const parked = insecure < 0 ? node : bucket.nodes.splice(insecure, 1, node)[0]!;
    this.#known.set(node.sender, node);
    const dropped = bucket.park(parked);
    if (dropped !== undefined) this.#known.delete(dropped.sender);
    return insecure >= 0;
  }

  #split(): void {
    const bits = this.#buckets.length - 1;
    const shallow = this.#buckets[bits]!;
    const deep = new Bucket(bits + 1);
    this.#buckets.push(deep);
    for (const list of ['nodes', 'replacements'] as const) {
      const moved = shallow[list].filter((node) => commonBits(this.ownId, node.id) > bits);
      const kept = shallow[list].filter((node) => !moved.includes(node));
      shallow[list].splice(0, Infinity, ...kept);
      deep[list].push(...moved);
    }
    // Deeper buckets are smaller. What does not fit goes deeper still, or waits.
    if (deep.nodes.length > deep.capacity && this.#buckets.length < ID_BITS) this.#split();
    while (deep.nodes.length > deep.capacity) {
      const dropped = deep.park(deep.nodes.pop()!);
      this.#size--;
      if (dropped !== undefined) this.#known.delete(dropped.sender);
    }
  }

  #remove(node: TableNode): void {
    const bucket = this.#bucketOf(commonBits(this.ownId, node.id));
    if (bucket.nodes.includes(node)) this.#size--;
    bucket.remove(node);
    this.#known.delete(node.sender);
  }

  #bucketOf(bits: number): Bucket {
    return this.#buckets[Math.min(bits, this.#buckets.length - 1)]!;
  }
}

/** How many nodes of the table a search starts from: some of them have left. */
const STARTS = 2 * K;

function isSame(node: TableNode, contact: Contact): boolean {
  return isSameAddress(node, contact) && equalBytes(node.id, contact.id);
}

function isSameAddress(node: TableNode, { address }: Pick<Contact, 'address'>): boolean {
  return node.address.port === address.port && node.address.host === address.host;
}

/** The nearest first; a partial sort, since the largest bucket holds sixteen times what is asked for. */
function nearest(nodes: readonly TableNode[], target: Uint8Array, count: number): TableNode[] {
  const best: TableNode[] = [];
  for (const node of nodes) {
    if (best.length >= count && compareDistance(node.id, best[best.length - 1]!.id, target) >= 0) continue;
    let at = best.length;
    while (at > 0 && compareDistance(node.id, best[at - 1]!.id, target) < 0) at--;
    best.splice(at, 0, node);
    if (best.length > count) best.pop();
  }
  return best;
}
