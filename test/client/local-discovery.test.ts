import { afterEach, beforeEach, expect, test } from 'vitest';
import { DEFAULTS } from '../../src/options.ts';
import { openNodeWorld } from '../../src/node/node-world.ts';
import { isSame, LibraryBench } from './support/library-bench.ts';

let bench: LibraryBench;
beforeEach(() => {
  bench = new LibraryBench();
});
afterEach(() => bench.close());

test('two clients that know nothing of each other find each other on the network they are on (BEP 14)', async () => {
  // Their network is the loopback interface, because that is where they listen. The name is random, so that runs of
  // this test that meet there do not find each other.
  const file = bench.file(`found locally ${process.pid} ${Date.now()}.bin`);
  await bench.seeder(file, { lsd: true });
  const client = await bench.client({ lsd: true });
  const torrent = await client.add(file.torrent.bytes);
  await torrent.completed();
  expect(isSame(torrent, file)).toBe(true);
});

test('a client without local discovery has no way to the network', async () => {
  const world = await openNodeWorld({ ...DEFAULTS, port: 0, host: '127.0.0.1', lsd: false }, null);
  expect(world.multicast).toBeUndefined();
  await world.close();
});
