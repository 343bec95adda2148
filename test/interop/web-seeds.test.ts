import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { PEER_PORT } from './clients/client.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { Nginx } from './clients/nginx.ts';
import { ours } from './clients/ours.ts';
import { FOLDER, Lab, SINGLE, type Torrent } from './lab.ts';

/** Torrents whose files are on a web server (BEP 19), as it is installed on most of them. */
let lab: Lab;
beforeAll(() => {
  lab = new Lab();
});
afterEach(() => lab.stopClients());
afterAll(() => lab?.close());

/** Where below the server the torrent says its files are. */
const PLACES = [
  {
    what: 'a single file, named in full',
    content: { ...SINGLE, name: 'web single.bin' },
    path: '/web%20single.bin',
  },
  { what: 'a single file in a folder', content: { ...SINGLE, name: 'web & folder.bin' }, path: '/' },
  { what: 'a folder with names in many scripts', content: { ...FOLDER, name: 'web folder ✓' }, path: '/' },
  { what: 'a folder whose URL lacks its slash', content: { ...FOLDER, name: 'web slash' }, path: '' },
  { what: 'a folder that has moved', content: { ...FOLDER, name: 'web moved' }, path: '/moved/' },
];

for (const { what, content, path } of PLACES) {
  test(`we download from nginx alone ${what}`, async () => {
    const torrent = lab.torrent(content, []);
    await withServer(torrent, async (nginx) => {
      addWebSeed(torrent, `${nginx.url}${path}`);
      const dir = lab.folder('download');
      const downloader = await lab.download(ours, torrent, { dir });
      await downloader.complete(60_000);
      lab.expectSame(torrent, dir, ours);
    });
  });
}

test('libtorrent downloads from nginx by the torrent that we make', async () => {
  const torrent = lab.torrent({ ...FOLDER, name: 'web libtorrent' }, []);
  await withServer(torrent, async (nginx) => {
    addWebSeed(torrent, `${nginx.url}/`);
    const dir = lab.folder('download');
    const downloader = await lab.download(libtorrent, torrent, { dir });
    await downloader.complete(60_000);
    lab.expectSame(torrent, dir, libtorrent);
  });
});

test('nginx and a slow seeder give one file together', async () => {
  const torrent = lab.torrent({ ...SINGLE, name: 'web and peer.bin', files: 60_000_000 }, []);
  await withServer(torrent, async (nginx) => {
    const seedHost = lab.host();
    await lab.seed(libtorrent, torrent, { host: seedHost, upLimit: 500_000 });
    addWebSeed(torrent, `${nginx.url}/`);
    const dir = lab.folder('download');
    const peer = `${seedHost.address}:${PEER_PORT}`;
    const downloader = await lab.download(ours, torrent, { dir, peer });
    // The seeder alone would take two minutes.
    await downloader.complete(30_000);
    lab.expectSame(torrent, dir, ours);
  });
});

async function withServer(torrent: Torrent, body: (nginx: Nginx) => Promise<void>): Promise<void> {
  const nginx = await Nginx.start(lab.host(), lab.folder('nginx'), torrent.dir);
  try {
    await body(nginx);
  } finally {
    await nginx.child.stop();
  }
}

/** Writes the URL into the torrent, where its key is the last one. */
function addWebSeed(torrent: Torrent, url: string): void {
  const bytes = readFileSync(torrent.file);
  expect(bytes.includes('8:url-list')).toBe(false);
  const entry = Buffer.from(`8:url-list${Buffer.byteLength(url)}:${url}e`);
  writeFileSync(torrent.file, Buffer.concat([bytes.subarray(0, -1), entry]));
}
