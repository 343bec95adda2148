import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { download } from '../../src/cli/commands/download.ts';
import { info } from '../../src/cli/commands/info.ts';
import type { DownloadFlags } from '../../src/cli/commands/download.ts';
import { ListenError, StorageError, TrackerError } from '../../src/index.ts';
import { noise, temporaryFolder } from '../support/tree.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { stage } from './support/fake-library.ts';
import type { FakeTorrent, Stage } from './support/fake-library.ts';

let folder: ReturnType<typeof temporaryFolder>;
let flags: DownloadFlags;
beforeEach(() => {
  folder = temporaryFolder('download');
  flags = { dir: join(folder.path, 'got') };
});
afterEach(() => folder.remove());

const PIECE_LENGTH = 16_384;
const LENGTH = 10 * PIECE_LENGTH;

function torrentFile(name: string): string {
  const path = join(folder.path, `${name}.torrent`);
  const claims = { length: LENGTH, pieces: noise(name, 200) };
  writeFileSync(path, makeTorrent({ name, claims, pieceLength: PIECE_LENGTH, trackers: [] }).bytes);
  return path;
}

const completeAtOnce = (torrent: FakeTorrent): void => torrent.complete();

describe('a download', () => {
  test('ends with code 0 and one line that begins with complete', async () => {
    const on = stage({ onAdded: completeAtOnce });
    expect(await download(on.context, [torrentFile('a.bin')], flags)).toBe(0);
    expect(on.stdout.lines).toEqual([
      expect.stringMatching(/^complete {2}a\.bin {2}160\.0 KiB in \d+\.\ds \(.*\/s\) {2}\/.*\/got\/a\.bin$/),
    ]);
    expect(on.stderr.lines.at(-1)).toBe(
      `to share it: torrent-ts seed ${join(folder.path, 'a.bin.torrent')} -d ${flags.dir}`,
    );
    expect(on.clients[0]!.closed).toBe(true);
  });

  test('of what is there says that it was there', async () => {
    const on = stage({ onAdded: (torrent) => torrent.complete(0) });
    expect(await download(on.context, [torrentFile('a.bin')], flags)).toBe(0);
    expect(on.stdout.lines[0]).toMatch(/^complete {2}a\.bin {2}160\.0 KiB, already there/);
  });

  test('hands its options to client and torrent', async () => {
    const on = stage({ onAdded: completeAtOnce });
    await download(on.context, [torrentFile('a.bin')], {
      ...flags,
      port: 5000,
      downLimit: 1000,
      upLimit: 2000,
      memory: 64 << 20,
      maxPeers: 9,
      stateDir: '/tmp/state',
      select: [0],
      sequential: true,
      exactSource: true,
      webSeeds: false,
      peer: [{ host: '127.0.0.1', port: 7 }],
    });
    expect(on.clients[0]!.options).toEqual({
      port: 5000,
      downLimit: 1000,
      upLimit: 2000,
      memory: 64 << 20,
      connectionsMax: 9,
      connectionsPerTorrentMax: 9,
      stateDir: '/tmp/state',
    });
    expect(on.clients[0]!.torrents[0]!.options).toMatchObject({
      dir: flags.dir,
      files: [0],
      sequential: true,
      exactSource: true,
      webSeeds: false,
      peers: [{ host: '127.0.0.1', port: 7 }],
    });
  });

  test('without a selection is of all files, whatever an earlier run selected', async () => {
    const on = stage({ onAdded: completeAtOnce });
    await download(on.context, [torrentFile('a.bin')], flags);
    expect(on.clients[0]!.torrents[0]!.options.files).toEqual([[0, 0]]);
  });

  test('takes another port when the one it should have is in use', async () => {
    const on = stage({
      onAdded: completeAtOnce,
      openClient: ({ port }) => {
        if (port === 5000) throw new ListenError('port 5000 is in use', 5000);
      },
    });
    expect(await download(on.context, [torrentFile('a.bin')], { ...flags, port: 5000 })).toBe(0);
    expect(on.stderr.lines[0]).toBe('warning: port 5000 is in use; listening on 40000 instead');
  });

  test('reads a torrent from stdin', async () => {
    const path = torrentFile('a.bin');
    const { bytes } = makeTorrent({
      name: 'stdin.bin',
      claims: { length: 5, pieces: noise('x', 20) },
      pieceLength: PIECE_LENGTH,
      trackers: [],
    });
    const on = stage({ onAdded: completeAtOnce, stdin: [bytes.subarray(0, 9), bytes.subarray(9)] });
    expect(await download(on.context, [path, '-'], flags)).toBe(0);
    expect(on.clients[0]!.torrents.map(({ name }) => name)).toEqual(['a.bin', 'stdin.bin']);
  });

  test('of the same torrent twice is one', async () => {
    const path = torrentFile('a.bin');
    const on = stage({ onAdded: completeAtOnce });
    expect(await download(on.context, [path, path], flags)).toBe(0);
    expect(on.clients[0]!.torrents).toHaveLength(1);
  });
});

describe('a magnet link of which nobody knows anything', () => {
  const hint = 'the link names a server that may have it: --exact-source asks there, too';
  const link = (source: string): string => `magnet:?xt=urn:btih:${'ab'.repeat(20)}&dn=x${source}`;
  const WITH_SOURCE = link('&xs=http%3A%2F%2Fa.example%2Fx.torrent');

  test('is told what else may help when it names where its .torrent is', async () => {
    for (const [source, exactSource, isHinted] of [
      [WITH_SOURCE, false, true],
      [WITH_SOURCE, true, false],
      [link(''), false, false],
      [link('&xs=urn:btih:1'), false, false],
    ] as const) {
      const on = stage();
      expect(await download(on.context, [source], { ...flags, timeout: 1, exactSource })).toBe(5);
      expect(on.stderr.lines.at(-1)).toMatch(/^torrent-ts: x: nobody told what it is for /);
      expect(on.stderr.text.includes(hint)).toBe(isHinted);
      const told = info(stage().context, source, { timeout: 1, exactSource });
      const error: unknown = await told.catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ exitCode: 5 });
      expect(String(error).includes(hint)).toBe(isHinted);
    }
  });

  test('is told so after a while, also to who waits without end', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const on = stage();
      const running = download(on.context, [WITH_SOURCE], flags);
      await vi.waitUntil(() => on.clients[0]?.torrents.length === 1);
      await vi.advanceTimersByTimeAsync(19_000);
      expect(on.stderr.text).not.toContain(hint);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(on.stderr.lines).toContain(`x: ${hint}`);
      on.signal('SIGINT');
      expect(await running).toBe(130);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('failures', () => {
  test('of the only torrent give its own code', async () => {
    const error = new StorageError('cannot write a.bin: the disk is gone', 'ERR_DISK_IO', '/x/a.bin');
    const on = stage({ onAdded: (torrent) => torrent.fail(error) });
    expect(await download(on.context, [torrentFile('a.bin')], flags)).toBe(6);
    expect(on.stderr.lines).toEqual(['torrent-ts: cannot write a.bin: the disk is gone']);
    expect(on.stdout.text).toBe('');
    expect(on.clients[0]!.closed).toBe(true);
  });

  test('of one of several torrents do not stop the others, and give code 7', async () => {
    const on = stage({
      onAdded: (torrent) => {
        if (torrent.name === 'bad.bin') torrent.fail(new StorageError('no', 'ERR_DISK_IO', '/x'));
        else torrent.complete();
      },
    });
    const sources = [torrentFile('bad.bin'), join(folder.path, 'missing.torrent'), torrentFile('good.bin')];
    expect(await download(on.context, sources, flags)).toBe(7);
    expect(on.stdout.lines).toEqual([expect.stringMatching(/^complete {2}good\.bin/)]);
    expect(on.stderr.lines).toContain(
      `torrent-ts: cannot read ${join(folder.path, 'missing.torrent')}: no such file or folder`,
    );
  });

  test('nothing reachable in time gives code 5 and says what was tried', async () => {
    const on = stage({
      onAdded: (torrent) => {
        torrent.enter('downloading', { peers: 0, knownPeers: 0 });
        torrent.trackers = [
          {
            url: 'http://t.example/announce',
            tier: 0,
            state: 'failed',
            message: 'connection \x1b[2Jrefused',
            seeders: null,
            leechers: null,
            nextAnnounceMs: 5,
          },
        ];
      },
    });
    expect(await download(on.context, [torrentFile('a.bin')], { ...flags, timeout: 300 })).toBe(5);
    expect(on.stderr.lines).toEqual([
      'torrent-ts: a.bin: nothing arrived for 0.3s (no tracker answers, trying again; ' +
        'http://t.example/announce failed: connection [2Jrefused)',
    ]);
  });

  test('a folder that is a file gives code 6 before anything is opened', async () => {
    writeFileSync(flags.dir, '');
    const on = stage();
    await expect(download(on.context, [torrentFile('a.bin')], flags)).rejects.toMatchObject({
      exitCode: 6,
      message: `cannot download into ${flags.dir}: it is a file`,
    });
    expect(on.clients).toEqual([]);
  });

  test('a selection that matches nothing gives code 2 before anything is opened', async () => {
    const on = stage();
    const wrong = download(on.context, [torrentFile('a.bin')], { ...flags, select: ['*.srt'] });
    await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_OPTION' });
    expect(on.clients).toEqual([]);
  });
});

describe('a signal', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)(
    '%s with data missing closes the client, says how to go on and gives code %d',
    async (name, code) => {
      const on: Stage = stage({
        commandLine: ['download', 'my file.torrent'],
        onAdded: (torrent) => {
          torrent.enter('downloading', { progress: 0.42 });
          on.signal(name);
        },
      });
      expect(await download(on.context, [torrentFile('a.bin')], flags)).toBe(code);
      expect(on.clients[0]!.closed).toBe(true);
      expect(on.stdout.text).toBe('');
      expect(on.stderr.lines).toEqual([
        'stopped: a.bin is 42.0% done, nothing of it is lost',
        "the same command goes on from there: torrent-ts download 'my file.torrent'",
      ]);
    },
  );

  test('while only seeding is a clean end', async () => {
    const on: Stage = stage({
      onAdded: (torrent) => {
        torrent.complete();
        setTimeout(() => on.signal('SIGINT'), 20);
      },
    });
    expect(await download(on.context, [torrentFile('a.bin')], { ...flags, seed: true })).toBe(0);
    expect(on.stdout.lines).toHaveLength(1);
  });
});

describe('--seed', () => {
  test('ends when the ratio is reached', async () => {
    const on = stage({
      onAdded: (torrent) => {
        torrent.complete();
        setTimeout(() => (torrent.stats = { ...torrent.stats, uploaded: 2 * LENGTH }), 30);
      },
    });
    expect(await download(on.context, [torrentFile('a.bin')], { ...flags, seedRatio: 2 })).toBe(0);
    expect(on.stdout.lines).toHaveLength(1);
  });

  test('ends when the time is up', async () => {
    const on = stage({ onAdded: completeAtOnce });
    expect(await download(on.context, [torrentFile('a.bin')], { ...flags, seedTime: 50 })).toBe(0);
  });
});

describe('what happens', () => {
  test('is told once, however often a tracker repeats it', async () => {
    const on = stage({
      onAdded: (torrent) => {
        for (let i = 0; i < 5; i++) {
          torrent.emit('warning', new TrackerError('http://t/: \x1b]0;x\x07refused', 'http://t/'));
        }
        torrent.complete();
      },
    });
    await download(on.context, [torrentFile('a.bin')], flags);
    const warnings = on.stderr.lines.filter((line) => line.startsWith('warning: '));
    expect(warnings).toEqual(['warning: a.bin: http://t/: ]0;xrefused']);
  });

  test('on a full disk is told with what is needed and what is free', async () => {
    const on = stage({
      onAdded: (torrent) => {
        torrent.enter('stalled');
        torrent.emit('warning', new StorageError('no space', 'ERR_DISK_FULL', '/x'));
        setTimeout(() => torrent.complete(), 50);
      },
    });
    await download(on.context, [torrentFile('a.bin')], flags);
    expect(on.stderr.lines[0]).toMatch(
      /^warning: a\.bin: the disk is full: 160\.0 KiB more needed, \S+ [KMGT]?i?B free in .*; it goes on by itself when there is space$/,
    );
  });

  test('is told as events with --json, one per line, and nothing else on stdout', async () => {
    const on = stage({
      terminal: { json: true },
      onAdded: (torrent) => {
        torrent.enter('downloading');
        torrent.emit('reject', 3, [{ host: '::1', port: 9 }]);
        torrent.emit('ban', { address: { host: '10.0.0.1', port: 9 }, piece: 3 });
        torrent.complete();
      },
    });
    await download(on.context, [torrentFile('a.bin')], flags);
    const infoHash = on.clients[0]!.torrents[0]!.infoHash;
    expect(on.events()).toEqual([
      { event: 'listening', port: 40_000 },
      {
        event: 'added',
        infoHash,
        name: 'a.bin',
        dir: flags.dir,
        length: LENGTH,
        wantedBytes: LENGTH,
        pieceCount: 10,
      },
      { event: 'state', infoHash, state: 'downloading', before: 'checking' },
      { event: 'reject', infoHash, piece: 3, from: ['[::1]:9'] },
      { event: 'ban', infoHash, peer: '10.0.0.1:9', piece: 3 },
      { event: 'state', infoHash, state: 'seeding', before: 'downloading' },
      {
        event: 'complete',
        infoHash,
        name: 'a.bin',
        path: join(flags.dir, 'a.bin'),
        wantedBytes: LENGTH,
        downloaded: LENGTH,
        elapsedMs: expect.any(Number) as number,
      },
    ]);
    expect(on.stderr.text).toBe('');
  });

  test('at the end by a signal is an event too', async () => {
    const on: Stage = stage({
      terminal: { json: true },
      onAdded: (torrent) => {
        torrent.enter('downloading');
        on.signal('SIGINT');
      },
    });
    await download(on.context, [torrentFile('a.bin')], flags);
    expect(on.events().at(-1)).toEqual({ event: 'interrupted', signal: 'SIGINT', unfinished: 1 });
  });
});

describe('--list and --dry-run', () => {
  function manyFiles(): string {
    const name = 'album';
    mkdirSync(join(folder.path, name));
    for (const [i, file] of ['1.mp3', 'b\u202e.txt'].entries()) {
      writeFileSync(join(folder.path, name, file), noise(file, 1000 * (i + 1)));
    }
    const made = makeTorrent({
      name,
      dir: folder.path,
      files: ['1.mp3', 'b\u202e.txt'],
      pieceLength: PIECE_LENGTH,
      trackers: [],
    });
    const path = join(folder.path, 'album.torrent');
    writeFileSync(path, made.bytes);
    return path;
  }

  test('list files with the numbers that --select takes, harmless to a terminal', async () => {
    const on = stage();
    expect(await download(on.context, [manyFiles()], { ...flags, list: true })).toBe(0);
    expect(on.stdout.lines).toEqual([
      '0\t1000\talbum/1.mp3',
      expect.stringMatching(/^1\t2000\talbum\/b[^\u202e]*\.txt$/),
    ]);
    expect(on.clients).toEqual([]);
  });

  test('say what would be downloaded, and where to', async () => {
    const on = stage();
    expect(await download(on.context, [manyFiles()], { ...flags, dryRun: true, select: ['*.mp3'] })).toBe(0);
    expect(on.stdout.lines).toEqual(['0\t1000\talbum/1.mp3']);
    expect(on.stderr.lines[0]).toContain(`would download 1 file, 1000 B, to ${join(flags.dir, 'album')}`);
    expect(on.clients).toEqual([]);
  });
});
