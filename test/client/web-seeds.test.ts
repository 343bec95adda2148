import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client.ts';
import { UsageError } from '../../src/errors.ts';
import { bencode } from '../support/torrent-maker.ts';
import { noise } from '../support/tree.ts';
import { until } from '../support/until.ts';
import { answer, FileServer, infoOf, rangeHeaders } from './support/file-server.ts';
import { isSame, LibraryBench, next, type MadeFile } from './support/library-bench.ts';

let bench: LibraryBench;
let client: Client;
const servers: FileServer[] = [];

beforeEach(async () => {
  bench = new LibraryBench();
  client = await bench.client({ encryption: 'off' });
});
afterEach(async () => {
  await bench.close();
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

async function serve(files: Readonly<Record<string, Buffer>>): Promise<FileServer> {
  const server = await FileServer.open(files);
  servers.push(server);
  return server;
}

async function serveFile(file: MadeFile): Promise<FileServer> {
  return serve({ [`/${encodeURIComponent(file.name)}`]: file.content });
}

describe('a torrent whose only source is a web server', () => {
  test('downloads a single file, in ranges over few connections', async () => {
    const file = bench.file('web only.bin', 100);
    const server = await serveFile(file);
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${server.url}/`] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(torrent.stats).toMatchObject({ wasted: 0, corrupt: 0 });
    expect(server.askedBytes).toBe(file.content.length);
    expect(server.connections).toBeLessThanOrEqual(3);
    expect(server.asked.length).toBeLessThan(file.pieces / 2);
  });

  test('downloads a folder with names in many scripts, pad files and empty ones, named in the torrent itself', async () => {
    const parts: readonly (readonly [path: string, length: number, padding?: boolean])[] = [
      ['a b/100% (ü) #1?.txt', 70_001],
      ['.pad/28303', 28_303, true],
      ['empty', 0],
      ['日本/ファイル+.bin', 300_000],
      ['x', 1],
      ['y', 2],
      ['tail.bin', 99_999],
    ];
    const contents = parts.map(([path, length, padding]) =>
      padding ? Buffer.alloc(length) : noise(path, length),
    );
    const server = await serve(
      Object.fromEntries(
        parts.flatMap(([path, , padding], i) =>
          padding
            ? []
            : [[`/sub/the%20folder/${path.split('/').map(encodeURIComponent).join('/')}`, contents[i]!]],
        ),
      ),
    );
    const files = parts.map(([path, length, padding]) => ({
      length,
      path: path.split('/'),
      ...(padding ? { attr: 'p' } : {}),
    }));
    const info = infoOf('the folder', Buffer.concat(contents), { files });
    const torrent = await client.add(bencode({ info, 'url-list': `${server.url}/sub` }));
    await torrent.completed();
    for (const [i, [path, , padding]] of parts.entries()) {
      if (!padding)
        expect(readFileSync(join(torrent.dir, 'the folder', path)).equals(contents[i]!)).toBe(true);
    }
    expect(server.asked.some(({ path }) => path.includes('.pad'))).toBe(false);
  });

  test('is shown as a peer with its URL, without name and password, and takes no part in choking', async () => {
    const file = bench.file('shown.bin', 50);
    const server = await serveFile(file);
    let authorization: string | undefined;
    server.misbehave = (request) => {
      authorization = request.headers.authorization;
      return false;
    };
    const url = server.url.replace('//', '//user:secret@');
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${url}/shown.bin`] });
    await next(torrent, 'peer');
    expect(torrent.peers).toMatchObject([
      {
        kind: 'web-seed',
        client: `${server.url}/shown.bin`,
        address: { host: '127.0.0.1', port: Number(new URL(server.url).port) },
        inbound: false,
        weChoke: true,
        theyAreInterested: false,
      },
    ]);
    await torrent.completed();
    expect(authorization).toBe(`Basic ${Buffer.from('user:secret').toString('base64')}`);
    expect(torrent.stats.downloaded).toBe(file.content.length);
  });

  test('goes on over a new connection when the server closes after each answer or in its midst', async () => {
    const file = bench.file('hang up.bin', 60);
    const server = await serveFile(file);
    let count = 0;
    server.misbehave = (_request, response, { first, last }) => {
      response.shouldKeepAlive = false;
      if (++count % 3 !== 0 || last - first < 100_000) return false;
      response.writeHead(206, rangeHeaders(first, last, file.content.length));
      response.write(file.content.subarray(first, first + 50_000), () => response.destroy());
      return true;
    };
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${server.url}/hang%20up.bin`] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('follows redirects, and asks for the file where the torrent says each time', async () => {
    const file = bench.file('moved.bin', 40);
    const server = await serveFile(file);
    const front = await serve({});
    front.misbehave = (_request, response) => {
      response.writeHead(302, { Location: `${server.url}/moved.bin`, 'Content-Length': 5 }).end('moved');
      return true;
    };
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${front.url}/elsewhere`] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(front.asked.length).toBe(server.asked.length);
  });

  test('keeps to its limit of speed', async () => {
    const file = bench.file('limited.bin', 64);
    const server = await serveFile(file);
    const start = performance.now();
    const torrent = await client.add(file.torrent.bytes, {
      webSeeds: [`${server.url}/limited.bin`],
      downLimit: 4_000_000,
    });
    await torrent.completed();
    // Two megabytes; a little more than what a limit lets through at once comes free.
    expect(performance.now() - start).toBeGreaterThan(200);
    expect(isSame(torrent, file)).toBe(true);
  });

  test('waits for its turn when there are more of them than connections', async () => {
    const few = await bench.client({ encryption: 'off', connectionsMax: 6 });
    const files = Array.from({ length: 10 }, (_, i) => bench.file(`turn${i}.bin`, 40));
    const server = await serve(Object.fromEntries(files.map(({ name, content }) => [`/${name}`, content])));
    let open = 0;
    let openMost = 0;
    server.misbehave = (_request, response) => {
      openMost = Math.max(openMost, ++open);
      response.on('close', () => open--);
      return false;
    };
    const torrents = await Promise.all(
      files.map(({ torrent }) => few.add(torrent.bytes, { webSeeds: [`${server.url}/`] })),
    );
    await Promise.all(torrents.map((torrent) => torrent.completed()));
    expect(torrents.every((torrent, i) => isSame(torrent, files[i]!))).toBe(true);
    expect(openMost).toBeLessThanOrEqual(6);
  });

  test('uses none if told so', async () => {
    const file = bench.file('none.bin', 3);
    const server = await serveFile(file);
    const named = bencode({
      info: infoOf('none.bin', file.content, {}),
      'url-list': `${server.url}/none.bin`,
    });
    const torrent = await client.add(named, { webSeeds: false });
    const { client: seeder } = await bench.seeder({ ...file, torrent: { ...file.torrent, bytes: named } });
    torrent.addPeers([{ host: '127.0.0.1', port: seeder.listenPort }]);
    await torrent.completed();
    expect(server.asked).toEqual([]);
  });

  test('refuses URLs that no web server has', async () => {
    const file = bench.file('urls.bin', 3);
    for (const url of ['', 'ftp://host/x', 'file:///etc/passwd', 'http://', 'x']) {
      await expect(client.add(file.torrent.bytes, { webSeeds: [url] })).rejects.toBeInstanceOf(UsageError);
    }
  });
});

describe('web servers and peers', () => {
  test('share the work: a server that is slow delays nobody', async () => {
    const file = bench.file('shared.bin', 200);
    const server = await serveFile(file);
    const started: (() => void)[] = [];
    server.misbehave = (_request, response, { first, last }) => {
      // A few bytes, and then no more until the end of the test.
      response.writeHead(206, rangeHeaders(first, last, file.content.length));
      response.write(file.content.subarray(first, first + 20_000));
      for (const fn of started.splice(0)) fn();
      return true;
    };
    const torrent = await client.add(file.torrent.bytes);
    const asked = new Promise<void>((resolve) => started.push(resolve));
    torrent.addWebSeeds([`${server.url}/shared.bin`]);
    await asked;
    const { client: seeder } = await bench.seeder(file);
    torrent.addPeers([{ host: '127.0.0.1', port: seeder.listenPort }]);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  }, 20_000);

  test('both give, and nothing is fetched twice but the last blocks', async () => {
    const file = bench.file('both.bin', 400);
    const server = await serveFile(file);
    const { client: seeder } = await bench.seeder(file);
    const torrent = await client.add(file.torrent.bytes, {
      webSeeds: [`${server.url}/both.bin`],
      peers: [{ host: '127.0.0.1', port: seeder.listenPort }],
      // Slow enough for both to get their turn.
      downLimit: 20_000_000,
    });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(torrent.stats.wasted).toBeLessThanOrEqual(1_100_000);
    expect(server.askedBytes).toBeGreaterThan(0);
    expect(server.askedBytes).toBeLessThan(file.content.length);
  });

  test('a mirror takes over from one that is gone', async () => {
    const file = bench.file('mirrors.bin', 100);
    const first = await serveFile(file);
    const second = await serveFile(file);
    let count = 0;
    first.misbehave = (_request, response) => ++count > 2 && answer(response, 503);
    const torrent = await client.add(file.torrent.bytes, {
      webSeeds: [`${first.url}/mirrors.bin`, `${second.url}/mirrors.bin`],
    });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('a pause ends what is under way, and it goes on after it', async () => {
    const file = bench.file('paused.bin', 100);
    const server = await serveFile(file);
    const torrent = await client.add(file.torrent.bytes, {
      webSeeds: [`${server.url}/paused.bin`],
      downLimit: 3_000_000,
    });
    await next(torrent, 'piece');
    torrent.pause();
    expect(await until(() => torrent.peers.length === 0)).toBe(true);
    torrent.setLimits({ down: Infinity });
    torrent.resume();
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });
});
