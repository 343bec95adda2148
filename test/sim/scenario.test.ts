import { describe, expect, test } from 'vitest';
import { clientServerSeconds, peerToPeerSeconds } from '../../src/sim/bounds.ts';
import { replayCommand } from '../../src/sim/replay.ts';
import { runScenario, ScenarioRun, type Scenario } from '../../src/sim/scenario.ts';
import { scenario, SCENARIOS } from '../../src/sim/scenarios.ts';

const SMALL: Partial<Scenario> = { downloaders: 6, pieceCount: 24, pieceLength: 16_384, unit: 65_536 };

describe('the bounds', () => {
  test('are those of the textbook: F/u = 1 hour, us = 10u, dmin = us', () => {
    const hours = (peers: number) => {
      const rates = { length: 3600, server: 10, up: new Array<number>(peers).fill(1), slowestDown: 10 };
      return [clientServerSeconds(rates) / 3600, peerToPeerSeconds(rates) / 3600];
    };
    expect(hours(1)).toEqual([0.1, 0.1]);
    expect(hours(10)).toEqual([1, 0.5]);
    expect(hours(30)).toEqual([3, 0.75]);
    expect(hours(10_000)[1]).toBeLessThan(1);
  });

  test('a slow downlink or a slow server binds both', () => {
    const rates = { length: 100, server: 10, up: [10, 10], slowestDown: 2 };
    expect(peerToPeerSeconds(rates)).toBe(50);
    expect(clientServerSeconds(rates)).toBe(50);
    expect(peerToPeerSeconds({ ...rates, server: 1 })).toBe(100);
  });
});

describe('a scenario', () => {
  test('runs the same way whether in one go or in steps, and another way with another seed', () => {
    const small = scenario('mixed', { ...SMALL, lossPerMinute: 0.9, joinWithinMs: 2000 });
    const result = runScenario(small);
    const run = new ScenarioRun(small);
    while (run.advance(70)) expect(run.completed).toBeLessThanOrEqual(6);
    expect(run.result()).toEqual(result);
    expect(runScenario(small)).toEqual(result);
    expect(runScenario({ ...small, seed: 2 }).digest).not.toBe(result.digest);
  });

  test('finishes when all who stayed are complete, and tells how many were lost', () => {
    const result = runScenario(
      scenario('loss', { ...SMALL, downloaders: 12, lossPerMinute: 0.999, unit: 8192 }),
      5000,
    );
    expect(result.finished).toBe(true);
    expect(result.lost).toBeGreaterThan(0);
    expect(result.report).toMatchObject({ downloaders: 12 - result.lost, completed: 12 - result.lost });
  });

  test('has every second peer take and not give, and counts their uplinks for nothing', () => {
    const result = runScenario(scenario('free-riders', SMALL));
    expect(result.freeRidersMeanMs).toBeGreaterThan(0);
    expect(result.report.leastShared).toBe(0);
    // F = 6 s at u: six copies by a server of 10u and three peers.
    expect(result.peersBoundMs).toBeCloseTo((6 * 6000) / 13);
  });

  test('ends at its limit, unfinished', () => {
    const result = runScenario(scenario('textbook', { ...SMALL, limitMs: 300 }));
    expect(result).toMatchObject({ finished: false, virtualMs: 300 });
  });

  test('goes another way, and comes to the same, when links carry bytes', () => {
    const bytes = runScenario(scenario('textbook', { ...SMALL, fidelity: 'bytes' }), 2000);
    const messages = runScenario(scenario('textbook', SMALL), 2000);
    expect(bytes.finished).toBe(true);
    expect(bytes.digest).not.toBe(messages.digest);
    expect(bytes.report.ratioToBound / messages.report.ratioToBound).toBeCloseTo(1, 0);
  });

  test('of a coarse network takes fewer events and ends almost at the same time', () => {
    const fine = runScenario(scenario('textbook', { ...SMALL, downloaders: 12, pieceCount: 200 }), 2000);
    const coarse = runScenario(
      scenario('textbook', { ...SMALL, downloaders: 12, pieceCount: 200, grainMs: 20 }),
      2000,
    );
    expect(coarse.finished).toBe(true);
    expect(coarse.report.lastMs / fine.report.lastMs).toBeGreaterThan(0.9);
    expect(coarse.report.lastMs / fine.report.lastMs).toBeLessThan(1.1);
  });

  test('leaves when complete, if it says so', () => {
    const run = new ScenarioRun(scenario('textbook', { ...SMALL, leaveWhenComplete: true }));
    run.advance(Infinity);
    run.swarm.runFor(1000);
    expect(run.swarm.peers.filter((peer) => peer.isRunning)).toHaveLength(1);
  });

  test('the ways to pick and to choke make a difference', () => {
    const digests = new Set(
      [{}, { picker: 'random' }, { picker: 'sequential' }, { choker: 'round-robin' }].map(
        (policy) =>
          runScenario(
            scenario('mixed', { ...SMALL, slots: 1, downloaders: 9, ...(policy as Partial<Scenario>) }),
          ).digest,
      ),
    );
    expect(digests.size).toBe(4);
  });

  test('names the command that repeats it when something breaks', () => {
    const run = new ScenarioRun(
      scenario('textbook', { ...SMALL, seed: 9, freeRiders: 0.25, leaveWhenComplete: true }),
    );
    run.swarm.clock.at(40, () => {
      throw new RangeError('broken');
    });
    expect(() => run.advance(Infinity)).toThrow(
      'the run with seed 9 broke at 40 ms; repeat with: torrent-ts simulate --scenario textbook --seed 9 --peers 6 ' +
        '--pieces 24 --piece-size 16384 --rate 65536 --free-riders 25 --leave',
    );
  });

  test('a request that only one end knows of ends the run', () => {
    const run = new ScenarioRun(scenario('slow-seeder', { ...SMALL, unit: 16_384 }), 1);
    run.swarm.clock.at(3000, () => {
      // The seeder forgets whom it owes what, and tells nobody.
      for (const { server } of run.swarm.peers[0]!.torrent!.swarm.sessions) server.close();
    });
    expect(() => run.advance(Infinity)).toThrow(/broke at 3000 ms/);
  });

  test('a seeder that hides what it has serves everybody too', () => {
    const result = runScenario(scenario('slow-seeder', { ...SMALL, superSeed: true }), 1000);
    expect(result.finished).toBe(true);
    expect(result.digest).not.toBe(runScenario(scenario('slow-seeder', SMALL)).digest);
  });

  test('a bug of the engine ends the run, although it stops but one torrent', () => {
    const run = new ScenarioRun(scenario('textbook', SMALL), 1);
    const torrent = () => run.swarm.peers[1]!.torrent!;
    run.swarm.clock.at(500, () => torrent().onBug(new TypeError('a bug of ours')));
    expect(() => run.advance(Infinity)).toThrow(/broke at 500 ms/);
  });

  test.each(Object.keys(SCENARIOS))('%s is known by its name', (name) => {
    expect(scenario(name).name).toBe(name);
    expect(replayCommand(scenario(name))).toMatch(`--scenario ${name} --seed 1`);
  });

  test('an unknown name is refused', () => {
    expect(() => scenario('toString')).toThrow('no scenario is called toString');
  });
});
