import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StorageError } from '../../src/errors.ts';
import { DiskFaults } from '../../src/node/disk-faults.ts';
import type { FaultRule } from '../../src/node/disk-faults.ts';
import type { DiskJob } from '../../src/node/disk-jobs.ts';
import { DiskPool } from '../../src/node/disk-pool.ts';
import { fileStorageFactory } from '../../src/node/file-storage.ts';
import type { FileStat, PieceVerdict, StorageFactory, TorrentStorage } from '../../src/ports.ts';
import { Slab } from '../../src/util/slab-pool.ts';
import { contentTorrent } from '../support/content-torrent.ts';
import type { ContentTorrent } from '../support/content-torrent.ts';
import { temporaryFolder } from '../support/tree.ts';

/**
 * Piece:   0          1          2          3          4
 * File:    a----a b---------b c-c d-----------------d e---e
 */
const ALBUM = contentTorrent('album', 16_384, [
  { path: 'a', length: 12_000 },
  { path: 'b', length: 16_384 },
  { path: 'disc 1/c', length: 6_000 },
  { path: 'disc 2/d', length: 36_000 },
  { path: 'e', length: 9_000 },
  { path: 'disc 3/nothing', length: 0 },
]);
const ALL = ALBUM.metaInfo.files.map(() => true);

let folder: ReturnType<typeof temporaryFolder>;
let dir: string;
let pool: DiskPool;
let factory: StorageFactory;
let storage: TorrentStorage;

beforeEach(() => {
  folder = temporaryFolder('file-storage');
  dir = join(folder.path, 'downloads');
  start();
});

afterEach(async () => {
  await close();
  await pool.close();
  folder.remove();
});

describe('files on disk', () => {
  test('whole pieces become exactly the files, folders included', async () => {
    await writeAll();
    await flush();
    for (const { path, offset, length } of ALBUM.metaInfo.files) {
      const expected = ALBUM.content.subarray(offset, offset + length);
      expect(Buffer.compare(readFileSync(join(dir, path)), expected)).toBe(0);
    }
    expect(existsSync(partPath())).toBe(false);
  });

  test('a piece takes its own hash to a thread, and not the memory that all hashes lie in', async () => {
    const sizes: number[] = [];
    class WatchedPool extends DiskPool {
      override run: DiskPool['run'] = (job, done) => {
        const some: DiskJob = job;
        if (some.kind === 'write') sizes.push(some.expected.buffer.byteLength);
        super.run(job, done);
      };
    }
    const watched = new WatchedPool();
    // As a file is read: a part of a larger Buffer, whose `slice` copies nothing.
    const pieceHashes = Buffer.concat([Buffer.alloc(65_536), ALBUM.metaInfo.pieceHashes]).subarray(65_536);
    const other = fileStorageFactory(watched).open({ ...ALBUM.metaInfo, pieceHashes }, { dir });
    expect(await write(0, ALBUM, other)).toMatchObject({ status: 'written' });
    expect(sizes).toEqual([20]);
    await close(other);
    await watched.close();
  });

  test('nothing is made before something is written', async () => {
    expect(await check(0)).toBe(false);
    await stat();
    await flushless();
    expect(existsSync(dir)).toBe(false);
  });

  test('a file has its full length from its first piece on, and takes no space for the rest', async () => {
    const big = contentTorrent('big', 16_384, null, 8_000_000);
    const other = factory.open(big.metaInfo, { dir });
    expect((await write(5, big, other)).status).toBe('written');
    const found = statSync(join(dir, 'big'));
    expect(found.size).toBe(8_000_000);
    expect(found.blocks * 512).toBeLessThan(200_000);
    await close(other);
  });

  test('blocks that lie in several files are read as one', async () => {
    await writeAll();
    const into = new Uint8Array(16_384);
    expect(await read(1, 0, into)).toBe(null);
    expect(Buffer.compare(into, ALBUM.piece(1))).toBe(0);
    const few = new Uint8Array(10);
    expect(await read(0, 11_995, few)).toBe(null);
    expect(Buffer.compare(few, ALBUM.piece(0).subarray(11_995, 12_005))).toBe(0);
  });

  test('bytes changed behind our back fail the check of their piece only', async () => {
    await writeAll();
    const path = join(dir, 'album', 'disc 2/d');
    const bytes = readFileSync(path);
    bytes[100]! ^= 1;
    writeFileSync(path, bytes);
    const results = [];
    for (let piece = 0; piece < 5; piece++) results.push(await check(piece));
    expect(results).toEqual([true, true, false, true, true]);
  });

  test('a file that was cut fails the check without an error, and reading it is one', async () => {
    await writeAll();
    truncateSync(join(dir, 'album', 'e'), 100);
    expect(await check(4)).toBe(false);
    expect((await read(4, 13_000, new Uint8Array(100)))!.code).toBe('ERR_FILE_MISSING');
  });

  test('pieces checked side by side are told apart, in any order and with a file missing among them', async () => {
    await writeAll();
    const bytes = readFileSync(join(dir, 'album', 'disc 2/d'));
    bytes[100]! ^= 1;
    writeFileSync(join(dir, 'album', 'disc 2/d'), bytes);
    expect(await Promise.all([0, 1, 2, 3, 4].map((piece) => check(piece)))).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
    rmSync(join(dir, 'album', 'e'));
    expect(await Promise.all([4, 0, 2, 1, 3, 0].map((piece) => check(piece)))).toEqual([
      false,
      true,
      false,
      true,
      true,
      true,
    ]);
  });

  test('a longer file of someone else is neither cut nor written to', async () => {
    mkdirSync(join(dir, 'album'), { recursive: true });
    writeFileSync(join(dir, 'album', 'b'), Buffer.alloc(20_000, 1));
    const verdict = await write(1);
    expect(errorOf(verdict)).toMatchObject({ code: 'ERR_UNSAFE_PATH', path: join(dir, 'album', 'b') });
    expect(errorOf(verdict).message).toContain('20000');
    expect(readFileSync(join(dir, 'album', 'b')).equals(Buffer.alloc(20_000, 1))).toBe(true);
  });

  test('two torrents that name the same file do not write to it in turns', async () => {
    const twin = contentTorrent('album', 16_384, [{ path: 'b', length: 16_384 }]);
    const other = factory.open(twin.metaInfo, { dir });
    expect((await write(1)).status).toBe('written');
    expect(errorOf(await write(0, twin, other)).code).toBe('ERR_UNSAFE_PATH');
    await close();
    expect((await write(0, twin, other)).status).toBe('written');
    await close(other);
    storage = open();
  });

  test('twenty thousand files are made, found and read', async () => {
    const files = Array.from({ length: 20_000 }, (_, i) => ({ path: `${i % 100}/file ${i}`, length: 7 }));
    const many = contentTorrent('many', 16_384, files);
    const other = factory.open(many.metaInfo, { dir });
    expect((await write(2, many, other)).status).toBe('written');
    expect(await check(2, other)).toBe(true);
    const sizes = ((await stat(other)) as FileStat[]).filter(({ size }) => size === 7).length;
    // Piece 2 begins and ends within a file.
    expect(sizes).toBe(Math.floor((3 * 16_384) / 7) - Math.floor((2 * 16_384) / 7) + 1);
    await close(other);
  });

  test('a torrent of 2 bytes and one without any', async () => {
    const tiny = contentTorrent('tiny', 16_384, null, 2);
    const none = contentTorrent('none', 16_384, [{ path: 'empty', length: 0 }]);
    for (const torrent of [tiny, none]) {
      const other = factory.open(torrent.metaInfo, { dir });
      for (let piece = 0; piece < torrent.metaInfo.pieceCount; piece++) await write(piece, torrent, other);
      expect(await flush(other)).toBe(null);
      expect(((await stat(other)) as FileStat[])[0]!.size).toBe(torrent.metaInfo.length);
      await close(other);
    }
  });

  test('no descriptor stays open after 200 torrents were opened and closed', async () => {
    await write(0);
    await read(0, 0, new Uint8Array(10));
    await close();
    const before = readdirSync('/proc/self/fd').length;
    for (let i = 0; i < 200; i++) {
      const torrent = contentTorrent(`torrent ${i}`, 16_384, null, 20_000);
      const other = factory.open(torrent.metaInfo, { dir });
      await write(1, torrent, other);
      await read(1, 0, new Uint8Array(10), other);
      await close(other);
    }
    expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(before);
    storage = open();
  });

  test('after close everything answers with an error', async () => {
    await close();
    await close();
    expect(errorOf(await write(0)).message).toContain('closed');
    expect((await read(0, 0, new Uint8Array(1)))!.message).toContain('closed');
    expect(await check(0)).toBeInstanceOf(StorageError);
    expect(await stat()).toBeInstanceOf(StorageError);
    expect(await flush()).toBeInstanceOf(StorageError);
  });
});

describe('selected files', () => {
  const only = (...wanted: string[]): boolean[] =>
    ALBUM.metaInfo.files.map(({ path }) => wanted.includes(path.slice('album/'.length)));

  test('an unwanted file is never made; its share of a border piece is read and checked all the same', async () => {
    storage.setWanted(only('b'));
    expect((await write(0)).status).toBe('written');
    expect((await write(1)).status).toBe('written');
    await flush();
    expect(readdirSync(join(dir, 'album'))).toEqual(['b']);
    expect([await check(0), await check(1), await check(2)]).toEqual([true, true, false]);
    const into = new Uint8Array(16_384);
    for (const piece of [0, 1]) {
      expect(await read(piece, 0, into)).toBe(null);
      expect(Buffer.compare(into, ALBUM.piece(piece))).toBe(0);
    }
  });

  test('the next run finds the border pieces again', async () => {
    storage.setWanted(only('b'));
    await write(0);
    await write(1);
    const stats = (await stat()) as FileStat[];
    await reopen();
    storage.setWanted(only('b'));
    expect(await stat()).toEqual(stats);
    expect([await check(0), await check(1)]).toEqual([true, true]);
    const into = new Uint8Array(100);
    expect(await read(0, 11_000, into)).toBe(null);
    expect(Buffer.compare(into, ALBUM.piece(0).subarray(11_000, 11_100))).toBe(0);
  });

  test('a file that becomes wanted gets its bytes from the part file, before anything else is done', async () => {
    storage.setWanted(only('b'));
    await write(0);
    await write(1);
    storage.setWanted(only('a', 'b'));
    expect(await check(0)).toBe(true);
    expect(Buffer.compare(readFileSync(join(dir, 'album', 'a')), ALBUM.content.subarray(0, 12_000))).toBe(0);
    expect(existsSync(join(dir, 'album', 'disc 1'))).toBe(false);
    expect(existsSync(partPath())).toBe(true);
    storage.setWanted(ALL);
    expect([await check(0), await check(1)]).toEqual([true, true]);
    expect(existsSync(partPath())).toBe(false);
    expect(existsSync(join(dir, 'album', 'disc 1', 'c'))).toBe(true);
  });

  test('a file that becomes wanted between runs gets its bytes as well', async () => {
    storage.setWanted(only('b'));
    await write(0);
    await write(1);
    await reopen();
    expect([await check(0), await check(1), await check(2)]).toEqual([true, true, false]);
    expect(existsSync(partPath())).toBe(false);
    for (const piece of [2, 3, 4]) await write(piece);
    await flush();
    for (const { path, offset, length } of ALBUM.metaInfo.files) {
      const expected = ALBUM.content.subarray(offset, offset + length);
      expect(Buffer.compare(readFileSync(join(dir, path)), expected)).toBe(0);
    }
  });

  test('a file that is on disk is used though nobody wants it', async () => {
    mkdirSync(join(dir, 'album'), { recursive: true });
    writeFileSync(join(dir, 'album', 'a'), ALBUM.content.subarray(0, 12_000));
    storage.setWanted(only('b'));
    await write(0);
    await write(1);
    expect(await check(0)).toBe(true);
    storage.setWanted(only('b', 'disc 1/c'));
    expect([await check(0), await check(1)]).toEqual([true, true]);
    expect(existsSync(partPath())).toBe(false);
  });

  test('a file that is too long to be the torrent’s is left alone if it is not wanted', async () => {
    mkdirSync(join(dir, 'album'), { recursive: true });
    writeFileSync(join(dir, 'album', 'a'), Buffer.alloc(12_001, 1));
    storage.setWanted(only('b'));
    expect((await write(0)).status).toBe('written');
    expect(await check(0)).toBe(true);
    expect(readFileSync(join(dir, 'album', 'a')).equals(Buffer.alloc(12_001, 1))).toBe(true);
  });

  test('a file that is no longer wanted keeps what it has and goes on being used', async () => {
    await write(0);
    storage.setWanted(only('disc 2/d'));
    await write(1);
    expect([await check(0), await check(1)]).toEqual([true, true]);
    expect(existsSync(join(dir, 'album', 'disc 1'))).toBe(false);
  });

  test('a part file that was cut or spoilt is given up, and the pieces count as missing', async () => {
    for (const spoil of [
      () => truncateSync(partPath(), 20_000),
      () => truncateSync(partPath(), 3),
      () => writeFileSync(partPath(), Buffer.alloc(40_000, 7)),
      () => rmSync(partPath()),
    ]) {
      storage.setWanted(only('b'));
      await write(0);
      await write(1);
      await close();
      spoil();
      storage = open();
      expect(await check(0)).toBe(false);
      expect((await write(0)).status).toBe('written');
      expect(await check(0)).toBe(true);
      await close();
      rmSync(dir, { recursive: true });
      storage = open();
    }
  });

  test('moving bytes out of the part file onto a full disk fails now and succeeds later', async () => {
    const faults = await faulty([{ operation: 'write', path: 'album/a', effect: { errno: 'ENOSPC' } }]);
    storage.setWanted(only('b'));
    await write(0);
    faults.arm(0);
    storage.setWanted(only('a', 'b'));
    expect(errorOf(await write(1)).code).toBe('ERR_DISK_FULL');
    faults.disarm(0);
    expect(await check(0)).toBe(true);
    expect(Buffer.compare(readFileSync(join(dir, 'album', 'a')), ALBUM.content.subarray(0, 12_000))).toBe(0);
  });

  test('random selections in random order always leave every verified piece readable', async () => {
    let seed = 12_345;
    const below = (n: number): number => (seed = (seed * 48_271) % 2_147_483_647) % n;
    const have = new Set<number>();
    for (let step = 0; step < 60; step++) {
      if (below(3) === 0) storage.setWanted(ALL.map(() => below(2) === 0));
      else if (below(8) === 0) await reopen();
      else {
        const piece = below(5);
        expect((await write(piece)).status).toBe('written');
        have.add(piece);
      }
      for (const piece of have) {
        expect(`step ${step} piece ${piece} ${String(await check(piece))}`).toBe(
          `step ${step} piece ${piece} true`,
        );
      }
    }
  });
});

describe('a disk in trouble', () => {
  test('no space: the slab comes back whole, and the same slab is written when there is space', async () => {
    const faults = await faulty([{ operation: 'write', effect: { errno: 'ENOSPC' } }]);
    faults.arm(0);
    const slab = ALBUM.slab(2);
    const verdict = await writeSlab(2, slab);
    expect(errorOf(verdict).code).toBe('ERR_DISK_FULL');
    expect(errorOf(verdict).message).toContain('no space left');
    expect(Buffer.compare(slab.bytes, ALBUM.piece(2))).toBe(0);
    faults.disarm(0);
    expect((await writeSlab(2, slab)).status).toBe('written');
    expect(await check(2)).toBe(true);
  });

  test.each([
    ['EDQUOT', 'ERR_DISK_FULL'],
    ['EACCES', 'ERR_DISK_PERMISSION'],
    ['EROFS', 'ERR_DISK_PERMISSION'],
    ['EIO', 'ERR_DISK_IO'],
    ['EFBIG', 'ERR_DISK_IO'],
  ] as const)('%s at any step of a write is %s and leaves no doubt about the piece', async (errno, code) => {
    const operations = ['mkdir', 'open', 'truncate', 'write'] as const;
    const faults = await faulty(operations.map((operation) => ({ operation, effect: { errno } })));
    for (const rule of operations.keys()) {
      faults.arm(rule, 1);
      expect(errorOf(await write(rule)).code).toBe(code);
      expect(await check(rule)).toBe(false);
      expect((await write(rule)).status).toBe('written');
      expect(await check(rule)).toBe(true);
      await close();
      rmSync(dir, { recursive: true });
      storage = open();
    }
  });

  test('writes that take fewer bytes than given are gone on with', async () => {
    const faults = await faulty([{ operation: 'write', effect: { shortTo: 1_000 } }]);
    faults.arm(0);
    expect((await write(1)).status).toBe('written');
    expect(await check(1)).toBe(true);
  });

  test('reads that fail or fall short are errors of that read only', async () => {
    const faults = await faulty([
      { operation: 'read', effect: { errno: 'EIO' } },
      { operation: 'read', effect: { shortTo: 7 } },
    ]);
    await write(1);
    faults.arm(0, 1);
    expect((await read(1, 0, new Uint8Array(100)))!.code).toBe('ERR_DISK_IO');
    faults.arm(1, 3);
    const into = new Uint8Array(100);
    expect(await read(1, 0, into)).toBe(null);
    expect(Buffer.compare(into, ALBUM.piece(1).subarray(0, 100))).toBe(0);
    faults.arm(0, 1);
    expect(await check(1)).toMatchObject({ code: 'ERR_DISK_IO' });
  });

  test('a sync that fails is reported and done again by the next flush', async () => {
    const faults = await faulty([{ operation: 'fsync', path: 'album/a', effect: { errno: 'EIO' } }]);
    await write(0);
    faults.arm(0, 1);
    expect((await flush())!.code).toBe('ERR_DISK_IO');
    faults.arm(0, 1);
    expect((await flush())!.code).toBe('ERR_DISK_IO');
    expect(await flush()).toBe(null);
  });

  test('a piece whose thread dies is written by another, unless that dies of it too', async () => {
    const faults = await faulty([{ operation: 'write', effect: 'die' }]);
    faults.arm(0, 1);
    expect((await write(0)).status).toBe('written');
    faults.arm(0, 2);
    const slab = ALBUM.slab(1);
    expect(errorOf(await writeSlab(1, slab)).code).toBe('ERR_DISK_IO');
    expect((await writeSlab(1, slab)).status).toBe('written');
    expect(await check(1)).toBe(true);
  });

  test('every operation that fails once, at any point of a whole download, hurts nothing in the end', async () => {
    const operations = ['open', 'stat', 'mkdir', 'truncate', 'read', 'write', 'fsync'] as const;
    const rules: FaultRule[] = operations.map((operation) => ({ operation, effect: { errno: 'EIO' } }));
    const faults = await faulty(rules, 1);
    for (const rule of rules.keys()) {
      for (let skip = 0; skip < 8; skip++) {
        faults.arm(rule, 1, skip);
        storage.setWanted(ALL.map((_, i) => i !== 1));
        for (let piece = 0; piece < 5; piece++) await untilWritten(piece);
        storage.setWanted(ALL);
        if (await flush()) expect(await flush()).toBe(null);
        faults.disarm(rule);
        for (let piece = 0; piece < 5; piece++) expect(await check(piece)).toBe(true);
        const stats = (await stat()) as FileStat[];
        expect(stats.map(({ size }) => size)).toEqual(ALBUM.metaInfo.files.map(({ length }) => length));
        await close();
        rmSync(dir, { recursive: true });
        storage = open();
      }
    }
  });

  test('a really full file system', async () => {
    mkdirSync(dir, { recursive: true });
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=256k', 'tmpfs', dir]);
    // Not everyone who runs the tests may mount; the injected failures above cover the same ground.
    if (mounted.status !== 0) return;
    try {
      writeFileSync(join(dir, 'filler'), Buffer.alloc(220_000));
      const verdicts: string[] = [];
      for (let piece = 0; piece < 5; piece++) verdicts.push((await write(piece)).status);
      expect(verdicts).toContain('failed');
      rmSync(join(dir, 'filler'));
      await writeAll();
      for (let piece = 0; piece < 5; piece++) expect(await check(piece)).toBe(true);
    } finally {
      await close();
      spawnSync('umount', ['-l', dir]);
    }
  });
});

describe('things that vanish', () => {
  test('a file deleted during the download is an error and not made anew with holes', async () => {
    await write(1);
    rmSync(join(dir, 'album', 'b'));
    expect(errorOf(await write(0))).toMatchObject({
      code: 'ERR_FILE_MISSING',
      path: join(dir, 'album', 'b'),
    });
    expect(existsSync(join(dir, 'album', 'b'))).toBe(false);
    expect((await flush())!.code).toBe('ERR_FILE_MISSING');
    expect(await check(1)).toBe(false);
  });

  test('after a stat, which shows what is missing, it may be made again', async () => {
    await write(1);
    rmSync(join(dir, 'album', 'b'));
    const stats = (await stat()) as FileStat[];
    expect(stats.map(({ size }) => size)).toEqual([-1, -1, 6_000, -1, -1, -1]);
    expect((await write(0)).status).toBe('written');
    expect(await check(1)).toBe(false);
    await writeAll();
    expect(await check(1)).toBe(true);
    expect(await flush()).toBe(null);
  });

  test('the download folder is not made anew, and all goes on when it is back', async () => {
    await write(1);
    expect(await check(1)).toBe(true);
    renameSync(dir, `${dir} elsewhere`);
    expect(errorOf(await write(3)).code).toBe('ERR_FILE_MISSING');
    expect((await stat()) as StorageError).toMatchObject({ code: 'ERR_FILE_MISSING', path: dir });
    expect(errorOf(await write(4)).code).toBe('ERR_FILE_MISSING');
    expect(existsSync(dir)).toBe(false);
    renameSync(`${dir} elsewhere`, dir);
    expect((await write(3)).status).toBe('written');
    expect(await stat()).not.toBeInstanceOf(StorageError);
    expect([await check(1), await check(3)]).toEqual([true, true]);
  });

  test('another folder in its place, such as an empty mount point, gets nothing', async () => {
    await write(1);
    renameSync(dir, `${dir} elsewhere`);
    mkdirSync(dir);
    for (const piece of [0, 3, 4]) expect(errorOf(await write(piece)).code).toBe('ERR_FILE_MISSING');
    expect(((await stat()) as StorageError).message).toContain('unmounted');
    expect(errorOf(await write(4)).code).toBe('ERR_FILE_MISSING');
    expect(readdirSync(dir)).toEqual([]);
  });

  test('another folder in its place that shows our files, such as a disk mounted again, is taken', async () => {
    await write(1);
    renameSync(dir, `${dir} elsewhere`);
    mkdirSync(dir);
    expect(await stat()).toBeInstanceOf(StorageError);
    renameSync(join(`${dir} elsewhere`, 'album'), join(dir, 'album'));
    expect(await stat()).not.toBeInstanceOf(StorageError);
    expect(await check(1)).toBe(true);
    expect((await write(4)).status).toBe('written');
  });
});

describe('what an attacker may have put there', () => {
  beforeEach(() => mkdirSync(join(dir, 'album'), { recursive: true }));

  test('a link that leads out is refused for reading, checking and writing', async () => {
    const outside = join(folder.path, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'd'), ALBUM.content.subarray(34_384, 70_384));
    symlinkSync(outside, join(dir, 'album', 'disc 2'));
    expect(await stat()).toMatchObject({ code: 'ERR_UNSAFE_PATH', path: join(dir, 'album/disc 2/d') });
    expect(errorOf(await write(3)).code).toBe('ERR_UNSAFE_PATH');
    expect(await check(3)).not.toBe(true);
    expect((await read(3, 0, new Uint8Array(5)))!.code).toMatch(/ERR_UNSAFE_PATH|ERR_FILE_MISSING/);
    storage.setWanted(ALL.map((_, i) => i !== 3));
    expect(await stat()).not.toBeInstanceOf(StorageError);
  });

  test('a link made after the first look is refused when the file is opened', async () => {
    await writeAll();
    await close();
    storage = open();
    await stat();
    renameSync(join(dir, 'album', 'disc 2'), join(folder.path, 'outside'));
    symlinkSync(join(folder.path, 'outside'), join(dir, 'album', 'disc 2'));
    expect((await read(3, 0, new Uint8Array(5)))!.code).toBe('ERR_UNSAFE_PATH');
    expect(await check(3)).toMatchObject({ code: 'ERR_UNSAFE_PATH' });
    expect(errorOf(await write(3)).code).toBe('ERR_UNSAFE_PATH');
  });

  test('a folder or a FIFO in place of a file is refused without waiting', async () => {
    mkdirSync(join(dir, 'album', 'a'));
    expect(spawnSync('mkfifo', [join(dir, 'album', 'b')]).status).toBe(0);
    expect(await stat()).toMatchObject({ code: 'ERR_UNSAFE_PATH' });
    expect(errorOf(await write(0)).code).toBe('ERR_UNSAFE_PATH');
    expect(errorOf(await write(1)).code).toBe('ERR_UNSAFE_PATH');
  });

  test('a link in place of the part file is not followed', async () => {
    writeFileSync(join(folder.path, 'precious'), 'precious');
    symlinkSync(join(folder.path, 'precious'), partPath());
    storage.setWanted(ALL.map((_, i) => i === 1));
    expect(errorOf(await write(0)).code).toBe('ERR_UNSAFE_PATH');
    expect(readFileSync(join(folder.path, 'precious'), 'utf8')).toBe('precious');
  });
});

test('a process with 64 descriptors downloads and serves 300 files', () => {
  const module = (name: string): string =>
    JSON.stringify(new URL(`../../dist/${name}.js`, import.meta.url).href);
  const code = `
    import { createHash } from 'node:crypto';
    import { DiskPool } from ${module('node/disk-pool')};
    import { fileStorageFactory } from ${module('node/file-storage')};
    import { PieceGeometry } from ${module('metainfo/geometry')};
    import { Slab } from ${module('util/slab-pool')};
    const files = Array.from({ length: 300 }, (_, index) =>
      ({ index, path: 't/' + index, length: 16384, offset: index * 16384, padding: false }));
    const geometry = new PieceGeometry(300 * 16384, 16384);
    const pieceHashes = Buffer.concat(files.map(() => createHash('sha1').update(Buffer.alloc(16384, 5)).digest()));
    const metaInfo = { infoHash: new Uint8Array(20), name: 't', files, geometry, pieceHashes,
      pieceLength: 16384, pieceCount: 300, length: 300 * 16384 };
    const pool = new DiskPool({ threads: 2, openFilesMax: 1000 });
    const storage = fileStorageFactory(pool).open(metaInfo, { dir: ${JSON.stringify(dir)} });
    const ask = (start) => new Promise(start);
    const results = await Promise.all(files.map(({ index }) => ask((done) => {
      const slab = new Slab(16384);
      slab.bytes.fill(5);
      storage.writePiece(index, slab, false, done);
    })));
    console.log(results.filter(({ status }) => status === 'written').length);
    let served = 0;
    for (const { index } of files) {
      const into = new Uint8Array(16384);
      const error = await ask((done) => storage.read(index, 0, into, done));
      if (error === null && into[16383] === 5) served++;
    }
    console.log(served);
    await ask((done) => storage.close(done));
    await pool.close();`;
  const args = ['--nofile=64', process.execPath, '--input-type=module', '-e', code];
  const { stdout, stderr } = spawnSync('prlimit', args, { encoding: 'utf8' });
  expect(stderr).toBe('');
  expect(stdout).toBe('300\n300\n');
});

function start(faults?: DiskFaults, threads = 2): void {
  pool = new DiskPool(faults ? { threads, faults } : { threads });
  factory = fileStorageFactory(pool);
  storage = open();
}

function open(): TorrentStorage {
  return factory.open(ALBUM.metaInfo, { dir });
}

async function reopen(): Promise<void> {
  await close();
  storage = open();
}

/** The storage again, on a pool with failures. */
async function faulty(rules: readonly FaultRule[], threads = 2): Promise<DiskFaults> {
  await close();
  await pool.close();
  const faults = new DiskFaults(rules);
  start(faults, threads);
  return faults;
}

function write(piece: number, torrent: ContentTorrent = ALBUM, on = storage): Promise<PieceVerdict> {
  return writeSlab(piece, torrent.slab(piece), on);
}

function writeSlab(piece: number, slab: Slab, on = storage): Promise<PieceVerdict> {
  return new Promise((resolve) => on.writePiece(piece, slab, false, resolve));
}

async function untilWritten(piece: number): Promise<void> {
  for (let attempt = 0; attempt < 3; attempt++) if ((await write(piece)).status === 'written') return;
  throw new Error(`piece ${piece} was refused three times`);
}

async function writeAll(): Promise<void> {
  for (let piece = 0; piece < ALBUM.metaInfo.pieceCount; piece++) {
    expect((await write(piece)).status).toBe('written');
  }
}

function check(piece: number, on = storage): Promise<boolean | StorageError> {
  return new Promise((resolve) => on.checkPiece(piece, resolve));
}

function read(piece: number, begin: number, into: Uint8Array, on = storage): Promise<StorageError | null> {
  return new Promise((resolve) => on.read(piece, begin, into, resolve));
}

function stat(on = storage): Promise<readonly FileStat[] | StorageError> {
  return new Promise((resolve) => on.stat(resolve));
}

function flush(on = storage): Promise<StorageError | null> {
  return new Promise((resolve) => on.flush(resolve));
}

/** A flush of a torrent with nothing wanted has nothing to make. */
async function flushless(): Promise<void> {
  storage.setWanted(ALL.map(() => false));
  expect(await flush()).toBe(null);
}

function close(on = storage): Promise<void> {
  return new Promise((resolve) => on.close(resolve));
}

function errorOf(verdict: PieceVerdict): StorageError {
  expect(verdict.status).toBe('failed');
  return (verdict as { error: StorageError }).error;
}

function partPath(): string {
  return join(dir, `.${ALBUM.metaInfo.infoHashHex}.parts`);
}
