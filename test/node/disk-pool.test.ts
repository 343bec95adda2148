import { createHash } from 'node:crypto';
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { StorageError } from '../../src/errors.ts';
import { DiskFaults } from '../../src/node/disk-faults.ts';
import type { FaultRule } from '../../src/node/disk-faults.ts';
import { DiskPool } from '../../src/node/disk-pool.ts';
import type { DiskSpan } from '../../src/node/disk-pool.ts';
import { MiB } from '../../src/options.ts';
import { noise, temporaryFolder } from '../support/tree.ts';

const A = noise('a', 1_000_003);
const B = noise('b', 300_000);
let folder: ReturnType<typeof temporaryFolder>;
let pool: DiskPool;

beforeEach(() => {
  folder = temporaryFolder('disk-pool');
  writeFileSync(inside('a'), A);
  writeFileSync(inside('b'), B);
  pool = new DiskPool({ threads: 2 });
});

afterEach(async () => {
  await pool.close();
  folder.remove();
});

describe('loading a small file', () => {
  const load = (path: string, bytesMax: number): Promise<Uint8Array | null | StorageError> =>
    new Promise((resolve) => pool.run({ kind: 'load', path, bytesMax }, resolve));

  test('gives its bytes, or null if there is none', async () => {
    const many = await Promise.all([
      load(inside('b'), 300_000),
      load(inside('none'), 10),
      load(inside('b'), 1e6),
    ]);
    expect(Buffer.compare(many[0] as Uint8Array, B)).toBe(0);
    expect(many[1]).toBeNull();
    expect(Buffer.compare(many[2] as Uint8Array, B)).toBe(0);
  });

  test('refuses what is too large, no regular file, or a link', async () => {
    symlinkSync(inside('b'), inside('link'));
    const paths = [inside('b'), folder.path, inside('link')];
    for (const path of paths) expect(await load(path, 299_999)).toBeInstanceOf(StorageError);
  });
});

describe('hashing spans', () => {
  test('gives the SHA-1 of the spans one after the other, pads as zeros', async () => {
    const result = await hash([
      { path: inside('a'), offset: 5, length: 900_000 },
      { path: '', offset: 0, length: 600_000, zero: true },
      { path: inside('b'), offset: 0, length: 300_000 },
    ]);
    const bytes = Buffer.concat([A.subarray(5, 900_005), Buffer.alloc(600_000), B]);
    expect(hex(result)).toBe(sha1(bytes));
  });

  test('gives one SHA-1 for every piece and one for what is left over, wherever files and pads begin', async () => {
    const spans = [
      { path: inside('a'), offset: 5, length: 900_000 },
      { path: '', offset: 0, length: 600_000, zero: true },
      { path: inside('b'), offset: 0, length: 300_000 },
    ];
    const bytes = Buffer.concat([A.subarray(5, 900_005), Buffer.alloc(600_000), B]);
    for (const pieceLength of [16_384, 262_144, 300_000, 1_800_000, 2_097_152]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / pieceLength) }, (_, i) =>
        sha1(bytes.subarray(i * pieceLength, (i + 1) * pieceLength)),
      );
      expect(hex(await hash(spans, pieceLength))).toBe(pieces.join(''));
    }
  });

  test('gives nothing for no spans', async () => {
    expect(hex(await hash([]))).toBe('');
  });

  test('answers many small and large jobs each with its own hash', async () => {
    const spans = Array.from({ length: 300 }, (_, i) => {
      const length = i % 50 === 0 ? 700_000 : 1 + ((i * 7919) % 16_384);
      return { path: inside('a'), offset: (i * 104_729) % (A.length - length), length };
    });
    const results = await Promise.all(spans.map((span) => hash([span])));
    expect(results.map(hex)).toEqual(
      spans.map(({ offset, length }) => sha1(A.subarray(offset, offset + length))),
    );
  });

  test('a file that is missing, too short, or a folder is an error that names it', async () => {
    const cases = [
      { path: inside('nothing'), offset: 0, length: 1, code: 'ERR_FILE_MISSING' },
      { path: inside('b'), offset: 1, length: B.length, code: 'ERR_FILE_MISSING' },
      { path: folder.path, offset: 0, length: 1, code: 'ERR_UNSAFE_PATH' },
    ];
    for (const { code, ...span } of cases) {
      const error = (await hash([span])) as StorageError;
      expect(error).toBeInstanceOf(StorageError);
      expect({ code: error.code, path: error.path }).toEqual({ code, path: span.path });
      expect(error.message).toContain(JSON.stringify(span.path));
    }
  });
});

describe('syncing', () => {
  const sync = (files: string[], folders: string[] = []): Promise<StorageError | null> =>
    new Promise((resolve) => pool.sync(files, folders, resolve));

  test('files and folders', async () => {
    expect(await sync([inside('a'), inside('b')], [folder.path])).toBe(null);
  });

  test('a file that is gone or a link is an error that names it', async () => {
    symlinkSync(inside('b'), inside('link'));
    expect(await sync([inside('none')])).toMatchObject({ code: 'ERR_FILE_MISSING', path: inside('none') });
    expect(await sync([inside('link')])).toMatchObject({ code: 'ERR_UNSAFE_PATH' });
  });

  test('a folder that cannot be synced is no error where the file system does not know how', async () => {
    const faults = await faulty([
      { operation: 'fsync', effect: { errno: 'EINVAL' } },
      { operation: 'fsync', effect: { errno: 'EIO' } },
    ]);
    faults.arm(0);
    expect(await sync([], [folder.path])).toBe(null);
    expect(await sync([inside('a')])).toMatchObject({ code: 'ERR_DISK_IO' });
    faults.disarm(0);
    faults.arm(1);
    expect(await sync([], [folder.path])).toMatchObject({ code: 'ERR_DISK_IO' });
  });

  test('a thread that dies of it is replaced, and the sync is done once more', async () => {
    const faults = await faulty([{ operation: 'fsync', effect: 'die' }]);
    faults.arm(0, 1);
    expect(await sync([inside('a'), inside('b')])).toBe(null);
  });

  test('does not hold up what reads and writes', async () => {
    pool = new DiskPool({ threads: 1 });
    const order: string[] = [];
    const files = Array.from({ length: 3_000 }, () => inside('a'));
    const synced = sync(files).then(() => order.push('synced'));
    await hash([spanOf(0)]);
    order.push('hashed');
    await synced;
    expect(order).toEqual(['hashed', 'synced']);
  });

  test('short of descriptors it is done again when others have really closed some, which they do once', async () => {
    const faults = await faulty([{ operation: 'fsync', effect: { errno: 'EMFILE' } }]);
    // All threads run.
    await Promise.all([hash([spanOf(0)]), sync([inside('a')]), sync([inside('b')])]);
    let asked = 0;
    pool.onShrink((done) => {
      asked++;
      // Closing takes several turns.
      void hash([spanOf(1)])
        .then(() => hash([spanOf(2)]))
        .then(() => {
          faults.disarm(0);
          done();
        });
    });
    faults.arm(0);
    expect(await Promise.all([sync([inside('a')]), sync([inside('b')]), sync([inside('a')])])).toEqual([
      null,
      null,
      null,
    ]);
    expect(asked).toBe(1);
  });

  test('short of descriptors for a moment it is done again after it, with most files still open', async () => {
    const faults = await faulty([{ operation: 'fsync', effect: { errno: 'EMFILE' } }]);
    let asked = 0;
    pool.onShrink((done) => {
      if (++asked === 2) setTimeout(() => faults.disarm(0), 30);
      setImmediate(done);
    });
    expect(await sync([inside('a')])).toBe(null);
    faults.arm(0);
    expect(await sync([inside('a')])).toBe(null);
    expect(asked).toBe(2);
  });

  test('short of descriptors for good it fails, after asking for room eight times', async () => {
    const faults = await faulty([{ operation: 'fsync', effect: { errno: 'ENFILE' } }]);
    let asked = 0;
    pool.onShrink((done) => {
      asked++;
      setImmediate(done);
    });
    faults.arm(0);
    const error = await sync([inside('a')]);
    expect(error!.message).toContain('too many open files');
    expect(asked).toBe(8);
  });

  test('close waits for it', async () => {
    const under = sync([inside('a')]);
    await pool.close();
    expect(await under).toBe(null);
    expect(await sync([inside('a')])).toMatchObject({ code: 'ERR_DISK_IO' });
  });
});

describe('a shortage of descriptors', () => {
  test('that many meet at the same time closes files once', async () => {
    await hash([spanOf(0)]);
    let asked = 0;
    pool.onShrink((done) => {
      asked++;
      setImmediate(done);
    });
    const shrink = (): Promise<void> => new Promise((resolve) => pool.shrink(resolve));
    await Promise.all([shrink(), shrink(), shrink()]);
    expect(asked).toBe(1);
    await shrink();
    expect(asked).toBe(2);
  });
});

describe('a thread that dies', () => {
  test('is replaced and its jobs are done once more', async () => {
    const faults = await faulty([{ operation: 'read', effect: 'die' }]);
    faults.arm(0, 1, 2);
    const results = await Promise.all([0, 1, 2, 3, 4, 5].map((i) => hash([spanOf(i)])));
    expect(results.map(hex)).toEqual([0, 1, 2, 3, 4, 5].map((i) => sha1(A.subarray(i, i + 100_000))));
  });

  test('of the same job again and again is reported, and others go on', async () => {
    const faults = await faulty([{ operation: 'read', path: inside('b'), effect: 'die' }], 1);
    faults.arm(0);
    const error = (await hash([{ path: inside('b'), offset: 0, length: 1 }])) as StorageError;
    expect(error.code).toBe('ERR_DISK_IO');
    expect(error.message).toContain('thread died');
    expect(hex(await hash([spanOf(7)]))).toBe(sha1(A.subarray(7, 100_007)));
  });
});

describe('failures on demand', () => {
  test('a system error becomes the error of its kind with the path and the cause', async () => {
    const cases = { EIO: 'ERR_DISK_IO', EACCES: 'ERR_DISK_PERMISSION', ENOENT: 'ERR_FILE_MISSING' };
    for (const [errno, code] of Object.entries(cases)) {
      const faults = await faulty([{ operation: 'read', path: inside('a'), effect: { errno } }]);
      faults.arm(0, 1);
      const error = (await hash([spanOf(0)])) as StorageError;
      expect({ code: error.code, path: error.path }).toEqual({ code, path: inside('a') });
      expect(error.message).toContain(errno);
      expect(error.cause).toEqual({ code: errno });
      expect(hex(await hash([spanOf(0)]))).toBe(sha1(A.subarray(0, 100_000)));
    }
  });

  test('reads that give fewer bytes than asked for are gone on with', async () => {
    const faults = await faulty([{ operation: 'read', effect: { shortTo: 999 } }]);
    faults.arm(0);
    expect(hex(await hash([spanOf(3)]))).toBe(sha1(A.subarray(3, 100_003)));
  });
});

describe('starting and ending', () => {
  test('close waits for jobs under way, and jobs after it fail in a later turn', async () => {
    const under = hash([spanOf(1)]);
    await pool.close();
    expect(hex(await under)).toBe(sha1(A.subarray(1, 100_001)));
    let isThisTurn = true;
    const late = new Promise((resolve) => {
      pool.hashSpans([spanOf(1)], MiB, (result) => resolve([result instanceof StorageError, isThisTurn]));
    });
    isThisTurn = false;
    expect(await late).toEqual([true, false]);
  });

  test('an idle pool lets the process end, one with work does not', () => {
    const module = new URL('../../dist/node/disk-pool.js', import.meta.url).href;
    const code = `
      import { DiskPool } from ${JSON.stringify(module)};
      const pool = new DiskPool({ threads: 1 });
      const span = { path: ${JSON.stringify(inside('a'))}, offset: 0, length: 1000000 };
      pool.hashSpans([span], 16384, () => pool.hashSpans([span], 16384, () => console.log('done')));`;
    const options = { encoding: 'utf8', timeout: 20_000 } as const;
    const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', code], options);
    expect({ stdout, status }).toEqual({ stdout: 'done\n', status: 0 });
  });

  test('no thread runs before there is work, and no file stays open after close', async () => {
    const before = openFds();
    const fresh = new DiskPool({ threads: 2 });
    expect(openFds()).toBe(before);
    await new Promise((resolve) => fresh.hashSpans([spanOf(0)], MiB, resolve));
    await fresh.close();
    expect(openFds()).toBe(before);
  });
});

/** The pool with failures; the one before is closed. */
async function faulty(rules: readonly FaultRule[], threads = 2): Promise<DiskFaults> {
  await pool.close();
  const faults = new DiskFaults(rules);
  pool = new DiskPool({ threads, faults });
  return faults;
}

/** One digest of it all, unless a piece length is given. */
function hash(spans: readonly DiskSpan[], pieceLength = 64 * MiB): Promise<Uint8Array | StorageError> {
  return new Promise((resolve) => pool.hashSpans(spans, pieceLength, resolve));
}

function spanOf(i: number): DiskSpan {
  return { path: inside('a'), offset: i, length: 100_000 };
}

function inside(name: string): string {
  return join(folder.path, name);
}

function sha1(bytes: Uint8Array): string {
  return createHash('sha1').update(bytes).digest('hex');
}

function hex(result: Uint8Array | StorageError): string {
  return result instanceof StorageError ? result.message : Buffer.from(result).toString('hex');
}

function openFds(): number {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
}
