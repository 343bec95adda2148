/**
 * What the disk threads cost: hash and write whole pieces, check them, and read blocks for peers.
 *
 * Run: `node bench/run.js disk [folder]`. The folder is
 * best one in memory, such as /dev/shm, which is the default where it exists; 1 GiB is written.
 */
import { createHash, hash } from 'node:crypto';
import { closeSync, existsSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PieceGeometry } from '../src/metainfo/geometry.ts';
import type { MetaInfo } from '../src/metainfo/metainfo.ts';
import { DiskPool } from '../src/node/disk-pool.ts';
import { fileStorageFactory } from '../src/node/file-storage.ts';
import type { TorrentStorage } from '../src/ports.ts';
import { MiB } from '../src/options.ts';
import { Slab } from '../src/util/slab-pool.ts';

const TOTAL = 1024 * MiB;
/** Slabs under way at once, as a download has. */
const WINDOW = 16 * MiB;

const base = process.argv[2] ?? (existsSync('/dev/shm') ? '/dev/shm' : tmpdir());
const folder = mkdtempSync(join(base, 'torrent-ts-bench-'));
try {
  await run();
} finally {
  rmSync(folder, { recursive: true });
}

async function run(): Promise<void> {
  await measure('SHA-1 alone, this thread, 1 MiB', () => hashAlone());
  await measure('hash and write, this thread, 1 MiB', () => writeAlone());
  for (const pieceLength of [MiB, 4 * MiB, 256 * 1024, 16_384]) {
    for (const threads of pieceLength === MiB ? [1, 2] : [1]) await pieces(pieceLength, threads);
  }
}

async function pieces(pieceLength: number, threads: number): Promise<void> {
  const label = `${pieceLength / 1024} KiB, ${threads} thread${threads > 1 ? 's' : ''}`;
  const metaInfo = torrentOf(pieceLength);
  const pool = new DiskPool({ threads });
  const storage = fileStorageFactory(pool).open(metaInfo, { dir: folder });
  await new Promise((resolve) => storage.stat(resolve)); // Starts a thread.
  await measure(`write pieces of ${label}`, () => writeAll(storage, metaInfo));
  await measure(`check pieces of ${label}`, () =>
    many(metaInfo.pieceCount, 64, (piece, done) => storage.checkPiece(piece, () => done())),
  );
  if (pieceLength === MiB && threads === 1) {
    await measure('read blocks of 16 KiB, 64 at once', () =>
      many(TOTAL / 16_384, 64, (block, done) => {
        const into = new Uint8Array(16_384);
        storage.read(block >> 6, (block & 63) * 16_384, into, () => done());
      }),
    );
  }
  await new Promise<void>((resolve) => storage.close(resolve));
  await pool.close();
  rmSync(join(folder, 'bench'));
}

function writeAll(storage: TorrentStorage, { pieceCount, pieceLength }: MetaInfo): Promise<void> {
  const slabs = Array.from(
    { length: Math.min(pieceCount, WINDOW / pieceLength) },
    () => new Slab(pieceLength),
  );
  return many(pieceCount, slabs.length, (piece, done) => {
    const slab = slabs.pop()!;
    storage.writePiece(piece, slab, false, (verdict) => {
      if (verdict.status !== 'written') throw new Error(verdict.status);
      slabs.push(slab);
      done();
    });
  });
}

/** Does something `count` times, `atOnce` of them side by side. */
function many(count: number, atOnce: number, start: (i: number, done: () => void) => void): Promise<void> {
  return new Promise((resolve) => {
    let next = 0;
    let left = count;
    const done = (): void => {
      if (--left === 0) resolve();
      else if (next < count) start(next++, done);
    };
    while (next < Math.min(atOnce, count)) start(next++, done);
  });
}

function hashAlone(): Promise<void> {
  const bytes = new Uint8Array(MiB);
  for (let i = 0; i < TOTAL; i += MiB) hash('sha1', bytes, 'buffer');
  return Promise.resolve();
}

function writeAlone(): Promise<void> {
  const bytes = new Uint8Array(MiB);
  const fd = openSync(join(folder, 'alone'), 'w');
  for (let i = 0; i < TOTAL; i += MiB) {
    hash('sha1', bytes, 'buffer');
    writeSync(fd, bytes, 0, MiB, i);
  }
  closeSync(fd);
  rmSync(join(folder, 'alone'));
  return Promise.resolve();
}

async function measure(label: string, work: () => Promise<void>): Promise<void> {
  const cpu = process.cpuUsage();
  const loop = performance.eventLoopUtilization();
  const start = performance.now();
  await work();
  const seconds = (performance.now() - start) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  const { active } = performance.eventLoopUtilization(loop);
  const rate = TOTAL / 1e6 / seconds;
  console.log(
    `${label.padEnd(42)} ${rate.toFixed(0).padStart(6)} MB/s ${((user + system) / 1e6).toFixed(2)} CPU s/GiB,` +
      ` of it ${(active / 1000).toFixed(2)} s of the main loop`,
  );
}

/** One file of zeros. */
function torrentOf(pieceLength: number): MetaInfo {
  const geometry = new PieceGeometry(TOTAL, pieceLength);
  const digest = createHash('sha1').update(new Uint8Array(pieceLength)).digest();
  const pieceHashes = new Uint8Array(20 * geometry.pieceCount);
  for (let i = 0; i < geometry.pieceCount; i++) pieceHashes.set(digest, 20 * i);
  return {
    infoHash: new Uint8Array(20),
    infoHashHex: '0'.repeat(40),
    name: 'bench',
    files: [{ index: 0, path: 'bench', length: TOTAL, offset: 0, padding: false }],
    isSingleFile: true,
    length: TOTAL,
    pieceLength,
    pieceCount: geometry.pieceCount,
    geometry,
    pieceHashes,
    private: false,
    trackers: [],
    webSeeds: [],
    comment: null,
    createdBy: null,
    createdAt: null,
    nodes: [],
    isHybrid: false,
    infoBytes: new Uint8Array(0),
  };
}
