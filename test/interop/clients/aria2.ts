import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { needsCommand, PEER_PORT, type Client, type Job, type Running } from './client.ts';

/** aria2, which finds peers by tracker, DHT and LPD only. */
export const aria2: Client = client('aria2', []);

/** The same, but it speaks no plain, and all is RC4. */
export const encryptedAria2: Client = client('aria2 with forced encryption', [
  '--bt-require-crypto=true',
  '--bt-min-crypto-level=arc4',
]);

function client(name: string, flags: readonly string[]): Client {
  return {
    name,
    ownFiles: /\.aria2$/,

    check() {
      needsCommand('aria2c', 'apt-get install -y aria2');
    },

    seed: (job) =>
      Promise.resolve(start(job, ['--bt-seed-unverified=true', '--check-integrity=true', ...flags])),
    download: (job) => Promise.resolve(start(job, flags)),
  };
}

function start(job: Job, extra: readonly string[]): Running {
  const hook = join(job.scratch, 'complete.sh');
  writeFileSync(hook, '#!/bin/sh\necho complete\n', { mode: 0o755 });
  const child = job.host.start(
    'aria2c',
    [
      '--no-conf',
      // aria2 speaks to UDP trackers through its DHT socket only; on a host of its own the DHT finds nobody.
      '--enable-dht=true',
      '--enable-dht6=false',
      `--dht-file-path=${join(job.scratch, 'dht.dat')}`,
      `--dht-listen-port=${PEER_PORT}`,
      '--bt-enable-lpd=false',
      '--enable-peer-exchange=false',
      '--file-allocation=none',
      `--listen-port=${PEER_PORT}`,
      '--seed-ratio=0',
      '--summary-interval=0',
      '--show-console-readout=false',
      `--on-bt-download-complete=${hook}`,
      ...(job.upLimit === undefined ? [] : [`--max-upload-limit=${job.upLimit}`]),
      ...extra,
      `--dir=${job.dir}`,
      job.torrentFile,
    ],
    { env: { HOME: job.scratch } },
  );
  return {
    child,
    async complete(timeoutMs) {
      await child.line(/^complete$/, timeoutMs);
    },
  };
}
