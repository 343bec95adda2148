import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { aria2 } from './clients/aria2.ts';
import type { Client } from './clients/client.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { Opentracker } from './clients/opentracker.ts';
import { ours } from './clients/ours.ts';
import { transmission } from './clients/transmission.ts';
import { webtorrent } from './clients/webtorrent.ts';
import { FOLDER, Lab, SINGLE, type Content, type Torrent, type Transport } from './lab.ts';

/**
 * Every client downloads from us and we from every client, one seeder and one downloader at a time, who find each
 * other through opentracker: single files over HTTP, folders over UDP.
 */
const TRANSFER_MS = 60_000;

let lab: Lab;
let tracker: Opentracker;
const torrents = new Map<string, Torrent>();

beforeAll(async () => {
  lab = new Lab();
  for (const other of [libtorrent, transmission, aria2, webtorrent]) {
    for (const direction of ['from', 'to']) {
      const mark = (content: Content): Content => ({
        ...content,
        name: `${other.name} ${direction} ${content.name}`,
      });
      torrents.set(`${other.name} ${direction} http`, lab.torrent(mark(SINGLE), [lab.announceUrl('http')]));
      torrents.set(`${other.name} ${direction} udp`, lab.torrent(mark(FOLDER), [lab.announceUrl('udp')]));
    }
  }
  const hashes = [...torrents.values()].map((torrent) => torrent.infoHash);
  tracker = await Opentracker.start(lab.trackerHost, lab.folder('opentracker'), hashes);
});

afterEach(() => lab.stopClients());
afterAll(async () => {
  await tracker?.child.stop();
  await lab?.close();
});

const WAYS: readonly { transport: Transport; what: string }[] = [
  { transport: 'http', what: 'a single file, found over HTTP' },
  { transport: 'udp', what: 'a folder with names in many scripts, found over UDP' },
];

for (const other of [libtorrent, transmission, aria2, webtorrent]) {
  describe(`${other.name} and torrent-ts`, () => {
    for (const { transport, what } of WAYS) {
      test(`${other.name} downloads from us ${what}`, async () => {
        await transfer(torrents.get(`${other.name} from ${transport}`)!, ours, other);
      });

      test(`we download from ${other.name} ${what}`, async () => {
        await transfer(torrents.get(`${other.name} to ${transport}`)!, other, ours);
      });
    }
  });
}

async function transfer(torrent: Torrent, from: Client, to: Client): Promise<void> {
  to.check();
  await lab.seed(from, torrent);
  await tracker.hasSeeders(torrent.infoHash, 1);
  const dir = lab.folder('download');
  const downloader = await lab.download(to, torrent, { dir });
  await downloader.complete(TRANSFER_MS);
  lab.expectSame(torrent, dir, to);
}
