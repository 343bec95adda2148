import { describe, expect, test } from 'vitest';
import { runScenario, type Scenario, type ScenarioResult } from '../../src/sim/scenario.ts';
import { scenario } from '../../src/sim/scenarios.ts';

/**
 * What swarms of this engine promise, small enough to be asked with every change. Margins are wide: `bench/swarm.ts`
 * keeps the figures themselves.
 */
const SMALL: Partial<Scenario> = { pieceCount: 128 };

function run(name: string, changes: Partial<Scenario>): ScenarioResult {
  const result = runScenario(scenario(name, { ...SMALL, ...changes }), 50_000);
  expect(result.finished).toBe(true);
  expect(result.report.corruptBytes).toBe(0);
  return result;
}

describe('swarms', { timeout: 30_000 }, () => {
  test.each([1, 3, 10])(
    'equal peers, %i of them: the last is within a tenth of the lower bound',
    (downloaders) => {
      const { report } = run('textbook', { downloaders });
      expect(report.ratioToBound).toBeGreaterThan(1);
      expect(report.ratioToBound).toBeLessThan(1.1);
      expect(report.wasteShare).toBeLessThan(0.05);
    },
  );

  test('peers with the help of each other are faster than any server alone', () => {
    const { report, serverBoundMs } = run('textbook', { downloaders: 20 });
    expect(report.lastMs).toBeLessThan(serverBoundMs / 2);
  });

  test.each([1, 2])(
    'uplinks of 1, 5 and 25 units: all are done near the bound, the slowest almost when the fastest are (seed %i)',
    (seed) => {
      const { report, meanMsByRate } = run('mixed', { downloaders: 10, pieceCount: 256, seed });
      expect(report.ratioToBound).toBeLessThan(1.3);
      expect(report.wasteShare).toBeLessThan(0.02);
      const [slow = NaN, , fast = NaN] = meanMsByRate;
      expect(slow / fast).toBeLessThan(1.25);
    },
  );

  test.each([1, 2])('and where a twentieth of the peers vanish each minute (seed %i)', (seed) => {
    const { report } = run('loss', { downloaders: 12, pieceCount: 256, seed });
    expect(report.ratioToBound).toBeLessThan(1.45);
  });

  test('whoever stays is served although a third of the peers vanish each minute', () => {
    const { lost, report } = run('loss', { downloaders: 12, lossPerMinute: 0.33 });
    expect(lost).toBeGreaterThan(2);
    expect(report.completed).toBe(12 - lost);
    expect(report.ratioToBound).toBeLessThan(3);
  });

  test('free riders come last, and those who give finish hardly later than if all gave', () => {
    const { contributorsMeanMs, freeRidersMeanMs } = run('free-riders', { downloaders: 20 });
    expect(contributorsMeanMs).toBeLessThan(0.9 * freeRidersMeanMs);
    const generous = run('textbook', { downloaders: 20 });
    expect(contributorsMeanMs).toBeLessThan(1.4 * generous.contributorsMeanMs);
  });

  test('in a crowd that comes at once nobody waits for a first piece as long as two copies of the file take', () => {
    const crowd = { downloaders: 25, pieceCount: 64 };
    const { scenario: of, lastFirstPieceMs, report } = run('flash-crowd', crowd);
    const copyMs = ((of.pieceCount * of.pieceLength) / (of.serverRate * of.unit)) * 1000;
    expect(lastFirstPieceMs).toBeLessThan(2 * copyMs);
    // In fact they need little more than one piece for each of them.
    expect(lastFirstPieceMs).toBeLessThan(copyMs);
    expect(report.ratioToBound).toBeLessThan(1.5);
  });

  test('a slow seeder sends hardly more than one copy before everybody is done', () => {
    const { report } = run('slow-seeder', {});
    expect(report.seederCopies).toBeLessThan(1.2);
    expect(report.ratioToBound).toBeLessThan(1.2);
  });
});
