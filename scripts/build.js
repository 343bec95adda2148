// Compiles src/ to dist/ from an empty folder, so that no file of a deleted source stays in the package, and bundles the
// command line. With --if-stale it does nothing while dist/ is newer than every source: npm runs `prepare` more often
// than sources change.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleCommandLine } from './bundle.js';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

if (process.argv.includes('--if-stale') && isFresh()) process.exit(0);
rmSync(dist, { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
await bundleCommandLine(dist);

function isFresh() {
  const sources = [
    ...['src', 'scripts'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true }).map((path) => join(root, folder, path)),
    ),
    join(root, 'tsconfig.json'),
    join(root, 'tsconfig.build.json'),
  ];
  const built = statSync(join(dist, 'command-line/main.js'), { throwIfNoEntry: false });
  return built !== undefined && sources.every((path) => statSync(path).mtimeMs < built.mtimeMs);
}
