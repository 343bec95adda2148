import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StorageError } from '../../src/errors.ts';
import { resumeFiles } from '../../src/node/resume-files.ts';
import { temporaryFolder } from '../support/tree.ts';

let folder: ReturnType<typeof temporaryFolder>;
let dir: string;

beforeEach(() => {
  folder = temporaryFolder('resume-files');
  dir = join(folder.path, 'state', 'torrent-ts');
});
afterEach(() => folder.remove());

test('the folder and the records are for their owner only', async () => {
  expect(await save('ab', 'x')).toBe(null);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
  expect(statSync(join(dir, 'ab.resume')).mode & 0o777).toBe(0o600);
});

test('a folder that others may read or write is closed to them', async () => {
  mkdirSync(dir, { recursive: true });
  chmodSync(dir, 0o777);
  expect(await save('ab', 'x')).toBe(null);
  expect(statSync(dir).mode & 0o777).toBe(0o700);
});

test('a save that fails leaves the old record and no other file, and says why', async () => {
  await save('ab', 'old');
  mkdirSync(join(dir, 'cd.resume'));
  const error = await save('cd', 'new');
  expect(error!.message).toContain(join(dir, 'cd.resume'));
  expect(readdirSync(dir).sort()).toEqual(['ab.resume', 'cd.resume']);
  expect(readFileSync(join(dir, 'ab.resume'), 'utf8')).toBe('old');
});

test('a link in place of a record is replaced and what it leads to is left alone', async () => {
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(folder.path, 'precious'), 'precious');
  symlinkSync(join(folder.path, 'precious'), join(dir, 'ab.resume'));
  expect(await load('ab')).toBe(null);
  expect(await save('ab', 'mine')).toBe(null);
  expect(readFileSync(join(folder.path, 'precious'), 'utf8')).toBe('precious');
  expect((await load('ab'))!.length).toBe(4);
});

test('a FIFO or an endless file in place of a record counts as no record', async () => {
  mkdirSync(dir, { recursive: true });
  expect(spawnSync('mkfifo', [join(dir, 'ab.resume')]).status).toBe(0);
  expect(await load('ab')).toBe(null);
  writeFileSync(join(dir, 'cd.resume'), '');
  truncateSync(join(dir, 'cd.resume'), 67_108_865);
  expect(await load('cd')).toBe(null);
});

test('a damaged record can be put aside', async () => {
  await save('ab', 'damaged');
  await new Promise<void>((resolve) => resumeFiles(dir).setAside('ab', resolve));
  expect(readdirSync(dir)).toEqual(['ab.bad']);
  expect(await load('ab')).toBe(null);
});

test('temporary files of an earlier crash are removed, those of other processes are not', async () => {
  mkdirSync(dir, { recursive: true });
  const old = join(dir, `ab.${'0'.repeat(16)}.tmp`);
  writeFileSync(old, '');
  utimesSync(old, 1, 1);
  writeFileSync(join(dir, `ab.${'1'.repeat(16)}.tmp`), '');
  writeFileSync(join(dir, 'other.tmp'), '');
  utimesSync(join(dir, 'other.tmp'), 1, 1);
  await save('ab', 'x');
  expect(readdirSync(dir).sort()).toEqual([`ab.${'1'.repeat(16)}.tmp`, 'ab.resume', 'other.tmp']);
});

test('a key that is more than digits and letters is a bug, never a path', () => {
  for (const key of ['', '../x', 'AB', 'a/b', 'a.b']) {
    expect(() => resumeFiles(dir).load(key, () => {})).toThrow(/digits and lower-case/);
  }
});

test('killed at any moment of many saves, the record is one of those saved, whole', async () => {
  const module = new URL('../../dist/node/resume-files.js', import.meta.url).href;
  const code = `
    import { resumeFiles } from ${JSON.stringify(module)};
    const store = resumeFiles(${JSON.stringify(dir)});
    let i = 0;
    const next = () => store.save('ab', Buffer.alloc(20_000 + i, 48 + (i++ % 10)), () => {
      process.stdout.write('.');
      next();
    });
    next();`;
  let lengths = 0;
  for (const delayMs of [0, 1, 3, 5, 8, 13]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
    await new Promise((resolve) => child.stdout.once('data', resolve));
    await new Promise((resolve) => setTimeout(resolve, delayMs));
    const ended = new Promise((resolve) => child.once('close', resolve));
    child.kill('SIGKILL');
    await ended;
    const record = (await load('ab'))!;
    const i = record.length - 20_000;
    expect(record.every((byte) => byte === 48 + (i % 10))).toBe(true);
    lengths += record.length;
  }
  expect(lengths).toBeGreaterThan(6 * 20_000);
});

function save(key: string, text: string): Promise<StorageError | null> {
  return new Promise((resolve) => resumeFiles(dir).save(key, Buffer.from(text), resolve));
}

function load(key: string): Promise<Uint8Array | null> {
  return new Promise((resolve) => resumeFiles(dir).load(key, resolve));
}
