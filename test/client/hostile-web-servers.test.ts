import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client.ts';
import { UsageError, WebSeedError, type TorrentTsError } from '../../src/errors.ts';
import type { BanInfo } from '../../src/events.ts';
import { bencode } from '../support/torrent-maker.ts';
import { noise } from '../support/tree.ts';
import { until } from '../support/until.ts';
import { answer, FileServer, infoOf, rangeHeaders, type Misbehaviour } from './support/file-server.ts';
import { isSame, LibraryBench, next, type MadeFile } from './support/library-bench.ts';
import { LANES_MAX } from '../../src/engine/transport/web-seed-link.ts';

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

describe('a web server that does not behave', () => {
  const whole: Misbehaviour = (_request, response) => {
    response.writeHead(200, { 'Content-Length': 123 }).end(Buffer.alloc(123));
    return true;
  };

  test.each<[what: string, why: RegExp, misbehave: Misbehaviour]>([
    ['has another file there', /file of 123 bytes instead of/, whole],
    [
      'sends another range',
      /another range/,
      (_request, response, { first, last }) => {
        response
          .writeHead(206, rangeHeaders(first + 1, last + 1, 1_966_000))
          .end(Buffer.alloc(last - first + 1));
        return true;
      },
    ],
    [
      'sends no range',
      /another range/,
      (_request, response, { first, last }) => {
        response.writeHead(206).end(Buffer.alloc(last - first + 1));
        return true;
      },
    ],
    [
      'packs what it sends',
      /packed/,
      (_request, response, { first, last }) => {
        response
          .writeHead(206, { ...rangeHeaders(first, last, 1_965_980), 'Content-Encoding': 'gzip' })
          .end('x');
        return true;
      },
    ],
    [
      'sends less than its range, in chunks',
      /less than it promises/,
      (_request, response, { first, last }) => {
        const { 'Content-Range': range } = rangeHeaders(first, last, 1_965_980);
        response.writeHead(206, { 'Content-Range': range }).end(Buffer.alloc(1000));
        return true;
      },
    ],
    ['knows nothing of the file', /404/, (_request, response) => answer(response, 404)],
    ['refuses us', /403/, (_request, response) => answer(response, 403)],
    ['has no such range', /416/, (_request, response) => answer(response, 416)],
    ['is broken', /500/, (_request, response) => answer(response, 500)],
    ['is busy', /503/, (_request, response) => answer(response, 503, { 'Retry-After': '1000000000' })],
    [
      'redirects in a circle',
      /more than 5 redirects/,
      (request, response) => answer(response, 302, { Location: request.url! }),
    ],
    ['redirects to nowhere', /redirect to nowhere/, (_request, response) => answer(response, 302)],
    [
      'redirects to a file',
      /not followed/,
      (_request, response) => answer(response, 302, { Location: 'file:///etc/passwd' }),
    ],
    [
      'speaks another language',
      /not proper HTTP/,
      (_request, response) => {
        response.socket!.end('220 ready\r\n\r\n');
        return true;
      },
    ],
    [
      'hangs up',
      /without an answer|breaks off|closed/,
      (_request, response) => {
        response.socket!.destroy();
        return true;
      },
    ],
  ])('%s: is left alone for a while, with a warning', async (_what, why, misbehave) => {
    const file = bench.file('bad server.bin', 60);
    const server = await serveFile(file);
    server.misbehave = misbehave;
    const torrent = await client.add(file.torrent.bytes);
    const warning = next<[TorrentTsError]>(torrent, 'warning');
    torrent.addWebSeeds([`${server.url}/bad%20server.bin`]);
    const [error] = await warning;
    expect(error).toBeInstanceOf(WebSeedError);
    expect(error.message).toMatch(why);
    expect(error.message).toContain(server.url);
    expect(await until(() => torrent.peers.length === 0)).toBe(true);
    expect(torrent.stats).toMatchObject({ state: 'downloading', corrupt: 0 });
  });

  test('fails after it has given something: peers do the rest', async () => {
    const file = bench.file('fails later.bin', 200);
    const server = await serveFile(file);
    let count = 0;
    server.misbehave = (_request, response) => ++count > 2 && answer(response, 500);
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${server.url}/fails%20later.bin`] });
    await next(torrent, 'warning');
    expect(await until(() => torrent.peers.length === 0)).toBe(true);
    const { client: seeder } = await bench.seeder(file);
    torrent.addPeers([{ host: '127.0.0.1', port: seeder.listenPort }]);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(torrent.stats.corrupt).toBe(0);
  });

  test('knows no ranges: is of use while what we want comes soon', async () => {
    const file = bench.file('rangeless.bin', 30);
    const server = await serveFile(file);
    server.misbehave = (_request, response) => {
      response.writeHead(200, { 'Content-Length': file.content.length }).end(file.content);
      return true;
    };
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${server.url}/rangeless.bin`] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('sends without end: no more is taken than was asked for', async () => {
    const file = bench.file('endless.bin', 30);
    const server = await serveFile(file);
    server.misbehave = (_request, response, { first, last }) => {
      const { 'Content-Range': range } = rangeHeaders(first, last, file.content.length);
      response.writeHead(206, { 'Content-Range': range });
      response.write(file.content.subarray(first, last + 1));
      const pour = (): void => {
        if (!response.destroyed) response.write(Buffer.alloc(65_536, 1), pour);
      };
      pour();
      return true;
    };
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [`${server.url}/endless.bin`] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(torrent.stats.corrupt).toBe(0);
  });

  test('lets only one connection in at a time: is used over one', async () => {
    const file = bench.file('one at a time.bin', 200);
    const server = await serveFile(file);
    let open = 0;
    let served = 0;
    server.misbehave = (_request, response) => {
      if (open > 0) return answer(response, 503);
      open++;
      served++;
      response.on('close', () => open--);
      return false;
    };
    const torrent = await client.add(file.torrent.bytes, {
      webSeeds: [`${server.url}/one%20at%20a%20time.bin`],
    });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(served).toBeGreaterThan(1);
  });

  test('has wrong bytes: is banned with the first bad piece', async () => {
    const file = bench.file('corrupt.bin', 60);
    const server = await serveFile(file);
    server.mend = (bytes) => bytes.map((byte) => byte ^ 1) as Buffer;
    const torrent = await client.add(file.torrent.bytes);
    const bans: BanInfo[] = [];
    torrent.on('ban', (ban) => bans.push(ban));
    torrent.addWebSeeds([`${server.url}/corrupt.bin`]);
    await next(torrent, 'peerGone', (_address, reason) => reason === 'corrupt-data');
    const { client: seeder } = await bench.seeder(file);
    torrent.addPeers([{ host: '127.0.0.1', port: seeder.listenPort }]);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(bans.map(({ address }) => address.port)).toEqual([Number(new URL(server.url).port)]);
    // What was on its way at the ban may reach the server after it: one request for each connection.
    expect(server.asked.length).toBeLessThanOrEqual(LANES_MAX);
  });

  test('lacks a file of the torrent: gives the others', async () => {
    const parts = [noise('one', 300_000), noise('two', 200_000), noise('three', 300_000)];
    const names = ['one', 'two', 'three'];
    const files = names.map((name, i) => ({ length: parts[i]!.length, path: [name] }));
    const info = infoOf('gaps', Buffer.concat(parts), { files });
    const part = await serve({ '/gaps/one': parts[0]!, '/gaps/three': parts[2]! });
    const torrent = await client.add(bencode({ info }), { webSeeds: [part.url] });
    // Pieces 9 to 15 hold bytes of the missing file.
    expect(await until(() => torrent.stats.piecesDone === 25 - 7)).toBe(true);
    const full = await serve({ '/gaps/one': parts[0]!, '/gaps/two': parts[1]!, '/gaps/three': parts[2]! });
    torrent.addWebSeeds([full.url]);
    await torrent.completed();
    expect(readFileSync(join(torrent.dir, 'gaps/two')).equals(parts[1]!)).toBe(true);
  });

  test('has an address that is none, or a name that may be a look-alike: is left out with a warning', async () => {
    const file = bench.file('odd names.bin', 5);
    const info = infoOf(file.name, file.content, {});
    const odd = [
      'http://127.0.0.1:99999/',
      'http://u:secret@xn--lcalhst-c4ac.example/',
      'http://lоcalhost:1/',
    ];
    const torrent = await client.add(bencode({ info, 'url-list': odd }));
    const warnings: string[] = [];
    torrent.on('warning', ({ message }) => warnings.push(message));
    expect(await until(() => warnings.length === 3)).toBe(true);
    expect(warnings).toEqual([
      'http://127.0.0.1:99999/ names a port that does not exist',
      'http://xn--lcalhst-c4ac.example/ has a name that may be a look-alike',
      'http://lоcalhost:1/ has a name that may be a look-alike',
    ]);
    const server = await serveFile(file);
    torrent.addWebSeeds([`${server.url}/`]);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('has a name in letters that stand for others: is asked if it is the user who names it', async () => {
    const file = bench.file('own name.bin', 5);
    const server = await serveFile(file);
    const url = `${server.url.replace('127.0.0.1', 'ｌｏｃａｌｈｏｓｔ')}/`;
    const torrent = await client.add(file.torrent.bytes, { webSeeds: [url] });
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(() => torrent.addWebSeeds(['http://a.example:99999/'])).toThrow(UsageError);
  });

  test('redirects to our own network are refused to a torrent that a server outside may have made', async () => {
    const file = bench.file('local.bin', 5);
    const server = await serveFile(file);
    const strict = await bench.client({ encryption: 'off', refuseLocalTrackers: true });
    for (const [of, url] of [
      [strict, `${server.url}/local.bin`],
      // A question could be an order to something that lives here.
      [client, `${server.url}/local.bin?delete=all`],
    ] as const) {
      const torrent = await of.add(file.torrent.bytes);
      const warning = next<[TorrentTsError]>(torrent, 'warning');
      torrent.addWebSeeds([url]);
      expect((await warning)[0].message).toMatch(/local address/);
    }
    expect(server.asked).toEqual([]);
  });
});
