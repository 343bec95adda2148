import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { CreateOptions } from '../src/create-torrent.ts';
import { createTorrent } from '../src/create-torrent.ts';
import { StorageError, UsageError } from '../src/errors.ts';
import { FileMap } from '../src/metainfo/file-map.ts';
import type { MetaInfo } from '../src/metainfo/metainfo.ts';
import { parseTorrent } from '../src/metainfo/parse-torrent.ts';
import { MANY_SCRIPTS, noise, temporaryFolder, writeTree } from './support/tree.ts';

const PIECE = 16_384;
const DATELESS = { createdAt: null, pieceLength: PIECE } as const;

const folders: (() => void)[] = [];
afterEach(() => {
  for (const remove of folders.splice(0)) remove();
});

describe('what a torrent is made of', () => {
  test('a single file', async () => {
    const dir = folder();
    writeTree(dir, { 'data.bin': 100_000 });
    const { metaInfo, torrentFile, skipped } = await createTorrent(join(dir, 'data.bin'), DATELESS);
    expect(metaInfo).toMatchObject({ name: 'data.bin', isSingleFile: true, length: 100_000, pieceCount: 7 });
    expect(skipped).toEqual([]);
    expect(parseTorrent(torrentFile)).toEqual(metaInfo);
    expectHashesOf(metaInfo, dir);
  });

  test('a folder, in the order of raw bytes, with hidden and empty files', async () => {
    const dir = folder();
    const spec = {
      'top/b': 5,
      'top/a/z': 20_000,
      'top/.hidden': 7,
      'top/empty': 0,
      'top/Z': 40_000,
      'top/é': 1,
    };
    writeTree(dir, spec);
    const { metaInfo } = await createTorrent(join(dir, 'top'), DATELESS);
    expect(metaInfo.files.map((file) => file.path)).toEqual([
      'top/.hidden',
      'top/Z',
      'top/a/z',
      'top/b',
      'top/empty',
      'top/é',
    ]);
    expectHashesOf(metaInfo, dir);
  });

  test('names in every script, pieces that span many files, and more pieces than are under way at once', async () => {
    const dir = folder();
    writeTree(join(dir, 'top'), MANY_SCRIPTS);
    writeTree(join(dir, 'top'), { 'می‌خواهم.txt': 10, '👨‍👩‍👧.png': 10, 'large.bin': 30_000_000 });
    const { metaInfo, torrentFile } = await createTorrent(join(dir, 'top'), DATELESS);
    expect(metaInfo.pieceCount).toBeGreaterThan(1_800);
    expect(parseTorrent(torrentFile)).toEqual(metaInfo);
    expectHashesOf(metaInfo, dir);
  });

  test('the paths returned are those on disk, also where a parser would not trust the names', async () => {
    const dir = folder();
    const names = ['...', 'x\u202ey', 'A', 'a', 'line\nbreak'];
    writeTree(dir, Object.fromEntries(names.map((name) => [`top/${name}`, 100])));
    const { metaInfo } = await createTorrent(join(dir, 'top'), { ...DATELESS, name: 'other' });
    expect(metaInfo.name).toBe('other');
    expect(metaInfo.files.map((file) => file.path).sort()).toEqual(names.map((name) => `top/${name}`).sort());
    expectHashesOf(metaInfo, dir);
  });

  test('symbolic links, loops and pipes are left out and reported', async () => {
    const dir = folder();
    writeTree(dir, { 'top/real': 100, outside: 100 });
    symlinkSync('../outside', join(dir, 'top/link'));
    symlinkSync('.', join(dir, 'top/loop'));
    symlinkSync('nowhere', join(dir, 'top/dangling'));
    execFileSync('mkfifo', [join(dir, 'top/pipe')]);
    const { metaInfo, skipped } = await createTorrent(join(dir, 'top'), DATELESS);
    expect(metaInfo.files.map((file) => file.path)).toEqual(['top/real']);
    expect(skipped).toEqual(['dangling', 'link', 'loop', 'pipe'].map((name) => join(dir, 'top', name)));
  });

  test('tells which names will be others for those who download', async () => {
    const dir = folder();
    const unsafe = 'a\u001b[31mb';
    writeTree(dir, { [`top/${unsafe}`]: 1, 'top/plain': 1 });
    const { metaInfo, renamed, torrentFile } = await createTorrent(join(dir, 'top'), DATELESS);
    expect(renamed).toEqual([`top/${unsafe}`]);
    expect(metaInfo.files.map((file) => file.path)).toContain(`top/${unsafe}`);
    expect(parseTorrent(torrentFile).files.map((file) => file.path)).toContain('top/a_[31mb');
    expect((await createTorrent(join(dir, 'top'), { ...DATELESS, name: 'other' })).renamed).toEqual(renamed);
  });

  test('excluded files and folders are left out', async () => {
    const dir = folder();
    writeTree(join(dir, 'top'), {
      'keep.txt': 1,
      'a.tmp': 1,
      'sub/b.tmp': 1,
      'sub/.DS_Store': 1,
      'sub/keep': 1,
      'build/x/y': 1,
      'sub/build.txt': 1,
      'node_modules/x': 1,
      'sub/node_modules/y': 1,
    });
    const exclude = ['*.tmp', '.DS_Store', 'build/**', 'node_modules'];
    const { metaInfo } = await createTorrent(join(dir, 'top'), { ...DATELESS, exclude });
    expect(metaInfo.files.map((file) => file.path)).toEqual([
      'top/keep.txt',
      'top/sub/build.txt',
      'top/sub/keep',
    ]);
  });

  test('the same files give the same bytes without a date', async () => {
    const dir = folder();
    writeTree(dir, { 'top/a': 50_000, 'top/b': 1 });
    const first = await createTorrent(join(dir, 'top'), DATELESS);
    utimesSync(join(dir, 'top/a'), 1, 1);
    const second = await createTorrent(`${dir}/top/`, DATELESS);
    expect(second.torrentFile).toEqual(first.torrentFile);
  });

  test('everything that can be said about it is said', async () => {
    const dir = folder();
    writeTree(dir, { file: 10 });
    const { metaInfo } = await createTorrent(join(dir, 'file'), {
      name: 'renamed',
      trackers: [['http://a.example/'], ['udp://b.example:80']],
      webSeeds: ['https://c.example/file'],
      private: true,
      source: 'here',
      comment: 'a comment',
      createdBy: 'me',
      createdAt: 1_700_000_000,
    });
    expect(metaInfo).toMatchObject({
      name: 'renamed',
      trackers: [['http://a.example/'], ['udp://b.example:80']],
      webSeeds: ['https://c.example/file'],
      private: true,
      comment: 'a comment',
      createdBy: 'me',
      createdAt: 1_700_000_000,
    });
    expect(Buffer.from(metaInfo.infoBytes).toString('latin1')).toContain('6:source4:here');
  });

  test('who made it and when is said unless told otherwise', async () => {
    const dir = folder();
    writeTree(dir, { file: 10 });
    const before = Math.floor(Date.now() / 1000);
    const { metaInfo } = await createTorrent(join(dir, 'file'));
    expect(metaInfo.createdBy).toMatch(/^torrent-ts\/\d/);
    expect(metaInfo.createdAt).toBeGreaterThanOrEqual(before);
    expect((await createTorrent(join(dir, 'file'), { createdBy: null })).metaInfo.createdBy).toBeNull();
  });
});

describe('while it is made', () => {
  test('progress rises to all bytes', async () => {
    const dir = folder();
    writeTree(dir, { file: 20_000_000 });
    const seen: number[] = [];
    await createTorrent(join(dir, 'file'), {
      ...DATELESS,
      onProgress: ({ done, total }) => {
        expect(total).toBe(20_000_000);
        seen.push(done);
      },
    });
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
    expect(seen.at(-1)).toBe(20_000_000);
    expect(seen).toHaveLength(3);
  });

  test('it can be ended with a signal', async () => {
    const dir = folder();
    writeTree(dir, { file: 10_000_000 });
    const controller = new AbortController();
    const reason = new Error('enough');
    const attempt = createTorrent(join(dir, 'file'), {
      ...DATELESS,
      signal: controller.signal,
      onProgress: () => controller.abort(reason),
    });
    await expect(attempt).rejects.toBe(reason);
    await expect(createTorrent(join(dir, 'file'), { signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );
  });

  test('a mistake in the progress callback comes back to the caller', async () => {
    const dir = folder();
    writeTree(dir, { file: 100_000 });
    const mistake = new Error('my mistake');
    const onProgress = () => {
      throw mistake;
    };
    await expect(createTorrent(join(dir, 'file'), { ...DATELESS, onProgress })).rejects.toBe(mistake);
  });

  test.each([
    ['grows', (path: string) => appendFileSync(path, 'x')],
    ['shrinks', (path: string) => truncateSync(path, 10)],
    ['is written again', (path: string) => writeFileSync(path, noise('other', 3_000_000))],
  ])('a file that %s meanwhile is an error that names it', async (_, change) => {
    const dir = folder();
    writeTree(dir, { 'top/a': 100, 'top/b': 3_000_000 });
    utimesSync(join(dir, 'top/b'), 1, 1);
    let isChanged = false;
    const onProgress = () => {
      if (!isChanged) change(join(dir, 'top/b'));
      isChanged = true;
    };
    const attempt = createTorrent(join(dir, 'top'), { ...DATELESS, onProgress });
    await expect(attempt).rejects.toBeInstanceOf(StorageError);
    await expect(attempt).rejects.toMatchObject({
      path: join(dir, 'top/b'),
      message: expect.stringContaining('changed while it was hashed') as string,
    });
  });
});

describe('what no torrent can be made of', () => {
  test('something that is not there', async () => {
    await expect(createTorrent(join(folder(), 'missing'))).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
  });

  test('nothing: an empty file, an empty folder, a folder of which all is excluded', async () => {
    const dir = folder();
    writeTree(dir, { empty: 0, 'top/file': 5 });
    mkdirSync(join(dir, 'hollow'));
    await expect(createTorrent(join(dir, 'empty'))).rejects.toThrow(/no content/);
    await expect(createTorrent(join(dir, 'hollow'))).rejects.toThrow(/no content/);
    await expect(createTorrent(join(dir, 'top'), { exclude: ['*'] })).rejects.toBeInstanceOf(UsageError);
  });

  test('a pipe', async () => {
    const dir = folder();
    execFileSync('mkfifo', [join(dir, 'pipe')]);
    await expect(createTorrent(join(dir, 'pipe'))).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' });
  });

  // Other systems refuse to make one.
  test.runIf(process.platform === 'linux')('a file whose name is no text', async () => {
    const dir = folder();
    writeFileSync(Buffer.concat([Buffer.from(`${dir}/`), Buffer.of(0x61, 0xff)]), 'x');
    await expect(createTorrent(dir)).rejects.toMatchObject({ code: 'ERR_UNSAFE_PATH' });
  });

  test.each([
    [{ pieceLength: 1_000 }, /pieceLength/],
    [{ pieceLength: 8_192 }, /pieceLength/],
    [{ pieceLength: 134_217_728 }, /pieceLength/],
    [{ pieceLength: NaN }, /pieceLength/],
    [{ trackers: [['ftp://a.example/']] }, /trackers.*ftp/],
    [{ webSeeds: ['relative'] }, /webSeeds.*relative/],
    [{ name: '../x' }, /name/],
    [{ name: '' }, /name/],
    [{ createdAt: -1 }, /createdAt/],
    [{ createdAt: 1.5 }, /createdAt/],
    [{ colour: 'red' } as CreateOptions, /unknown option "colour"/],
  ])('options %j are refused before anything is read', async (options: CreateOptions, message) => {
    const attempt = createTorrent('/nowhere', options);
    await expect(attempt).rejects.toBeInstanceOf(UsageError);
    await expect(attempt).rejects.toThrow(message);
  });
});

function folder(): string {
  const { path, remove } = temporaryFolder('create');
  folders.push(remove);
  return path;
}

/** Compares every piece hash with one made here from the files on disk. */
function expectHashesOf(metaInfo: MetaInfo, dir: string): void {
  const contents = metaInfo.files.map((file) => readFileSync(join(dir, file.path)));
  const map = new FileMap(metaInfo.files, metaInfo.geometry);
  const hashes = Array.from({ length: metaInfo.pieceCount }, (_, piece) => {
    const sha1 = createHash('sha1');
    for (const { file, offset, length } of map.pieceSlices(piece)) {
      sha1.update(contents[file]!.subarray(offset, offset + length));
    }
    return sha1.digest();
  });
  expect(Buffer.from(metaInfo.pieceHashes).equals(Buffer.concat(hashes))).toBe(true);
}
