import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { TrackerError } from '../../src/errors.ts';
import { addressDepth } from '../../src/node/address-depth.ts';
import { DnsResolver } from '../../src/node/dns.ts';
import type { HttpClientOptions } from '../../src/node/http-client.ts';
import { HttpClient } from '../../src/node/http-client.ts';
import { SystemClock } from '../../src/node/system-clock.ts';
import type { HttpRequest, HttpResponse, Resolver } from '../../src/ports.ts';
import { TEST_CERTIFICATE, TEST_KEY } from '../support/tls-certificate.ts';

const MAX = 1_048_576;
const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

describe('a GET', () => {
  test('gives status and body, and says who we are', async () => {
    let seen: IncomingMessage['headers'] = {};
    const url = await serve((request, response) => {
      seen = request.headers;
      response.statusCode = 404;
      response.end('hello');
    });
    expect(await get(`${url}/announce?info_hash=%FF`)).toEqual({ status: 404, body: Buffer.from('hello') });
    expect(seen['user-agent']).toBe('torrent-ts/1.2.3');
    expect(seen.connection).toBe('close');
    expect(seen.authorization).toBeUndefined();
  });

  test('does not call back in its own turn, nor after it was cancelled', async () => {
    const url = await serve((_request, response) => response.end('x'));
    const client = makeClient();
    let answers = 0;
    await new Promise<void>((resolve) => {
      client.get(requestOf(url), () => {
        answers++;
        resolve();
      });
      expect(answers).toBe(0);
    });
    client.get(requestOf(url), () => answers++).cancel();
    await get(url);
    expect(answers).toBe(1);
  });

  test('leaves no connection open', async () => {
    const closed: Promise<unknown>[] = [];
    const url = await serve((request, response) => {
      closed.push(once(request.socket, 'close'));
      response.end('x');
    });
    await Promise.all(Array.from({ length: 20 }, () => get(url)));
    expect(closed).toHaveLength(20);
    await Promise.all(closed);
  });

  test('keeps to one address family', async () => {
    const url = await serve((_request, response) => response.end('x'));
    expect(await fail(url, { family: 6 })).toBe('no IPv6 address found');
    expect(await get(url, { family: 4 })).toMatchObject({ status: 200 });
  });

  test('goes over IPv6', async () => {
    const url = await serve((_request, response) => response.end('x'), '::1');
    expect(await get(url, { family: 6 })).toMatchObject({ status: 200 });
    expect(await fail(url, { family: 4 })).toBe('no IPv4 address found');
  });

  test('sends the name and password of the URL to its own server only', async () => {
    const seen: (string | undefined)[] = [];
    const other = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end();
    });
    const url = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { location: request.url === '/' ? '/again' : other }).end();
    });
    await get(url.replace('http://', 'http://us%65r:pass@'));
    const basic = `Basic ${Buffer.from('user:pass').toString('base64')}`;
    expect(seen).toEqual([basic, basic, undefined]);
  });
});

describe('a body', () => {
  const text = Buffer.from('d8:intervali1800ee');

  test.each([
    ['gzip', gzipSync(text)],
    ['x-gzip', gzipSync(text)],
    ['GZIP', gzipSync(text)],
    ['deflate', deflateSync(text)],
    ['deflate', deflateRawSync(text)],
    ['identity', text],
  ])('is unpacked from %s', async (encoding, body) => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(body);
    });
    expect(await get(url)).toMatchObject({ body: text });
  });

  test.each([
    ['brotli, which we did not ask for', 'br', brotliCompressSync(text)],
    ['gzip twice', 'gzip, gzip', gzipSync(gzipSync(text))],
    ['gzip cut short', 'gzip', gzipSync(text).subarray(0, 20)],
    ['gzip that is none', 'gzip', text],
    ['deflate that is none', 'deflate', text],
  ])('of %s is an error', async (_what, encoding, body) => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': encoding }).end(body);
    });
    expect(await fail(url)).toMatch(/damaged|did not ask/);
  });

  test('of 65 KB that inflates to 64 MiB is stopped at the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
    expect(bomb.length).toBeLessThan(70_000);
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(bomb);
    });
    const before = process.memoryUsage().rss;
    expect(await fail(url)).toBe(`the answer is longer than ${MAX} bytes`);
    expect(process.memoryUsage().rss - before).toBeLessThan(16 * 1024 * 1024);
  });

  test('may be as long as the limit, but not a byte longer', async () => {
    const url = await serve((request, response) =>
      response.end(Buffer.alloc(MAX + Number(request.url!.slice(1)))),
    );
    expect((await get(`${url}/0`)).body).toHaveLength(MAX);
    expect(await fail(`${url}/1`)).toContain('longer than');
  });

  test('without end is stopped at the limit', async () => {
    const url = await serve((_request, response) => {
      const more = (): void => {
        while (response.write(Buffer.alloc(65_536)));
      };
      response.on('drain', more);
      more();
    });
    expect(await fail(url)).toContain('longer than');
  });
});

describe('an answer that is no proper HTTP', () => {
  const OK = 'HTTP/1.1 200 OK\r\n';

  test.each([
    ['no status line', 'hello\r\n\r\n'],
    ['an unknown version', 'HTTP/9.9 200 OK\r\n\r\n'],
    ['a length below zero', `${OK}Content-Length: -1\r\n\r\n`],
    ['a length beyond 64 bits', `${OK}Content-Length: 18446744073709551616\r\n\r\n`],
    ['two lengths', `${OK}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab`],
    ['less than its length', `${OK}Content-Length: 5\r\n\r\nab`],
    ['a chunk length below zero', `${OK}Transfer-Encoding: chunked\r\n\r\n-89abc\r\nab`],
    ['a chunk length of 64 bits', `${OK}Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nab`],
    ['a chunk without its end', `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab3\r\n`],
    ['nothing', ''],
  ])('is an error: %s', async (_what, bytes) => {
    const url = await serveRaw((socket) => socket.end(bytes));
    expect(await fail(url)).not.toBe('');
  });

  test('is an error: headers without end', async () => {
    const url = await serveRaw((socket) => {
      socket.write(OK);
      const more = (): void => {
        while (socket.writable && socket.write(`X-${'a'.repeat(1000)}: b\r\n`));
      };
      socket.on('drain', more);
      more();
    });
    expect(await fail(url)).toBe('the headers of the answer are too long');
  });

  test('is an error: a reset at any point', async () => {
    for (const bytes of ['', 'HTTP/1.1', `${OK}Content-Length: 5\r\n`, `${OK}Content-Length: 5\r\n\r\nab`]) {
      const url = await serveRaw((socket) => {
        socket.write(bytes);
        socket.resetAndDestroy();
      });
      expect(await fail(url)).not.toBe('');
    }
  });
});

describe('a server that takes its time', () => {
  test.each([
    ['never answers', () => undefined],
    ['stalls in its headers', (socket: Socket) => socket.write('HTTP/1.1 200 OK\r\nX')],
    [
      'sends one byte now and then',
      (socket: Socket) => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n');
        const timer = setInterval(() => socket.write('x'), 50);
        socket.on('close', () => clearInterval(timer));
      },
    ],
  ])('has its time limited in all: %s', async (_what, behave: (socket: Socket) => unknown) => {
    const url = await serveRaw(behave);
    const before = performance.now();
    expect(await fail(url, { timeoutMs: 300 })).toBe('no answer within 0.3 s');
    expect(performance.now() - before).toBeLessThan(5000);
  });

  test('is not waited for when its name has no answer', async () => {
    const resolver: Resolver = { resolve: () => ({ cancel: () => undefined }) };
    expect(await fail('http://nowhere.example/', { timeoutMs: 100 }, makeClient({ resolver }))).toContain(
      '0.1 s',
    );
  });
});

describe('a redirect', () => {
  test('is followed, relative and absolute, five times', async () => {
    const url = await serve((request, response) => {
      const hop = Number(request.url!.slice(1));
      if (hop === 0) response.end('there');
      else response.writeHead([301, 302, 303, 307, 308][hop % 5]!, { location: `/${hop - 1}` }).end();
    });
    expect(await get(`${url}/5`)).toMatchObject({ status: 200, body: Buffer.from('there') });
    expect(await fail(`${url}/6`)).toBe('more than 5 redirects');
  });

  test('in a circle ends', async () => {
    const url = await serve((_request, response) => response.writeHead(302, { location: '/' }).end());
    expect(await fail(url)).toBe('more than 5 redirects');
  });

  test.each([
    'file:///etc/passwd',
    'ftp://127.0.0.1/',
    'gopher://127.0.0.1/',
    'http://',
    'http://127.0.0.1:0/',
    '',
  ])('to %j is not followed', async (location) => {
    const url = await serve((_request, response) => response.writeHead(302, { location }).end());
    expect(await fail(`${url}/x`)).not.toBe('');
  });

  test('without a place to go is an error', async () => {
    const url = await serve((_request, response) => response.writeHead(302).end());
    expect(await fail(url)).toBe('a redirect to nowhere');
  });

  test.each(['127.0.0.1', '[::ffff:127.0.0.1]', '0x7f.1', '2130706433', '017700000001', '127.1', '0.0.0.0'])(
    'from outside to %s is refused',
    async (host) => {
      let reached = false;
      const inside = await serve((_request, response) => {
        reached = true;
        response.end();
      });
      const location = `http://${host}:${new URL(inside).port}/announce`;
      const outside = await serve((_request, response) => response.writeHead(302, { location }).end(), '::1');
      const client = makeClient({ depthOf: (address) => (address === '::1' ? 0 : addressDepth(address)) });
      expect(await fail(outside, {}, client)).toMatch(/local address|no IPv/);
      expect(reached).toBe(false);
      // From inside the same redirect is nobody's business but the user's.
      if (host !== '0.0.0.0') expect(await get(outside)).toMatchObject({ status: 200 });
    },
  );

  test('from https to http is refused', async () => {
    const plain = await serve((_request, response) => response.end('x'));
    const url = await serveTls((_request, response) => response.writeHead(302, { location: plain }).end());
    expect(await fail(url, {}, makeClient({ ca: TEST_CERTIFICATE }))).toBe(
      'a redirect from https to http is not followed',
    );
  });
});

describe('local addresses', () => {
  test.each([
    'http://127.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://0x7f.1:PORT/',
    'http://2130706433:PORT/',
    'http://017700000001:PORT/',
    'http://[::1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://localhost:PORT/',
    'http://10.0.0.1:PORT/',
    'http://192.168.0.1:PORT/',
    'http://169.254.169.254:PORT/latest/',
    'http://[fd00::1]:PORT/',
    'http://0.0.0.0:PORT/',
    'http://name.example:PORT/',
  ])('are refused if asked to: %s', async (url) => {
    let reached = false;
    const server = await serve((_request, response) => {
      reached = true;
      response.end();
    });
    const resolver = namesAs({ 'name.example': ['127.0.0.1'] });
    const target = url.replace('PORT', new URL(server).port);
    expect(await fail(target, { refuseLocal: true }, makeClient({ resolver }))).toMatch(
      /local address|no IPv/,
    );
    expect(reached).toBe(false);
  });

  test('are connected to as they were checked: a name is looked up once', async () => {
    const url = await serve((request, response) => response.end(request.headers.host));
    let lookups = 0;
    const resolver: Resolver = {
      resolve: (_host, family, done) => {
        if (family === 4) lookups++;
        const timer = setImmediate(() => done(family === 4 ? ['127.0.0.1'] : []));
        return { cancel: () => clearImmediate(timer) };
      },
    };
    const named = url.replace('127.0.0.1', 'rebinding.example');
    expect(await get(named, {}, makeClient({ resolver }))).toMatchObject({
      body: Buffer.from(new URL(named).host),
    });
    expect(lookups).toBe(1);
  });
});

describe('a certificate', () => {
  test('that is self-signed is refused, and accepted if it is trusted', async () => {
    const url = await serveTls((_request, response) => response.end('x'));
    expect(await fail(url)).toBe('the certificate is self-signed');
    expect(await get(url, {}, makeClient({ ca: TEST_CERTIFICATE }))).toMatchObject({ status: 200 });
  });

  test('for another name is refused', async () => {
    const url = await serveTls((_request, response) => response.end('x'));
    const resolver = namesAs({ 'other.example': ['127.0.0.1'] });
    const client = makeClient({ ca: TEST_CERTIFICATE, resolver });
    expect(await fail(url.replace('127.0.0.1', 'other.example'), {}, client)).toBe(
      'the certificate is for another name',
    );
  });

  test('missing altogether is an error', async () => {
    const url = await serve((_request, response) => response.end('x'));
    expect(await fail(url.replace('http:', 'https:'))).toBe('no secure connection possible');
  });
});

describe('a URL that leads nowhere', () => {
  test('is refused without an exception', async () => {
    const server = createTcpServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    expect(await fail(`http://127.0.0.1:${port}/`)).toBe('connection refused');
  });

  test.each([
    'http://',
    'nonsense',
    'file:///etc/passwd',
    'http://127.0.0.1:0/',
    'http://127.0.0.1:99999/',
    'http://u%zz@127.0.0.1:1/',
  ])('is refused: %s', async (url) => {
    expect(await fail(url)).not.toBe('');
  });
});

function makeClient(options: Partial<HttpClientOptions> = {}): HttpClient {
  return new HttpClient({ resolver: new DnsResolver(new SystemClock()), version: '1.2.3', ...options });
}

function requestOf(url: string, changes: Partial<HttpRequest> = {}): HttpRequest {
  return { url, timeoutMs: 20_000, maxBytes: MAX, refuseLocal: false, ...changes };
}

function ask(
  url: string,
  changes: Partial<HttpRequest>,
  client: HttpClient,
): Promise<HttpResponse | TrackerError> {
  return new Promise((resolve) => client.get(requestOf(url, changes), resolve));
}

async function get(
  url: string,
  changes: Partial<HttpRequest> = {},
  client: HttpClient = makeClient(),
): Promise<HttpResponse> {
  const result = await ask(url, changes, client);
  if (result instanceof TrackerError) throw result;
  return result;
}

/** The message of the error that must come. */
async function fail(
  url: string,
  changes: Partial<HttpRequest> = {},
  client: HttpClient = makeClient(),
): Promise<string> {
  const result = await ask(url, changes, client);
  expect(result).toBeInstanceOf(TrackerError);
  expect((result as TrackerError).url).toBe(url);
  return (result as TrackerError).message;
}

function namesAs(names: Readonly<Record<string, readonly string[]>>): Resolver {
  const real = new DnsResolver(new SystemClock());
  return {
    resolve: (host, family, done) => {
      const known = names[host];
      if (known === undefined) return real.resolve(host, family, done);
      const timer = setImmediate(() => done(family === 4 ? known : []));
      return { cancel: () => clearImmediate(timer) };
    },
  };
}

async function serve(listener: RequestListener, host = '127.0.0.1'): Promise<string> {
  return listen(createServer(listener), 'http', host);
}

async function serveTls(listener: RequestListener): Promise<string> {
  return listen(createTlsServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, listener), 'https', '127.0.0.1');
}

async function serveRaw(behave: (socket: Socket) => unknown): Promise<string> {
  const server = createTcpServer((socket) => {
    socket.once('data', () => behave(socket));
  });
  return listen(server, 'http', '127.0.0.1');
}

async function listen(server: Server, scheme: string, host: string): Promise<string> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined); // Clients that give up reset the connection: that is what is tested.
    socket.on('close', () => sockets.delete(socket));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  const { port } = server.address() as AddressInfo;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
