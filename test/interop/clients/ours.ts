import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PEER_PORT, needsFile, type Client, type Job, type Running } from './client.ts';

export const BIN = fileURLToPath(new URL('../../../bin/torrent-ts.js', import.meta.url));
const BUILT = fileURLToPath(new URL('../../../dist/command-line/main.js', import.meta.url));

/** torrent-ts, as its users start it. */
export const ours: Client = oursWith('torrent-ts', []);

/** The same with more options. @param looksAround Find peers on the local network (BEP 14). */
export function oursWith(name: string, flags: readonly string[], looksAround = false): Client {
  if (!looksAround) flags = ['--no-lsd', ...flags];
  return {
    name,

    check() {
      needsFile(BUILT, 'npm run build');
    },

    seed: (job) => Promise.resolve(start('seed', job, flags)),
    download: (job) => Promise.resolve(start('download', job, ['--seed', ...flags])),
  };
}

function start(command: 'seed' | 'download', job: Job, extra: readonly string[]): Running {
  const child = job.host.start(
    process.execPath,
    [
      BIN,
      command,
      job.torrentFile,
      '--dir',
      job.dir,
      '--port',
      String(PEER_PORT),
      ...(job.upLimit === undefined ? [] : ['--up-limit', String(job.upLimit)]),
      ...(job.peer === undefined ? [] : ['--peer', job.peer]),
      ...(job.dht?.flatMap((node) => ['--dht-bootstrap', node]) ?? ['--no-dht']),
      ...extra,
    ],
    { env: { XDG_STATE_HOME: join(job.scratch, 'state') } },
  );
  return {
    child,
    async complete(timeoutMs) {
      await child.line(/^complete\b/, timeoutMs);
    },
  };
}
