import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type AddressInfo } from 'node:net';
import { afterAll, expect, test } from 'vitest';
import type { Encryption } from '../../src/options.ts';
import { isSame, LibraryBench, next } from './support/library-bench.ts';

const bench = new LibraryBench();
afterAll(() => bench.close());
const file = bench.file('secret.bin');

const WAYS: readonly Encryption[] = ['off', 'prefer', 'require'];

/** What becomes of a connection between these two, whoever dials. */
function outcome(a: Encryption, b: Encryption): 'none' | 'handshake' | 'rc4' | 'refused' {
  const both = [a, b];
  if (both.includes('off')) return both.includes('require') ? 'refused' : 'none';
  return both.includes('require') ? 'rc4' : 'handshake';
}

for (const there of WAYS) {
  for (const here of WAYS) {
    const expected = outcome(here, there);
    test(`${here} dials ${there}: ${expected}`, async () => {
      const seeder = await bench.seeder(file, { encryption: there });
      const client = await bench.client({ encryption: here });
      const way = await passage(seeder.client.listenPort);
      const torrent = await client.add(file.torrent.bytes, {
        peers: [{ host: '127.0.0.1', port: way.port }],
        downLimit: 1_000_000,
      });
      if (expected === 'refused') {
        await way.firstClosed;
        const { peers, downloaded } = torrent.stats;
        expect([peers, downloaded, seeder.torrent.stats.peers]).toEqual([0, 0, 0]);
      } else {
        await next(torrent, 'piece');
        const ours = torrent.peers.map(({ encryption }) => encryption);
        const theirs = seeder.torrent.peers.map(({ encryption }) => encryption);
        expect([ours, theirs]).toEqual([[expected], [expected]]);
        torrent.setLimits({ down: Infinity });
        await torrent.completed();
        expect(isSame(torrent, file)).toBe(true);
      }
      await Promise.all([client.close(), seeder.client.close(), way.close()]);
    });
  }
}

test.each([
  ['off', []],
  ['prefer', ['supportcrypto=1']],
  ['require', ['supportcrypto=1', 'requirecrypto=1']],
] as const)('trackers are told of encryption that is %s: %j', async (encryption, said) => {
  const tracker = createHttpServer();
  const announce = new Promise<string>((resolve) =>
    tracker.once('request', (request, response) => {
      resolve(request.url!);
      response.end('d8:intervali1800e5:peers0:e');
    }),
  );
  await new Promise<void>((resolve) => tracker.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(tracker.address() as AddressInfo).port}/announce`;
  const client = await bench.client({ encryption });
  await client.add(file.torrent.bytes, { trackers: [url] });
  expect((await announce).match(/\w+crypto=\w+/g) ?? []).toEqual(said);
  tracker.on('request', (_request, response) => void response.end('d8:intervali1800e5:peers0:e'));
  await client.close();
  await new Promise((resolve) => tracker.close(resolve));
});

/** A port that leads to another, to see when connections end. */
async function passage(
  port: number,
): Promise<{ port: number; firstClosed: Promise<void>; close: () => Promise<void> }> {
  const server = createServer();
  const firstClosed = new Promise<void>((resolve) => {
    server.on('connection', (near) => {
      const far = connect({ host: '127.0.0.1', port });
      near.pipe(far).pipe(near);
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        // Refusals may show as resets; either way the other half ends too.
        one.on('error', () => undefined);
        one.on('close', () => {
          other.destroy();
          resolve();
        });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const close = (): Promise<void> => new Promise((resolve) => server.close(() => resolve()));
  return { port: (server.address() as AddressInfo).port, firstClosed, close };
}
