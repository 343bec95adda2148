import type { MetaInfo } from '../metainfo/metainfo.ts';
import type { Clock, HttpResponse } from '../ports.ts';
import type { ScrapeCounts } from '../tracker/announce.ts';
import { MEMORY_STORE_LIMITS, MemoryPeerStore } from '../tracker/server/memory-peer-store.ts';
import { answerHttp } from '../tracker/server/http-responder.ts';
import type { TrackerPolicy } from '../tracker/server/announce-policy.ts';
import type { Rng } from '../util/rng.ts';
import type { WebServer } from './sim-http.ts';

export interface SimTrackerOptions {
  /** Milliseconds from the tracker to the middle of the network. Default: 10. */
  readonly latencyMs?: number;
  /** Seconds between announces. Default: 1800, as most trackers. */
  readonly intervalSeconds?: number;
}

/** How often the tracker looks for peers that were not heard of; as ours does in the real world. */
const SWEEP_MS = 60_000;

/** Our own tracker's answers, over the simulated web. */
export class SimTracker implements WebServer {
  readonly latencyMs: number;
  /** A tracker that is down answers with an error. */
  isUp = true;
  readonly #clock: Clock;
  readonly #policy: TrackerPolicy;
  #announces = 0;
  #sweptAt = 0;

  constructor(clock: Clock, rng: Rng, options: SimTrackerOptions = {}) {
    const interval = options.intervalSeconds ?? 1800;
    this.#clock = clock;
    this.latencyMs = options.latencyMs ?? 10;
    this.#policy = {
      // A peer that missed two announces is gone.
      store: new MemoryPeerStore(rng, { ...MEMORY_STORE_LIMITS, expiryMs: 2 * interval * 1000 + SWEEP_MS }),
      interval,
      minInterval: Math.ceil(interval / 6),
      allows: () => true,
    };
  }

  /** Questions answered so far. */
  get announces(): number {
    return this.#announces;
  }

  /** What the tracker knows of a torrent; null if nothing. */
  scrape(metaInfo: MetaInfo): ScrapeCounts | null {
    return this.#policy.store.scrape(metaInfo.infoHashHex, this.#clock.now());
  }

  answer(target: string, from: string): HttpResponse {
    if (!this.isUp) return { status: 503, body: new Uint8Array(0) };
    const now = this.#clock.now();
    if (now - this.#sweptAt >= SWEEP_MS) {
      this.#sweptAt = now;
      this.#policy.store.sweep(now);
    }
    this.#announces++;
    return answerHttp(this.#policy, { target, from, at: null }, now);
  }
}
