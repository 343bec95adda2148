import { copyFileSync, cpSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, test } from 'vitest';
import { writeMagnet, type MagnetParts } from '../../src/metainfo/magnet.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { eventually } from '../support/eventually.ts';
import { PEER_PORT } from './clients/client.ts';
import { Nginx } from './clients/nginx.ts';
import { ours, oursWith } from './clients/ours.ts';
import { encryptedTransmission } from './clients/transmission.ts';
import { FOLDER, Lab, SINGLE, type Torrent } from './lab.ts';

/** Magnet links that name no tracker, and what they need instead. There is no DHT and no local discovery here. */
let lab: Lab;
beforeAll(() => {
  lab = new Lab();
});
afterEach(() => lab.stopClients());
afterAll(() => lab?.close());

for (const content of [
  { ...SINGLE, name: 'from nginx.bin' },
  { ...FOLDER, name: 'from nginx ✓' },
]) {
  test(`a magnet link downloads ${content.name} from nginx alone, its .torrent first`, async () => {
    const torrent = lab.torrent(content, []);
    const root = lab.folder('root');
    copyFileSync(torrent.file, join(root, 'made.torrent'));
    cpSync(torrent.dir, join(root, 'files'), { recursive: true });
    const nginx = await Nginx.start(lab.host(), lab.folder('nginx'), root);
    try {
      const link = linkTo(torrent, {
        webSeeds: [`${nginx.url}/files/`],
        exactSources: [`${nginx.url}/made.torrent`],
      });
      const trusting = oursWith('torrent-ts that fetches the exact source', ['--exact-source']);
      const dir = lab.folder('download');
      const downloader = await lab.download(trusting, torrent, { dir, torrentFile: link });
      await downloader.complete(60_000);
      lab.expectSame(torrent, dir, trusting);
    } finally {
      await nginx.child.stop();
    }
  });
}

/** Bytes per second that the one in the middle takes and gives: the whole would take it most of an hour. */
const TRICKLE = 2_000;

test('a magnet link finds a Transmission that requires encryption by peer exchange, and downloads from it', async () => {
  const torrent = lab.torrent({ name: 'introduced.bin', files: 5_000_001, pieceLength: 65_536 }, []);
  const [seedHost, middleHost] = [lab.host(), lab.host()];
  await lab.seed(encryptedTransmission, torrent, { host: seedHost });
  const middle = oursWith('torrent-ts in the middle', ['--down-limit', String(TRICKLE)]);
  await lab.download(middle, torrent, {
    dir: lab.folder('middle'),
    host: middleHost,
    upLimit: TRICKLE,
    peer: `${seedHost.address}:${PEER_PORT}`,
  });
  await eventually('the one in the middle is connected', async () =>
    (await middleHost.run('ss', ['-tn'])).includes(`${seedHost.address}:${PEER_PORT}`) ? true : null,
  );
  const dir = lab.folder('download');
  const link = linkTo(torrent, { peers: [{ host: middleHost.address, port: PEER_PORT }] });
  const downloader = await lab.download(ours, torrent, { dir, torrentFile: link });
  await downloader.complete(100_000);
  lab.expectSame(torrent, dir, ours);
}, 150_000);

function linkTo(torrent: Torrent, parts: Partial<MagnetParts>): string {
  const { infoHashHex, name } = parseTorrent(readFileSync(torrent.file));
  return writeMagnet({ infoHashHex, name, ...parts });
}
