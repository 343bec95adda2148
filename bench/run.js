// run.js NAME [ARGUMENT...]: compiles src/ and bench/ to a folder of their own and runs bench/NAME.ts from there, because
// the Node releases that we support do not read TypeScript. What is compiled is not checked; `npm run typecheck` does that.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = join(root, 'node_modules', '.cache', 'torrent-ts-bench');
const [name = 'suite', ...rest] = process.argv.slice(2);
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');

rmSync(out, { recursive: true, force: true });
const { status } = spawnSync(process.execPath, [tsc, '-p', 'bench/tsconfig.json', '--outDir', out], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
const script = join(out, 'bench', `${name}.js`);
process.env.TORRENT_TS_BENCH_PROJECT = root;
process.argv = [process.execPath, script, ...rest];
await import(pathToFileURL(script).href);
