// idle-client.js COUNT FOLDER: a client with COUNT small torrents that lie in FOLDER already, or are put there. Their tracker
// is a process of its own.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Client } from '../../src/index.ts';
import { PROJECT } from './project.ts';

const PIECE = 16_384;
const PIECES = 4;
const TRACKER_PORT = 46_968;
/** Longest time that a start may take. */
const START_MS = 120_000;

const [count, folder] = [Number(process.argv[2]), process.argv[3]!];
const collect = (globalThis as { gc?: () => void }).gc ?? (() => undefined);
const tracker = spawn(
  process.execPath,
  [join(PROJECT, 'bench/support/fixed-tracker.js'), '127.0.0.1', `${TRACKER_PORT}`],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
const isNew = !existsSync(folder);
mkdirSync(folder, { recursive: true });
const torrents = Array.from({ length: count }, (_, i) => makeTorrent(i));
await new Promise((resolve) => setTimeout(resolve, 500));
collect();
const before = process.memoryUsage();
const cpu = process.cpuUsage();
const late = monitorEventLoopDelay({ resolution: 1 });
late.enable();
const start = performance.now();
const client = await Client.open({ stateDir: join(folder, 'state'), port: 0, dht: false, lsd: false });
let seeding = 0;
await new Promise<void>((resolve, reject) => {
  setTimeout(
    () => reject(new Error(`${seeding} of ${count} torrents seed after ${START_MS} ms`)),
    START_MS,
  ).unref();
  for (const bytes of torrents) {
    void client.add(bytes, { dir: folder }).then((torrent) => {
      const onState = (): void => {
        if (torrent.state !== 'seeding') return;
        torrent.off('state', onState);
        if (++seeding === count) resolve();
      };
      torrent.on('state', onState);
      onState();
    });
  }
});
const startSeconds = (performance.now() - start) / 1000;
const used = process.cpuUsage(cpu);
const loop = { p99: late.percentile(99) / 1e6, max: late.max / 1e6 };
const announces = announced();
torrents.length = 0;
// What was on its way must not be counted as kept: records of a first run, announces.
await new Promise((resolve) => setTimeout(resolve, isNew ? 10_000 : 3_000));
collect();
collect();
const after = process.memoryUsage();
const each = (name: 'heapUsed' | 'external' | 'rss'): number => (after[name] - before[name]) / 1024 / count;
late.reset();
const closing = performance.now();
// All records of a first run are to be there for the second.
await client.close(isNew ? { timeoutMs: 60_000 } : {});
process.send!({
  startSeconds,
  cpuSeconds: (used.user + used.system) / 1e6,
  heapKiB: each('heapUsed') + each('external'),
  residentKiB: each('rss'),
  loopP99Ms: loop.p99,
  loopMaxMs: loop.max,
  announces,
  closeSeconds: (performance.now() - closing) / 1000,
  closeLoopP99Ms: late.percentile(99) / 1e6,
  closeLoopMaxMs: late.max / 1e6,
});
tracker.kill();
await once(tracker, 'exit');
process.exit(0);

function announced(): number {
  return [...client.torrents.values()].filter(({ trackers }) => trackers[0]?.state === 'working').length;
}

function makeTorrent(i: number): Uint8Array {
  const data = Buffer.alloc(PIECES * PIECE);
  data.writeUInt32BE(i);
  const name = `file-${i}`;
  if (isNew) writeFileSync(join(folder, name), data);
  const hashes = Array.from({ length: PIECES }, (_, piece) =>
    createHash('sha1')
      .update(data.subarray(piece * PIECE, (piece + 1) * PIECE))
      .digest(),
  );
  const url = `http://127.0.0.1:${TRACKER_PORT}/announce`;
  return Buffer.concat([
    Buffer.from(`d8:announce${url.length}:${url}4:infod6:lengthi${data.length}e4:name${name.length}:${name}`),
    Buffer.from(`12:piece lengthi${PIECE}e6:pieces${20 * PIECES}:`),
    ...hashes,
    Buffer.from('ee'),
  ]);
}
