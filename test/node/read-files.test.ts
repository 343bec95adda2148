import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { StorageError } from '../../src/errors.ts';
import { DiskFaults } from '../../src/node/disk-faults.ts';
import { ReadFiles } from '../../src/node/read-files.ts';
import { eventually } from '../support/eventually.ts';
import { noise, temporaryFolder } from '../support/tree.ts';

let folder: ReturnType<typeof temporaryFolder>;
let files: ReadFiles;

beforeEach(() => {
  folder = temporaryFolder('read-files');
  for (const name of ['a', 'b', 'c', 'd']) writeFileSync(inside(name), noise(name, 50_000));
  files = new ReadFiles(2, (done) => setImmediate(done));
});

afterEach(async () => {
  vi.restoreAllMocks();
  await release();
  folder.remove();
});

test('reads of more files than may be open, all at once, each give their own bytes', async () => {
  const names = ['a', 'b', 'c', 'd'];
  const reads = Array.from({ length: 200 }, (_, i) => ({
    name: names[i % 4]!,
    offset: (i * 7_919) % 40_000,
    into: new Uint8Array(1 + ((i * 31) % 10_000)),
  }));
  const errors = await Promise.all(reads.map(({ name, offset, into }) => read(name, offset, into)));
  expect(errors).toEqual(errors.map(() => null));
  for (const { name, offset, into } of reads) {
    const expected = noise(name, 50_000).subarray(offset, offset + into.length);
    expect(Buffer.compare(into, expected)).toBe(0);
  }
});

test('no more files stay open than the capacity, and none after release', async () => {
  const before = openFds();
  for (const name of ['a', 'b', 'c', 'd']) await read(name, 0, new Uint8Array(1));
  expect(await fdsBecome(before + 2)).toBe(before + 2);
  await release();
  expect(openFds()).toBe(before);
});

test('a release while reads are under way lets them end and closes the files then', async () => {
  const before = openFds();
  const reads = ['a', 'a', 'b'].map((name) => read(name, 0, new Uint8Array(50_000)));
  await release();
  expect(await Promise.all(reads)).toEqual([null, null, null]);
  expect(await fdsBecome(before)).toBe(before);
});

test('the end of the file is an error that says where it is', async () => {
  const error = await read('a', 49_990, new Uint8Array(20));
  expect(error!.code).toBe('ERR_FILE_MISSING');
  expect(error!.message).toContain('50000');
});

test('all who wait for a file that cannot be opened hear why', async () => {
  const errors = await Promise.all([1, 2, 3].map(() => read('nothing', 0, new Uint8Array(1))));
  expect(errors.map((error) => error!.code)).toEqual(errors.map(() => 'ERR_FILE_MISSING'));
});

test('links, and folders that are links leading out, are refused', async () => {
  const root = join(folder.path, 'root');
  mkdirSync(root);
  symlinkSync(inside('a'), join(root, 'link'));
  symlinkSync(folder.path, join(root, 'folder'));
  for (const path of ['link', 'folder/a']) {
    const error = await new Promise<StorageError | null>((resolve) => {
      files.read(join(root, path), root, 0, new Uint8Array(1), resolve);
    });
    expect(error!.code).toBe('ERR_UNSAFE_PATH');
  }
});

test('a file that was deleted is noticed, not at once but after two seconds of reading', async () => {
  await read('a', 0, new Uint8Array(1));
  rmSync(inside('a'));
  expect(await read('a', 0, new Uint8Array(1))).toBe(null);
  later(2_001);
  const errors = await Promise.all([1, 2].map(() => read('a', 0, new Uint8Array(1))));
  expect(errors.map((error) => error!.code)).toEqual(['ERR_FILE_MISSING', 'ERR_FILE_MISSING']);
});

test('a file that was replaced is opened anew', async () => {
  await read('a', 0, new Uint8Array(1));
  writeFileSync(inside('new'), 'new');
  renameSync(inside('new'), inside('a'));
  later(2_001);
  const into = new Uint8Array(3);
  expect(await read('a', 0, into)).toBe(null);
  expect(Buffer.from(into).toString()).toBe('new');
});

test('short of descriptors it asks for room once and tries again', async () => {
  const faults = new DiskFaults([{ operation: 'open', effect: { errno: 'EMFILE' } }]);
  let asked = 0;
  const makeRoom = (done: () => void): void => {
    asked++;
    files.shrink(done);
  };
  files = new ReadFiles(2, makeRoom, faults);
  faults.arm(0, 1);
  expect(await read('a', 0, new Uint8Array(1))).toBe(null);
  expect(asked).toBe(1);
  faults.arm(0, 2);
  expect((await read('b', 0, new Uint8Array(1)))!.message).toContain('too many open files');
  expect(asked).toBe(2);
});

test('room is made when the descriptors are closed, and not before', async () => {
  const before = openFds();
  for (const name of ['a', 'b']) await read(name, 0, new Uint8Array(1));
  expect(openFds()).toBe(before + 2);
  await new Promise<void>((resolve) => files.shrink(resolve));
  expect(openFds()).toBe(before + 1);
  await new Promise<void>((resolve) => files.shrink(resolve));
  await new Promise<void>((resolve) => files.shrink(resolve));
  expect(openFds()).toBe(before);
});

test('with nothing open it is not the one to keep fewer', async () => {
  const before = openFds();
  files = new ReadFiles(2, setImmediate);
  for (let i = 0; i < 8; i++) await new Promise<void>((resolve) => files.shrink(resolve));
  for (const name of ['a', 'b']) await read(name, 0, new Uint8Array(1));
  expect(openFds()).toBe(before + 2);
});

function read(name: string, offset: number, into: Uint8Array): Promise<StorageError | null> {
  return new Promise((resolve) => files.read(inside(name), folder.path, offset, into, resolve));
}

function release(): Promise<void> {
  return new Promise((resolve) => files.release(folder.path, resolve));
}

function inside(name: string): string {
  return join(folder.path, name);
}

function later(ms: number): void {
  const now = performance.now() + ms;
  vi.spyOn(performance, 'now').mockReturnValue(now);
}

function openFds(): number {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
}

/** Files are closed in libuv's own time. */
function fdsBecome(count: number): Promise<number> {
  return eventually('descriptors', () => (openFds() === count ? count : null), 5_000, 5);
}
