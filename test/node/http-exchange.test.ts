import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { TrackerError } from '../../src/errors.ts';
import type { ExchangeOptions, HttpAnswer } from '../../src/node/http-exchange.ts';
import { exchange } from '../../src/node/http-exchange.ts';
import { httpErrorText } from '../../src/node/http-errors.ts';
import { TEST_CERTIFICATE, TEST_KEY } from '../support/tls-certificate.ts';

const OK = 'HTTP/1.1 200 OK\r\n';
const servers: Server[] = [];
const sockets = new Set<Socket>();

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  await Promise.all(servers.splice(0).map((server) => new Promise((resolve) => server.close(resolve))));
});

describe('an answer', () => {
  test('ends with its length, however long the server keeps the connection', async () => {
    const { port, closed } = await serveRaw((socket) =>
      socket.write(`${OK}Connection: keep-alive\r\nContent-Length: 5\r\n\r\nhello`),
    );
    expect(String((await get(port)).body)).toBe('hello');
    await closed;
  });

  test('without a length ends with the connection', async () => {
    const { port } = await serveRaw((socket) => socket.end(`${OK}\r\nhello`));
    expect(String((await get(port)).body)).toBe('hello');
  });

  test('may come byte by byte', async () => {
    const bytes = Buffer.from(
      `${OK}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n`,
    );
    const { port } = await serveRaw((socket) => {
      socket.setNoDelay(true);
      const next = (at: number): void => {
        if (at < bytes.length) socket.write(bytes.subarray(at, at + 1), () => setImmediate(next, at + 1));
      };
      next(0);
    });
    expect(String((await get(port)).body)).toBe('hello world');
  });

  test('in chunks of one byte comes out in one piece', async () => {
    const body = Buffer.from(Array.from({ length: 20_000 }, (_, i) => (i * 7) % 256));
    const { port } = await serveRaw((socket) => {
      socket.write(`${OK}Transfer-Encoding: chunked\r\n\r\n`);
      const parts = [...body].flatMap((byte) => [Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]);
      socket.write(Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]));
    });
    expect((await get(port)).body.equals(body)).toBe(true);
  });

  test.each([
    ['204', 'HTTP/1.1 204 No Content\r\n\r\n', 204],
    ['304 that tells a length', 'HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n', 304],
    ['200 of length 0', `${OK}Content-Length: 0\r\n\r\n`, 200],
  ])('without a body is not waited for: %s', async (_what, bytes, status) => {
    const { port, closed } = await serveRaw((socket) => socket.write(bytes));
    expect(await get(port)).toMatchObject({ status, body: Buffer.alloc(0) });
    await closed;
  });

  test('may be announced by interim ones', async () => {
    const interim = 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n';
    const { port } = await serveRaw((socket) => socket.write(`${interim}${OK}Content-Length: 1\r\n\r\nx`));
    expect(await get(port)).toMatchObject({ status: 200, body: Buffer.from('x') });
  });

  test('that redirects has a body nobody waits for', async () => {
    const { port, closed } = await serveRaw((socket) =>
      socket.write('HTTP/1.1 302 Found\r\nLocation: /there\r\nContent-Length: 1000000000\r\n\r\nx'),
    );
    expect(await get(port)).toMatchObject({ status: 302, headers: { location: '/there' } });
    await closed;
  });

  test('comes from the first address that can be reached', async () => {
    const { port } = await serve((request, response) => response.end(request.headers.host), '::1');
    const addresses = ['127.0.0.1', '::1'];
    const url = new URL(`http://name.example:${port}`);
    expect(String((await get(port, { url, addresses })).body)).toBe(`name.example:${port}`);
  });

  test('comes over TLS from the first address that can be reached', async () => {
    const { port } = await serveTls((_request, response) => response.end('x'), '::1');
    const url = new URL(`https://localhost:${port}`);
    const addresses = ['127.0.0.1', '::1'];
    expect(await get(port, { url, addresses, ca: TEST_CERTIFICATE })).toMatchObject({ status: 200 });
  });
});

describe('an exchange fails', () => {
  test.each([
    ['a length it does not keep', `${OK}Content-Length: 5\r\n\r\nab`, 'the answer breaks off'],
    [
      'more than its length',
      `${OK}Connection: close\r\nContent-Length: 1\r\n\r\nab`,
      'the answer is longer than it says',
    ],
    ['more than its length, kept alive', `${OK}Content-Length: 1\r\n\r\nab`, 'the answer is not proper HTTP'],
    [
      'a last chunk that is missing',
      `${OK}Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n`,
      'the answer breaks off',
    ],
    [
      'a length and chunks',
      `${OK}Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      'the answer is not proper HTTP',
    ],
    ['lines that end in LF', 'HTTP/1.1 200 OK\nContent-Length: 1\n\nx', 'the answer is not proper HTTP'],
    ['nothing but an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n', 'connection closed by the server'],
    [
      'a switch to another protocol',
      'HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nhello',
      'the connection ended without an answer',
    ],
    ['nothing', '', 'connection closed by the server'],
    ['long headers', `${OK}X: ${'x'.repeat(20_000)}\r\n\r\n`, 'the headers of the answer are too long'],
    [
      'long trailers',
      `${OK}Transfer-Encoding: chunked\r\n\r\n0\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`,
      'the headers of the answer are too long',
    ],
  ])('on %s', async (_what, bytes, message) => {
    const { port, closed } = await serveRaw((socket) => socket.end(bytes));
    expect(await failure(get(port))).toBe(message);
    await closed;
  });

  test('on a body beyond the limit, at once', async () => {
    const { port, closed } = await serveRaw((socket) =>
      socket.write(`${OK}Content-Length: 1000\r\n\r\n${'x'.repeat(11)}`),
    );
    expect(await failure(get(port, { maxBytes: 10 }))).toBe('the answer is longer than 10 bytes');
    await closed;
  });

  test('when no address can be reached', async () => {
    const { port } = await serveRaw(() => undefined);
    await new Promise((resolve) => servers.pop()!.close(resolve));
    expect(await failure(get(port, { addresses: ['127.0.0.1', '::1'] }))).toBe('connection refused');
  });

  test.each([
    ['before its answer', ''],
    ['in its headers', `${OK}X`],
    ['in its body', `${OK}Content-Length: 10\r\n\r\nab`],
    ['after an interim answer', 'HTTP/1.1 100 Continue\r\n\r\n'],
  ])('when the server falls silent %s', async (_when, bytes) => {
    const { port, closed } = await serveRaw((socket) => socket.write(bytes));
    expect(await failure(get(port, { silenceMs: 300 }))).toBe('the server went silent');
    await closed;
  });

  test('when the server falls silent in its TLS handshake', async () => {
    const { port, closed } = await serveRaw(() => undefined);
    const url = new URL(`https://127.0.0.1:${port}`);
    expect(await failure(get(port, { url, silenceMs: 300 }))).toBe('connecting timed out');
    await closed;
  });

  test('not when the server is slow, as long as it is not silent', async () => {
    const bytes = `${OK}Content-Length: 4\r\n\r\nabcd`;
    const { port } = await serveRaw((socket) => {
      let at = 0;
      const timer = setInterval(() => socket.write(bytes.slice(at, (at += 4))), 110);
      socket.on('close', () => clearInterval(timer));
    });
    expect(await get(port, { silenceMs: 1000 })).toMatchObject({ body: Buffer.from('abcd') });
  });
});

describe('an exchange leaves nothing behind', () => {
  test.each([
    ['was answered', `${OK}Content-Length: 1\r\n\r\nx`],
    ['was redirected', 'HTTP/1.1 302 Found\r\n\r\n'],
    ['failed', 'nonsense\r\n\r\n'],
    ['broke off', `${OK}Content-Length: 5\r\n\r\nx`],
  ])('when it %s', async (_what, bytes) => {
    const { port, closed } = await serveRaw((socket) => socket.end(bytes));
    const abort = new AbortController();
    await get(port, {}, abort.signal).catch((error: unknown) => error);
    await closed;
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    abort.abort(); // Of no consequence any more.
  });

  test('when it is aborted before it began', async () => {
    const { port } = await serveRaw(() => undefined);
    await expect(get(port, {}, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough');
    expect(sockets.size).toBe(0);
  });

  test.each([
    ['with its request under way', 'http', ''],
    ['in a TLS handshake', 'https', ''],
    ['in an answer of which the server keeps silent', 'http', 'HTTP/1.1 2'],
    ['after an interim answer', 'http', 'HTTP/1.1 100 Continue\r\n\r\n'],
    ['in a body', 'http', `${OK}Content-Length: 10\r\n\r\nab`],
    ['in a chunk', 'http', `${OK}Transfer-Encoding: chunked\r\n\r\n10\r\nab`],
  ])('when it is aborted %s', async (_when, scheme, bytes) => {
    const abort = new AbortController();
    const { port, closed } = await serveRaw((socket) => {
      socket.write(bytes);
      setTimeout(() => abort.abort(new Error('enough')), 20); // By then the bytes have arrived.
    });
    const url = new URL(`${scheme}://127.0.0.1:${port}`);
    await expect(get(port, { url }, abort.signal)).rejects.toThrow('enough');
    await closed;
    expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
  });

  test('when it is aborted after any number of turns', async () => {
    const { port } = await serve((_request, response) => {
      response.write('hello');
      setImmediate(() => response.end(' world'));
    });
    for (let turns = 0; turns < 40; turns++) {
      const abort = new AbortController();
      const answer = get(port, {}, abort.signal).catch((error: unknown) => error);
      for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve));
      abort.abort(new Error('enough'));
      const result = await answer;
      if (!(result instanceof Error)) expect(String((result as HttpAnswer).body)).toBe('hello world');
      expect(getEventListeners(abort.signal, 'abort')).toHaveLength(0);
    }
    await Promise.all([...sockets].map((socket) => once(socket, 'close')));
  });
});

function get(
  port: number,
  changes: Partial<ExchangeOptions> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<HttpAnswer> {
  return exchange(
    {
      url: new URL(`http://127.0.0.1:${port}/announce?x=%FF`),
      addresses: ['127.0.0.1'],
      headers: {},
      maxBytes: 100_000,
      silenceMs: 10_000,
      ca: null,
      ...changes,
    },
    signal,
  );
}

async function failure(answer: Promise<HttpAnswer>): Promise<string> {
  const error = await answer.then(
    () => null,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(Error);
  return error instanceof TrackerError ? error.message : httpErrorText(error);
}

interface Served {
  readonly port: number;
  /** When the first connection is gone. */
  readonly closed: Promise<void>;
}

function serve(listener: RequestListener, host = '127.0.0.1'): Promise<Served> {
  return listen(createServer(listener), host);
}

function serveTls(listener: RequestListener, host: string): Promise<Served> {
  return listen(createTlsServer({ cert: TEST_CERTIFICATE, key: TEST_KEY }, listener), host);
}

function serveRaw(behave: (socket: Socket) => unknown): Promise<Served> {
  const server = createTcpServer((socket) => {
    socket.once('data', () => behave(socket));
    socket.on('data', () => undefined);
  });
  return listen(server, '127.0.0.1');
}

async function listen(server: Server, host: string): Promise<Served> {
  const closed = new Promise<void>((resolve) => {
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined); // Clients that give up reset the connection: that is what is tested.
      socket.on('close', () => {
        sockets.delete(socket);
        resolve();
      });
    });
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return { port: (server.address() as AddressInfo).port, closed };
}
