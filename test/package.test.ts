import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { run } from './support/child.ts';
import { installPackage, ROOT, typeErrors, type Consumer } from './support/consumer.ts';

/** The package as others get it: packed, installed into an empty folder, imported, compiled against and run. */
let consumer: Consumer;

beforeAll(async () => {
  consumer = await installPackage('package');
}, 60_000);
afterAll(() => consumer?.remove());

const node = (...args: string[]): Promise<string> => run(process.execPath, args, { cwd: consumer.dir });

test('holds the built program, its types and its documents, and nothing else', () => {
  const expected =
    /^(package\.json|README\.md|LICENSE|CHANGELOG\.md|bin\/torrent-ts\.js|bin\/package\.json|dist\/command-line\/package\.json|dist\/.+\.(js|d\.ts)|dist\/command-line\/THIRD-PARTY-LICENSES\.txt)$/;
  expect(consumer.packed.filter((path) => !expected.test(path))).toEqual([]);
  for (const path of ['README.md', 'LICENSE', 'CHANGELOG.md', 'bin/torrent-ts.js', 'dist/index.d.ts']) {
    expect(consumer.packed).toContain(path);
  }
});

test('holds no file whose source is gone', () => {
  const sources = consumer.packed
    .filter((path) => path.startsWith('dist/') && !path.startsWith('dist/command-line/'))
    .map((path) => path.replace(/^dist\//, 'src/').replace(/(\.d\.ts|\.js)$/, '.ts'));
  expect(sources.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test('tells the licence of every package that the bundled command line holds', () => {
  const licenses = readFileSync(
    join(consumer.installed, 'dist/command-line/THIRD-PARTY-LICENSES.txt'),
    'utf8',
  );
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) expect(licenses).toContain(`\n${name} `.trimStart());
  expect(licenses).not.toContain('(undefined)');
});

test('imports in an empty folder, with no dependency that it does not declare', async () => {
  writeFileSync(
    join(consumer.dir, 'names.js'),
    `import * as torrentTs from 'torrent-ts';
     import * as sim from 'torrent-ts/sim';
     console.log(JSON.stringify([Object.keys(torrentTs), Object.keys(sim)]));`,
  );
  const [names, simNames] = JSON.parse(await node('names.js')) as [string[], string[]];
  expect(names).toEqual(expect.arrayContaining(['Client', 'createTorrent', 'parseTorrent']));
  expect(names).not.toContain('default');
  expect(simNames).not.toEqual([]);
});

test('loads from a CommonJS program too', async () => {
  writeFileSync(
    join(consumer.dir, 'old.cjs'),
    `import('torrent-ts').then(({ parseTorrent }) => console.log(typeof parseTorrent));`,
  );
  expect(await node('old.cjs')).toBe('function');
});

test('keeps its insides closed', async () => {
  writeFileSync(
    join(consumer.dir, 'inside.js'),
    `import('torrent-ts/dist/client.js').catch((error) => console.log(error.code));`,
  );
  expect(await node('inside.js')).toBe('ERR_PACKAGE_PATH_NOT_EXPORTED');
});

test('has types that a strict compiler takes, declarations included', () => {
  writeFileSync(
    join(consumer.dir, 'types.ts'),
    `import { Client, createTorrent, parseTorrent, TorrentTsError } from 'torrent-ts';
     import type { AddOptions, ClientOptions, ErrorCode, MetaInfo, TorrentHandle, TorrentStats } from 'torrent-ts';
     export async function use(bytes: Uint8Array, options: ClientOptions, add: AddOptions): Promise<ErrorCode | number> {
       const metaInfo: MetaInfo = parseTorrent(bytes);
       await using client = await Client.open(options);
       try {
         const handle: TorrentHandle = await client.add(metaInfo, add);
         handle.on('piece', (piece) => piece.toFixed());
         for await (const stats of handle.progress({ intervalMs: 500 })) last(stats);
         return handle.stats.progress;
       } catch (error) {
         if (error instanceof TorrentTsError) return error.code;
         throw error;
       }
     }
     function last(stats: TorrentStats): number { return stats.downRate; }
     void createTorrent;`,
  );
  expect(typeErrors(consumer, ['types.ts'], true)).toEqual([]);
}, 60_000);

test('runs from the command line', async () => {
  const bin = join(consumer.installed, 'bin/torrent-ts.js');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  expect(await node(bin, '--version')).toBe(version);
  const help = await node(bin, '--help');
  expect(help).toContain('download');
  // The first call leaves behind what was compiled of it, the second takes it.
  const left = readdirSync(join(consumer.installed, 'dist/command-line'));
  expect(left.filter((name) => name.startsWith('help-') && name.endsWith('.cache'))).toHaveLength(1);
  expect(await node(bin, '--help')).toBe(help);
});

test('passes publint', async () => {
  const { messages, pkg } = await publint({ pkgDir: consumer.installed, strict: true, pack: false });
  expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
});

test('has types that are right for every way an ES module is resolved', async () => {
  const attw = join(ROOT, 'node_modules/@arethetypeswrong/cli/dist/index.js');
  // Ends with a code that is not zero if it finds a problem.
  await node(attw, consumer.archive, '--profile', 'esm-only', '--no-definitely-typed', '--no-color');
});
