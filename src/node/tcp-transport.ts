import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { PENDING_INBOUND_MAX } from '../engine/limits.ts';
import { ListenError } from '../errors.ts';
import type { Cancel, Clock, PeerTransport } from '../ports.ts';
import { canonicalIp, isDialable, type PeerAddress } from '../util/ip.ts';
import { logger } from '../util/log.ts';
import { ByteLink } from '../wire/byte-link.ts';
import type { ByteStream, PeerLink } from '../wire/link.ts';
import { MseStream } from '../wire/mse/mse-stream.ts';
import type { InboundEncryption, MseTools, OutboundEncryption } from '../wire/mse/negotiation.ts';
import { canHaveOwnBuffer, withOwnBuffer } from './accepted-socket.ts';
import { mseTools } from './key-exchange.ts';
import { TcpCommons, TcpStream } from './tcp-stream.ts';

const log = logger('tcp');

/**
 * One read takes at most this. Larger reads are fewer: 64 KiB cost 0.52, 256 KiB 0.43 and 512 KiB 0.35 s of CPU per GiB
 * of blocks received (`bench/wire.ts`, Node 20, Linux).
 */
const RECEIVE_BUFFER_BYTES = 524_288;

/** Windows fills the buffers of all waiting reads at any time, so there each socket has one, and a smaller one. */
const RECEIVE_BUFFER_BYTES_EACH = 65_536;
const SHARE_RECEIVE_BUFFER = process.platform !== 'win32';

export interface TcpTransportOptions {
  readonly clock: Clock;
  /** 0 takes any free port, null does not listen. */
  readonly port: number | null;
  /** Address to listen on. Default: all, IPv6 and IPv4. */
  readonly host?: string | null;
  /** If `port` is taken or forbidden, listen on any free one. Default: false. */
  readonly orAnyPort?: boolean;
  /** Read accepted connections into the shared buffer too, if this version of Node can. Default: true. */
  readonly ownBuffers?: boolean;
}

/** Connections to peers over TCP, plain or encrypted. */
export class TcpTransport implements PeerTransport {
  readonly #clock: Clock;
  readonly #commons: TcpCommons;
  readonly #server: Server | null;
  readonly #ownBuffers: boolean;
  readonly #receiveBuffer: Uint8Array | null = SHARE_RECEIVE_BUFFER
    ? new Uint8Array(RECEIVE_BUFFER_BYTES)
    : null;
  /** All sockets that are not closed, with the link over them once they are connected. */
  readonly #open = new Map<TcpStream, ByteLink | null>();
  readonly #mse: MseTools;
  #listener: ((link: PeerLink) => void) | null = null;
  #inboundEncryption: InboundEncryption | null = null;
  #onInternalError: ((error: unknown) => void) | null = null;
  #pendingInbound = 0;
  #closing: Promise<void> | null = null;

  private constructor(clock: Clock, server: Server | null, ownBuffers: boolean) {
    this.#clock = clock;
    this.#commons = new TcpCommons(clock);
    this.#mse = mseTools(clock, (error) => {
      if (!this.#onInternalError) throw error;
      this.#onInternalError(error);
    });
    this.#server = server;
    this.#ownBuffers = ownBuffers;
    server?.on('connection', (socket) => this.#accept(socket));
  }

  /** @throws ListenError if the port cannot be had. */
  static async open(options: TcpTransportOptions): Promise<TcpTransport> {
    if (options.port === null) return new TcpTransport(options.clock, null, false);
    const ownBuffers = options.ownBuffers !== false && (await canHaveOwnBuffer());
    const server = await listen(options.port, options.host ?? null, options.orAnyPort ?? false, ownBuffers);
    return new TcpTransport(options.clock, server, ownBuffers);
  }

  get listenPort(): number {
    return (this.#server?.address() as AddressInfo | null)?.port ?? 0;
  }

  onInbound(listener: (link: PeerLink) => void, encryption?: InboundEncryption): void {
    this.#listener = listener;
    this.#inboundEncryption = encryption ?? null;
  }

  onInternalError(listener: (error: unknown) => void): void {
    this.#onInternalError = listener;
  }

  dial(
    to: PeerAddress,
    timeoutMs: number,
    done: (result: PeerLink | 'connect-failed' | 'connect-timeout') => void,
    encryption?: OutboundEncryption | null,
  ): Cancel {
    if (this.#closing !== null || !isDialable(to)) {
      // Node would throw at a bad port, and connect to itself at an unspecified address.
      return this.#clock.at(0, () => done('connect-failed'));
    }
    const stream = new TcpStream(to, false, this.#commons);
    let pending = true;
    let outcome: 'connect-failed' | 'connect-timeout' = 'connect-failed';
    const deadline = this.#clock.at(this.#clock.now() + timeoutMs, () => {
      outcome = 'connect-timeout';
      stream.destroy();
    });
    stream.onGone = () => {
      deadline.cancel();
      this.#open.delete(stream);
      if (!pending) return;
      pending = false;
      done(outcome);
    };
    const buffer = this.#receiveBuffer ?? new Uint8Array(RECEIVE_BUFFER_BYTES_EACH);
    const socket = connect({ host: to.host, port: to.port, noDelay: true, onread: stream.onRead(buffer) });
    stream.adopt(socket, true);
    this.#open.set(stream, null);
    socket.once('connect', () => {
      deadline.cancel();
      if (!pending) return;
      pending = false;
      done(this.#link(stream, encryption ? MseStream.dial(stream, this.#mse, encryption) : stream));
    });
    const cancel = (): void => {
      if (!pending) return;
      pending = false;
      deadline.cancel();
      stream.destroy();
    };
    return { cancel };
  }

  /** Stops listening and closes what is still open; resolves when no socket is left. Calling it again waits for the same. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const serverClosed = new Promise<void>((resolve) => {
      if (this.#server === null) resolve();
      else this.#server.close(() => resolve());
    });
    for (const link of this.#open.values()) link?.close('shutdown');
    // One turn, in which what was batched is handed to the system; then nobody is waited for.
    await new Promise((resolve) => setImmediate(resolve));
    const gone = [...this.#open.keys()].map(
      (stream) =>
        new Promise<void>((resolve) => {
          const onGone = stream.onGone;
          stream.onGone = () => {
            onGone?.();
            resolve();
          };
          stream.destroy();
        }),
    );
    await Promise.all([...gone, serverClosed]);
  }

  #accept(socket: Socket): void {
    const remote = remoteOf(socket);
    const listener = this.#listener;
    if (remote === null || listener === null || this.#pendingInbound >= PENDING_INBOUND_MAX) {
      log('refused a connection, %d are pending', this.#pendingInbound);
      socket.on('error', (error) => log('a refused connection: %s', error.message));
      socket.destroy();
      return;
    }
    const stream = new TcpStream(remote, true, this.#commons);
    if (this.#ownBuffers) {
      const buffer = this.#receiveBuffer ?? new Uint8Array(RECEIVE_BUFFER_BYTES_EACH);
      stream.adopt(withOwnBuffer(socket, stream.onRead(buffer)), true);
    } else {
      stream.adopt(socket, false);
    }
    this.#pendingInbound++;
    stream.onSettled = () => this.#pendingInbound--;
    stream.onGone = () => this.#open.delete(stream);
    const policy = this.#inboundEncryption;
    listener(this.#link(stream, policy === null ? stream : MseStream.accept(stream, this.#mse, policy)));
  }

  /** A link over the socket of `stream`, by way of `top`. */
  #link(stream: TcpStream, top: ByteStream): ByteLink {
    const link = new ByteLink(top);
    this.#open.set(stream, link);
    return link;
  }
}

/** Listens at `host`, or for null at all addresses of this machine. */
async function listen(
  port: number,
  host: string | null,
  orAnyPort: boolean,
  pauseOnConnect: boolean,
): Promise<Server> {
  let result = await tryListen(port, host, pauseOnConnect);
  if (result instanceof Error && orAnyPort && port !== 0 && isTaken(result)) {
    result = await tryListen(0, host, pauseOnConnect);
  }
  if (!(result instanceof Error)) return result;
  const why = result.code === 'EADDRINUSE' ? 'it is in use' : result.message;
  throw new ListenError(`cannot listen on port ${port}: ${why}`, port, { cause: result });
}

function tryListen(
  port: number,
  host: string | null,
  pauseOnConnect: boolean,
): Promise<Server | NodeJS.ErrnoException> {
  return new Promise((resolve) => {
    const server = createServer({ noDelay: true, pauseOnConnect });
    server.once('error', resolve);
    // Without a host Node takes IPv6 and with it IPv4, or IPv4 alone where there is no IPv6. It looks any host up, and be
    // it `::`, which took 5 ms of the start.
    server.listen({ port, ...(host === null ? {} : { host }) }, () => {
      server.off('error', resolve);
      // Such as too many open files at accept: that connection is lost, the next may not be.
      server.on('error', (error) => log('the listening socket: %s', error.message));
      resolve(server);
    });
  });
}

function isTaken({ code }: NodeJS.ErrnoException): boolean {
  return code === 'EADDRINUSE' || code === 'EACCES';
}

/** Null if the connection is already gone. */
function remoteOf(socket: Socket): PeerAddress | null {
  const { remoteAddress, remotePort } = socket;
  if (remoteAddress === undefined || remotePort === undefined) return null;
  // A link-local address comes with the name of our interface, which says nothing about the peer.
  const host = canonicalIp(remoteAddress.replace(/%.*$/, ''));
  return host === null ? null : { host, port: remotePort };
}
