/** Fifty peers that all ask one seeder at once: what it gives in all, and how evenly. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { BarePeer } from '../support/bare-peer.ts';
import type { BenchClient } from '../support/clients.ts';
import type { Content } from '../support/content.ts';
import { cpuSecondsOf, startServer, stop } from '../support/processes.ts';
import { medianRow, type Row } from '../support/report.ts';

const PEERS = 50;
const WINDOW = 16;
const PORT = 46_990;
const SECONDS = 4;
const START_MS = 2_500;

export async function crowd(
  content: Content,
  seeders: readonly Pick<BenchClient, 'name' | 'seed'>[],
  runs: number,
  folder: string,
): Promise<Row[]> {
  const results = seeders.map((): Row[] => []);
  for (let run = 0; run < runs; run++) {
    for (const [i, seeder] of seeders.entries()) results[i]!.push(await one(content, seeder, folder));
  }
  return results.map(medianRow);
}

/** Ours with a slot for everyone, which the command line does not offer. */
export const oursForAll: Pick<BenchClient, 'name' | 'seed'> = {
  name: 'torrent-ts',
  seed: ({ torrent, dir, port }) => [
    process.execPath,
    fileURLToPath(new URL('../support/our-client.js', import.meta.url)),
    JSON.stringify({ client: { port, uploadSlots: PEERS }, torrent, dir, measureSeconds: 0 }),
  ],
};

async function one(
  content: Content,
  seeder: Pick<BenchClient, 'name' | 'seed'>,
  folder: string,
): Promise<Row> {
  const { torrent, dir } = content;
  const server = startServer(seeder.seed({ torrent, dir, ip: '127.0.0.1', port: PORT, peers: [] }), {
    log: join(folder, 'logs', 'crowd-seeder'),
  });
  await pause(START_MS);
  const { infoHash, pieceCount, pieceLength } = parseTorrent(readFileSync(torrent));
  const to = { host: '127.0.0.1', port: PORT };
  const peers = Array.from(
    { length: PEERS },
    () => new BarePeer(to, { infoHash, pieceCount, pieceLength }, WINDOW),
  );
  await pause(1_500);
  peers.forEach((peer) => peer.begin());
  const before = cpuSecondsOf(server.pid!);
  const start = performance.now();
  await pause(SECONDS * 1000);
  const seconds = (performance.now() - start) / 1000;
  const after = cpuSecondsOf(server.pid!);
  const received = peers.map((peer) => peer.received);
  peers.forEach((peer) => peer.end());
  await stop(server);
  const bytes = received.reduce((sum, each) => sum + each, 0);
  const times = peers.flatMap((peer) => peer.times).sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? 0;
  return {
    what: `${PEERS} peers ask one seeder, ${WINDOW} blocks each`,
    who: seeder.name,
    ok: received.every((each) => each > 0),
    figures: {
      'MB/s': bytes / 1e6 / seconds,
      'seeder CPU s/GiB': before === null ? null : ((after! - before) * 2 ** 30) / bytes,
      'block p50 ms': at(0.5),
      'block p99 ms': at(0.99),
      'p99/p50': at(0.99) / at(0.5),
      'least/most served': Math.min(...received) / Math.max(...received),
    },
  };
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
