import type { TorrentState } from '../../events.ts';
import { assert } from '../../util/assert.ts';

/**
 * The states of a torrent and every legal step between them. A step that is not in the table is a bug.
 *
 * `stalled` is `downloading` with a disk that refuses: uploads go on, and it ends by itself when a write succeeds.
 */
const STEPS: Readonly<Record<TorrentState, readonly TorrentState[]>> = {
  metadata: ['checking', 'paused', 'failed', 'closed'],
  checking: ['downloading', 'seeding', 'stalled', 'paused', 'failed', 'closed'],
  downloading: ['seeding', 'stalled', 'checking', 'paused', 'failed', 'closed'],
  seeding: ['downloading', 'stalled', 'checking', 'paused', 'failed', 'closed'],
  stalled: ['downloading', 'seeding', 'checking', 'paused', 'failed', 'closed'],
  paused: ['metadata', 'checking', 'downloading', 'seeding', 'failed', 'closed'],
  failed: ['metadata', 'checking', 'closed'],
  closed: [],
};

export interface LifecycleEvents {
  onState(state: TorrentState, before: TorrentState): void;
}

export class Lifecycle {
  #state: TorrentState;
  readonly #events: LifecycleEvents;

  constructor(events: LifecycleEvents, state: TorrentState = 'paused') {
    this.#state = state;
    this.#events = events;
  }

  get state(): TorrentState {
    return this.#state;
  }

  /** Peers are welcome: we have something for them, or want something of them. */
  get isActive(): boolean {
    return this.#state !== 'paused' && this.#state !== 'failed' && this.#state !== 'closed';
  }

  /** Takes a step; staying where we are is none. */
  to(state: TorrentState): void {
    const before = this.#state;
    if (state === before) return;
    assert(STEPS[before].includes(state), `torrent cannot go from ${before} to ${state}`);
    this.#state = state;
    this.#events.onState(state, before);
  }
}
