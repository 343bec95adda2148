// idle-swarm.js COUNT FOLDER: a client that seeds to COUNT peers that want nothing. They are a process of their own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../../src/index.ts';
import { PROJECT } from './project.ts';

const MIB = 1_048_576;
/** Longer than a choke round and a few of peer exchange. */
const SETTLE_MS = 15_000;
/** So long the load is measured that idle connections are. */
const WATCH_MS = 10_000;

const [count, folder] = [Number(process.argv[2]), process.argv[3]!];
const collect = (globalThis as { gc?: () => void }).gc ?? (() => undefined);
mkdirSync(folder, { recursive: true });
const file = join(folder, 'file');
writeFileSync(file, Buffer.alloc(64 * MIB));
const client = await Client.open({
  stateDir: false,
  port: 0,
  host: '127.0.0.1',
  dht: false,
  lsd: false,
  connectionsMax: count + 10,
  connectionsPerTorrentMax: count + 10,
});
const torrent = await client.seed(file);
await torrent.completed();
// The first connection brings the code of connections with it.
await peers(1);
await pause(2_000);
collect();
collect();
const before = process.memoryUsage();
const crowd = await peers(count);
await pause(SETTLE_MS);
collect();
collect();
const after = process.memoryUsage();
const cpu = process.cpuUsage();
await pause(WATCH_MS);
const used = process.cpuUsage(cpu);
const each = (name: 'heapUsed' | 'external' | 'rss'): number => (after[name] - before[name]) / 1024 / count;
process.send!({
  connected: torrent.peers.length,
  heapKiB: each('heapUsed') + each('external'),
  residentKiB: each('rss'),
  cpuPercent: (100 * (used.user + used.system)) / 1000 / WATCH_MS,
});
crowd.kill();
await client.close();
process.exit(0);

async function peers(number: number): Promise<ReturnType<typeof spawn>> {
  const script = join(PROJECT, 'bench/support/idle-peers.js');
  const child = spawn(process.execPath, [script, `${client.listenPort}`, `${number}`, torrent.infoHash], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  if (number === 1) child.kill();
  return child;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
