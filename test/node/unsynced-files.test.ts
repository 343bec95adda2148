import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { StorageError } from '../../src/errors.ts';
import { DiskPool } from '../../src/node/disk-pool.ts';
import { UnsyncedFiles } from '../../src/node/unsynced-files.ts';
import { temporaryFolder } from '../support/tree.ts';

/** Counts the paths that the threads get to sync. */
class CountingPool extends DiskPool {
  paths = 0;

  override sync(
    files: readonly string[],
    folders: readonly string[],
    done: (error: StorageError | null) => void,
  ): void {
    this.paths += files.length + folders.length;
    super.sync(files, folders, done);
  }
}

let folder: ReturnType<typeof temporaryFolder>;
let pool: CountingPool;
beforeEach(() => {
  folder = temporaryFolder('unsynced');
  pool = new CountingPool();
});
afterEach(async () => {
  await pool.close();
  folder.remove();
});

/** New files in the folder, none of them synced. */
function written(label: string, count: number): UnsyncedFiles {
  const unsynced = new UnsyncedFiles(folder.path, pool);
  for (let i = 0; i < count; i++) {
    const path = join(folder.path, `${label}-${i}`);
    writeFileSync(path, 'new');
    unsynced.add(path, true);
  }
  return unsynced;
}

const sync = (unsynced: UnsyncedFiles): Promise<StorageError | null> =>
  new Promise((done) => unsynced.sync(done));

test('a few files are synced without starting a thread for it', async () => {
  expect(await sync(written('a', 3))).toBeNull();
  expect(pool.paths).toBe(0);
});

test.skipIf(process.platform === 'win32')(
  'a sync that fails is an error at once: asked again, the disk may have forgotten what it lost',
  async () => {
    const fifo = join(folder.path, 'fifo');
    expect(spawnSync('mkfifo', [fifo]).status).toBe(0);
    const unsynced = new UnsyncedFiles(folder.path, pool);
    unsynced.add(fifo, false);
    expect((await sync(unsynced))?.path).toBe(fifo);
    expect(pool.paths).toBe(0);
  },
);

test('a file that cannot be opened is left to the threads', async () => {
  const unsynced = new UnsyncedFiles(folder.path, pool);
  unsynced.add(join(folder.path, 'missing'), false);
  await sync(unsynced);
  expect(pool.paths).toBe(1);
});

test('many files are synced by threads', async () => {
  expect(await sync(written('a', 200))).toBeNull();
  expect(pool.paths).toBe(201);
});

test('the second of two at a time is synced by a thread, so that they hold up no more than one of those all share', async () => {
  expect(await Promise.all([sync(written('a', 1)), sync(written('b', 1))])).toEqual([null, null]);
  expect(pool.paths).toBe(2);
  expect(await sync(written('c', 1))).toBeNull();
  expect(pool.paths).toBe(2);
});

test('a file that cannot be synced is told, and waits for the next time', async () => {
  const unsynced = written('a', 1);
  const lost = join(folder.path, 'lost');
  unsynced.add(lost, false);
  expect(await sync(unsynced)).toMatchObject({ path: lost });
  writeFileSync(lost, 'here again');
  expect(await sync(unsynced)).toBeNull();
});
