import { readFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { writeMagnet } from '../../src/metainfo/magnet.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { aria2 } from './clients/aria2.ts';
import { PEER_PORT, type Client } from './clients/client.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { Opentracker } from './clients/opentracker.ts';
import { ours } from './clients/ours.ts';
import { transmission } from './clients/transmission.ts';
import { webtorrent } from './clients/webtorrent.ts';
import { Lab, SINGLE, type Torrent } from './lab.ts';

/**
 * Every client gets the metadata from us and we from every client (BEP 9), with nothing but a magnet link whose tracker
 * names the other. The link is the one that our seeder prints.
 */
const TRANSFER_MS = 90_000;

const OTHERS = [libtorrent, transmission, aria2, webtorrent];

let lab: Lab;
let tracker: Opentracker;
const torrents = new Map<string, Torrent>();

beforeAll(async () => {
  lab = new Lab();
  const trackers = [lab.announceUrl('http')];
  for (const { name } of OTHERS) {
    for (const direction of ['from us', 'to us']) {
      // Hashes of 1,500 pieces: metadata of two pieces.
      const content = { ...SINGLE, name: `${name} ${direction}.bin`, pieceLength: 8192 };
      torrents.set(`${name} ${direction}`, lab.torrent(content, trackers));
    }
  }
  torrents.set('by address', lab.torrent({ ...SINGLE, name: 'by address.bin' }, []));
  const hashes = [...torrents.values()].map((torrent) => torrent.infoHash);
  tracker = await Opentracker.start(lab.trackerHost, lab.folder('opentracker'), hashes);
});

afterEach(() => lab.stopClients());
afterAll(async () => {
  await tracker?.child.stop();
  await lab?.close();
});

describe.each(OTHERS)('$name', (other) => {
  test('fetches the metadata from us, and then the file', async () => {
    other.check();
    const torrent = torrents.get(`${other.name} from us`)!;
    const seeder = await lab.seed(ours, torrent);
    const [link] = await seeder.child.line(/^magnet:.*$/);
    await tracker.hasSeeders(torrent.infoHash, 1);
    await fetches(other, torrent, link);
  });

  test('gives us the metadata, and then the file', async () => {
    const torrent = torrents.get(`${other.name} to us`)!;
    await lab.seed(other, torrent);
    await tracker.hasSeeders(torrent.infoHash, 1);
    await fetches(ours, torrent, linkTo(torrent));
  });
});

test('a link that names a peer needs no tracker', async () => {
  const torrent = torrents.get('by address')!;
  const host = lab.host();
  await lab.seed(libtorrent, torrent, { host });
  await fetches(ours, torrent, linkTo(torrent, [{ host: host.address, port: PEER_PORT }]));
});

async function fetches(client: Client, torrent: Torrent, link: string): Promise<void> {
  const dir = lab.folder('download');
  const running = await lab.download(client, torrent, { dir, torrentFile: link });
  await running.complete(TRANSFER_MS);
  lab.expectSame(torrent, dir, client);
}

function linkTo(torrent: Torrent, peers: readonly { host: string; port: number }[] = []): string {
  return writeMagnet({ ...parseTorrent(readFileSync(torrent.file)), peers });
}
