import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { SurveyResult } from '../../src/node/disk-jobs.ts';
import { DiskFaults, type DiskOperation } from '../../src/node/disk-faults.ts';
import { DiskTasks } from '../../src/node/disk-tasks.ts';
import { OpenFiles } from '../../src/node/open-files.ts';
import { folderIdentity } from '../../src/node/safe-path.ts';
import { noise, temporaryFolder } from '../support/tree.ts';

/** How many system calls a piece takes: counted where each of them is about to be made. */

const MIB = 1_048_576;
const PIECES = 8;

class CountingDisk extends DiskFaults {
  counts: Partial<Record<DiskOperation, number>> = {};
  constructor() {
    super([]);
  }
  override check(operation: DiskOperation): number {
    this.counts[operation] = (this.counts[operation] ?? 0) + 1;
    return Infinity;
  }
}

let folder: ReturnType<typeof temporaryFolder>;
let disk: CountingDisk;
let tasks: DiskTasks;

beforeEach(() => {
  folder = temporaryFolder('disk-calls');
  disk = new CountingDisk();
  tasks = new DiskTasks(new OpenFiles(16, disk), disk);
});
afterEach(() => folder.remove());

test('a piece of 1 MiB is written with one call, and nothing is read back', () => {
  const path = join(folder.path, 'file');
  for (let piece = 0; piece < PIECES; piece++) {
    const bytes = new Uint8Array(noise(`piece ${piece}`, MIB));
    const answer = tasks.run({
      kind: 'write',
      root: { path: folder.path, known: folderIdentity(folder.path) },
      bytes,
      expected: createHash('sha1').update(bytes).digest(),
      wantDigests: false,
      spans: [
        {
          path,
          offset: piece * MIB,
          length: MIB,
          begin: 0,
          fileLength: PIECES * MIB,
          mayCreate: piece === 0,
        },
      ],
      after: [],
    });
    expect(answer).toMatchObject({ ok: true, result: { status: 'written' } });
  }
  expect(disk.counts).toEqual({ open: 1, truncate: 1, write: PIECES });
  expect(
    readFileSync(path)
      .subarray(3 * MIB, 4 * MIB)
      .equals(noise('piece 3', MIB)),
  ).toBe(true);
});

test('many small files are made with a call to open, one for their length and one to write, each', () => {
  const bytes = new Uint8Array(noise('small files', MIB));
  const count = 64;
  const length = MIB / count;
  const answer = tasks.run({
    kind: 'write',
    root: { path: folder.path, known: folderIdentity(folder.path) },
    bytes,
    expected: createHash('sha1').update(bytes).digest(),
    wantDigests: false,
    spans: Array.from({ length: count }, (_, i) => ({
      path: join(folder.path, `album/${i}`),
      offset: 0,
      length,
      begin: i * length,
      fileLength: length,
      mayCreate: true,
    })),
    after: [],
  });
  expect(answer).toMatchObject({ ok: true, result: { status: 'written' } });
  expect(disk.counts).toEqual({ mkdir: 1, open: count, truncate: count, write: count });
  const last = join(folder.path, `album/${count - 1}`);
  expect(readFileSync(last).equals(Buffer.from(bytes.subarray(-length)))).toBe(true);
});

test('of thousands of files in a folder that is not there, the folder is looked at, and no file', () => {
  const paths = Array.from({ length: 5_000 }, (_, i) => join(folder.path, 'album', `disc ${i % 2}`, `${i}`));
  const root = { path: folder.path, known: null };
  const job = {
    kind: 'survey',
    root,
    paths,
    partPath: join(folder.path, 'part'),
    partHeaderLength: 10,
  } as const;
  expect(tasks.run(job)).toMatchObject({ ok: true, result: { sizes: new Float64Array(5_000).fill(-1) } });
  expect(disk.counts).toEqual({ stat: 3 });
  mkdirSync(join(folder.path, 'album', 'disc 1'), { recursive: true });
  writeFileSync(paths[3]!, '1234');
  const answer = tasks.run(job);
  expect(answer.ok && (answer.result as SurveyResult).sizes.subarray(0, 5)).toEqual(
    new Float64Array([-1, -1, -1, 4, -1]),
  );
});

test('a stretch of pieces is hashed with one call for every 256 KiB, whatever the length of its pieces', () => {
  const path = join(folder.path, 'file');
  closeSync(openSync(path, 'w'));
  truncateSync(path, PIECES * MIB);
  for (const pieceLength of [16_384, MIB, 4 * MIB]) {
    disk.counts = {};
    const span = { path, offset: 0, length: PIECES * MIB };
    const answer = tasks.run({ kind: 'hash', root: null, spans: [span], pieceLength });
    expect(answer.ok && (answer.result as Uint8Array).length).toBe((20 * PIECES * MIB) / pieceLength);
    expect(disk.counts.read).toBe(4 * PIECES);
  }
});
