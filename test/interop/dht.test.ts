import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { PEER_PORT, type Client, type Running } from './clients/client.ts';
import { libtorrent } from './clients/libtorrent.ts';
import { BIN, ours } from './clients/ours.ts';
import { transmission } from './clients/transmission.ts';
import { Lab, type Content, type Torrent } from './lab.ts';
import type { Host } from './network.ts';

/**
 * The DHT (BEP 5) without a tracker and without anybody in common: two clients know a third one's node and nothing else,
 * and it is of another kind.
 */
const CONTENT: Content = { name: 'found.bin', files: 3_000_001, pieceLength: 65_536 };

/** Transmission takes up to half a minute for its first steps in the DHT. */
const PATIENCE_MS = 120_000;

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

function nodeAt(host: Host): string {
  return `${host.address}:${PEER_PORT}`;
}

/** Starts a client whose node is of use to others and whose torrent to nobody. */
async function neighbour(client: Client, dht: readonly string[] = []): Promise<Host> {
  const host = lab.host();
  await lab.seed(client, newTorrent(), { host, dht });
  return host;
}

/** What our command line says to a question; null as long as it fails. */
async function dhtSays(host: Host, scratch: string, ...args: string[]): Promise<string | null> {
  const flags = ['--state-dir', join(scratch, 'state'), '--timeout', '5s'];
  try {
    return await host.run(process.execPath, [BIN, 'dht', ...args, ...flags]);
  } catch (error) {
    if (!String(error).includes('ended with 5')) throw error;
    return null;
  }
}

describe.each([libtorrent, transmission])('with $name as the only node in common', (middle) => {
  test(
    'we find the peers that others announced',
    async () => {
      const node = nodeAt(await neighbour(middle));
      const [seederHost, asker] = [lab.host(), lab.host()];
      const torrent = newTorrent();
      await lab.seed(libtorrent, torrent, { host: seederHost, dht: [node] });
      const scratch = lab.folder('asker');
      const found = await eventually(
        'the announce',
        () => dhtSays(asker, scratch, 'get-peers', torrent.infoHash, '--dht-bootstrap', node),
        PATIENCE_MS,
      );
      expect(found.split('\n')).toContain(nodeAt(seederHost));
    },
    PATIENCE_MS + 30_000,
  );

  test(
    'others find us by a magnet link',
    async () => {
      const node = nodeAt(await neighbour(middle));
      const torrent = newTorrent();
      await lab.seed(ours, torrent, { dht: [node] });
      await fetches(libtorrent, torrent, [node]);
    },
    PATIENCE_MS + 30_000,
  );
});

test(
  'in a DHT of mixed nodes, a magnet link that names no tracker downloads from a libtorrent seeder',
  async () => {
    const first = await neighbour(libtorrent);
    const others = [];
    for (const client of [ours, transmission, ours, libtorrent]) {
      others.push(await neighbour(client, [nodeAt(first)]));
    }
    const torrent = newTorrent();
    await lab.seed(libtorrent, torrent, { dht: [nodeAt(others[0]!)] });
    await fetches(ours, torrent, [nodeAt(others[1]!), nodeAt(others[3]!)]);
  },
  PATIENCE_MS + 60_000,
);

test('values (BEP 44) are stored by libtorrent and by us, and found again', async () => {
  const first = await neighbour(libtorrent);
  await neighbour(ours, [nodeAt(first)]);
  const asker = lab.host();
  const scratch = lab.folder('asker');
  const bootstrap = ['--dht-bootstrap', nodeAt(first)];
  const put = await eventually('nodes that store', () =>
    dhtSays(asker, scratch, 'put', 'kept by others', ...bootstrap),
  );
  const got = await eventually('what was stored', () =>
    dhtSays(asker, scratch, 'get', put.trim(), ...bootstrap),
  );
  expect(got).toBe('kept by others');
}, 60_000);

async function fetches(client: Client, torrent: Torrent, dht: readonly string[]): Promise<void> {
  const dir = lab.folder('download');
  const link = `magnet:?xt=urn:btih:${torrent.infoHash}`;
  const running: Running = await lab.download(client, torrent, { dir, torrentFile: link, dht });
  await running.complete(PATIENCE_MS);
  lab.expectSame(torrent, dir, client);
}
