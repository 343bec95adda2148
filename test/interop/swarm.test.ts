import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { aria2 } from './clients/aria2.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { Opentracker, scrape, TRACKER_PORT } from './clients/opentracker.ts';
import { BIN, ours } from './clients/ours.ts';
import { transmission } from './clients/transmission.ts';
import { webtorrent } from './clients/webtorrent.ts';
import { FOLDER, Lab, SINGLE, type Content } from './lab.ts';

/** Slow enough that every downloader has joined before the seeder has given everything away once. */
const SEEDER_LIMIT = 1_500_000;
const SWARM_MS = 90_000;

const CONTENT: Content = { ...SINGLE, name: 'mixed swarm.bin', files: 16 * 1024 * 1024 + 1 };

let lab: Lab;
beforeAll(() => {
  lab = new Lab();
});
afterEach(() => lab.stopClients());
afterAll(() => lab?.close());

test('a swarm of all clients at once completes, everybody giving to everybody', async () => {
  const torrent = lab.torrent(CONTENT, [lab.announceUrl('http'), lab.announceUrl('udp')]);
  const tracker = await Opentracker.start(lab.trackerHost, lab.folder('opentracker'), [torrent.infoHash]);
  try {
    await lab.seed(ours, torrent, { upLimit: SEEDER_LIMIT });
    await tracker.hasSeeders(torrent.infoHash, 1);
    const downloaders = await Promise.all(
      [transmission, libtorrent, aria2, webtorrent, ours, ours].map(async (client) => {
        const dir = lab.folder(`swarm-${client.name}`);
        return { dir, client, running: await lab.download(client, torrent, { dir }) };
      }),
    );
    await Promise.all(downloaders.map(({ running }) => running.complete(SWARM_MS)));
    for (const { dir, client } of downloaders) lab.expectSame(torrent, dir, client);
  } finally {
    await tracker.child.stop();
  }
});

test('our tracker introduces all clients to each other, over HTTP and over UDP', async () => {
  const port = String(TRACKER_PORT);
  const tracker = lab.trackerHost.start(process.execPath, [
    BIN,
    'tracker',
    '--host',
    lab.trackerHost.address,
    '--port',
    port,
  ]);
  try {
    await tracker.line(/announce/);
    const overHttp = lab.torrent({ ...FOLDER, name: 'http' }, [lab.announceUrl('http')]);
    const overUdp = lab.torrent({ ...FOLDER, name: 'udp' }, [lab.announceUrl('udp')]);
    const seeders = [
      await lab.seed(libtorrent, overHttp, { upLimit: 2_000_000 }),
      await lab.seed(libtorrent, overUdp, { upLimit: 2_000_000 }),
    ];
    expect(seeders).toHaveLength(2);
    await Promise.all([overHttp, overUdp].map((torrent) => seedersOf(torrent.infoHash, 1)));
    const downloaders = await Promise.all(
      [overHttp, overUdp].flatMap((torrent) =>
        [transmission, aria2, webtorrent, ours].map(async (client) => {
          const dir = lab.folder(`own-tracker-${client.name}`);
          return { dir, client, torrent, running: await lab.download(client, torrent, { dir }) };
        }),
      ),
    );
    await Promise.all(downloaders.map(({ running }) => running.complete(SWARM_MS)));
    for (const { dir, client, torrent } of downloaders) lab.expectSame(torrent, dir, client);
  } finally {
    await tracker.stop();
  }
});

async function seedersOf(infoHash: string, count: number): Promise<void> {
  await eventually(`${count} seeders announced`, async () => {
    const swarm = await scrape(lab.trackerHost, infoHash);
    return swarm && swarm.seeders >= count ? swarm : null;
  });
}
