import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { addressDepth } from '../../src/node/address-depth.ts';
import { DnsResolver } from '../../src/node/dns.ts';
import { SystemClock } from '../../src/node/system-clock.ts';
import { WebRanges, type WebRangesOptions } from '../../src/node/web-ranges.ts';
import type { RangeHead, RangeRequest, RangeStream } from '../../src/ports.ts';
import { TEST_CERTIFICATE, TEST_KEY } from '../support/tls-certificate.ts';
import { until } from '../support/until.ts';

const servers: Server[] = [];
const sockets = new Set<Socket>();
const clients: WebRanges[] = [];
let connections = 0;

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
  connections = 0;
});

describe('a range', () => {
  test('is asked for by its bytes, unpacked, and comes with what the answer says of itself', async () => {
    let headers: unknown;
    const url = await serve((request, response) => {
      headers = request.headers;
      response.writeHead(206, { 'Content-Range': 'bytes 5-9/10', 'X-A': 'b' }).end('hello');
    });
    const { head, body } = await fetchOne(makeClient(), { url: `${url}/a`, offset: 5, length: 5 });
    expect(headers).toMatchObject({
      range: 'bytes=5-9',
      'accept-encoding': 'identity',
      'user-agent': 'torrent-ts/1.2.3',
      host: url.slice('http://'.length),
    });
    expect(head).toMatchObject({ status: 206, length: null });
    expect(head?.headers.get('x-a')).toBe('b');
    expect(body).toBe('hello');
  });

  test('is asked for with name and password, also if a bare % is in them', async () => {
    const url = await serve((request, response) => response.end(request.headers.authorization));
    const body = `Basic ${Buffer.from('a%zz:%').toString('base64')}`;
    expect(await fetchOne(makeClient(), { url: url.replace('//', '//a%zz:%@') })).toMatchObject({ body });
  });

  test('comes over the connection of the one before', async () => {
    const url = await serve((_request, response) => response.end('x'));
    const client = makeClient();
    for (let i = 0; i < 5; i++) expect((await fetchOne(client, { url })).body).toBe('x');
    expect(connections).toBe(1);
  });

  test('comes over a new connection if the server has closed the old one, or closes it the moment we ask', async () => {
    let answers = 0;
    const url = await serveRaw((socket) => {
      socket.on('data', () => {
        if (answers++ % 2 === 0) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx');
        else socket.destroy();
      });
    });
    const client = makeClient();
    for (let i = 0; i < 3; i++) expect((await fetchOne(client, { url })).body).toBe('x');
    expect(connections).toBe(3);
  });

  test('comes over TLS, from servers that can prove who they are', async () => {
    const server = createTlsServer({ key: TEST_KEY, cert: TEST_CERTIFICATE }, (_request, response) =>
      response.end('safe'),
    );
    const url = (await listen(server)).replace('http:', 'https:').replace('127.0.0.1', 'localhost');
    const client = makeClient({ ca: TEST_CERTIFICATE });
    expect((await fetchOne(client, { url })).body).toBe('safe');
    expect((await fetchOne(client, { url })).body).toBe('safe');
    expect(connections).toBe(1);
    expect((await fetchOne(makeClient(), { url })).error).toMatch(/certificate/);
  });

  test('stops with back-pressure, and a silence of our own making is none of the server', async () => {
    const total = 8_000_000;
    const url = await serve((_request, response) => response.end(Buffer.alloc(total)));
    let received = 0;
    let stream!: RangeStream;
    const end = new Promise<string>((resolve) => {
      stream = makeClient().stream(requestOf({ url, silenceMs: 150 }), {
        onHead: () => true,
        onData: (chunk) => {
          if (received === 0) stream.pauseReading();
          received += chunk.length;
        },
        onEnd: () => resolve('whole'),
        onFail: (error) => resolve(error.message),
      });
    });
    expect(await until(() => received > 0)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(received).toBeLessThan(total);
    stream.resumeReading();
    expect(await end).toBe('whole');
    expect(received).toBe(total);
  });

  test('says nothing in the turn it is asked for, nor after it was cancelled', async () => {
    const url = await serve((_request, response) => response.end('x'));
    const client = makeClient();
    const calls: string[] = [];
    const sink = {
      onHead: () => calls.push('head') > 0,
      onData: () => calls.push('data'),
      onEnd: () => calls.push('end'),
      onFail: () => calls.push('fail'),
    };
    client.stream(requestOf({ url }), sink).cancel();
    client.stream(requestOf({ url: 'nonsense' }), sink).cancel();
    expect(calls).toEqual([]);
    await fetchOne(client, { url });
    expect(calls).toEqual([]);
  });

  test('whose head is not liked is not read', async () => {
    const url = await serve((_request, response) => response.end('x'));
    let closed = false;
    const calls: string[] = [];
    makeClient().stream(requestOf({ url }), {
      onHead: () => {
        calls.push('head');
        return false;
      },
      onData: () => calls.push('data'),
      onEnd: () => calls.push('end'),
      onFail: () => calls.push('fail'),
    });
    for (const server of servers)
      server.on('connection', (socket) => socket.on('close', () => (closed = true)));
    expect(await until(() => closed)).toBe(true);
    expect(calls).toEqual(['head']);
  });
});

describe('a redirect', () => {
  test('is followed over kept connections, and leaves name and password at their server', async () => {
    const seen: (string | undefined)[] = [];
    const to = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.end('there');
    });
    const from = await serve((request, response) => {
      seen.push(request.headers.authorization);
      response.writeHead(302, { Location: `${to}/x`, 'Content-Length': 3 }).end('go!');
    });
    const client = makeClient();
    const url = from.replace('//', '//me:pass@');
    expect((await fetchOne(client, { url })).body).toBe('there');
    expect((await fetchOne(client, { url })).body).toBe('there');
    expect(seen).toEqual(['Basic bWU6cGFzcw==', undefined, 'Basic bWU6cGFzcw==', undefined]);
    expect(connections).toBe(2);
  });

  test.each([
    ['in a circle', '/', /more than 5 redirects/],
    ['to a file', 'file:///etc/passwd', /not followed/],
    ['to nothing', 'http://', /malformed/],
  ])('%s is not followed for ever', async (_what, location, why) => {
    const url = await serve((_request, response) =>
      response.writeHead(301, { Location: location }).end('long '.repeat(50)),
    );
    expect((await fetchOne(makeClient(), { url })).error).toMatch(why);
  });

  test('from outside to our own network is refused, also over a connection that is open already', async () => {
    const inside = await serve((_request, response) => response.end('secret'));
    const outside = await serve((_request, response) => {
      response.writeHead(302, { Location: `${inside}/` }).end();
    });
    const port = new URL(outside).port;
    // The server at `outside.test` is reached at an address that counts as one of the world.
    const client = makeClient({
      resolver: {
        resolve: (host, family, done) => {
          const known: Record<string, string> = { 'outside.test': '127.0.0.2', '127.0.0.1': '127.0.0.1' };
          const turn = setImmediate(() => done(family === 4 && known[host] ? [known[host]] : []));
          return { cancel: () => clearImmediate(turn) };
        },
      },
      depthOf: (address) => (address === '127.0.0.2' ? 0 : addressDepth(address)),
    });
    expect((await fetchOne(client, { url: inside })).body).toBe('secret');
    const { error } = await fetchOne(client, { url: `http://outside.test:${port}/` });
    expect(error).toMatch(/local address/);
    expect((await fetchOne(client, { url: inside, refuseLocal: true })).error).toMatch(/local address/);
  });
});

describe('a failure is told', () => {
  test.each<[string, (socket: Socket) => void, RegExp]>([
    ['when nobody answers', (socket) => socket.destroy(), /without an answer|closed by the server/],
    [
      'when the answer breaks off',
      (socket) => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'),
      /breaks off/,
    ],
    ['when it is no HTTP', (socket) => socket.write('220 hello\r\n\r\n'), /not proper HTTP/],
    [
      'when the server goes silent',
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'),
      /silent/,
    ],
    [
      'when more comes than was said',
      (socket) => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxx'),
      /longer than it says/,
    ],
  ])('%s', async (_what, speak, why) => {
    const url = await serveRaw((socket) => socket.once('data', () => speak(socket)));
    expect((await fetchOne(makeClient(), { url, silenceMs: 200 })).error).toMatch(why);
  });

  test('when there is no server, or no such URL', async () => {
    const url = await serve((_request, response) => response.end());
    await new Promise((resolve) => servers.pop()!.close(resolve));
    expect((await fetchOne(makeClient(), { url })).error).toMatch(/refused/);
    expect((await fetchOne(makeClient(), { url: 'ftp://host/x' })).error).toMatch(/not followed/);
    expect((await fetchOne(makeClient(), { url: 'http://[::1/' })).error).toMatch(/malformed/);
  });
});

function makeClient(options: Partial<WebRangesOptions> = {}): WebRanges {
  const client = new WebRanges({
    resolver: new DnsResolver(new SystemClock()),
    version: '1.2.3',
    ...options,
  });
  clients.push(client);
  return client;
}

function requestOf(request: Partial<RangeRequest>): RangeRequest {
  return { url: '', offset: 0, length: 1, silenceMs: 5000, refuseLocal: false, ...request };
}

function fetchOne(
  client: WebRanges,
  request: Partial<RangeRequest>,
): Promise<{ head: RangeHead | null; body: string; error: string | null }> {
  return new Promise((resolve) => {
    let head: RangeHead | null = null;
    let body = '';
    client.stream(requestOf(request), {
      onHead: (answer) => {
        head = answer;
        return true;
      },
      onData: (chunk) => (body += Buffer.from(chunk).toString('latin1')),
      onEnd: () => resolve({ head, body, error: null }),
      onFail: (error) => resolve({ head, body, error: error.message }),
    });
  });
}

function serve(listener: RequestListener): Promise<string> {
  return listen(createServer(listener));
}

function serveRaw(onConnection: (socket: Socket) => void): Promise<string> {
  return listen(createTcpServer(onConnection));
}

async function listen(server: Server): Promise<string> {
  servers.push(server);
  server.on('connection', (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
  });
  // On all addresses of loopback: some tests reach it at another.
  await new Promise<void>((resolve) => server.listen(0, '0.0.0.0', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
