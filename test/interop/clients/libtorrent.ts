import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PEER_PORT, type Client, type Job, type Running } from './client.ts';

const PYTHON = '/usr/bin/python3';
const SCRIPT = fileURLToPath(new URL('libtorrent_peer.py', import.meta.url));

/** libtorrent-rasterbar, the engine of qBittorrent and Deluge, through its Python binding. It dials encrypted first. */
export const libtorrent: Client = client('libtorrent', []);

/** The same, but it never speaks plain; `level` is what it offers to go on with after the encrypted handshake. */
export function encryptedLibtorrent(level: 'plaintext' | 'rc4' | 'both'): Client {
  return client(`libtorrent with forced encryption, ${level}`, ['--encrypted', level]);
}

function client(name: string, flags: readonly string[]): Client {
  return {
    name,

    check() {
      if (spawnSync(PYTHON, ['-c', 'import libtorrent']).status !== 0) {
        throw new Error(
          'libtorrent is not installed; install it with: apt-get install -y python3-libtorrent',
        );
      }
    },

    seed: (job) => Promise.resolve(start('seed', job, flags)),
    download: (job) => Promise.resolve(start('download', job, flags)),
  };
}

function start(role: 'seed' | 'download', job: Job, flags: readonly string[]): Running {
  const child = job.host.start(PYTHON, [
    SCRIPT,
    role,
    job.torrentFile,
    job.dir,
    `${job.host.address}:${PEER_PORT},[${job.host.address6}]:${PEER_PORT}`,
    ...(job.upLimit === undefined ? [] : ['--up-limit', String(job.upLimit)]),
    ...(job.peer === undefined ? [] : ['--peer', job.peer]),
    ...(job.dht === undefined ? [] : ['--dht', job.dht.join(',')]),
    ...flags,
  ]);
  return {
    child,
    async complete(timeoutMs) {
      await child.line(/^complete$/, timeoutMs);
    },
  };
}
