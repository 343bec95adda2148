import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeTorrent } from '../support/torrent-maker.ts';
import { fileDigest, MANY_SCRIPTS, noise, treeDigest, writeTree } from '../support/tree.ts';
import { events, Sandbox } from '../support/sandbox.ts';

/** The command line from end to end: processes of their own, loopback sockets, real files. */
let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

test.each(['http', 'udp'] as const)(
  'a folder with names in many scripts is created, seeded, found over %s and downloaded equal',
  async (transport) => {
    const { [transport]: url } = await sandbox.tracker();
    const source = sandbox.folder('source');
    writeTree(join(source, 'many scripts'), MANY_SCRIPTS);
    const torrent = await sandbox.create(join(source, 'many scripts'), '--tracker', url);
    await sandbox.seed(torrent, source);

    const got = sandbox.folder('got');
    const { code, stdout, stderr } = await sandbox.run('download', torrent, '--dir', got, '--port', '0');
    expect(stderr).not.toMatch(/error/i);
    expect(code).toBe(0);
    expect(stdout.split('\n')).toEqual([expect.stringMatching(/^complete\b/)]);
    expect(treeDigest(join(got, 'many scripts'))).toEqual(treeDigest(join(source, 'many scripts')));
  },
);

test('a download writes nothing but its result to stdout and no escape code anywhere', async () => {
  const { torrent, port } = await seededFile('plain.bin', 300_000);
  const got = sandbox.folder('got');
  const { stdout, stderr } = await sandbox.run(...download(torrent, got, port));
  expect(stdout).toMatch(/^complete[^\n]*$/);
  // eslint-disable-next-line no-control-regex -- looking for control characters is the point
  expect(stdout + stderr).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f\x9b]/);
});

test('a torrent of two bytes', async () => {
  const { torrent, port, content } = await seededFile('two.bin', 2);
  const got = sandbox.folder('got');
  const { code } = await sandbox.run(...download(torrent, got, port));
  expect(code).toBe(0);
  expect(readFileSync(join(got, 'two.bin'))).toEqual(content);
});

test('empty files need no peer', async () => {
  const source = sandbox.folder('source');
  writeTree(join(source, 'empty'), { a: 0, 'b/c': 0, full: 1 });
  const torrent = await sandbox.create(join(source, 'empty'));
  const got = sandbox.folder('got');
  const { code } = await sandbox.run(
    'download',
    torrent,
    '--dir',
    got,
    '--port',
    '0',
    '--select',
    '*/{a,b/c}',
  );
  expect(code).toBe(0);
  expect(Object.keys(treeDigest(got))).toEqual(['empty/a', 'empty/b/c']);
});

test('a torrent of 20,000 files', async () => {
  await sandbox.close();
  sandbox = new Sandbox({ inMemory: true });
  const source = sandbox.folder('source');
  const files = Object.fromEntries(
    Array.from({ length: 20_000 }, (_, i) => [`folder ${i % 100}/file ${i}.txt`, (i * 7) % 201]),
  );
  writeTree(join(source, 'many'), files);
  const torrent = await sandbox.create(join(source, 'many'));
  const { port } = await sandbox.seed(torrent, source);
  const got = sandbox.folder('got');
  const { code, stderr } = await sandbox.run(...download(torrent, got, port));
  expect(stderr).not.toMatch(/error/i);
  expect(code).toBe(0);
  expect(treeDigest(got)).toEqual(treeDigest(source, (path) => !path.endsWith('.torrent')));
}, 90_000);

test('only the selected files arrive, and the rest later', async () => {
  const source = sandbox.folder('source');
  writeTree(join(source, 'album'), {
    '1.mp3': 200_000,
    '2.mp3': 300_000,
    '3.mp3': 100_000,
    'cover.jpg': 50_000,
  });
  const torrent = await sandbox.create(join(source, 'album'), '--piece-size', '64K');
  const { port } = await sandbox.seed(torrent, source);
  const got = sandbox.folder('got');

  const first = await sandbox.run(...download(torrent, got, port), '--select', '*/2.mp3');
  expect(first.code).toBe(0);
  expect(readdirSync(join(got, 'album'))).toEqual(['2.mp3']);
  expect(fileDigest(join(got, 'album/2.mp3'))).toBe(fileDigest(join(source, 'album/2.mp3')));

  const second = await sandbox.run(...download(torrent, got, port));
  expect(second.code).toBe(0);
  expect(treeDigest(got)).toEqual(treeDigest(source, (path) => !path.endsWith('.torrent')));
});

test('a download that is complete already says so and asks nobody', async () => {
  const { torrent, port, dir } = await seededFile('there.bin', 100_000);
  const again = await sandbox.run(...download(torrent, dir, port), '--json');
  expect(again.code).toBe(0);
  const complete = events(again.stdout.split('\n')).find(({ event }) => event === 'complete');
  expect(complete).toMatchObject({ downloaded: 0, wantedBytes: 100_000 });
});

test('verify finds a changed byte, and the next download repairs its piece alone', async () => {
  const { torrent, port, content } = await seededFile('damaged.bin', 1_000_000, '--piece-size', '64K');
  const got = sandbox.folder('got');
  expect((await sandbox.run(...download(torrent, got, port))).code).toBe(0);
  expect((await sandbox.run('verify', torrent, got)).code).toBe(0);

  const damaged = Buffer.from(content);
  damaged[500_000]! ^= 1;
  writeFileSync(join(got, 'damaged.bin'), damaged);
  const { code, stdout } = await sandbox.run('verify', torrent, got, '--json');
  expect(code).toBe(4);
  expect(JSON.parse(stdout)).toMatchObject({ ok: false, badPieces: [7] });

  const repair = await sandbox.run(...download(torrent, got, port), '--json');
  expect(repair.code).toBe(0);
  const complete = events(repair.stdout.split('\n')).find(({ event }) => event === 'complete');
  expect(complete).toMatchObject({ downloaded: 65_536 });
  expect(readFileSync(join(got, 'damaged.bin')).equals(content)).toBe(true);
});

test('--json writes one event per line, from listening to complete', async () => {
  const { torrent, port } = await seededFile('events.bin', 200_000);
  const { stdout } = await sandbox.run(...download(torrent, sandbox.folder('got'), port), '--json');
  const names = events(stdout.split('\n')).map(({ event }) => event);
  expect(names).toEqual(expect.arrayContaining(['listening', 'added', 'file', 'complete']));
});

test('two torrents are downloaded by one command', async () => {
  const a = await seededFile('a.bin', 100_000);
  const b = await seededFile('b.bin', 100_000);
  const got = sandbox.folder('got');
  const { code, stdout } = await sandbox.run(
    ...['download', a.torrent, b.torrent, '--dir', got, '--port', '0'],
    ...['--peer', `127.0.0.1:${a.port}`, '--peer', `127.0.0.1:${b.port}`],
  );
  expect(code).toBe(0);
  expect(stdout.split('\n').filter((line) => line.startsWith('complete'))).toHaveLength(2);
  expect(readdirSync(got).sort()).toEqual(['a.bin', 'b.bin']);
});

test('the metadata of 100 GB loads, and an empty folder is all missing', async () => {
  const pieceLength = 16 * 1024 * 1024;
  const file = sandbox.path('huge.torrent');
  const pieceCount = 6_400;
  const length = pieceCount * pieceLength - 5;
  const { bytes } = makeTorrent({
    name: 'huge.bin',
    claims: { length, pieces: noise('hashes', pieceCount * 20) },
    pieceLength,
    trackers: [],
  });
  writeFileSync(file, bytes);
  const info = await sandbox.run('info', file, '--json');
  expect(JSON.parse(info.stdout)).toMatchObject({ name: 'huge.bin', length, pieceLength, pieceCount });
  const verify = await sandbox.run('verify', file, sandbox.folder('nothing'), '--json');
  expect(verify.code).toBe(4);
  expect(JSON.parse(verify.stdout)).toMatchObject({ ok: false, files: [{ state: 'missing' }] });
});

test('a created torrent is the same with --no-date, whenever and wherever it is made', async () => {
  writeTree(sandbox.folder('one/x'), { a: 10, b: 70_000 });
  writeTree(sandbox.folder('two/x'), { b: 70_000, a: 10 });
  const one = readFileSync(await sandbox.create(sandbox.path('one/x'), '--no-date'));
  const two = readFileSync(await sandbox.create(sandbox.path('two/x'), '--no-date'));
  expect(one).toEqual(two);
});

test('a created torrent is bit for bit what the format says', async () => {
  writeTree(sandbox.folder('made/x'), { a: 10, 'b/c': 70_000, 'ü.txt': 5 });
  const torrent = await sandbox.create(sandbox.path('made/x'), '--piece-size', '32K');
  const expected = makeTorrent({
    name: 'x',
    dir: sandbox.path('made'),
    files: ['a', 'b/c', 'ü.txt'],
    pieceLength: 32_768,
    trackers: [],
  });
  const info = await sandbox.run('info', torrent, '--json');
  expect(JSON.parse(info.stdout)).toMatchObject({ infoHash: expected.infoHash, length: expected.length });
});

test('tracker, scrape and the two counts they agree on', async () => {
  const { http, udp } = await sandbox.tracker();
  const source = sandbox.folder('source');
  writeTree(source, { 'counted.bin': 50_000 });
  const torrent = await sandbox.create(join(source, 'counted.bin'), '--tracker', http, '--tracker', udp);
  const seeder = await sandbox.seed(torrent, source);
  const { code, stdout } = await sandbox.run('scrape', torrent, '--json');
  expect(code).toBe(0);
  const { trackers } = JSON.parse(stdout) as { trackers: { tracker: string; seeders: number }[] };
  expect(trackers.map(({ tracker, seeders }) => [tracker, seeders])).toEqual([
    [http, 1],
    [udp, 1],
  ]);
  expect(seeder.child.pid).toBeGreaterThan(0);
});

test('a full download leaves files of the right size and no others in the folder', async () => {
  const { torrent, port } = await seededFile('alone.bin', 123_456);
  const got = sandbox.folder('got');
  await sandbox.run(...download(torrent, got, port));
  expect(readdirSync(got)).toEqual(['alone.bin']);
  expect(statSync(join(got, 'alone.bin')).size).toBe(123_456);
});

async function seededFile(
  name: string,
  length: number,
  ...flags: string[]
): Promise<{ torrent: string; port: number; content: Buffer; dir: string }> {
  const dir = sandbox.folder(`source of ${name}`);
  writeTree(dir, { [name]: length });
  const torrent = await sandbox.create(join(dir, name), ...flags);
  const { port } = await sandbox.seed(torrent, dir);
  return { torrent, port, content: readFileSync(join(dir, name)), dir };
}

function download(torrent: string, dir: string, peerPort: number): string[] {
  return ['download', torrent, '--dir', dir, '--port', '0', '--peer', `127.0.0.1:${peerPort}`];
}
