import { setImmediate } from 'node:timers/promises';
import type {
  ChokerPolicy,
  Fidelity,
  PickerPolicy,
  Scenario,
  ScenarioResult,
  ScenarioRun,
} from '../../sim/index.ts';
import type { Context } from '../context.ts';
import { CliError, EXIT } from '../exit-codes.ts';
import { formatBytes, formatDuration, formatRate, plural } from '../format.ts';
import { refuseToOverwrite, writeWhole } from '../make-torrent.ts';
import { paintLine, segment } from '../style.ts';
import { boundPoints, fileSeconds, lastOf, type Figure, type Series } from '../swarm-figure.ts';
import { plotLines } from '../swarm-plot.ts';
import { figureSvg } from '../swarm-svg.ts';
import { renderTable, type Align } from '../table.ts';

export interface SimulateFlags {
  readonly scenario: string;
  readonly seed: number;
  readonly peers?: readonly number[];
  readonly pieces?: number;
  readonly pieceSize?: number;
  readonly rate?: number;
  readonly server?: number;
  readonly uplinks?: readonly number[];
  readonly downlinks?: number;
  readonly latency?: number;
  readonly links?: number;
  readonly slots?: number;
  readonly freeRiders?: number;
  readonly loss?: number;
  readonly join?: number;
  readonly pex?: boolean;
  readonly superSeed?: boolean;
  readonly leave?: boolean;
  readonly picker?: readonly PickerPolicy[];
  readonly choker?: readonly ChokerPolicy[];
  readonly grain?: number;
  readonly fidelity?: Fidelity;
  readonly limit?: number;
  readonly check?: number;
  readonly svg?: string;
  readonly force?: boolean;
  /** False for `--no-plot`. */
  readonly plot?: boolean;
  /** False for `--no-run`. */
  readonly run?: boolean;
}

type Simulator = typeof import('../../sim/index.ts');

/** As the figure needs them, and done in seconds. */
const TEXTBOOK_COUNTS = [1, 3, 10, 30];
/** From so many peers on small messages arrive together: it changes times by hundredths and halves the events. */
const COARSE_PEERS = 300;
const COARSE_GRAIN_MS = 20;
/** Virtual time between two looks at signals and progress. */
const STEP_MS = 100;

/** `torrent-ts simulate`: resolves to the exit code. */
export async function simulate(context: Context, flags: SimulateFlags): Promise<number> {
  if (flags.svg !== undefined && flags.svg !== '-') await refuseToOverwrite(flags.svg, flags.force === true);
  const simulator = await import('../../sim/index.ts');
  const base = scenarioOf(simulator, flags);
  const plans = plansOf(base, flags);
  tellPlan(context, base);
  const series: Series[] = [];
  for (const { label, scenarios } of plans) {
    const runs: ScenarioResult[] = [];
    for (const scenario of scenarios) {
      const run = startRun(simulator, scenario, flags.check ?? 0);
      runs.push(await finishRun(context, run, label));
    }
    series.push({ label, runs });
  }
  const figure: Figure = { scenario: base, bounds: boundPoints(base, formulasOf(simulator)), series };
  await show(context, simulator, figure, flags);
  const unfinished = series.flatMap(({ runs }) => runs).filter(({ finished }) => !finished);
  if (unfinished.length === 0) return EXIT.done;
  throw new CliError(
    `${plural(unfinished.length, 'run')} did not end within ${formatDuration(base.limitMs)} of virtual time; ` +
      `look at it with: ${simulator.replayCommand(unfinished[0]!.scenario)}`,
    EXIT.partial,
  );
}

function scenarioOf({ scenario }: Simulator, flags: SimulateFlags): Scenario {
  const { seed, freeRiders, loss, leave } = flags;
  const changes: { [Key in keyof Scenario]?: Scenario[Key] | undefined } = {
    seed,
    pieceCount: flags.pieces,
    pieceLength: flags.pieceSize,
    unit: flags.rate,
    serverRate: flags.server,
    upRates: flags.uplinks,
    downRate: flags.downlinks,
    latencyMs: flags.latency,
    links: flags.links,
    slots: flags.slots,
    freeRiders: freeRiders === undefined ? undefined : freeRiders / 100,
    lossPerMinute: loss === undefined ? undefined : loss / 100,
    joinWithinMs: flags.join,
    pex: flags.pex,
    superSeed: flags.superSeed,
    leaveWhenComplete: leave,
    grainMs: flags.grain,
    fidelity: flags.fidelity,
    limitMs: flags.limit,
  };
  const given = Object.entries(changes).filter(([, value]) => value !== undefined);
  return scenario(flags.scenario, Object.fromEntries(given));
}

interface Plan {
  readonly label: string;
  readonly scenarios: readonly Scenario[];
}

/** One series for each combination of policies, each with all numbers of peers. */
function plansOf(base: Scenario, flags: SimulateFlags): Plan[] {
  const peers = flags.peers ?? (base.name === 'textbook' ? TEXTBOOK_COUNTS : [base.downloaders]);
  const counts = flags.run === false ? [] : [...new Set(peers)].sort((a, b) => a - b);
  const pickers = [...new Set(flags.picker ?? [base.picker])];
  const chokers = [...new Set(flags.choker ?? [base.choker])];
  return pickers.flatMap((picker) =>
    chokers.map((choker) => ({
      label: [picker, choker].join(', '),
      scenarios: counts.map((downloaders) => ({
        ...base,
        downloaders,
        picker,
        choker,
        grainMs: flags.grain ?? grainFor(base, downloaders),
      })),
    })),
  );
}

function grainFor({ grainMs }: Scenario, downloaders: number): number {
  return grainMs === 0 && downloaders >= COARSE_PEERS ? COARSE_GRAIN_MS : grainMs;
}

function tellPlan({ terminal }: Context, scenario: Scenario): void {
  const { pieceCount, pieceLength, unit } = scenario;
  terminal.note(
    `${scenario.name}, seed ${scenario.seed}: ${plural(pieceCount, 'piece')} of ${formatBytes(pieceLength)}, ` +
      `u = ${formatRate(unit)}, so F/u = ${formatDuration(fileSeconds(scenario) * 1000)}`,
    'dim',
  );
}

function startRun({ ScenarioRun }: Simulator, scenario: Scenario, checkEvery: number): ScenarioRun {
  return told(() => new ScenarioRun(scenario, checkEvery));
}

/** Runs to the end, with an ear for signals. */
async function finishRun(context: Context, run: ScenarioRun, label: string): Promise<ScenarioResult> {
  const { terminal, interrupt, now } = context;
  const { scenario, swarm } = run;
  const startedAt = now();
  try {
    while (told(() => run.advance(STEP_MS))) {
      await setImmediate();
      interrupt.signal.throwIfAborted();
      if (terminal.progress !== 'bar') continue;
      const text =
        `${plural(scenario.downloaders, 'peer')}, ${label}: ${run.completed} complete ` +
        `after ${formatDuration(swarm.clock.now())} of virtual time`;
      terminal.show([[segment(text)]]);
    }
  } finally {
    terminal.hide();
  }
  const result = told(() => run.result());
  terminal.detail(
    `${plural(scenario.downloaders, 'peer')}, ${label}: ${plural(result.events, 'message')} in ` +
      `${formatDuration(now() - startedAt)}, digest ${result.digest}`,
  );
  return result;
}

/** What breaks in a simulated swarm is a bug of ours, and the message says how to see it again. */
function told<T>(step: () => T): T {
  try {
    return step();
  } catch (error) {
    throw new CliError(error instanceof Error ? error.message : String(error), EXIT.bug, { cause: error });
  }
}

function formulasOf({ ratesOf, clientServerSeconds, peerToPeerSeconds }: Simulator) {
  return {
    boundsOf: (scenario: Scenario) => {
      const rates = ratesOf(scenario);
      return {
        clientServerSeconds: clientServerSeconds(rates),
        peerToPeerSeconds: peerToPeerSeconds(rates),
      };
    },
  };
}

async function show(
  context: Context,
  simulator: Simulator,
  figure: Figure,
  flags: SimulateFlags,
): Promise<void> {
  const { terminal } = context;
  if (flags.svg === '-') {
    await terminal.resultBytes(new TextEncoder().encode(figureSvg(figure)));
    return;
  }
  if (flags.svg !== undefined) {
    await writeWhole(flags.svg, new TextEncoder().encode(figureSvg(figure)), flags.force === true);
  }
  if (terminal.json) {
    terminal.resultJson(jsonOf(figure, simulator));
    return;
  }
  const forPeople = terminal.stdoutIsTerminal;
  if (forPeople && flags.plot !== false) {
    for (const line of plotLines(figure, terminal.stdoutColumns, terminal.unicode)) {
      terminal.result(paintLine(line, terminal.stdoutColor).trimEnd());
    }
    terminal.result('');
  }
  for (const line of tableLines(figure, forPeople ? terminal.stdoutColumns : null)) terminal.result(line);
  if (flags.svg !== undefined) terminal.note(`drawn in ${flags.svg}`);
}

/** What narrower terminals get of a row: up to the ratio that it is all about. */
const NARROW_CELLS = 5;
const WIDE_COLUMNS = 72;
const HEADER = ['peers', 'server', 'bound', 'last', 'x bound', 'mean', 'seed sent', 'wasted', 'lost'];

/** For people as wide as their terminal, with a table for each series; for programs (null) all in one. */
function tableLines({ bounds, series }: Figure, columns: number | null): string[] {
  const forPeople = columns !== null;
  if (series.every(({ runs }) => runs.length === 0)) {
    const rows = bounds.map(({ peers, clientServer, peerToPeer }) => [
      String(peers),
      clientServer.toFixed(3),
      peerToPeer.toFixed(3),
    ]);
    return renderTable(forPeople ? [HEADER.slice(0, 3), ...rows] : rows, alignRight(3), forPeople);
  }
  if (!forPeople) {
    const rows = series.flatMap(({ label, runs }) => runs.map((run) => [...rowOf(run), label]));
    return renderTable(rows, [...alignRight(HEADER.length), 'left'], false);
  }
  const count = columns > WIDE_COLUMNS ? HEADER.length : NARROW_CELLS;
  return series.flatMap(({ label, runs }) => [
    ...(series.length > 1 ? [label] : []),
    ...renderTable(
      [HEADER, ...runs.map(rowOf)].map((row) => row.slice(0, count)),
      alignRight(count),
      true,
    ),
  ]);
}

function alignRight(count: number): Align[] {
  return new Array<Align>(count).fill('right');
}

/** Times in F/u, as in the figure. */
function rowOf(run: ScenarioResult): string[] {
  const { report, scenario } = run;
  const unitMs = fileSeconds(scenario) * 1000;
  return [
    String(scenario.downloaders),
    (run.serverBoundMs / unitMs).toFixed(3),
    (report.boundMs / unitMs).toFixed(3),
    run.finished ? lastOf(run).toFixed(3) : '-',
    run.finished ? report.ratioToBound.toFixed(3) : '-',
    Number.isNaN(report.meanMs) ? '-' : (report.meanMs / unitMs).toFixed(3),
    `${report.seederCopies.toFixed(2)} F`,
    `${(report.wasteShare * 100).toFixed(1)}%`,
    String(run.lost),
  ];
}

function jsonOf({ scenario, bounds, series }: Figure, { replayCommand }: Simulator) {
  return {
    scenario,
    fileSeconds: fileSeconds(scenario),
    bounds,
    runs: series.flatMap(({ label, runs }) =>
      runs.map((run) => ({
        policies: label,
        peers: run.scenario.downloaders,
        finished: run.finished,
        seconds: run.virtualMs / 1000,
        clientServerSeconds: run.serverBoundMs / 1000,
        peerToPeerSeconds: run.peersBoundMs / 1000,
        contributorsMeanSeconds: numberOrNull(run.contributorsMeanMs / 1000),
        freeRidersMeanSeconds: numberOrNull(run.freeRidersMeanMs / 1000),
        lastFirstPieceSeconds: run.lastFirstPieceMs / 1000,
        lost: run.lost,
        report: run.report,
        digest: run.digest,
        replay: replayCommand(run.scenario),
      })),
    ),
  };
}

function numberOrNull(value: number): number | null {
  return Number.isFinite(value) ? value : null;
}
