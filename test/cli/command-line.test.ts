import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Sandbox } from '../support/sandbox.ts';
import { noise } from '../support/tree.ts';
import { bencode } from '../support/torrent-maker.ts';

/** The command line as a process: what it writes, what it loads, how it ends. */
const BIN = fileURLToPath(new URL('../../bin/torrent-ts.js', import.meta.url));
/** Names as an attacker would choose them. */
const NASTY_NAME = 'evil\x1b]0;owned\x07\x9b2J\u202egnp';
// eslint-disable-next-line no-control-regex -- looking for control characters is the point
const RAW_CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

function torrentFile(options: { files?: number; comment?: string } = {}): string {
  const path = sandbox.path('nasty.torrent');
  const files = Array.from({ length: options.files ?? 2 }, (_, i) => ({
    length: 1000 + i,
    path: [`${i} ${NASTY_NAME}`],
  }));
  const length = files.reduce((sum, file) => sum + file.length, 0);
  const pieceLength = 16_384;
  const pieces = noise('pieces', 20 * Math.ceil(length / pieceLength));
  const info = { name: 'folder', 'piece length': pieceLength, pieces, files };
  writeFileSync(
    path,
    bencode({
      announce: 'http://127.0.0.1:1/announce',
      'announce-list': [
        ['http://127.0.0.1:1/announce', 'udp://127.0.0.1:1/announce'],
        ['http://127.0.0.1:2/announce'],
      ],
      comment: options.comment ?? `hello ${NASTY_NAME}`,
      'created by': 'somebody',
      'creation date': 1_700_000_000,
      'url-list': ['http://127.0.0.1:3/files/'],
      info,
    }),
  );
  return path;
}

describe('--help', () => {
  test('loads nothing of the library, so that it answers at once', () => {
    const coverage = sandbox.folder('coverage');
    const { status, stdout } = spawnSync(process.execPath, [BIN, '--help'], {
      encoding: 'utf8',
      env: { ...process.env, NODE_V8_COVERAGE: coverage },
    });
    expect(status).toBe(0);
    expect(stdout).toContain('Usage: torrent-ts');
    const [report] = readdirSync(coverage);
    const { result } = JSON.parse(readFileSync(join(coverage, report!), 'utf8')) as {
      result: { url: string }[];
    };
    const loaded = result.map(({ url }) => url).filter((url) => url.startsWith('file:'));
    const built = loaded.filter((url) => !url.includes('/bin/'));
    expect(built.length).toBeGreaterThan(0);
    expect(built.filter((url) => !url.includes('/dist/command-line/'))).toEqual([]);
    const texts = built.map((url) => readFileSync(new URL(url), 'utf8'));
    expect(texts.filter((text) => /class (Engine|Client) /.test(text))).toEqual([]);
  });

  test('and --version go to stdout with code 0', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
      version: string;
    };
    expect(await sandbox.run('--version')).toMatchObject({ code: 0, stdout: version, stderr: '' });
    expect(await sandbox.run('help', 'download')).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('usage errors', () => {
  test('are one line on stderr and code 2', async () => {
    const { code, stdout, stderr } = await sandbox.run('download', 'x.torrent', '--prot', '5');
    expect({ code, stdout, stderr }).toEqual({
      code: 2,
      stdout: '',
      stderr: "torrent-ts: unknown option '--prot' (did you mean --port?)",
    });
  });

  test('without any argument are the help on stderr, once', async () => {
    const { code, stdout, stderr } = await sandbox.run();
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr.match(/Usage: /g)).toHaveLength(1);
  });
});

describe('info', () => {
  test('--json prints exactly the documented object, with texts as they are in the torrent', async () => {
    const { code, stdout, stderr } = await sandbox.run('info', torrentFile(), '--json');
    expect(code).toBe(0);
    expect(stderr).toBe('');
    expect(stdout).not.toMatch(RAW_CONTROLS);
    const info = JSON.parse(stdout) as Record<string, unknown> & { files: { path: string }[] };
    expect(Object.keys(info)).toEqual([
      'infoHash',
      'name',
      'length',
      'pieceLength',
      'pieceCount',
      'private',
      'files',
      'trackers',
      'webSeeds',
      'nodes',
      'comment',
      'createdBy',
      'createdAt',
    ]);
    expect(info).toMatchObject({
      infoHash: expect.stringMatching(/^[0-9a-f]{40}$/) as string,
      name: 'folder',
      length: 2001,
      pieceLength: 16_384,
      pieceCount: 1,
      private: false,
      trackers: [
        ['http://127.0.0.1:1/announce', 'udp://127.0.0.1:1/announce'],
        ['http://127.0.0.1:2/announce'],
      ],
      webSeeds: ['http://127.0.0.1:3/files/'],
      comment: `hello ${NASTY_NAME}`,
      createdBy: 'somebody',
      createdAt: 1_700_000_000,
    });
    expect(info.files).toHaveLength(2);
    expect(info.files[0]).toEqual({ path: expect.stringMatching(/^folder\/0 evil/) as string, length: 1000 });
  });

  test('prints rows of tabs into a pipe, without a byte that a terminal could obey', async () => {
    const { stdout } = await sandbox.run('info', torrentFile());
    expect(stdout).not.toMatch(RAW_CONTROLS);
    const rows = stdout.split('\n').map((line) => line.split('\t'));
    expect(rows).toContainEqual(['name', 'folder']);
    expect(rows).toContainEqual(['size', '2001']);
    expect(rows).toContainEqual(['tracker 2', 'http://127.0.0.1:2/announce']);
    expect(rows.at(-1)!.slice(0, 2)).toEqual(['file', '1001']);
  });

  test('ends quietly when its reader leaves', () => {
    const torrent = torrentFile({ files: 5000 });
    const { stdout, stderr, status } = spawnSync(
      'bash',
      ['-c', 'set -o pipefail; "$0" "$1" info "$2" | head -1', process.execPath, BIN, torrent],
      { encoding: 'utf8' },
    );
    expect(stdout).toBe('name\tfolder\n');
    expect(stderr).toBe('');
    expect([0, 141]).toContain(status);
  });

  test.skipIf(process.platform !== 'linux')('ends cleanly when nothing can be written', () => {
    const { stderr, status } = spawnSync(
      'sh',
      ['-c', '"$0" "$1" info "$2" >/dev/full', process.execPath, BIN, torrentFile()],
      {
        encoding: 'utf8',
      },
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
  });
});

describe('bad input', () => {
  test('gives code 3 and one line without a stack', async () => {
    writeFileSync(sandbox.path('page.torrent'), '<html>');
    const { code, stdout, stderr } = await sandbox.run('download', 'page.torrent');
    expect(code).toBe(3);
    expect(stdout).toBe('');
    expect(stderr).toMatch(
      /^torrent-ts: page\.torrent is not a usable torrent: it looks like a web page[^\n]*$/,
    );
  });

  test('is an event with --json', async () => {
    const { code, stdout } = await sandbox.run('info', 'missing.torrent', '--json');
    expect(code).toBe(3);
    expect(JSON.parse(stdout)).toEqual({
      event: 'error',
      code: 'ERR_BAD_INPUT',
      message: 'cannot read missing.torrent: no such file or folder',
    });
  });

  test('a download folder that cannot be one gives code 6', async () => {
    writeFileSync(sandbox.path('file'), '');
    const { code, stderr } = await sandbox.run('download', torrentFile(), '--dir', 'file');
    expect(code).toBe(6);
    expect(stderr).toMatch(/^torrent-ts: cannot download into \S+\/file: it is a file$/);
  });
});

describe('create', () => {
  test('refuses to replace a file without --force', async () => {
    writeFileSync(sandbox.path('data'), 'some content');
    const first = await sandbox.run('create', 'data');
    expect(first).toMatchObject({ code: 0, stdout: 'data.torrent' });
    const before = readFileSync(sandbox.path('data.torrent'));
    expect((await sandbox.run('create', 'data', '--comment', 'other')).code).toBe(6);
    expect(readFileSync(sandbox.path('data.torrent'))).toEqual(before);
    expect((await sandbox.run('create', 'data', '--comment', 'other', '--force')).code).toBe(0);
    expect(readFileSync(sandbox.path('data.torrent'))).not.toEqual(before);
    expect(readdirSync(sandbox.path()).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  test('writes the torrent alone to stdout with -o -, and info reads it from there', () => {
    mkdirSync(sandbox.path('data'));
    writeFileSync(sandbox.path('data', 'keep.txt'), 'some content');
    writeFileSync(sandbox.path('data', 'leave.tmp'), 'some more');
    const { stdout, status } = spawnSync(
      'bash',
      [
        ...['-c', 'set -o pipefail; "$0" "$1" create data -o - "${@:2}" | "$0" "$1" info - --json'],
        ...[process.execPath, BIN, '--exclude', '*.tmp', '--private', '--no-date', '--comment', 'hi'],
        ...[
          '-t',
          'http://127.0.0.1:1/a,udp://127.0.0.1:1',
          '-t',
          'http://127.0.0.1:2/a',
          '-w',
          'http://127.0.0.1:3/',
        ],
        ...['--piece-size', '32K', '--name', 'other'],
      ],
      { encoding: 'utf8', cwd: sandbox.path() },
    );
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      name: 'other',
      files: [{ path: 'other/keep.txt', length: 12 }],
      private: true,
      pieceLength: 32_768,
      trackers: [['http://127.0.0.1:1/a', 'udp://127.0.0.1:1'], ['http://127.0.0.1:2/a']],
      webSeeds: ['http://127.0.0.1:3/'],
      comment: 'hi',
      createdAt: null,
    });
  });
});

describe('options from the environment', () => {
  test('are taken, and refused like any other', () => {
    const { status, stderr } = spawnSync(process.execPath, [BIN, 'download', 'x'], {
      encoding: 'utf8',
      env: { ...process.env, TORRENT_TS_PORT: 'many' },
    });
    expect(status).toBe(2);
    expect(stderr).toBe(
      "torrent-ts: option '-p, --port <port>' value 'many' from env 'TORRENT_TS_PORT' is invalid. " +
        'Expected a whole number from 0 to 65535.\n',
    );
  });
});

test('a tracker ends cleanly with Ctrl-C', async () => {
  const tracker = sandbox.start('tracker', '--host', '127.0.0.1', '--port', '0');
  await tracker.line(/^udp:/);
  tracker.signal('SIGINT');
  expect(await tracker.exited(3000)).toEqual({ code: 0, signal: null });
});

describe('an old Node', () => {
  test('is told what is needed instead of a syntax error', () => {
    const pretend = sandbox.path('old.cjs');
    writeFileSync(pretend, `Object.defineProperty(process, 'versions', { value: { node: '18.20.4' } });`);
    const { status, stderr } = spawnSync(process.execPath, ['--require', pretend, BIN, '--help'], {
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toBe(
      'torrent-ts needs Node 20.19 or newer, this is 18.20.4. Get it: https://nodejs.org\n',
    );
  });

  test('can parse the file that tells it', () => {
    const source = readFileSync(BIN, 'utf8');
    expect(source).not.toMatch(
      /^\s*(import|export)\s|\b(const|let|class|async|await)\b|=>|`|\?\.|\?\?|\.\.\./m,
    );
  });
});
