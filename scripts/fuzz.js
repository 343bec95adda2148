// Runs the mutation tests of all parsers many times longer, from a new seed: `npm run fuzz [-- TIMES [SEED]]`.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const [times = '50', seed = String(randomInt(1, 2 ** 32))] = process.argv.slice(2);
if (!/^\d+$/.test(times) || !/^\d+$/.test(seed)) {
  console.error('usage: npm run fuzz [-- TIMES [SEED]]');
  process.exit(2);
}

const files = readdirSync(join(root, 'test'), { recursive: true })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => join('test', path))
  .filter((path) => readFileSync(join(root, path), 'utf8').includes('support/fuzz.ts'));

console.log(`${times} times the usual rounds; to repeat: npm run fuzz -- ${times} ${seed}`);
const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
const { status } = spawnSync(process.execPath, [vitest, 'run', '--test-timeout=0', ...files], {
  cwd: root,
  stdio: 'inherit',
  env: { ...process.env, TORRENT_TS_FUZZ_TIMES: times, TORRENT_TS_FUZZ_SEED: seed },
});
process.exit(status ?? 1);
