import { spawn, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { takeStateLock } from '../../src/node/state-lock.ts';
import type { StateLock } from '../../src/node/state-lock.ts';
import { temporaryFolder } from '../support/tree.ts';

let folder: ReturnType<typeof temporaryFolder>;

beforeEach(() => (folder = temporaryFolder('state-lock')));
afterEach(() => folder.remove());

test('a lock that is held names its process, and is free after its release', () => {
  const lock = take('ab') as StateLock;
  expect(take('ab')).toEqual({ pid: process.pid });
  expect('release' in take('cd')).toBe(true);
  lock.release();
  expect('release' in take('ab')).toBe(true);
  expect(readdirSync(folder.path).sort()).toEqual(['ab.lock', 'cd.lock']);
});

test('the lock of another process holds while it lives and is taken over when it was killed', async () => {
  const module = new URL('../../dist/node/state-lock.js', import.meta.url).href;
  const code = `
    import { takeStateLock } from ${JSON.stringify(module)};
    console.log('release' in takeStateLock(${JSON.stringify(folder.path)}, 'ab'));
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code]);
  const said = await new Promise<Buffer>((resolve) => child.stdout.once('data', resolve));
  expect(said.toString()).toBe('true\n');
  expect(take('ab')).toEqual({ pid: child.pid });
  const ended = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGKILL');
  await ended;
  expect('release' in take('ab')).toBe(true);
});

test('a process that has the number of a dead holder does not keep its lock', () => {
  writeFileSync(join(folder.path, 'ab.lock'), `${process.pid} 1\n`);
  expect('release' in take('ab')).toBe(true);
});

test('a damaged lock is taken over', () => {
  for (const text of ['', 'x', '-1 5\n', '0 0\n', '99999999999999999999 1\n']) {
    writeFileSync(join(folder.path, 'ab.lock'), text);
    const lock = take('ab') as StateLock;
    lock.release();
    expect(readdirSync(folder.path)).toEqual([]);
  }
});

test('release leaves a lock alone that is someone else’s by now', () => {
  const lock = take('ab') as StateLock;
  writeFileSync(join(folder.path, 'ab.lock'), '1 1\n');
  lock.release();
  expect(readFileSync(join(folder.path, 'ab.lock'), 'utf8')).toBe('1 1\n');
});

test('of several that ask at once after a crash exactly one gets the lock', () => {
  writeFileSync(join(folder.path, 'ab.lock'), '99999999 1\n');
  const module = new URL('../../dist/node/state-lock.js', import.meta.url).href;
  const worker = `
    import { parentPort, workerData } from 'node:worker_threads';
    import { takeStateLock } from ${JSON.stringify(module)};
    Atomics.add(workerData, 0, 1);
    while (Atomics.load(workerData, 0) < 4);
    parentPort.postMessage('release' in takeStateLock(${JSON.stringify(folder.path)}, 'ab'));`;
  const code = `
    import { Worker } from 'node:worker_threads';
    const workerData = new Int32Array(new SharedArrayBuffer(4));
    const url = new URL('data:text/javascript,' + encodeURIComponent(${JSON.stringify(worker)}));
    const results = await Promise.all([1, 2, 3, 4].map(() =>
      new Promise((resolve) => new Worker(url, { workerData }).once('message', resolve))));
    console.log(results.filter(Boolean).length);`;
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', code], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout).toBe('1\n');
});

function take(key: string): ReturnType<typeof takeStateLock> {
  return takeStateLock(folder.path, key);
}
