import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Child } from '../support/child.ts';
import { eventually } from '../support/eventually.ts';
import { encryptedLibtorrent, libtorrent } from './clients/libtorrent.ts';
import { PEER_PORT } from './clients/client.ts';
import { ours } from './clients/ours.ts';
import { Lab, SINGLE } from './lab.ts';

let lab: Lab;
beforeAll(() => {
  lab = new Lab();
});
afterEach(() => lab.stopClients());
afterAll(() => lab?.close());

test('a download that is killed goes on where it was: what was whole is not asked for again', async () => {
  const torrent = lab.torrent({ ...SINGLE, name: 'killed.bin', files: 24_000_000 }, []);
  const seedHost = lab.host();
  const seeder = await lab.seed(libtorrent, torrent, { host: seedHost, upLimit: 6_000_000 });
  const host = lab.host();
  const dir = lab.folder('killed');
  const scratch = lab.folder('killed-state');
  const again = { host, dir, scratch, peer: `${seedHost.address}:${PEER_PORT}` };

  const first = await lab.download(ours, torrent, again);
  await uploadedAtLeast(seeder.child, torrent.length * 0.4);
  first.child.signal('SIGKILL');
  await first.child.exited();
  const before = uploaded(seeder.child);
  expect(before).toBeLessThan(torrent.length * 0.9);

  const second = await lab.download(ours, torrent, again);
  await second.complete(60_000);
  lab.expectSame(torrent, dir, ours);
  // What may be lost: pieces not yet whole, and what the seeder had already put on its way.
  expect(uploaded(seeder.child)).toBeLessThan(torrent.length * 1.25);
});

/** Left without an answer, libtorrent gives up its encrypted attempt after eleven seconds. */
const WELL_BEFORE_MS = 5_000;

for (const client of [
  libtorrent,
  encryptedLibtorrent('plaintext'),
  encryptedLibtorrent('rc4'),
  encryptedLibtorrent('both'),
]) {
  test(`${client.name} dials us encrypted and has its first block at once`, async () => {
    const torrent = lab.torrent({ ...SINGLE, name: `${client.name}.bin` }, []);
    const seedHost = lab.host();
    const seeder = await lab.seed(ours, torrent, { host: seedHost });
    await seeder.child.line(/seeding/i);
    const dir = lab.folder('encrypted');
    const peer = `${seedHost.address}:${PEER_PORT}`;
    const downloader = await lab.download(client, torrent, { dir, peer });
    await downloader.complete(30_000);
    const [, milliseconds] = await downloader.child.line(/^first (\d+)$/);
    expect(Number(milliseconds)).toBeLessThan(WELL_BEFORE_MS);
    lab.expectSame(torrent, dir, client);
  });
}

function uploaded(seeder: Child): number {
  const counts = seeder.stdout.flatMap((line) => /^uploaded (\d+)$/.exec(line)?.[1] ?? []);
  return Number(counts.at(-1) ?? 0);
}

async function uploadedAtLeast(seeder: Child, bytes: number): Promise<void> {
  await eventually('the seeder has sent enough', () => (uploaded(seeder) >= bytes ? true : null), 30_000, 20);
}
