import type { ConnectionCount } from '../torrent/torrent-deps.ts';

/** Who would have another lane. */
export interface LaneTaker {
  /** One that it was refused is its own now. It is not to call back in the same turn. */
  onLaneGranted(): void;
}

/**
 * The connections to web seeds that are more than one each, over all torrents. They make a server faster that gives each
 * connection little, and count as any other: a hundred torrents with web seeds open no more sockets than a hundred
 * with peers. When there are too few, links take turns, a run of blocks each.
 */
export class LaneBudget {
  readonly #connections: ConnectionCount;
  readonly #max: number;
  #taken = 0;
  /** In the order they came. */
  readonly #waiting = new Set<LaneTaker>();

  constructor(connections: ConnectionCount, max: number) {
    this.#connections = connections;
    this.#max = max;
  }

  /** True if there is one. Otherwise `taker` is told once it is its turn. */
  take(taker: LaneTaker): boolean {
    if (!this.#hasRoom) {
      this.#waiting.add(taker);
      return false;
    }
    this.#waiting.delete(taker);
    this.#count();
    return true;
  }

  giveBack(): void {
    this.#taken--;
    this.#connections.count--;
    const [next] = this.#waiting;
    if (!next || !this.#hasRoom) return;
    this.#waiting.delete(next);
    this.#count();
    next.onLaneGranted();
  }

  /** It wants none any more. */
  leave(taker: LaneTaker): void {
    this.#waiting.delete(taker);
  }

  get #hasRoom(): boolean {
    return this.#taken < this.#max && this.#connections.free > 0;
  }

  #count(): void {
    this.#taken++;
    this.#connections.count++;
  }
}
