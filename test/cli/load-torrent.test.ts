import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { loadTorrent } from '../../src/cli/load-torrent.ts';
import { noise, temporaryFolder } from '../support/tree.ts';
import { makeTorrent } from '../support/torrent-maker.ts';
import { stage } from './support/fake-library.ts';

const TORRENT = makeTorrent({
  name: 'a.bin',
  claims: { length: 50_000, pieces: noise('a', 80) },
  pieceLength: 16_384,
  trackers: [],
});

let folder: ReturnType<typeof temporaryFolder>;
let server: Server | null;
beforeEach(() => {
  folder = temporaryFolder('load');
  server = null;
});
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
  folder.remove();
});

function file(content: Uint8Array | string): string {
  const path = join(folder.path, 'x.torrent');
  writeFileSync(path, content);
  return path;
}

describe('files', () => {
  test('are read', async () => {
    const { metaInfo, bytes } = await loadTorrent(stage().context, file(TORRENT.bytes));
    expect(metaInfo.infoHashHex).toBe(TORRENT.infoHash);
    expect(Buffer.compare(bytes, TORRENT.bytes)).toBe(0);
  });

  test.each<[string, () => string, RegExp]>([
    ['missing', () => join(folder.path, 'none'), /cannot read .*none: no such file or folder$/],
    ['a folder', () => folder.path, /: it is a folder$/],
    ['a device', () => '/dev/zero', /cannot read \/dev\/zero: it is not a regular file$/],
    ['empty', () => file(''), /is not a usable torrent: it is empty$/],
    ['a web page', () => file('\n<!doctype html><p>'), /it looks like a web page \(HTML\)/],
    ['gzip data', () => file(gzipSync(TORRENT.bytes)), /it is gzip data; unpack it first \(gunzip\)$/],
    ['a zip archive', () => file('PK\x03\x04'), /it is a zip archive/],
    ['a text with a magnet link', () => file('magnet:?xt=urn:btih:00'), /holds a magnet link/],
    ['cut off', () => file(TORRENT.bytes.subarray(0, 100)), /is not a usable torrent: \S/],
    ['a magnet link', () => 'magnet:?xt=urn:btih:00', /a magnet link has no files yet/],
    ['without a name', () => '\0', /cannot read : /],
  ])('that are %s give code 3 and one line that says why', async (_, source, message) => {
    const error: unknown = await loadTorrent(stage().context, source()).catch((error: unknown) => error);
    expect(error).toMatchObject({ exitCode: 3, message: expect.stringMatching(message) as string });
    expect((error as Error).message).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  });
});

describe.skipIf(process.platform === 'win32')('pipes', () => {
  test('that nobody writes into are refused at once', async () => {
    const pipe = join(folder.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(loadTorrent(stage().context, pipe)).rejects.toThrow(/nothing is written into this pipe$/);
  });

  test('that somebody writes into are read to their end', async () => {
    const pipe = join(folder.path, 'pipe');
    execFileSync('mkfifo', [pipe]);
    // Opened for both, the writer neither waits for a reader nor misses it.
    const writer = spawn('sh', [
      '-c',
      'exec 3<>"$0"; cat "$1" >&3; echo; sleep 0.2',
      pipe,
      file(TORRENT.bytes),
    ]);
    await new Promise((resolve) => writer.stdout.once('data', resolve));
    const { metaInfo } = await loadTorrent(stage().context, pipe);
    expect(metaInfo.infoHashHex).toBe(TORRENT.infoHash);
  });
});

describe('URLs', () => {
  async function serve(answer: RequestListener): Promise<string> {
    server = createServer(answer).listen(0, '127.0.0.1');
    await new Promise((resolve) => server!.once('listening', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  test('are fetched, with redirects and compression', async () => {
    const url = await serve((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: '/x.torrent' }).end();
      else response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync(TORRENT.bytes));
    });
    const { metaInfo } = await loadTorrent(stage().context, `${url}/moved`);
    expect(metaInfo.infoHashHex).toBe(TORRENT.infoHash);
  });

  test('that are not found give code 3 with the status', async () => {
    const url = await serve((_, response) => response.writeHead(404).end());
    await expect(loadTorrent(stage().context, url)).rejects.toMatchObject({
      exitCode: 3,
      message: `cannot read ${url}: the server answered 404 Not Found`,
    });
  });

  test('that lead nowhere give code 3 with the reason', async () => {
    const url = await serve((_, response) => response.destroy());
    await expect(loadTorrent(stage().context, url)).rejects.toMatchObject({ exitCode: 3 });
  });

  test('that never end are given up at 64 MiB', async () => {
    const url = await serve((_, response) => {
      const chunk = Buffer.alloc(1_048_576);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk));
      };
      response.on('drain', more);
      more();
    });
    await expect(loadTorrent(stage().context, url)).rejects.toThrow(/larger than 64 MiB, no torrent is$/);
  });

  test('are no longer waited for after a signal', async () => {
    const url = await serve(() => undefined);
    const on = stage();
    const loading = loadTorrent(on.context, url);
    setTimeout(() => on.signal('SIGINT'), 50);
    await expect(loading).rejects.toMatchObject({ name: 'AbortError' });
  });
});

test('stdin is read to its end, however it is cut', async () => {
  const stdin = Array.from(TORRENT.bytes, (byte) => Uint8Array.of(byte));
  const { metaInfo, source } = await loadTorrent(stage({ stdin }).context, '-');
  expect(metaInfo.infoHashHex).toBe(TORRENT.infoHash);
  expect(source).toBe('-');
});
