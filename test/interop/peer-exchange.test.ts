import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PEER_PORT, type Client, type Running } from './clients/client.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { ours, oursWith } from './clients/ours.ts';
import { exchangingTransmission } from './clients/transmission.ts';
import { Lab, type Content, type Torrent } from './lab.ts';

/**
 * Three hosts and no tracker. The one in the middle is connected to a seeder and to a downloader, and gives nothing worth
 * the name itself, so that the downloader completes only if it hears of the seeder by peer exchange (BEP 11).
 */
const CONTENT: Content = { name: 'exchanged.bin', files: 3_000_001, pieceLength: 65_536 };

/** Bytes per second that the one in the middle takes or gives: the whole would take it most of an hour. */
const TRICKLE = 2_000;
/** Some clients tell every 90 s, the first time too. */
const EXCHANGE_MS = 200_000;

let lab: Lab;
let torrents = 0;
beforeAll(() => {
  lab = new Lab();
});
afterEach(() => lab.stopClients());
afterAll(() => lab?.close());

function newTorrent(): Torrent {
  return lab.torrent({ ...CONTENT, name: `${torrents++} ${CONTENT.name}` }, []);
}

/** Starts one in the middle, a seeder that dials it, and a downloader that dials it or is dialled. */
async function introduce(
  middle: Client,
  downloader: Client,
  dialledBy: 'downloader' | 'middle',
): Promise<void> {
  const torrent = newTorrent();
  const [middleHost, downloaderHost] = [lab.host(), lab.host()];
  const dir = lab.folder('downloaded');
  const startDownload = (peer?: string): Promise<Running> =>
    lab.download(downloader, torrent, { dir, host: downloaderHost, ...(peer !== undefined && { peer }) });
  let downloading = dialledBy === 'middle' ? await startDownload() : null;
  await lab.download(middle, torrent, {
    dir: lab.folder('middle'),
    host: middleHost,
    upLimit: TRICKLE,
    ...(dialledBy === 'middle' && { peer: `${downloaderHost.address}:${PEER_PORT}` }),
  });
  const toMiddle = `${middleHost.address}:${PEER_PORT}`;
  await eventually('the one in the middle listens', () => isListening(middleHost));
  await lab.seed(libtorrent, torrent, { peer: toMiddle, upLimit: 150_000 });
  downloading ??= await startDownload(toMiddle);
  await downloading.complete(EXCHANGE_MS);
  lab.expectSame(torrent, dir, downloader);
}

async function isListening(host: {
  run(command: string, args: readonly string[]): Promise<string>;
}): Promise<true | null> {
  return (await host.run('ss', ['-tln'])).includes(`:${PEER_PORT} `) ? true : null;
}

describe('what others tell us', () => {
  test('by libtorrent is believed', () => introduce(libtorrent, ours, 'downloader'), 240_000);

  test(
    'by Transmission is believed',
    () => introduce(exchangingTransmission(TRICKLE), ours, 'downloader'),
    240_000,
  );
});

describe('what we tell', () => {
  test('is believed by libtorrent', () => introduce(ours, libtorrent, 'downloader'), 240_000);

  test('is believed by Transmission', () => introduce(ours, exchangingTransmission(), 'middle'), 240_000);

  test('is believed by our own kind', () => introduce(ours, ours, 'downloader'), 240_000);
});

test('on one network, without a tracker, our clients find each other (BEP 14), over IPv4 and over IPv6 alone', async () => {
  const looking = oursWith('torrent-ts that looks around', ['--no-pex'], true);
  for (const withV4 of [true, false]) {
    const torrent = newTorrent();
    const [seeder, downloader] = [lab.host(), lab.host()];
    if (!withV4) {
      for (const host of [seeder, downloader]) await host.run('ip', ['-4', 'addr', 'flush', 'dev', 'eth0']);
    }
    await lab.seed(looking, torrent, { host: seeder });
    const dir = lab.folder('found');
    const running = await lab.download(looking, torrent, { dir, host: downloader });
    await running.complete(60_000);
    lab.expectSame(torrent, dir, looking);
  }
}, 150_000);
