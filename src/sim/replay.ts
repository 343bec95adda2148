import type { Scenario } from './scenario.ts';
import { scenario as named } from './scenarios.ts';

/** How the command line tells each number of a scenario. */
const OPTIONS: readonly [keyof Scenario, (scenario: Scenario) => string][] = [
  ['pieceCount', ({ pieceCount }) => `--pieces ${pieceCount}`],
  ['pieceLength', ({ pieceLength }) => `--piece-size ${pieceLength}`],
  ['unit', ({ unit }) => `--rate ${unit}`],
  ['serverRate', ({ serverRate }) => `--server ${serverRate}`],
  ['upRates', ({ upRates }) => `--uplinks ${upRates.join(':')}`],
  ['downRate', ({ downRate }) => `--downlinks ${downRate}`],
  ['latencyMs', ({ latencyMs }) => `--latency ${latencyMs}ms`],
  ['links', ({ links }) => `--links ${links}`],
  ['slots', ({ slots }) => `--slots ${slots}`],
  ['freeRiders', ({ freeRiders }) => `--free-riders ${percent(freeRiders)}`],
  ['lossPerMinute', ({ lossPerMinute }) => `--loss ${percent(lossPerMinute)}`],
  ['joinWithinMs', ({ joinWithinMs }) => `--join ${joinWithinMs}ms`],
  ['pex', ({ pex }) => (pex ? '--pex' : '--no-pex')],
  ['superSeed', ({ superSeed }) => (superSeed ? '--super-seed' : '--no-super-seed')],
  ['leaveWhenComplete', ({ leaveWhenComplete }) => (leaveWhenComplete ? '--leave' : '--no-leave')],
  ['picker', ({ picker }) => `--picker ${picker}`],
  ['choker', ({ choker }) => `--choker ${choker}`],
  ['grainMs', ({ grainMs }) => `--grain ${grainMs}ms`],
  ['fidelity', ({ fidelity }) => `--fidelity ${fidelity}`],
  ['limitMs', ({ limitMs }) => `--limit ${limitMs}ms`],
];

/** The command that repeats a run, event by event. */
export function replayCommand(scenario: Scenario): string {
  const { name, seed, downloaders } = scenario;
  const usual = named(name);
  const words = OPTIONS.filter(([key]) => String(scenario[key]) !== String(usual[key])).map(([, tell]) =>
    tell(scenario),
  );
  return [`torrent-ts simulate --scenario ${name} --seed ${seed} --peers ${downloaders}`, ...words].join(' ');
}

function percent(share: number): number {
  return Number((share * 100).toFixed(6));
}
