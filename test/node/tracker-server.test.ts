import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import { AnnounceLimiter } from '../../src/engine/discovery/announce-limiter.ts';
import type { TrackerTransports } from '../../src/engine/discovery/announce-transport.ts';
import { scrapeTracker } from '../../src/engine/discovery/scraper.ts';
import { TrackerDriver } from '../../src/engine/discovery/tracker-driver.ts';
import { UdpTrackerClient } from '../../src/engine/discovery/udp-tracker-client.ts';
import { ListenError, TrackerError } from '../../src/errors.ts';
import { DnsResolver } from '../../src/node/dns.ts';
import { SystemEntropy } from '../../src/node/entropy.ts';
import { HttpClient } from '../../src/node/http-client.ts';
import { SystemClock } from '../../src/node/system-clock.ts';
import type { TrackerServerOptions } from '../../src/node/tracker-server.ts';
import { TrackerServer } from '../../src/node/tracker-server.ts';
import { UdpHub } from '../../src/node/udp-hub.ts';
import { writeAnnounce, writeConnect, writeScrape } from '../../src/tracker/udp-codec.ts';
import type { ScrapeResult } from '../../src/tracker/scrape.ts';
import { toHex, utf8 } from '../../src/util/bytes.ts';
import { addressKey } from '../../src/util/ip.ts';
import { Rng } from '../../src/util/rng.ts';
import { mutate } from '../support/mutate.ts';

const HASH = Uint8Array.from({ length: 20 }, (_, i) => 255 - i);
const participants: Participant[] = [];
const servers: TrackerServer[] = [];

afterEach(async () => {
  // Clients first: they want to say good-bye to somebody.
  await Promise.all(participants.splice(0).map((participant) => participant.close()));
  await Promise.all(servers.splice(0).map((server) => server.close()));
});

describe('our tracker and our client', () => {
  test.each([
    ['http', '127.0.0.1'],
    ['http', '::1'],
    ['udp', '127.0.0.1'],
    ['udp', '::1'],
  ] as const)('find each other over %s at %s: peers, counts, scrape and leaving', async (scheme, host) => {
    const server = await open({ host });
    const url = scheme === 'http' ? server.httpUrl! : server.udpUrl!;
    const seed = new Participant(url, 1001, 0);
    await seed.works();
    const leecher = new Participant(url, 1002, 10);
    expect(await leecher.firstPeer()).toBe(addressKey({ host, port: 1001 }));
    expect(leecher.driver.trackers()[0]).toMatchObject({ state: 'working', seeders: 1, leechers: 1 });
    if (scheme === 'http') expect(leecher.externalIps).toEqual([host]);
    leecher.left = 0;
    leecher.driver.completed();
    await expect.poll(() => leecher.scrape(url)).toMatchObject({ seeders: 2, leechers: 0, downloads: 1 });
    await leecher.stop();
    await seed.stop();
    expect(server.stats()).toMatchObject({ peers: 0, torrents: 1 });
  });

  test('introduce those who came over UDP to those who came over HTTP', async () => {
    const server = await open({ host: '127.0.0.1' });
    const first = new Participant(server.udpUrl!, 1001, 10);
    await first.works();
    const second = new Participant(server.httpUrl!, 1002, 10);
    expect(await second.firstPeer()).toBe('127.0.0.1:1001');
  });

  test('meet on all addresses, IPv4 as itself', async () => {
    const server = await open({});
    for (const scheme of ['http', 'udp'] as const) {
      const port = scheme === 'http' ? server.httpPort : server.udpPort;
      const four = new Participant(`${scheme}://127.0.0.1:${port}/announce`, 1001, 10);
      await four.works();
      const again = new Participant(`${scheme}://127.0.0.1:${port}/announce`, 1003, 10);
      expect(await again.firstPeer()).toBe('127.0.0.1:1001');
      const six = new Participant(`${scheme}://[::1]:${port}/announce`, 1002, 10);
      await six.works();
      await Promise.all([four.stop(), again.stop(), six.stop()]);
    }
    expect(server.stats().peers).toBe(0);
  });

  test('are told the reason of a refusal', async () => {
    const server = await open({ host: '127.0.0.1', infoHashes: ['AB'.repeat(20)] });
    for (const url of [server.httpUrl!, server.udpUrl!]) {
      const refused = new Participant(url, 1001, 10);
      await expect.poll(() => refused.warnings).toEqual(['this tracker does not serve this torrent']);
    }
  });
});

describe('our tracker', () => {
  test('names its ports and URLs, and none for what it does not serve', async () => {
    const server = await open({ host: '127.0.0.1', udpPort: false });
    expect(server.httpUrl).toBe(`http://127.0.0.1:${server.httpPort}/announce`);
    expect([server.udpPort, server.udpUrl]).toEqual([0, null]);
    const other = await open({ host: '::1', httpPort: false });
    expect(other.udpUrl).toBe(`udp://[::1]:${other.udpPort}/announce`);
    expect([other.httpPort, other.httpUrl]).toEqual([0, null]);
  });

  test('says which port it cannot have, and leaves nothing open', async () => {
    const server = await open({ host: '127.0.0.1' });
    const taken = TrackerServer.open({ host: '127.0.0.1', httpPort: server.httpPort });
    await expect(taken).rejects.toBeInstanceOf(ListenError);
    const takenUdp = TrackerServer.open({ host: '127.0.0.1', udpPort: server.udpPort });
    await expect(takenUdp).rejects.toMatchObject({ code: 'ERR_LISTEN', port: server.udpPort });
  });

  test('closes at once, with connections open, and more than once', async () => {
    const server = await open({ host: '127.0.0.1' });
    const idle = connect(server.httpPort, '127.0.0.1');
    await once(idle, 'connect');
    const ended = once(idle, 'close');
    idle.resume();
    await Promise.all([server.close(), server.close()]);
    await ended;
    expect([server.httpUrl, server.udpUrl]).toEqual([null, null]);
  });

  test.each([
    ['another method', 'POST /announce HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n', /^HTTP\/1\.1 405 /],
    ['another path', 'GET /etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n', /^HTTP\/1\.1 404 /],
    ['no HTTP', '\u0013BitTorrent protocol\r\n\r\n', /^HTTP\/1\.1 400 /],
    [
      'headers beyond 8 KiB',
      `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(9000)}\r\n\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    [
      'a URL beyond that',
      `GET /announce?${'a'.repeat(9000)} HTTP/1.1\r\nHost: x\r\n\r\n`,
      /^HTTP\/1\.1 400 /,
    ],
    ['a malformed query', 'GET /announce?info_hash=%zz HTTP/1.1\r\nHost: x\r\n\r\n', /failure reason/],
    ['no query', 'GET /announce HTTP/1.1\r\nHost: x\r\n\r\n', /failure reason/],
  ])('answers %s and ends the connection', async (_what, request, answer) => {
    const server = await open({ host: '127.0.0.1' });
    expect(await raw(server.httpPort, request)).toMatch(answer);
  });

  test('survives any bytes over TCP', async () => {
    const server = await open({ host: '127.0.0.1' });
    const rng = new Rng(41);
    const good = `GET /announce?info_hash=${'a'.repeat(20)}&peer_id=${'b'.repeat(20)}&port=1 HTTP/1.1\r\nHost: x\r\n\r\n`;
    for (let i = 0; i < 100; i++) {
      await raw(server.httpPort, String.fromCharCode(...mutate(utf8(good), rng)), true);
    }
    await new Participant(server.httpUrl!, 1001, 10).works();
  });

  test('survives resets at any point', async () => {
    const server = await open({ host: '127.0.0.1' });
    for (const bytes of ['', 'GET', 'GET /announce HTTP/1.1\r\nHost: x\r\n\r\n']) {
      for (let i = 0; i < 10; i++) {
        const socket = connect(server.httpPort, '127.0.0.1');
        await once(socket, 'connect');
        socket.write(bytes);
        socket.resetAndDestroy();
        await once(socket, 'close');
      }
    }
    await new Participant(server.httpUrl!, 1001, 10).works();
  });

  test('survives any datagram', async () => {
    const server = await open({ host: '127.0.0.1' });
    const rng = new Rng(43);
    const socket = createSocket('udp4');
    const id = new Uint8Array(8);
    const request = {
      infoHash: HASH,
      peerId: HASH,
      port: 1,
      uploaded: 0,
      downloaded: 0,
      left: 1,
      event: null,
      key: 1,
      numWant: -1,
    };
    const seeds = [writeConnect(1), writeAnnounce(id, 1, request, '/announce'), writeScrape(id, 1, [HASH])];
    for (let i = 1; i <= 500; i++) {
      socket.send(mutate(seeds[i % 3]!, rng), server.udpPort, '127.0.0.1');
      // No more at once than a socket's buffer holds.
      if (i % 50 === 0) await expect.poll(() => server.stats().udpRequests).toBe(i);
    }
    await new Participant(server.udpUrl!, 1001, 10).works();
    socket.close();
    expect(server.stats().peers).toBe(1);
  });
});

/** One client with a torrent, on real sockets. */
class Participant {
  readonly driver: TrackerDriver;
  readonly externalIps: string[] = [];
  readonly warnings: string[] = [];
  left: number;
  readonly #peers: string[] = [];
  readonly #clock = new SystemClock();
  readonly #transports: TrackerTransports;
  readonly close: () => Promise<void>;

  constructor(url: string, port: number, left: number) {
    this.left = left;
    const clock = this.#clock;
    const resolver = new DnsResolver(clock);
    const datagrams = new UdpHub();
    const http = new HttpClient({ resolver, version: '0.0.0' });
    const ports = { clock, entropy: new SystemEntropy(), http, datagrams, resolver };
    const udp = new UdpTrackerClient(ports);
    const limiter = new AnnounceLimiter(clock);
    this.#transports = { http, udp, limiter, refuseLocal: false };
    this.driver = new TrackerDriver(
      ports,
      new Rng(port),
      {
        infoHash: HASH,
        peerId: utf8(`-TT0100-${String(port).padStart(12, '0')}`),
        private: false,
        port: () => port,
        totals: () => ({ uploaded: 0, downloaded: 0, left: this.left }),
        wantedPeers: () => 50,
      },
      [[url]],
      {
        onPeers: (peers) => this.#peers.push(...peers.map(addressKey)),
        onExternalIp: (ip) => this.externalIps.push(ip),
        onBug: (error) => expect.fail(String(error)),
        onWarning: (error) => this.warnings.push(error.message),
      },
      { udp, limiter },
    );
    this.driver.start();
    participants.push(this);
    this.close = async () => {
      await this.stop();
      udp.close();
      await datagrams.close();
    };
  }

  async works(): Promise<void> {
    await expect.poll(() => this.driver.trackers()[0]!.state, { timeout: 5000 }).toBe('working');
  }

  async firstPeer(): Promise<string> {
    await this.works();
    return this.#peers[0]!;
  }

  async scrape(url: string): Promise<unknown> {
    const result = await new Promise<ScrapeResult | TrackerError>((resolve) => {
      scrapeTracker(this.#transports, this.#clock, url, [HASH], resolve);
    });
    return result instanceof TrackerError ? result : result.get(toHex(HASH));
  }

  stop(): Promise<void> {
    return new Promise((resolve) => this.driver.stop(resolve));
  }
}

async function open(options: TrackerServerOptions): Promise<TrackerServer> {
  const server = await TrackerServer.open(options);
  servers.push(server);
  return server;
}

/** What comes back until the server ends the connection. `mayHang`: bytes that may be the beginning of a request. */
async function raw(port: number, request: string, mayHang = false): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  let answer = '';
  socket.on('data', (chunk) => (answer += chunk.toString('latin1')));
  socket.on('error', () => undefined); // A reset after the answer: the server did not read all of the request.
  if (mayHang) socket.end(request, 'latin1');
  else socket.write(request, 'latin1');
  await once(socket, 'close');
  return answer;
}
