import { afterAll, afterEach, beforeAll, describe, test } from 'vitest';
import { encryptedAria2 } from './clients/aria2.ts';
import { PEER_PORT } from './clients/client.ts';
import { encryptedLibtorrent } from './clients/libtorrent.ts';
import { Opentracker } from './clients/opentracker.ts';
import { ours, oursWith } from './clients/ours.ts';
import { encryptedTransmission } from './clients/transmission.ts';
import { Lab, SINGLE, type Torrent } from './lab.ts';

/** Clients that take no plain connection, and us as we are by default, and with encryption required on our side too. */
const OTHERS = [encryptedLibtorrent('rc4'), encryptedTransmission, encryptedAria2];
const WAYS = [ours, oursWith('torrent-ts with required encryption', ['--encryption', 'require'])];
const TRANSFER_MS = 60_000;

let lab: Lab;
let tracker: Opentracker;
const torrents = new Map<string, Torrent>();

beforeAll(async () => {
  lab = new Lab();
  for (const other of OTHERS) {
    for (const us of WAYS) {
      const name = `${other.name} from ${us.name}`;
      torrents.set(name, lab.torrent({ ...SINGLE, name: `${name}.bin` }, [lab.announceUrl('http')]));
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

for (const other of OTHERS) {
  describe(other.name, () => {
    for (const us of WAYS) {
      test(`downloads from ${us.name}`, async () => {
        const torrent = torrents.get(`${other.name} from ${us.name}`)!;
        await lab.seed(us, torrent);
        await tracker.hasSeeders(torrent.infoHash, 1);
        const dir = lab.folder('download');
        const downloader = await lab.download(other, torrent, { dir });
        await downloader.complete(TRANSFER_MS);
        lab.expectSame(torrent, dir, other);
      });

      test(`is dialled by ${us.name}, which downloads from it`, async () => {
        const torrent = lab.torrent({ ...SINGLE, name: `${us.name} from ${other.name}.bin` }, []);
        const seedHost = lab.host();
        await lab.seed(other, torrent, { host: seedHost });
        const dir = lab.folder('download');
        const downloader = await lab.download(us, torrent, {
          dir,
          peer: `${seedHost.address}:${PEER_PORT}`,
        });
        await downloader.complete(TRANSFER_MS);
        lab.expectSame(torrent, dir, us);
      });
    }
  });
}
