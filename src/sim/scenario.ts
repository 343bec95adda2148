import type { EngineOptions } from '../engine/engine.ts';
import type { ChokerPolicy } from '../engine/torrent/choke-rounds.ts';
import { freeRider, leavesWhenComplete, superSeeder } from './behaviours.ts';
import { clientServerSeconds, peerToPeerSeconds, type Rates } from './bounds.ts';
import { arrival, loseNodes } from './churn.ts';
import { meanOf, reportOf, type SwarmReport } from './metrics.ts';
import { replayCommand } from './replay.ts';
import type { SimPeer, SimPeerOptions } from './sim-peer.ts';
import { SimSwarm } from './swarm.ts';

/** How peers choose pieces; `rarest-first` is what the engine does. */
export type PickerPolicy = 'rarest-first' | 'random' | 'sequential';
export type { ChokerPolicy };
export type Fidelity = 'messages' | 'bytes';

/**
 * One seeder and a number of downloaders, in numbers. Everything that happens follows from it, to the last event.
 *
 * Rates are told in multiples of one unit, because what matters is how they compare; the unit gives them a size, and
 * with it the relation to the engine's own times, such as the ten seconds of a choke round.
 */
export interface Scenario {
  /** Where it came from: a name of `SCENARIOS`. */
  readonly name: string;
  readonly seed: number;
  readonly downloaders: number;
  readonly pieceCount: number;
  /** Bytes. */
  readonly pieceLength: number;
  /** The unit u of all rates, bytes per second. */
  readonly unit: number;
  /** The seeder's uplink, in units. */
  readonly serverRate: number;
  /** Uplinks of the downloaders, in units: the first has the first of them, and so on in turns. */
  readonly upRates: readonly number[];
  /** Downlinks of the downloaders, in units. */
  readonly downRate: number;
  /** Milliseconds from each host to the middle of the network. */
  readonly latencyMs: number;
  /** Connections that a client may have. */
  readonly links: number;
  /** Upload slots; 0 for the engine's default. */
  readonly slots: number;
  /** Share of the downloaders that give nothing. */
  readonly freeRiders: number;
  /** Share of the downloaders that vanish, of those still there, in each minute. */
  readonly lossPerMinute: number;
  /** Downloaders join within so many milliseconds; 0: all at once. */
  readonly joinWithinMs: number;
  /** Peers tell each other of peers (BEP 11); the tracker alone does without it. */
  readonly pex: boolean;
  /** The seeder hides what it has (BEP 16). */
  readonly superSeed: boolean;
  /** Downloaders leave when they are complete, instead of seeding to the end. */
  readonly leaveWhenComplete: boolean;
  readonly picker: PickerPolicy;
  readonly choker: ChokerPolicy;
  /** See `NetworkOptions.grainMs`. */
  readonly grainMs: number;
  /** What links carry: messages, or bytes through the real encoder and decoder, which takes many times as long. */
  readonly fidelity: Fidelity;
  /** The run ends here in any case; virtual milliseconds. */
  readonly limitMs: number;
}

export interface ScenarioResult {
  readonly scenario: Scenario;
  /** All who stayed are complete. */
  readonly finished: boolean;
  /** Of those who stayed; its bound too. */
  readonly report: SwarmReport;
  /** Milliseconds, by the formulas, for all who were to come. */
  readonly serverBoundMs: number;
  readonly peersBoundMs: number;
  /** Mean milliseconds from join to completion of those who give, and of those who do not; NaN if there are none. */
  readonly contributorsMeanMs: number;
  readonly freeRidersMeanMs: number;
  /** The same of each rate in `upRates`, free riders left out. */
  readonly meanMsByRate: readonly number[];
  /** Milliseconds from join to the first piece, of whoever waited longest for it. */
  readonly lastFirstPieceMs: number;
  readonly lost: number;
  /** Names the run, event by event. */
  readonly digest: string;
  readonly events: number;
  readonly virtualMs: number;
}

/** Runs a scenario to its end. @throws Error naming the command that repeats the run, when something broke in it. */
export function runScenario(scenario: Scenario, checkEvery = 0): ScenarioResult {
  const run = new ScenarioRun(scenario, checkEvery);
  run.advance(Infinity);
  return run.result();
}

/** A run in steps, for those who want to look at it or stop it on the way. */
export class ScenarioRun {
  readonly scenario: Scenario;
  readonly swarm: SimSwarm;
  readonly #downloaders: readonly SimPeer[];
  /** So many of them, from the first on, are done. */
  #done = 0;

  /** @param checkEvery Events between two checks of what must always hold; 0: only at the end. */
  constructor(scenario: Scenario, checkEvery = 0) {
    this.scenario = scenario;
    this.swarm = buildSwarm(scenario, checkEvery);
    this.#downloaders = this.swarm.peers.filter((peer) => !peer.isSeeder);
  }

  /** All who stayed are complete. */
  get isFinished(): boolean {
    while (this.#done < this.#downloaders.length && isOver(this.#downloaders[this.#done]!)) this.#done++;
    return this.#done === this.#downloaders.length;
  }

  /** Downloaders that are complete now. */
  get completed(): number {
    return this.#downloaders.reduce((count, peer) => count + (peer.isComplete ? 1 : 0), 0);
  }

  /** Goes on for so many milliseconds of virtual time; false when the end is reached. */
  advance(virtualMs: number): boolean {
    const { swarm, scenario } = this;
    return this.#told(() => {
      const left = scenario.limitMs - swarm.clock.now();
      return !swarm.runUntil(() => this.isFinished, Math.min(virtualMs, left)) && virtualMs < left;
    });
  }

  result(): ScenarioResult {
    return this.#told(() => {
      this.swarm.check();
      return resultOf(this.scenario, this.swarm, this.isFinished);
    });
  }

  #told<T>(step: () => T): T {
    try {
      return step();
    } catch (error) {
      const what = error instanceof Error ? error.message : String(error);
      throw new Error(`${what}; repeat with: ${replayCommand(this.scenario)}`, { cause: error });
    }
  }
}

/** The swarm of a scenario before its first event. */
export function buildSwarm(scenario: Scenario, checkEvery = 0): SimSwarm {
  const { unit, pieceCount, pieceLength, latencyMs } = scenario;
  const swarm = new SimSwarm({
    seed: scenario.seed,
    torrent: { pieceCount, pieceLength },
    network: { grainMs: scenario.grainMs, fidelity: scenario.fidelity },
    checkEvery,
  });
  const engine: Partial<EngineOptions> = {
    connectionsPerTorrentMax: scenario.links,
    connectionsMax: scenario.links,
    ...(scenario.slots > 0 ? { uploadSlots: scenario.slots } : {}),
    choker: scenario.choker,
    pex: scenario.pex,
  };
  const all: SimPeerOptions = { latencyMs, engine, picker: scenario.picker, keepsRecords: false };
  swarm.add({
    ...all,
    ...(scenario.superSeed ? superSeeder() : { pieces: 'all' as const }),
    upBytesPerSec: scenario.serverRate * unit,
  });
  const chance = swarm.rng('arrivals');
  const downloaders = swarm.addMany(scenario.downloaders, (i) => ({
    ...all,
    ...(scenario.leaveWhenComplete ? leavesWhenComplete() : {}),
    upBytesPerSec: upRateOf(scenario, i) * unit,
    downBytesPerSec: scenario.downRate * unit,
    joinsAtMs: arrival(chance, scenario.joinWithinMs),
    ...(isFreeRider(scenario, i) ? { engine: { ...engine, ...freeRider().engine } } : {}),
  }));
  loseNodes(swarm.clock, downloaders, scenario.lossPerMinute, swarm.rng('losses'));
  return swarm;
}

/** The rates as the formulas want them, of all who were to come. */
export function ratesOf(scenario: Scenario): Rates {
  const { unit } = scenario;
  return {
    length: scenario.pieceCount * scenario.pieceLength,
    server: scenario.serverRate * unit,
    up: Array.from({ length: scenario.downloaders }, (_, i) =>
      isFreeRider(scenario, i) ? 0 : upRateOf(scenario, i) * unit,
    ),
    slowestDown: scenario.downRate * unit,
  };
}

/** In units. */
function upRateOf({ upRates }: Scenario, index: number): number {
  return upRates[index % upRates.length]!;
}

/** Spread evenly, so that every rate has its part of them. */
function isFreeRider({ freeRiders }: Scenario, index: number): boolean {
  return Math.floor((index + 1) * freeRiders) > Math.floor(index * freeRiders);
}

function isOver(peer: SimPeer): boolean {
  return peer.isComplete || peer.leftAtMs !== null;
}

function resultOf(scenario: Scenario, swarm: SimSwarm, finished: boolean): ScenarioResult {
  const downloaders = swarm.peers.filter((peer) => !peer.isSeeder);
  const stayed = downloaders.filter((peer) => peer.isComplete || peer.isRunning);
  const contributors = stayed.filter((peer) => peer.options.engine?.uploadSlots !== 0);
  const riders = stayed.filter((peer) => peer.options.engine?.uploadSlots === 0);
  const rates = ratesOf(scenario);
  return {
    scenario,
    finished,
    report: reportOf([...swarm.peers.filter((peer) => peer.isSeeder), ...stayed], swarm.metaInfo.length),
    serverBoundMs: clientServerSeconds(rates) * 1000,
    peersBoundMs: peerToPeerSeconds(rates) * 1000,
    contributorsMeanMs: meanOf(contributors, durationOf),
    freeRidersMeanMs: meanOf(riders, durationOf),
    meanMsByRate: scenario.upRates.map((rate) =>
      meanOf(
        contributors.filter((peer) => peer.options.upBytesPerSec === rate * scenario.unit),
        durationOf,
      ),
    ),
    lastFirstPieceMs: stayed.reduce(
      (most, peer) => Math.max(most, (peer.firstPieceAtMs ?? swarm.clock.now()) - (peer.startedAtMs ?? 0)),
      0,
    ),
    lost: downloaders.length - stayed.length,
    digest: swarm.digest,
    events: swarm.network.trace.count,
    virtualMs: swarm.clock.now(),
  };
}

function durationOf(peer: SimPeer): number {
  return (peer.completedAtMs ?? NaN) - (peer.startedAtMs ?? 0);
}
