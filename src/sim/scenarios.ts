import type { Scenario } from './scenario.ts';

/** What scenarios are made of unless they say otherwise: F/u is a bit over two minutes, and us = dmin = 10u. */
const BASE: Scenario = {
  name: 'textbook',
  seed: 1,
  downloaders: 30,
  pieceCount: 256,
  pieceLength: 65_536,
  unit: 131_072,
  serverRate: 10,
  upRates: [1],
  downRate: 10,
  latencyMs: 5,
  links: 55,
  slots: 0,
  freeRiders: 0,
  lossPerMinute: 0,
  joinWithinMs: 0,
  pex: true,
  superSeed: false,
  leaveWhenComplete: false,
  picker: 'rarest-first',
  choker: 'tit-for-tat',
  grainMs: 0,
  fidelity: 'messages',
  limitMs: 6 * 3_600_000,
};

/** The slowest are as slow as a modem once was, so that the run takes minutes and not one choke round. */
const MIXED: Scenario = { ...BASE, name: 'mixed', unit: 16_384, upRates: [1, 5, 25], downRate: 50 };

/** Questions that are asked again and again. The first line of each is what the command line tells of it. */
export const SCENARIOS: Readonly<Record<string, { readonly about: string; readonly scenario: Scenario }>> = {
  textbook: {
    about: 'equal peers and a seeder ten times as fast: the figure of the textbook',
    scenario: BASE,
  },
  mixed: {
    about: 'uplinks of 1, 5 and 25 units',
    scenario: MIXED,
  },
  loss: {
    about: 'uplinks of 1, 5 and 25 units, and every minute 5 % of the peers vanish',
    scenario: { ...MIXED, name: 'loss', lossPerMinute: 0.05 },
  },
  'free-riders': {
    about: 'half of the peers give nothing',
    scenario: { ...BASE, name: 'free-riders', freeRiders: 0.5 },
  },
  'flash-crowd': {
    about: 'a hundred join at once, and the seeder is no faster than they are',
    scenario: { ...BASE, name: 'flash-crowd', downloaders: 100, serverRate: 1 },
  },
  'slow-seeder': {
    about: 'the seeder is no faster than the others: what it sends twice is time lost',
    scenario: { ...BASE, name: 'slow-seeder', downloaders: 10, serverRate: 1 },
  },
  scale: {
    about: 'a thousand clients with forty connections each, at the coarse grain of large swarms',
    scenario: {
      ...BASE,
      name: 'scale',
      downloaders: 1000,
      pieceLength: 16_384,
      unit: 100_000,
      links: 40,
      pex: false,
      grainMs: 50,
    },
  },
  'ten-thousand': {
    about: 'ten thousand clients with sixteen connections each and fewer pieces',
    scenario: {
      ...BASE,
      name: 'ten-thousand',
      downloaders: 10_000,
      pieceCount: 64,
      pieceLength: 16_384,
      unit: 32_768,
      links: 16,
      pex: false,
      grainMs: 100,
    },
  },
};

/**
 * A scenario by its name, with changes.
 * @throws RangeError for a name that is not among `SCENARIOS`.
 */
export function scenario(name: string, changes: Partial<Scenario> = {}): Scenario {
  const found = Object.hasOwn(SCENARIOS, name) ? SCENARIOS[name] : undefined;
  if (found === undefined) throw new RangeError(`no scenario is called ${name}`);
  return { ...found.scenario, ...changes, name };
}
