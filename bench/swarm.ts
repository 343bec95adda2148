/**
 * How swarms of this engine do in the simulator: how close they come to the lower bound, whom free riders hurt, how
 * long a crowd waits for its first pieces.
 *
 * Run: `node bench/run.js swarm`, or only some groups: `node bench/run.js swarm mixed loss`. What it finds goes to
 * `bench/results/swarm.json`; the same code and the same seeds give the same file. `scale` and `ten-thousand` take
 * minutes and gigabytes, so they run only when they are named.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { meanOf } from '../src/sim/metrics.ts';
import { replayCommand } from '../src/sim/replay.ts';
import { runScenario, type Scenario, type ScenarioResult } from '../src/sim/scenario.ts';
import { scenario } from '../src/sim/scenarios.ts';

const RESULTS = new URL(
  'bench/results/swarm.json',
  pathToFileURL(`${process.env.TORRENT_TS_BENCH_PROJECT ?? process.cwd()}/`),
);

/** Chance decides a few hundredths, so small swarms are asked several times: swarms of up to so many peers, so often. */
const SEEDS: readonly (readonly [peers: number, seeds: number])[] = [
  [30, 5],
  [100, 2],
  [Infinity, 1],
];

/** Groups that run only when they are named. */
const LONG: ReadonlySet<string> = new Set(['scale', 'ten-thousand']);

/** By group; each group is a question. */
const RUNS: Readonly<Record<string, readonly Scenario[]>> = {
  textbook: [1, 3, 10, 30, 100].map((downloaders) => scenario('textbook', { downloaders })),
  mixed: [1, 3, 10, 30, 100].map((downloaders) => scenario('mixed', { downloaders })),
  loss: [3, 10, 30, 100].map((downloaders) => scenario('loss', { downloaders })),
  // Half of thirty give nothing; beside them those who give, alone, and all thirty giving.
  'free-riders': [
    scenario('free-riders', { downloaders: 30 }),
    scenario('textbook', { downloaders: 15 }),
    scenario('textbook', { downloaders: 30 }),
  ],
  'flash-crowd': [scenario('flash-crowd')],
  'slow-seeder': [scenario('slow-seeder'), scenario('slow-seeder', { downloaders: 30 })],
  policies: [
    scenario('textbook', { picker: 'random' }),
    scenario('textbook', { picker: 'sequential' }),
    scenario('textbook', { choker: 'round-robin' }),
    scenario('slow-seeder', { picker: 'random' }),
    scenario('slow-seeder', { picker: 'sequential' }),
    scenario('slow-seeder', { choker: 'round-robin' }),
  ],
  scale: [scenario('scale')],
  'ten-thousand': [scenario('ten-thousand')],
};

/** Means over all seeds, where nothing else is said. */
interface Figure {
  /** The command that repeats the first run; the others differ in their seeds, which follow each other. */
  readonly replay: string;
  readonly seeds: number;
  readonly peers: number;
  readonly lost: number;
  readonly finished: boolean;
  /** The last of those who stayed, and the mean of them, over the lower bound. */
  readonly lastToBound: number;
  readonly worstLastToBound: number;
  readonly meanToBound: number;
  readonly contributorsMeanSeconds: number | null;
  readonly freeRidersMeanSeconds: number | null;
  readonly lastFirstPieceSeconds: number;
  readonly seederCopies: number;
  readonly wasteShare: number;
  /** Of the first run. */
  readonly digest: string;
}

function figureOf(first: Scenario): Figure {
  const seeds = SEEDS.find(([peers]) => first.downloaders <= peers)![1];
  const results = Array.from({ length: seeds }, (_, i) => runScenario({ ...first, seed: first.seed + i }));
  const mean = (of: (result: ScenarioResult) => number): number => rounded(meanOf(results, of));
  const lasts = results.map(({ report }) => report.ratioToBound);
  return {
    replay: replayCommand(first),
    seeds,
    peers: first.downloaders,
    lost: mean(({ lost }) => lost),
    finished: results.every(({ finished }) => finished),
    lastToBound: mean(({ report }) => report.ratioToBound),
    worstLastToBound: rounded(Math.max(...lasts)),
    meanToBound: mean(({ report }) => report.meanMs / report.boundMs),
    contributorsMeanSeconds: secondsOrNull(meanOf(results, (result) => result.contributorsMeanMs)),
    freeRidersMeanSeconds: secondsOrNull(meanOf(results, (result) => result.freeRidersMeanMs)),
    lastFirstPieceSeconds: mean(({ lastFirstPieceMs }) => lastFirstPieceMs / 1000),
    seederCopies: mean(({ report }) => report.seederCopies),
    wasteShare: mean(({ report }) => report.wasteShare),
    digest: results[0]!.digest,
  };
}

function secondsOrNull(ms: number): number | null {
  return Number.isNaN(ms) ? null : rounded(ms / 1000);
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}

function before(): Record<string, readonly Figure[]> {
  try {
    return JSON.parse(readFileSync(RESULTS, 'utf8')) as Record<string, readonly Figure[]>;
  } catch {
    return {}; // The first run: there is no file yet.
  }
}

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(RUNS, name));
if (unknown.length > 0) {
  console.error(`no such group: ${unknown.join(', ')}; there are ${Object.keys(RUNS).join(', ')}`);
  process.exit(2);
}
const results = before();
for (const [group, scenarios] of Object.entries(RUNS)) {
  if (wanted.length > 0 ? !wanted.includes(group) : LONG.has(group)) continue;
  results[group] = scenarios.map((each) => {
    const figure = figureOf(each);
    console.log(
      `${group.padEnd(12)} last ${figure.lastToBound.toFixed(3)} (${figure.worstLastToBound.toFixed(3)}) x bound, mean ${figure.meanToBound.toFixed(3)}, ` +
        `seeder sent ${figure.seederCopies.toFixed(2)} F, wasted ${(figure.wasteShare * 100).toFixed(1)}%  ${figure.replay}`,
    );
    return figure;
  });
}
mkdirSync(new URL('.', RESULTS), { recursive: true });
writeFileSync(RESULTS, JSON.stringify(results, null, 2) + '\n');
