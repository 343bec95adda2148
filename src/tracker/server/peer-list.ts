import type { Rng } from '../../util/rng.ts';
import type { TrackedPeer } from './peer-store.ts';

/** One entry of a swarm, and where it stands in its list. */
export interface ListedPeer extends TrackedPeer {
  peerId: Uint8Array;
  seenAt: number;
  index: number;
}

/** An unordered list: add, remove and drawing at random take constant time per peer. */
export class PeerList {
  readonly #peers: ListedPeer[] = [];

  get size(): number {
    return this.#peers.length;
  }

  get all(): readonly ListedPeer[] {
    return this.#peers;
  }

  add(peer: ListedPeer): void {
    peer.index = this.#peers.length;
    this.#peers.push(peer);
  }

  /** The last one takes the place of the removed one. */
  remove(peer: ListedPeer): void {
    const last = this.#peers.pop()!;
    if (last === peer) return;
    this.#peers[peer.index] = last;
    last.index = peer.index;
  }

  /** Up to `count` different peers other than `except`, every choice equally likely. */
  draw(count: number, except: ListedPeer | null, rng: Rng, into: TrackedPeer[]): void {
    const peers = this.#peers;
    const goal = into.length + count;
    // The first steps of a Fisher-Yates shuffle, done in the list itself: its order means nothing.
    for (let i = 0; i < peers.length && into.length < goal; i++) {
      const j = i + rng.below(peers.length - i);
      const drawn = peers[j]!;
      peers[j] = peers[i]!;
      peers[j].index = j;
      peers[i] = drawn;
      drawn.index = i;
      if (drawn !== except) into.push(drawn);
    }
  }
}
