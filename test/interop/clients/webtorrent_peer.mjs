// WebTorrent as one plain process: webtorrent_peer.mjs PACKAGE seed|download TORRENT|MAGNET DIR PORT [UPLIMIT]
// Prints `complete` once it has everything.
import { readFileSync } from 'node:fs';

const [entry, role, torrentFile, dir, port, upLimit] = process.argv.slice(2);
const { default: WebTorrent } = await import(entry);
const client = new WebTorrent({
  dht: false,
  lsd: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  utPex: false,
  torrentPort: Number(port),
  ...(upLimit ? { uploadLimit: Number(upLimit) } : {}),
});
client.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
const torrent = client.add(torrentFile.startsWith('magnet:') ? torrentFile : readFileSync(torrentFile), {
  path: dir,
  skipVerify: role === 'seed',
});
torrent.on('warning', (warning) => console.error(String(warning)));
torrent.on('done', () => console.log('complete'));
process.on('SIGTERM', () => client.destroy(() => process.exit(0)));
