import type { TableNode } from './table-node.ts';

/** Nodes of a bucket, and of an answer (BEP 5). */
export const K = 8;
/**
 * The far buckets are larger: half of all lookups begin in the farthest one, a quarter in the next, and the closer they
 * begin the fewer hops they take. The factors are libtorrent's.
 */
const ENLARGED = [16, 8, 4, 2];
/** Nodes that wait for a place. */
const REPLACEMENTS_MAX = K;

/** The nodes of one range of distances, and those that would like to be there. */
export class Bucket {
  readonly capacity: number;
  readonly nodes: TableNode[] = [];
  /** The latest last. */
  readonly replacements: TableNode[] = [];

  /** @param bits How many bits its nodes share with our id. */
  constructor(bits: number) {
    this.capacity = K * (ENLARGED[bits] ?? 1);
  }

  get isFull(): boolean {
    return this.nodes.length >= this.capacity;
  }

  /** A node that `newcomer` may push out: a bad one, else one that never answered if the newcomer did. */
  weakest(newcomer: Pick<TableNode, 'isConfirmed'>): TableNode | undefined {
    return (
      this.nodes.find((node) => node.isBad) ??
      (newcomer.isConfirmed ? this.nodes.find((node) => !node.isConfirmed) : undefined)
    );
  }

  /** Keeps a node for later. Returns the one that had to go for it. */
  park(node: TableNode): TableNode | undefined {
    this.replacements.push(node);
    return this.replacements.length > REPLACEMENTS_MAX ? this.replacements.shift() : undefined;
  }

  /** Takes the best that waits: one with a secure id (BEP 42) before others, then the latest. */
  takeReplacement(): TableNode | undefined {
    const secure = this.replacements.findLastIndex((node) => node.secure && !node.isBad);
    const at = secure >= 0 ? secure : this.replacements.findLastIndex((node) => !node.isBad);
    return at < 0 ? undefined : this.replacements.splice(at, 1)[0];
  }

  remove(node: TableNode): void {
    for (const list of [this.nodes, this.replacements]) {
      const at = list.indexOf(node);
      if (at >= 0) list.splice(at, 1);
    }
  }
}
