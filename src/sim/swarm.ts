import type { MetaInfo } from '../metainfo/metainfo.ts';
import { assert } from '../util/assert.ts';
import { Rng } from '../util/rng.ts';
import { SwarmChecker } from './checkers.ts';
import { reportOf, type SwarmReport } from './metrics.ts';
import { SimNetwork, type NetworkOptions } from './network.ts';
import type { SimWeb } from './sim-http.ts';
import { SimPeer, type SimPeerOptions, type SwarmSetting } from './sim-peer.ts';
import { simTorrent, type SimTorrentOptions } from './sim-torrent.ts';
import { SimTracker, type SimTrackerOptions } from './sim-tracker.ts';
import { Trace, type TraceEvent } from './trace.ts';
import { VirtualClock } from './virtual-clock.ts';

const TRACKER_HOST = 'tracker.sim';

export interface SwarmOptions {
  /** All chance of the run comes from it: the same seed gives the same run, event by event. */
  readonly seed: number;
  readonly torrent: SimTorrentOptions | MetaInfo;
  readonly network?: NetworkOptions;
  readonly tracker?: SimTrackerOptions;
  /** Events between two checks of what must always hold. 0: no checks. Default: 20,000. */
  readonly checkEvery?: number;
  /** Sees every message that arrives. */
  readonly onEvent?: (event: TraceEvent) => void;
}

/**
 * A swarm in one thread and one timeline: real engines, one tracker, and a network between them.
 *
 *     const swarm = new SimSwarm({ seed: 1, torrent: { pieceCount: 200 } });
 *     swarm.add({ pieces: 'all', upBytesPerSec: 1e6 });
 *     swarm.addMany(100, { upBytesPerSec: 1e6 });
 *     swarm.runToCompletion(3_600_000);
 *     console.log(swarm.report());
 *
 * How to ask a question of it:
 *
 * - In numbers: `runScenario(scenario('textbook', { downloaders: 100, picker: 'random' }))` gives the times, the bound
 *   and the digest; `scenarios.ts` holds those with a name, `scenario.ts` says what can be changed, and
 *   `torrent-ts simulate` runs them from the shell.
 * - In code, as above: `behaviours.ts` has free riders, liars and others as options for `add`, `churn.ts` losses and
 *   arrivals, `SimPeerOptions` the rest (rates, latency, disk, what a client has at the start, engine options).
 *   Whatever is to happen in between is an event: `swarm.clock.at(5000, () => peer.kill())`.
 * - Chance comes from `swarm.rng('label')`, never from anywhere else, so that the seed tells all.
 * - What must always hold is checked every `checkEvery` events; what a question is about is looked at in the end: in
 *   `report()`, in the peers (`completedAtMs`, `rejects`, `bans`, `gone`, `stats`), or by `onEvent` message by message.
 */
export class SimSwarm {
  readonly clock = new VirtualClock();
  readonly network: SimNetwork;
  readonly tracker: SimTracker;
  readonly metaInfo: MetaInfo;
  readonly seed: number;
  readonly peers: SimPeer[] = [];
  readonly #rng: Rng;
  readonly #setting: SwarmSetting;
  readonly checker = new SwarmChecker();
  readonly #checkEvery: number;
  #eventsToCheck: number;
  /** Of an engine; it stops its torrent there, and here the run. */
  #bug: Error | null = null;

  constructor(options: SwarmOptions) {
    this.seed = options.seed;
    this.#rng = new Rng(options.seed);
    this.network = new SimNetwork(this.clock, new Trace(options.onEvent ?? null), options.network);
    this.tracker = new SimTracker(this.clock, this.#rng.fork('tracker'), options.tracker);
    const { torrent } = options;
    this.metaInfo = 'infoHash' in torrent ? torrent : simTorrent(torrent);
    const web: SimWeb = new Map([[TRACKER_HOST, this.tracker]]);
    this.#setting = {
      network: this.network,
      metaInfo: this.metaInfo,
      web,
      announceUrl: `http://${TRACKER_HOST}/announce`,
      onBug: (name, report) => {
        this.#bug ??= new Error(`${name}: ${report.message}`, { cause: report });
      },
    };
    this.#checkEvery = options.checkEvery ?? 20_000;
    this.#eventsToCheck = this.#checkEvery;
  }

  /** Names the run as it is, with the digest of all that happened. */
  get digest(): string {
    return this.network.trace.digest;
  }

  /** Chance for scenarios, apart from that of the peers. */
  rng(label: string): Rng {
    return this.#rng.fork(`scenario ${label}`);
  }

  /** Adds a peer, which joins at its time. */
  add(options: SimPeerOptions = {}): SimPeer {
    const name = `${options.pieces === 'all' ? 'seeder' : 'peer'} ${this.peers.length}`;
    const peer = new SimPeer(name, options, this.#setting, this.#rng.fork(name));
    this.peers.push(peer);
    this.clock.at(options.joinsAtMs ?? this.clock.now(), () => {
      if (!peer.isRunning) peer.start();
    });
    return peer;
  }

  addMany(count: number, options: SimPeerOptions | ((index: number) => SimPeerOptions) = {}): SimPeer[] {
    return Array.from({ length: count }, (_, i) =>
      this.add(typeof options === 'function' ? options(i) : options),
    );
  }

  /** Runs until every downloader is complete; false if some are not after `limitMs`. */
  runToCompletion(limitMs: number): boolean {
    const downloaders = this.peers.filter((peer) => !peer.isSeeder);
    let done = 0;
    return this.runUntil(() => {
      while (done < downloaders.length && downloaders[done]!.isComplete) done++;
      return done === downloaders.length;
    }, limitMs);
  }

  runFor(ms: number): void {
    this.runUntil(() => false, ms);
  }

  /** Runs until a condition holds, which is asked after every event; false if it does not within `limitMs`. */
  runUntil(isDone: () => boolean, limitMs: number): boolean {
    try {
      return this.clock.runUntil(() => {
        if (this.#bug !== null) throw this.#bug;
        if (this.#checkEvery > 0 && --this.#eventsToCheck <= 0) this.check();
        return isDone();
      }, limitMs);
    } catch (error) {
      throw new Error(`the run with seed ${this.seed} broke at ${this.clock.now()} ms`, { cause: error });
    }
  }

  /** Checks what must always hold. */
  check(): void {
    this.#eventsToCheck = this.#checkEvery;
    this.checker.check(this.network, this.peers);
  }

  /** Takes every peer off in good order, and says how many turns that took. */
  close(): void {
    let open = 0;
    for (const peer of this.peers) {
      if (!peer.isRunning) continue;
      open++;
      peer.leave(() => open--);
    }
    assert(
      this.runUntil(() => open === 0, 60_000),
      `${open} clients did not end within a minute`,
    );
  }

  report(): SwarmReport {
    return reportOf(this.peers, this.metaInfo.length);
  }
}
