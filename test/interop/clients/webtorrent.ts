import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { needsFile, PEER_PORT, type Client, type Job, type Running } from './client.ts';

const FOLDER = process.env.TORRENT_TS_PEERS ?? join(homedir(), '.cache', 'torrent-ts-peers');
const PACKAGE = join(FOLDER, 'node_modules/webtorrent/index.js');
const NODE = join(FOLDER, `node_modules/node-linux-${process.arch}/bin/node`);
const SCRIPT = fileURLToPath(new URL('webtorrent_peer.mjs', import.meta.url));
const INSTALL = 'scripts/interop-peers.sh';

/** WebTorrent over TCP, run by a Node of its own because it needs a newer one than we do. */
export const webtorrent: Client = {
  name: 'webtorrent',

  check() {
    needsFile(PACKAGE, INSTALL);
    needsFile(NODE, INSTALL);
  },

  seed: (job) => Promise.resolve(start('seed', job)),
  download: (job) => Promise.resolve(start('download', job)),
};

function start(role: 'seed' | 'download', job: Job): Running {
  const child = job.host.start(NODE, [
    SCRIPT,
    PACKAGE,
    role,
    job.torrentFile,
    job.dir,
    String(PEER_PORT),
    ...(job.upLimit === undefined ? [] : [String(job.upLimit)]),
  ]);
  return {
    child,
    async complete(timeoutMs) {
      await child.line(/^complete$/, timeoutMs);
    },
  };
}
