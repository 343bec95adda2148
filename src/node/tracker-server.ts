import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import type { RemoteInfo, Socket as UdpSocket } from 'node:dgram';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ListenError } from '../errors.ts';
import type { Clock } from '../ports.ts';
import type { TrackerPolicy } from '../tracker/server/announce-policy.ts';
import { answerHttp } from '../tracker/server/http-responder.ts';
import { MEMORY_STORE_LIMITS, MemoryPeerStore } from '../tracker/server/memory-peer-store.ts';
import { UdpResponder } from '../tracker/server/udp-responder.ts';
import { canonicalIp, ipFamily } from '../util/ip.ts';
import { logger } from '../util/log.ts';
import { Rng } from '../util/rng.ts';
import { SystemClock } from './system-clock.ts';

const log = logger('tracker-server');

/** What most trackers ask for: a large swarm stays known, and an announce each half hour costs next to nothing. */
const INTERVAL_SECONDS = 1800;
/** A small group should find itself quickly, so who has few peers may ask again after a minute. */
const MIN_INTERVAL_SECONDS = 60;
/** A peer that missed two announces is gone. */
const EXPIRY_INTERVALS = 2;
const SWEEP_MS = 60_000;

/** An announce is one line of up to some 600 bytes, a scrape of 74 torrents one of 5.3 KiB. */
const HEADERS_MAX = 8192;
/** A request without a body is one packet; whoever needs longer holds on to a socket for nothing. */
const REQUEST_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 5000;
/** Node looks for the above this often. */
const TIMEOUT_CHECK_MS = 2000;
/** Below the 1024 descriptors that many systems give a process; each is needed for milliseconds. */
const CONNECTIONS_MAX = 900;

export interface TrackerServerOptions {
  /** Default: the system's. */
  readonly clock?: Clock;
  /** Address to listen on. Default: all, IPv6 and IPv4. */
  readonly host?: string;
  /** 0 takes a free port, false leaves HTTP out. Default: 0. */
  readonly httpPort?: number | false;
  /** 0 takes a free port, false leaves UDP out. Default: 0. */
  readonly udpPort?: number | false;
  /** Seconds between the regular announces of a peer. Default: 1800. */
  readonly interval?: number;
  /** Info hashes in hex that are served, or null for all. Default: null. */
  readonly infoHashes?: readonly string[] | null;
}

export interface TrackerServerStats {
  readonly torrents: number;
  readonly peers: number;
  readonly httpRequests: number;
  readonly udpRequests: number;
}

/** A tracker over HTTP (BEP 3) and UDP (BEP 15) that keeps its peers in memory. */
export class TrackerServer {
  readonly #clock: Clock;
  readonly #policy: TrackerPolicy;
  readonly #udpResponder: UdpResponder;
  readonly #sweeping: NodeJS.Timeout;
  #http: Server | null = null;
  #udp: UdpSocket | null = null;
  #httpRequests = 0;
  #udpRequests = 0;
  #closing: Promise<void> | null = null;

  /** @throws ListenError if a port cannot be had. */
  static async open(options: TrackerServerOptions = {}): Promise<TrackerServer> {
    const { host, httpPort = 0, udpPort = 0 } = options;
    const server = new TrackerServer(options);
    try {
      if (httpPort !== false) await server.#openHttp(host, httpPort);
      if (udpPort !== false) await server.#openUdp(host, udpPort);
    } catch (error) {
      await server.close();
      throw error;
    }
    return server;
  }

  private constructor(options: TrackerServerOptions) {
    this.#clock = options.clock ?? new SystemClock();
    const interval = options.interval ?? INTERVAL_SECONDS;
    const allowed = options.infoHashes && new Set(options.infoHashes.map((hash) => hash.toLowerCase()));
    this.#policy = {
      store: new MemoryPeerStore(new Rng(randomInt(2 ** 32)), {
        ...MEMORY_STORE_LIMITS,
        expiryMs: EXPIRY_INTERVALS * interval * 1000,
      }),
      interval,
      minInterval: Math.min(interval, MIN_INTERVAL_SECONDS),
      allows: (infoHash) => allowed?.has(infoHash) ?? true,
    };
    const secret = randomBytes(32);
    this.#udpResponder = new UdpResponder(this.#policy, (message) =>
      createHmac('sha1', secret).update(message).digest(),
    );
    this.#sweeping = setInterval(() => this.#policy.store.sweep(this.#clock.now()), SWEEP_MS);
    this.#sweeping.unref();
  }

  /** The port of HTTP, 0 without it. */
  get httpPort(): number {
    return (this.#http?.address() as AddressInfo | null | undefined)?.port ?? 0;
  }

  /** The port of UDP, 0 without it. */
  get udpPort(): number {
    return this.#udp?.address().port ?? 0;
  }

  /** The announce URL over HTTP, or null. */
  get httpUrl(): string | null {
    return this.#http && urlOf('http', this.#http.address() as AddressInfo);
  }

  /** The announce URL over UDP, or null. */
  get udpUrl(): string | null {
    return this.#udp && urlOf('udp', this.#udp.address());
  }

  stats(): TrackerServerStats {
    return {
      torrents: this.#policy.store.torrentCount,
      peers: this.#policy.store.peerCount,
      httpRequests: this.#httpRequests,
      udpRequests: this.#udpRequests,
    };
  }

  /** Idempotent. Ends open connections. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    clearInterval(this.#sweeping);
    const http = this.#http;
    const udp = this.#udp;
    this.#http = null;
    this.#udp = null;
    http?.closeAllConnections();
    await Promise.all([
      http && new Promise((resolve) => http.close(resolve)),
      udp && new Promise<void>((resolve) => udp.close(() => resolve())),
    ]);
  }

  async #openHttp(host: string | undefined, port: number): Promise<void> {
    const server = createServer(
      {
        maxHeaderSize: HEADERS_MAX,
        headersTimeout: REQUEST_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        keepAliveTimeout: IDLE_TIMEOUT_MS,
        connectionsCheckingInterval: TIMEOUT_CHECK_MS,
        insecureHTTPParser: false,
      },
      (request, response) => this.#onRequest(request, response),
    );
    server.maxConnections = CONNECTIONS_MAX;
    server.on('clientError', (error, socket) => {
      log('bad request: %s', error.message);
      // Not HTTP, or too much or too slow of it: one line, and the connection is over.
      if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
      else socket.destroy();
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (error) => reject(new ListenError(`HTTP port ${port}: ${error.message}`, port)));
      server.listen({ port, ...(host === undefined ? {} : { host }) }, resolve);
    });
    server.on('error', (error) => log('HTTP: %s', error.message));
    this.#http = server;
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    this.#httpRequests++;
    response.on('error', (error) => log('answer: %s', error.message));
    const from = addressOf(request.socket.remoteAddress);
    if (from === null) {
      request.socket.destroy(); // The client is gone already.
      return;
    }
    if (request.method !== 'GET') {
      response.writeHead(405, { allow: 'GET', connection: 'close' }).end();
      return;
    }
    const at = addressOf(request.socket.localAddress);
    const reply = answerHttp(this.#policy, { target: request.url ?? '/', from, at }, this.#clock.now());
    response.writeHead(reply.status, {
      'content-type': 'text/plain',
      'content-length': reply.body.length,
      'x-content-type-options': 'nosniff',
      // Half an hour until the next one: keeping the connection would only use up sockets.
      connection: 'close',
    });
    response.end(reply.body);
  }

  async #openUdp(host: string | undefined, port: number): Promise<void> {
    const family = host === undefined ? 0 : ipFamily(host);
    try {
      this.#udp = await bindUdp(family === 4 ? 'udp4' : 'udp6', host, port);
    } catch (error) {
      const hasNoIpv6 = (error as NodeJS.ErrnoException).code !== 'EADDRINUSE' && host === undefined;
      if (!hasNoIpv6) throw new ListenError(`UDP port ${port}: ${(error as Error).message}`, port);
      this.#udp = await bindUdp('udp4', host, port).catch((again: unknown) => {
        throw new ListenError(`UDP port ${port}: ${(again as Error).message}`, port);
      });
    }
    this.#udp.on('message', (packet, from) => this.#onDatagram(packet, from));
  }

  #onDatagram(packet: Uint8Array, { address, port }: RemoteInfo): void {
    this.#udpRequests++;
    const host = addressOf(address);
    if (host === null || port === 0) return; // Nobody to answer: Node throws on port 0.
    const answer = this.#udpResponder.answer(packet, { host, port }, this.#clock.now());
    if (answer === null) return;
    this.#udp?.send(answer, port, address, (error) => {
      if (error !== null) log('to %s: %s', host, error.message);
    });
  }
}

function bindUdp(type: 'udp4' | 'udp6', address: string | undefined, port: number): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    // One IPv6 socket serves IPv4 as well, whose addresses then come in IPv6 form.
    const socket = createSocket({ type });
    socket.once('error', (error) => {
      socket.close();
      reject(error);
    });
    socket.bind({ port, ...(address === undefined ? {} : { address }), exclusive: true }, () => {
      socket.removeAllListeners('error');
      socket.on('error', (error) => log('UDP: %s', error.message));
      resolve(socket);
    });
  });
}

/** An address of a socket in canonical form, without the zone of a link-local one. */
function addressOf(address: string | undefined): string | null {
  return address === undefined ? null : canonicalIp(address.replace(/%.*$/, ''));
}

/** A wildcard is no address to announce to; on this machine loopback reaches it. */
function urlOf(scheme: string, { address, port }: AddressInfo): string {
  const host = address === '::' || address === '0.0.0.0' ? '127.0.0.1' : address;
  return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${port}/announce`;
}
