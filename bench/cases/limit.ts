/** A rate limit: how closely it is held, and what it costs beside no limit. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Content } from '../support/content.ts';
import { startServer, stop } from '../support/processes.ts';
import { medianRow, type Row } from '../support/report.ts';
import { oursForAll } from './crowd.ts';

const PORT = 46_995;
const LIMIT = 50e6;
const SECONDS = 10;

export async function limits(content: Content, runs: number, folder: string): Promise<Row[]> {
  const { torrent, dir } = content;
  const server = startServer(oursForAll.seed({ torrent, dir, ip: '127.0.0.1', port: PORT, peers: [] }), {
    log: join(folder, 'logs', 'limit-seeder'),
  });
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  // The first second is not counted, and the end must not come before the time is over.
  const seconds = Math.min(SECONDS, Math.floor(content.bytes / LIMIT) - 2);
  const limited: Row[] = [];
  const unlimited: Row[] = [];
  try {
    for (let run = 0; run < runs; run++) {
      limited.push(await download(content, LIMIT, seconds, folder));
      unlimited.push(await download(content, null, -1, folder));
    }
  } finally {
    await stop(server);
  }
  return [medianRow(limited), medianRow(unlimited)];
}

async function download(
  content: Content,
  limit: number | null,
  seconds: number,
  folder: string,
): Promise<Row> {
  const dir = join(folder, 'copy');
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  const order = {
    client: { port: 0, ...(limit !== null && { downLimit: limit }) },
    torrent: content.torrent,
    dir,
    peers: [{ host: '127.0.0.1', port: PORT }],
    measureSeconds: seconds,
  };
  const script = fileURLToPath(new URL('../support/our-client.js', import.meta.url));
  const child = spawn(process.execPath, [script, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.on('data', (data: Buffer) => (text += data.toString()));
  await once(child, 'close');
  const found = JSON.parse(text) as { bytes: number; seconds: number; cpuSeconds: number };
  const rate = found.bytes / found.seconds;
  return {
    what: `a download with and without a limit of ${LIMIT / 1e6} MB/s`,
    who: limit === null ? 'no limit' : `over ${seconds} s`,
    ok: true,
    figures: {
      'MB/s': rate / 1e6,
      'off by %': limit === null ? null : 100 * (rate / limit - 1),
      'CPU s/GiB': (found.cpuSeconds * 2 ** 30) / found.bytes,
    },
  };
}
