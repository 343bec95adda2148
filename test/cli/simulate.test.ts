import { readFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { simulate, type SimulateFlags } from '../../src/cli/commands/simulate.ts';
import { exitCodeOf } from '../../src/cli/exit-codes.ts';
import { createProgram } from '../../src/cli/program.ts';
import { SCENARIOS } from '../../src/sim/scenarios.ts';
import { stage } from './support/fake-library.ts';
import { ScreenModel } from './support/fake-terminal.ts';

/** Done in no time: sixteen pieces of one block. */
const SMALL: SimulateFlags = {
  scenario: 'textbook',
  seed: 1,
  peers: [3, 1],
  pieces: 16,
  pieceSize: 16_384,
  rate: 65_536,
};

let dir: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'torrent-ts-simulate-'));
});

afterEach(() => rm(dir, { recursive: true, force: true }));

describe('simulate', () => {
  test('in a pipe: one row of tabs for each swarm, in the order of their size, and no escape sequences', async () => {
    const { context, stdout, stderr } = stage();
    expect(await simulate(context, SMALL)).toBe(0);
    const rows = stdout.lines.map((line) => line.split('\t'));
    expect(rows.map(([peers]) => peers)).toEqual(['1', '3']);
    expect(rows.map((row) => row.length)).toEqual([10, 10]);
    // With one peer both formulas are F/us; with three a server needs three times as long.
    expect(rows.map(([, server, bound]) => [server, bound])).toEqual([
      ['0.100', '0.100'],
      ['0.300', '0.231'],
    ]);
    expect(Number(rows[1]![4])).toBeGreaterThan(1);
    expect(stdout.text + stderr.text).not.toContain('\x1b');
  });

  test('as JSON: every number of every run, and the command that repeats it', async () => {
    const { context, events } = stage({ terminal: { json: true } });
    await simulate(context, { ...SMALL, freeRiders: 34, picker: ['random', 'rarest-first'] });
    const [{ bounds, runs }] = events() as [{ bounds: { peers: number }[]; runs: Record<string, unknown>[] }];
    expect(bounds[0]).toEqual({ peers: 1, clientServer: 0.1, peerToPeer: 0.1 });
    expect(bounds.at(-1)).toMatchObject({ peers: 10_000, clientServer: 1000 });
    expect(runs.map(({ policies, peers, finished }) => [policies, peers, finished])).toEqual([
      ['random, tit-for-tat', 1, true],
      ['random, tit-for-tat', 3, true],
      ['rarest-first, tit-for-tat', 1, true],
      ['rarest-first, tit-for-tat', 3, true],
    ]);
    expect(runs[1]!.replay).toBe(
      'torrent-ts simulate --scenario textbook --seed 1 --peers 3 --pieces 16 --piece-size 16384 --rate 65536 ' +
        '--free-riders 34 --picker random',
    );
    expect(runs[1]!.freeRidersMeanSeconds).toBeGreaterThan(0);
    expect(runs[0]!.freeRidersMeanSeconds).toBeNull();
  });

  test('the command that it prints gives the same again, byte for byte', async () => {
    const { context, stdout, events } = stage({ terminal: { json: true } });
    const odd = { ...SMALL, scenario: 'loss', peers: [5], loss: 90, freeRiders: 20, join: 1500, rate: 8192 };
    await simulate(context, {
      ...odd,
      uplinks: [1, 7],
      slots: 2,
      superSeed: true,
      pex: false,
      picker: ['random'],
    });
    const [{ runs }] = events() as [{ runs: { replay: string; lost: number }[] }];
    const [first] = runs;
    expect(first!.lost).toBeGreaterThan(0);
    const [, ...args] = first!.replay.split(' ');
    const again = stage({ terminal: { json: true } });
    const ends: number[] = [];
    const program = createProgram('0', {
      context: () => again.context,
      done: (code) => ends.push(code),
      write: () => undefined,
      writeError: () => undefined,
    });
    await program.parseAsync([...args, '--json'], { from: 'user' });
    expect(ends).toEqual([0]);
    expect(again.stdout.text).toBe(stdout.text);
  });

  test.each([120, 80, 40, 20])(
    'on a terminal of %i columns: the figure, and nothing wraps',
    async (columns) => {
      const { context, stdout } = stage({ terminal: { tty: true, columns, color: 'never' } });
      await simulate(context, SMALL);
      const screen = new ScreenModel(1000);
      screen.feed(stdout.text);
      expect(screen.rows.join('\n')).toContain('o  rarest-first');
      const drawn = screen.rows.filter((row) => /[│└]/.test(row));
      expect(drawn).toHaveLength(17);
      if (columns >= 40) {
        for (const row of screen.rows.filter((row) => !row.includes('until'))) {
          expect(row.length).toBeLessThanOrEqual(columns);
        }
      }
    },
  );

  test('draws an SVG file, and replaces one only if told to', async () => {
    const svg = join(dir, 'figure.svg');
    const { context } = stage();
    await simulate(context, { ...SMALL, svg });
    const drawn = await readFile(svg, 'utf8');
    expect(drawn).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" .*<\/svg>\n$/s);
    expect(drawn).not.toContain('NaN');
    // Both swarms, in both panels and in the legend.
    expect(drawn.match(/<circle/g)).toHaveLength(5);
    const again = simulate(stage().context, { ...SMALL, svg });
    await expect(again).rejects.toThrow(/exists already; --force replaces it/);
    expect(await simulate(stage().context, { ...SMALL, svg, force: true })).toBe(0);
    expect(await readFile(svg, 'utf8')).toBe(drawn);
  });

  test('tells the formulas alone', async () => {
    const { context, stdout } = stage();
    expect(await simulate(context, { ...SMALL, run: false })).toBe(0);
    expect(stdout.lines[9]!.split('\t')).toEqual(['10', '1.000', '0.500']);
    expect(stdout.lines.at(-1)!.split('\t')).toEqual(['10000', '1000.000', '0.999']);
  });

  test('a swarm that does not end in time is code 7, with the command to look at it', async () => {
    const { context, stdout } = stage();
    const error: unknown = await simulate(context, { ...SMALL, peers: [3], limit: 200 }).catch(
      (reason: unknown) => reason,
    );
    expect(exitCodeOf(error)).toBe(7);
    expect(String(error)).toMatch(/1 run did not end .*--seed 1 --peers 3 .*--limit 200ms$/);
    expect(stdout.lines[0]!.split('\t').slice(3, 6)).toEqual(['-', '-', '-']);
  });

  test('a signal ends it between two steps', async () => {
    const { context, signal } = stage();
    const run = simulate(context, { ...SMALL, peers: [30], pieces: 2000 });
    setImmediate(() => signal('SIGINT'));
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
    context.interrupt.dispose();
  });

  test.each([
    ['textbook', ['--no-pex', '--leave', '--super-seed'], { pex: false, leave: true, superSeed: true }],
    ['ten-thousand', ['--pex', '--no-leave'], { pex: true, leave: false }],
    ['textbook', [], {}],
  ])('in %s %j means what it says, and nothing is said without a flag', async (name, args, meant) => {
    const program = createProgram('0', {
      context: () => stage().context,
      done: () => undefined,
      write: () => undefined,
      writeError: () => undefined,
    });
    const command = program.commands.find((each) => each.name() === 'simulate')!;
    command.action(() => undefined);
    await program.parseAsync(['simulate', '--scenario', name, ...args], { from: 'user' });
    const { pex, leave, superSeed } = command.opts<SimulateFlags>();
    expect(JSON.parse(JSON.stringify({ pex, leave, superSeed }))).toEqual(meant);
  });

  test('the help names the scenarios that there are', () => {
    const program = createProgram('0', {
      context: () => stage().context,
      done: () => undefined,
      write: () => undefined,
      writeError: () => undefined,
    });
    const command = program.commands.find((each) => each.name() === 'simulate')!;
    const option = command.options.find(({ long }) => long === '--scenario')!;
    expect(option.argChoices).toEqual(Object.keys(SCENARIOS));
  });
});
