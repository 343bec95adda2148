import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Child, run } from './support/child.ts';
import { installPackage, ROOT, typeErrors, type Consumer } from './support/consumer.ts';
import { Sandbox } from './support/sandbox.ts';
import { treeDigest, writeTree } from './support/tree.ts';

/**
 * What the README shows is true: its programs compile and run as they stand, in a folder that has `example.torrent`,
 * a swarm for it on this machine, and `photos/`. Only the tracker's name is replaced, and nobody is looked for on the
 * local network, since no test may leave the machine.
 */
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');
const examples = [...README.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map((match, i) => ({
  file: `example-${i + 1}.ts`,
  code: match[1]!,
}));
const shellLines = [...README.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].flatMap((match) =>
  match[1]!.split('\n'),
);

const PLACEHOLDER = 'http://tracker.example:6969/announce';

let consumer: Consumer;
let swarm: Sandbox;
let trackerUrl: string;

beforeAll(async () => {
  consumer = await installPackage('readme');
  swarm = new Sandbox();
  ({ http: trackerUrl } = await swarm.tracker());
  const source = swarm.folder('source');
  writeTree(join(source, 'example'), {
    'notes.txt': 3_000,
    'film.bin': 2_000_000,
    'subtitles/en.srt': 10_000,
  });
  const torrent = await swarm.create(join(source, 'example'), '--tracker', trackerUrl);
  await swarm.seed(torrent, source);
  writeFileSync(join(consumer.dir, 'example.torrent'), readFileSync(torrent));
  mkdirSync(join(consumer.dir, 'photos'));
  writeTree(join(consumer.dir, 'photos'), { 'a.jpg': 100_000, 'b.jpg': 200_000 });
}, 60_000);

afterAll(async () => {
  consumer?.remove();
  await swarm?.close();
});

describe('the programs of the README', () => {
  test('are there', () => expect(examples.length).toBeGreaterThanOrEqual(3));

  test('compile under a strict compiler', () => {
    for (const { file, code } of examples) writeFileSync(join(consumer.dir, file), code);
    expect(
      typeErrors(
        consumer,
        examples.map(({ file }) => file),
      ),
    ).toEqual([]);
  }, 60_000);

  test.each(examples)('$file runs to its end', async ({ file, code }) => {
    const kept = code
      .replaceAll(PLACEHOLDER, trackerUrl)
      .replaceAll('Client.open({', 'Client.open({ dht: false, lsd: false,');
    const compiled = ts.transpileModule(kept, {
      compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
    });
    const program = file.replace('.ts', '.js');
    writeFileSync(join(consumer.dir, program), compiled.outputText);
    const child = new Child(process.execPath, [program], {
      cwd: consumer.dir,
      env: { XDG_STATE_HOME: join(consumer.dir, 'state') },
    });
    try {
      // A program that seeds until Ctrl-C gets it once it has said something.
      if (code.includes("'SIGINT'")) {
        await child.line(/./);
        child.signal('SIGINT');
      }
      const { code: exitCode } = await child.exited();
      expect(child.stderr.filter((line) => /error/i.test(line))).toEqual([]);
      expect(exitCode).toBe(0);
    } finally {
      await child.stop();
    }
  });

  test('leave the whole download behind', () => {
    expect(treeDigest(join(consumer.dir, 'downloads/example'))).toEqual(
      treeDigest(swarm.path('source/example')),
    );
  });
});

describe('the commands of the README', () => {
  const calls = shellLines.flatMap((line) => {
    const match = /^(?:.* && )?(?:npx )?torrent-ts (\w+)([^#]*)/.exec(line);
    return match
      ? [{ line, command: match[1]!, flags: match[2]!.match(/(?<=\s)--?[a-z][\w-]*/g) ?? [] }]
      : [];
  });

  test('are there', () => expect(calls.length).toBeGreaterThan(5));

  test.each(calls)('$line: command and flags exist', async ({ command, flags }) => {
    const help = await run(process.execPath, [join(ROOT, 'bin/torrent-ts.js'), command, '--help']);
    expect(help).toContain(`torrent-ts ${command}`);
    for (const flag of flags) expect(help).toMatch(new RegExp(`(^|[\\s,])${flag}\\b`, 'm'));
  });
});

test('the README shows the command that passes the tests, as it is run everywhere', () => {
  expect(shellLines.join('\n')).toContain('npm ci && npm test');
  expect(shellLines.join('\n')).toContain('npm ci && npx torrent-ts demo');
});

test('npx runs the torrent-ts of the checkout', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const output = await run('npx', ['--offline', '--no', '--', 'torrent-ts', '--version'], { cwd: ROOT });
  expect(output.trim()).toBe(version);
});
