import { Rng } from '../../src/util/rng.ts';

/**
 * Chance and length of mutation tests. Under `npm test` they are short and always the same; `npm run fuzz` makes them
 * many times longer and starts from another seed each time, which it prints.
 */
const TIMES = Number(process.env.TORRENT_TS_FUZZ_TIMES ?? 1);
const SEED = Number(process.env.TORRENT_TS_FUZZ_SEED ?? 0);

/** As many rounds as the run asks for where a plain test has `count`. */
export function rounds(count: number): number {
  return count * TIMES;
}

/** The generator of a plain test's `seed`, or one of the run's own. */
export function fuzzRng(seed: number): Rng {
  return new Rng((seed ^ SEED) >>> 0);
}
