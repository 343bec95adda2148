// WebTorrent as a plain process: webtorrent-peer.js MODULE seed|leech TORRENT DIR PORT [HOST:PORT...]. A leech leaves when
// it has everything.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const [module, role, torrent, dir, port, ...peers] = process.argv.slice(2);
const { default: WebTorrent } = await import(pathToFileURL(module).href);
const client = new WebTorrent({
  dht: false,
  lsd: false,
  natUpnp: false,
  natPmp: false,
  utp: false,
  torrentPort: Number(port),
});
client.on('error', (error) => {
  console.error(error);
  process.exit(1);
});
const added = client.add(readFileSync(torrent), {
  path: dir,
  skipVerify: role === 'seed',
  ...(peers.length > 0 && { announce: [] }),
});
added.on('ready', () => peers.forEach((peer) => added.addPeer(peer)));
added.on('done', () => {
  if (role === 'leech') process.exit(0);
});
