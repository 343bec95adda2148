import type { RemoteInfo, Socket } from 'node:dgram';
import type { Cancel, DatagramPort } from '../ports.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';
import { addressKey, canonicalIp, ipFamily } from '../util/ip.ts';
import { logger } from '../util/log.ts';
import { datagramSocket } from './datagram-socket.ts';

const log = logger('udp');

/** The most that fits in an IPv4 datagram. */
const DATAGRAM_MAX = 65_507;

export interface UdpHubOptions {
  /** Port of both families, 0 for free ones. Default: 0. */
  readonly port?: number;
  /** Address to send from and receive at; its family is then the only one. Default, and with `::`: all, IPv4 and IPv6. */
  readonly host?: string | null;
}

/** One socket per address family, opened when first needed. A family that the host lacks is found out then. */
export class UdpHub implements DatagramPort {
  readonly #port: number;
  readonly #host: string | null;
  readonly #sockets = new Map<IpFamily, Socket>();
  readonly #unusable = new Set<IpFamily>();
  readonly #receivers = new Set<(bytes: Uint8Array, from: PeerAddress) => boolean>();
  #closed = false;

  constructor(options: UdpHubOptions = {}) {
    this.#port = options.port ?? 0;
    // What TCP calls all addresses, IPv6 and IPv4.
    this.#host = options.host === '::' ? null : (options.host ?? null);
    const only = this.#host === null ? 0 : ipFamily(this.#host);
    if (only !== 0) this.#unusable.add(only === 4 ? 6 : 4);
  }

  supports(family: IpFamily): boolean {
    return !this.#closed && !this.#unusable.has(family);
  }

  /** The port in use, 0 while there is none. */
  localPort(family: IpFamily): number {
    try {
      return this.#sockets.get(family)?.address().port ?? 0;
    } catch {
      return 0; // Not bound yet: Node has no other way to say so.
    }
  }

  send(bytes: Uint8Array, to: PeerAddress): void {
    const family = ipFamily(to.host);
    const valid = family !== 0 && to.port >= 1 && to.port <= 65_535 && !to.host.includes('%');
    // Node throws on some of these instead of calling back.
    if (!valid || bytes.length > DATAGRAM_MAX || !this.supports(family)) {
      log('not sent to %s', addressKey(to));
      return;
    }
    const socket = this.#sockets.get(family) ?? this.#open(family, this.#port);
    // Until the socket is bound, Node keeps what is sent.
    socket.send(bytes, to.port, to.host, (error) => {
      if (error !== null) log('to %s: %s', addressKey(to), error.message);
    });
  }

  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => boolean): Cancel {
    // Each subscription is its own, even of the same function twice.
    const own = (bytes: Uint8Array, from: PeerAddress): boolean => receiver(bytes, from);
    this.#receivers.add(own);
    return { cancel: () => this.#receivers.delete(own) };
  }

  open(): void {
    for (const family of this.#unopened()) this.#open(family, this.#port);
  }

  /** The same; resolves when each socket is bound or has failed. */
  async bind(): Promise<void> {
    await Promise.all(
      this.#unopened().map(async (family) => {
        const socket = this.#open(family, this.#port);
        await new Promise<void>((resolve) => {
          socket.once('listening', resolve);
          socket.once('close', resolve);
        });
      }),
    );
  }

  /** Idempotent. Nothing is received or sent afterwards. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#receivers.clear();
    const sockets = [...this.#sockets.values()];
    this.#sockets.clear();
    await Promise.all(
      sockets.map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.close(() => resolve());
          }),
      ),
    );
  }

  #unopened(): IpFamily[] {
    return ([4, 6] as const).filter((family) => this.supports(family) && !this.#sockets.has(family));
  }

  #open(family: IpFamily, port: number): Socket {
    const socket = datagramSocket(family);
    this.#sockets.set(family, socket);
    let bound = false;
    socket.on('listening', () => {
      bound = true;
    });
    socket.on('error', (error) => {
      log('IPv%d: %s', family, error.message);
      if (!bound) this.#onBindFailed(family, socket, port);
    });
    socket.on('message', (bytes, from) => this.#onMessage(bytes, from));
    socket.bind({ port, ...(this.#host === null ? {} : { address: this.#host }), exclusive: true });
    return socket;
  }

  /** A port that is taken is replaced by a free one; anything else means that the host lacks this family. */
  #onBindFailed(family: IpFamily, socket: Socket, port: number): void {
    if (this.#sockets.get(family) !== socket) return;
    this.#sockets.delete(family);
    socket.close();
    if (port !== 0 && !this.#closed) this.#open(family, 0);
    else this.#unusable.add(family);
  }

  #onMessage(bytes: Uint8Array, { address, port }: RemoteInfo): void {
    const host = canonicalIp(address);
    if (host === null || port === 0) return;
    const from = { host, port };
    for (const receiver of this.#receivers) if (receiver(bytes, from)) return;
  }
}
