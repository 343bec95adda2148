import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { seed } from '../../src/cli/commands/seed.ts';
import { parseTorrent } from '../../src/index.ts';
import { noise, temporaryFolder } from '../support/tree.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { stage } from './support/fake-library.ts';
import type { FakeTorrent, Stage } from './support/fake-library.ts';

let folder: ReturnType<typeof temporaryFolder>;
beforeEach(() => {
  folder = temporaryFolder('seed');
});
afterEach(() => folder.remove());

function torrentFile(): string {
  const path = join(folder.path, 'a.torrent');
  const trackers = [['http://127.0.0.1:1/announce']];
  const claims = { length: 50_000, pieces: noise('a', 80) };
  writeFileSync(path, makeTorrent({ name: 'a.bin', claims, pieceLength: 16_384, trackers }).bytes);
  return path;
}

/** All data is there, and after a moment somebody presses Ctrl-C. */
function stageThatSeeds(options: Parameters<typeof stage>[0] = {}): Stage {
  const on: Stage = stage({
    ...options,
    onAdded: (torrent) => {
      torrent.complete(0);
      setTimeout(() => on.signal('SIGINT'), 50);
    },
  });
  return on;
}

describe('seeding the data of a .torrent', () => {
  test('prints the magnet link once all is checked, and ends cleanly with a signal', async () => {
    const on = stageThatSeeds();
    expect(await seed(on.context, [torrentFile()], { dir: folder.path })).toBe(0);
    expect(on.stdout.lines).toEqual([
      expect.stringMatching(
        /^magnet:\?xt=urn:btih:[0-9a-f]{40}&dn=a\.bin&tr=http%3A%2F%2F127\.0\.0\.1%3A1%2Fannounce$/,
      ),
    ]);
    expect(on.clients[0]!.torrents[0]!.dir).toBe(folder.path);
    expect(on.clients[0]!.closed).toBe(true);
  });

  test('never downloads: data that is not whole is left as it is, with code 4', async () => {
    const on = stage({ onAdded: (torrent) => torrent.enter('downloading', { progress: 0.5 }) });
    expect(await seed(on.context, [torrentFile()], { dir: folder.path })).toBe(4);
    expect(on.clients[0]!.torrents[0]!.paused).toBe(true);
    expect(on.stderr.lines).toEqual([
      `torrent-ts: only 50.0% of a.bin in ${folder.path} is as the torrent says; torrent-ts download fetches the rest`,
    ]);
    expect(on.stdout.text).toBe('');
  });

  test('says so when nothing is there at all', async () => {
    const on = stage({ onAdded: (torrent) => torrent.enter('downloading', { progress: 0 }) });
    expect(await seed(on.context, [torrentFile()], { dir: folder.path })).toBe(4);
    expect(on.stderr.lines[0]).toBe(
      `torrent-ts: nothing of a.bin is in ${folder.path}; --dir takes the folder that holds it`,
    );
  });

  test('ends by itself when a limit is reached', async () => {
    const on = stage({ onAdded: (torrent) => torrent.complete(0) });
    expect(await seed(on.context, [torrentFile()], { dir: folder.path, seedTime: 30 })).toBe(0);
  });

  test('is told as events with --json', async () => {
    const on = stageThatSeeds({ terminal: { json: true } });
    await seed(on.context, [torrentFile()], { dir: folder.path });
    const names = on.events().map(({ event }) => event);
    expect(names).toEqual(['listening', 'added', 'state', 'seeding']);
    expect(on.events().at(-1)).toMatchObject({ name: 'a.bin', torrentFile: null });
  });
});

test('seeding a magnet link is refused with the command that does what can be done', async () => {
  const link = `magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=a`;
  const on = stage();
  expect(await seed(on.context, [link], { dir: 'my files' })).toBe(3);
  expect(on.clients).toEqual([]);
  expect(on.stderr.text).toContain(`torrent-ts download --seed -d 'my files' '${link}'`);
});

describe('seeding a path', () => {
  const anyTorrent = (on: Stage): FakeTorrent => on.clients[0]!.torrents[0]!;

  // Hashing runs in worker threads, which need compiled code; it is tested with the whole command line.
  test('that is missing gives code 3', async () => {
    const on = stage();
    expect(await seed(on.context, [join(folder.path, 'missing')], {})).toBe(3);
    expect(on.stderr.lines[0]).toMatch(/cannot read .*missing: no such file or folder$/);
    expect(on.clients).toEqual([]);
  });

  test('whose .torrent would replace a file is refused before anything is hashed', async () => {
    const path = torrentFile();
    const before = readFileSync(path);
    const on = stage();
    await expect(seed(on.context, [folder.path], { output: path })).rejects.toMatchObject({ exitCode: 6 });
    expect(readFileSync(path)).toEqual(before);
  });

  test('that is a folder with a name like a .torrent is shared as it is', async () => {
    const path = join(folder.path, 'odd.torrent');
    mkdirSync(path);
    const metaInfo = parseTorrent(readFileSync(torrentFile()));
    const on = stageThatSeeds();
    const library = await on.context.library();
    const context = {
      ...on.context,
      library: () =>
        Promise.resolve({
          ...library,
          createTorrent: () =>
            Promise.resolve({
              metaInfo,
              torrentFile: Uint8Array.of(1, 2),
              skipped: ['/x/link'],
              renamed: [],
            }),
        }),
    };
    const output = join(folder.path, 'out.torrent');
    expect(await seed(context, [path], { output })).toBe(0);
    expect(anyTorrent(on).dir).toBe(folder.path);
    expect([...readFileSync(output)]).toEqual([1, 2]);
    expect(existsSync(`${output}.tmp`)).toBe(false);
    expect(on.stderr.lines).toContain('warning: left out 1 symbolic link or special file');
  });
});
