import { afterEach, describe, expect, test, vi } from 'vitest';
import { PiecePicker } from '../../src/engine/picker/piece-picker.ts';
import { Greeter } from '../../src/engine/greeter.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';

const bug = new TypeError('x is undefined');
afterEach(() => vi.restoreAllMocks());

function swarm(): SimSwarm {
  const made = new SimSwarm({ seed: 5, torrent: { pieceCount: 20 }, checkEvery: 0 });
  made.add({ pieces: 'all', upBytesPerSec: 1e6 });
  made.addMany(3, { upBytesPerSec: 1e6 });
  return made;
}

/** The causes of what was thrown, from the outermost to the innermost. */
function causesOf(run: () => void): unknown[] {
  const causes: unknown[] = [];
  try {
    run();
  } catch (error) {
    for (let next: unknown = error; next instanceof Error; next = next.cause) causes.push(next);
  }
  return causes;
}

describe('a bug of the engine ends a simulated run at once, without any check,', () => {
  test('though the boundary of its torrent catches it', () => {
    const made = swarm();
    made.runFor(300);
    vi.spyOn(PiecePicker.prototype, 'onReceived').mockImplementation(() => {
      throw bug;
    });
    expect(causesOf(() => made.runToCompletion(3_600_000))).toContain(bug);
    expect(made.clock.now()).toBeLessThan(60_000);
  });

  test('in what no torrent has to do with', () => {
    const made = swarm();
    vi.spyOn(Greeter.prototype, 'find').mockImplementation(() => {
      throw bug;
    });
    expect(causesOf(() => made.runToCompletion(3_600_000))).toContain(bug);
  });
});
