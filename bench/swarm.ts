/**
 * How swarms of this engine do in the simulator: how close they come to the lower bound, whom free riders hurt, how
 * long a crowd waits for its first pieces.
 *
 * Run: `node bench/run.js swarm`, or only some groups: `node bench/run.js swarm mixed loss`. What it finds goes to
 * `bench/results/swarm.json`; the same code and the same seed give the same file.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { replayCommand } from '../src/sim/replay.ts';
import { runScenario, type Scenario, type ScenarioResult } from '../src/sim/scenario.ts';
import { scenario } from '../src/sim/scenarios.ts';

const RESULTS = new URL(
  'bench/results/swarm.json',
  pathToFileURL(`${process.env.TORRENT_TS_BENCH_PROJECT ?? process.cwd()}/`),
);

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
};

interface Figure {
  readonly replay: string;
  readonly peers: number;
  readonly lost: number;
  readonly finished: boolean;
  /** The last of those who stayed, and the mean of them, over the lower bound. */
  readonly lastToBound: number;
  readonly meanToBound: number;
  readonly contributorsMeanSeconds: number | null;
  readonly freeRidersMeanSeconds: number | null;
  readonly lastFirstPieceSeconds: number;
  readonly seederCopies: number;
  readonly wasteShare: number;
  readonly digest: string;
}

function figureOf(result: ScenarioResult): Figure {
  const { report } = result;
  return {
    replay: replayCommand(result.scenario),
    peers: result.scenario.downloaders,
    lost: result.lost,
    finished: result.finished,
    lastToBound: rounded(report.ratioToBound),
    meanToBound: rounded(report.meanMs / report.boundMs),
    contributorsMeanSeconds: secondsOrNull(result.contributorsMeanMs),
    freeRidersMeanSeconds: secondsOrNull(result.freeRidersMeanMs),
    lastFirstPieceSeconds: rounded(result.lastFirstPieceMs / 1000),
    seederCopies: rounded(report.seederCopies),
    wasteShare: rounded(report.wasteShare),
    digest: result.digest,
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
  if (wanted.length > 0 && !wanted.includes(group)) continue;
  results[group] = scenarios.map((each) => {
    const figure = figureOf(runScenario(each));
    console.log(
      `${group.padEnd(12)} last ${figure.lastToBound.toFixed(3)} x bound, mean ${figure.meanToBound.toFixed(3)}, ` +
        `seeder sent ${figure.seederCopies.toFixed(2)} F, wasted ${(figure.wasteShare * 100).toFixed(1)}%  ${figure.replay}`,
    );
    return figure;
  });
}
mkdirSync(new URL('.', RESULTS), { recursive: true });
writeFileSync(RESULTS, JSON.stringify(results, null, 2) + '\n');
