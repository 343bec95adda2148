// Compiles src/ to dist/ from an empty folder, so that no file of a deleted source stays in the package. With
// --if-stale it does nothing while dist/ is newer than every source: npm runs `prepare` more often than sources change.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const dist = join(root, 'dist');

if (process.argv.includes('--if-stale') && isFresh()) process.exit(0);
rmSync(dist, { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
process.exit(status ?? 1);

function isFresh() {
  const sources = [
    ...readdirSync(join(root, 'src'), { recursive: true }).map((path) => join(root, 'src', path)),
    join(root, 'tsconfig.json'),
    join(root, 'tsconfig.build.json'),
  ];
  const built = statSync(join(dist, 'index.js'), { throwIfNoEntry: false });
  return built !== undefined && sources.every((path) => statSync(path).mtimeMs < built.mtimeMs);
}
