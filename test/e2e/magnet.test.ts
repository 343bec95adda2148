import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { events, Sandbox } from '../support/sandbox.ts';
import { fileDigest, writeTree } from '../support/tree.ts';

/** Magnet links on the command line: processes of their own, loopback sockets, real files. */
let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

async function seeded(): Promise<{ torrent: string; source: string; port: number; link: string }> {
  const source = sandbox.folder('source');
  writeTree(source, { 'content.bin': 3_000_000 });
  const torrent = await sandbox.create(
    join(source, 'content.bin'),
    '--tracker',
    'http://127.0.0.1:1/announce',
  );
  const { port } = await sandbox.seed(torrent, source);
  const { stdout: link } = await sandbox.run(
    'magnet',
    torrent,
    '--no-trackers',
    '--peer',
    `127.0.0.1:${port}`,
  );
  return { torrent, source, port, link };
}

test('a link is printed, downloaded, and its .torrent saved with the info dictionary that it had', async () => {
  const { torrent, source, port, link } = await seeded();
  expect(link).toMatch(
    new RegExp(`^magnet:\\?xt=urn:btih:[0-9a-f]{40}&dn=content\\.bin&x\\.pe=127\\.0\\.0\\.1:${port}$`),
  );
  const got = sandbox.folder('got');
  const saved = sandbox.path('saved.torrent');
  const flags = ['--dir', got, '--port', '0', '--save-torrent', saved];
  const { code, stdout, stderr } = await sandbox.run('download', link, ...flags);
  expect({ code, stderr }).toEqual({
    code: 0,
    stderr: expect.stringContaining('content.bin: 1 file') as string,
  });
  expect(stdout).toMatch(/^complete {2}content\.bin/);
  expect(fileDigest(join(got, 'content.bin'))).toBe(fileDigest(join(source, 'content.bin')));
  const infoOf = (path: string): Buffer => Buffer.from(parseTorrent(readFileSync(path)).infoBytes);
  expect(infoOf(saved)).toEqual(infoOf(torrent));
});

test('the events of a link are its own and then those of any download', async () => {
  const { link } = await seeded();
  const flags = ['--dir', sandbox.folder('got'), '--port', '0', '--json'];
  const { code, stdout } = await sandbox.run('download', link, ...flags);
  expect(code).toBe(0);
  const told = events(stdout.split('\n')).filter(
    ({ event }) => event !== 'progress' && event !== 'listening',
  );
  const words = told.map(({ event, state }) => (event === 'state' ? `${event} ${state as string}` : event));
  expect(words).toEqual([
    'magnet',
    'added',
    'state checking',
    'state downloading',
    'file',
    'state seeding',
    'complete',
    'state closed',
  ]);
  expect(told[1]).toMatchObject({ name: 'content.bin', length: 3_000_000 });
});

test('info tells what is behind a link, saves it, and leaves nothing else', async () => {
  const { torrent, link } = await seeded();
  const saved = sandbox.path('saved.torrent');
  const { code, stdout, stderr } = await sandbox.run('info', link, '--port', '0', '--json', '--save', saved);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const told = stdout.split('\n').find((line) => line.includes('"pieceCount"'));
  expect(JSON.parse(told ?? '')).toMatchObject({
    name: 'content.bin',
    length: 3_000_000,
    files: [{ path: 'content.bin', length: 3_000_000 }],
  });
  expect(parseTorrent(readFileSync(saved)).infoHashHex).toBe(parseTorrent(readFileSync(torrent)).infoHashHex);
  expect(readdirSync(sandbox.path()).sort()).toEqual(['saved.torrent', 'source', 'state']);
});

test('files behind a link are listed without downloading any', async () => {
  const { link } = await seeded();
  const { code, stdout } = await sandbox.run('download', link, '--list', '--port', '0');
  expect({ code, stdout }).toEqual({ code: 0, stdout: '0\t3000000\tcontent.bin' });
});

test.each(['info', 'download'])(
  '%s of a link that nobody knows says so and ends with code 5',
  async (command) => {
    const link = `magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=unknown&x.pe=127.0.0.1:1&tr=http://127.0.0.1:1/announce`;
    const { code, stderr } = await sandbox.run(command, link, '--port', '0', '--timeout', '1s');
    expect(code).toBe(5);
    expect(stderr).toMatch(
      /unknown: nobody told what it is for 1\.0s .*http:\/\/127\.0\.0\.1:1\/announce failed/,
    );
  },
);

test('a link that is none ends with code 3', async () => {
  const { code, stderr } = await sandbox.run('download', 'magnet:?xt=urn:btih:123');
  expect(code).toBe(3);
  expect(stderr).toMatch(/neither 40 hexadecimal digits nor 32/);
});
