import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client.ts';
import { UsageError } from '../../src/errors.ts';
import { writeMagnet, type MagnetParts } from '../../src/metainfo/magnet.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import { bencode, type BencodeValue } from '../support/torrent-maker.ts';
import { noise } from '../support/tree.ts';
import { FileServer, infoOf, rangeHeaders } from './support/file-server.ts';
import { isSame, LibraryBench, next, type MadeFile } from './support/library-bench.ts';

let bench: LibraryBench;
let client: Client;
let server: FileServer;
/** What the server gives as /x.torrent, and how often it did. */
let given: Buffer;
let fetches: number;

beforeEach(async () => {
  bench = new LibraryBench();
  client = await bench.client({ encryption: 'off' });
  given = Buffer.alloc(0);
  fetches = 0;
});
afterEach(async () => {
  await bench.close();
  await server.close();
});

async function serve(file?: MadeFile): Promise<void> {
  server = await FileServer.open(file ? { [`/${file.name}`]: file.content } : {});
  server.misbehave = (_, response, { path }) => {
    if (!path.startsWith('/x.torrent')) return false;
    fetches++;
    response.writeHead(200).end(given);
    return true;
  };
}

const linkTo = (infoHashHex: string, parts: Partial<MagnetParts> = {}): string =>
  writeMagnet({ infoHashHex, exactSources: [`${server.url}/x.torrent`], ...parts });

describe('the .torrent that a magnet link names', () => {
  test('and a web seed are enough to download without any peer', async () => {
    const file = bench.file('alone.bin');
    await serve(file);
    given = Buffer.from(file.torrent.bytes);
    const link = linkTo(file.torrent.infoHash, { webSeeds: [`${server.url}/`] });
    const torrent = await client.add(link, { exactSource: true });
    expect(torrent.state).toBe('metadata');
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(fetches).toBe(1);
  });

  test('is not fetched unless the user says so', async () => {
    const file = bench.file('asked.bin');
    await serve(file);
    given = Buffer.from(file.torrent.bytes);
    const seeder = await bench.seeder(file);
    const peers = [{ host: '127.0.0.1', port: seeder.client.listenPort }];
    const torrent = await client.add(linkTo(file.torrent.infoHash, { peers }));
    await torrent.completed();
    expect(server.connections).toBe(0);
  });

  test('adds its trackers and web seeds, as the torrent itself would', async () => {
    const { infoHash } = await serveOwn('public.bin', {});
    const torrent = await client.add(linkTo(infoHash), { exactSource: true });
    await torrent.completed();
    expect(torrent.trackers.map(({ url }) => url)).toEqual(['http://127.0.0.1:9/announce']);
    expect(torrent.metaInfo).toMatchObject({
      trackers: [['http://127.0.0.1:9/announce']],
      webSeeds: [`${server.url}/public.bin`],
    });
  });

  test('adds no web seeds where the user wants none', async () => {
    const { infoHash } = await serveOwn('refused.bin', {});
    const torrent = await client.add(linkTo(infoHash), { exactSource: true, webSeeds: false });
    await torrent.metadata();
    await next(torrent, 'state', (state: string) => state === 'downloading');
    expect(torrent.peers).toEqual([]);
  });

  test('of a private torrent adds nothing to what the link says (BEP 27)', async () => {
    const { infoHash } = await serveOwn('private.bin', { private: 1 });
    const torrent = await client.add(linkTo(infoHash), { exactSource: true });
    expect(await torrent.metadata()).toMatchObject({ private: true, trackers: [], webSeeds: [] });
    expect(torrent.trackers).toEqual([]);
  });

  test('is ignored with a warning if it is of another torrent, and peers are asked all the same', async () => {
    const file = bench.file('wanted.bin');
    await serve();
    given = Buffer.from(bench.file('other.bin').torrent.bytes);
    const torrent = await client.add(linkTo(file.torrent.infoHash), { exactSource: true });
    const [warning] = await next(torrent, 'warning');
    expect(warning).toMatchObject({ code: 'ERR_METAINFO' });
    expect((warning as Error).message).toBe(
      `no torrent from ${server.url}/x.torrent: another torrent than the link is of`,
    );
    const seeder = await bench.seeder(file);
    torrent.addPeers([{ host: '127.0.0.1', port: seeder.client.listenPort }]);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
  });

  test('is not fetched from this machine by a URL with a query', async () => {
    const file = bench.file('pressed.bin');
    await serve(file);
    const exactSources = [`${server.url}/x.torrent?reboot=1`];
    const torrent = await client.add(linkTo(file.torrent.infoHash, { exactSources }), { exactSource: true });
    const [warning] = await next(torrent, 'warning');
    expect((warning as Error).message).toMatch(/a local address, which is refused$/);
    expect(server.connections).toBe(0);
  });

  test('is fetched for true and not for anything else that is said', async () => {
    await serve();
    const options = { exactSource: 'yes' as unknown as boolean };
    await expect(client.add(linkTo('00'.repeat(20)), options)).rejects.toThrow(UsageError);
  });
});

/** Serves a torrent that names the server itself and a tracker, and its file. */
async function serveOwn(name: string, parts: Record<string, BencodeValue>): Promise<{ infoHash: string }> {
  await serve();
  const content = noise(name, 200_000);
  const info = { ...(infoOf(name, content, {}) as Record<string, BencodeValue>), ...parts };
  given = Buffer.from(
    bencode({ announce: 'http://127.0.0.1:9/announce', info, 'url-list': `${server.url}/${name}` }),
  );
  const answers = server.misbehave;
  server.misbehave = (request, response, asked) => {
    if (asked.path !== `/${name}`) return answers(request, response, asked);
    const { first, last } = asked;
    response.writeHead(206, rangeHeaders(first, last, content.length));
    response.end(content.subarray(first, last + 1));
    return true;
  };
  return { infoHash: parseTorrent(given).infoHashHex };
}
