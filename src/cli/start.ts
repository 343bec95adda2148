import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CodeCache } from './code-cache.ts';

/**
 * How the bundled command line starts: a loader for the CommonJS files beside this one that hands V8 what it compiled of
 * them before. It exists for speed alone; `main.ts` is where the program begins.
 */

interface Chunk {
  exports: unknown;
}

type ChunkFunction = (
  module: Chunk,
  exports: unknown,
  require: (id: string) => unknown,
  __filename: string,
) => void;

/** Each calls other functions. Nothing is loaded yet that could be asked. */
export const COMMANDS: ReadonlySet<string> = new Set([
  'download',
  'seed',
  'create',
  'info',
  'magnet',
  'verify',
  'scrape',
  'tracker',
  'dht',
  'demo',
  'simulate',
  'completions',
]);

/** By then the first rush is over, and most of what a command calls was called. */
const STARTED_MS = 30_000;

const HERE = dirname(fileURLToPath(import.meta.url));
const requireOther = createRequire(import.meta.url);

/** The process of the command line, from its arguments to its exit code. */
export async function start(args: readonly string[]): Promise<void> {
  const command = args.find((arg) => COMMANDS.has(arg)) ?? 'help';
  const cache = new CodeCache(HERE, command);
  process.on('exit', (code) => {
    if (code === 0) cache.save();
  });
  // Who seeds is killed in the end.
  setTimeout(() => cache.save(), STARTED_MS).unref();
  const chunks = new Map<string, Chunk>();
  const load = (id: string): unknown => {
    if (!id.startsWith('./')) return requireOther(id);
    let chunk = chunks.get(id);
    if (!chunk) {
      chunk = { exports: {} };
      chunks.set(id, chunk);
      const file = join(HERE, id);
      const run = cache.compile(file, readFileSync(file)).runInThisContext() as ChunkFunction;
      run(chunk, chunk.exports, load, file);
    }
    return chunk.exports;
  };
  const { main } = load('./main.js') as typeof import('./main.ts');
  await main(args);
}
