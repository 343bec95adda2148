/**
 * A connection to a web server that is used for one GET after the other.
 *
 * Its bytes are read into one buffer that is used again for the next ones, and go from there to whoever asked.
 */
import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { RangeHead } from '../ports.ts';
import { ipFamily } from '../util/ip.ts';
import { AnswerFault, AnswerReader } from './http-answers.ts';
import { hostOf } from './http-urls.ts';

/** The kernel gives on loopback and fast networks as much at a time; larger ones gain nothing more. */
const RECEIVE_BUFFER_BYTES = 262_144;
/** How long one of several addresses is tried before the next. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Who asked. All calls end with `onAnswered` or `onBroken`. */
export interface AnswerTaker {
  onHead(head: RangeHead): void;
  /** Reused by the next read. */
  onBody(bytes: Uint8Array): void;
  onAnswered(): void;
  /** The connection is gone. */
  onBroken(error: Error): void;
}

export interface ConnectOptions {
  readonly url: URL;
  /** Tried in turn, at least one. The name in `url` is not looked up. */
  readonly addresses: readonly string[];
  /** Certificates of authorities to trust instead of the usual ones, as PEM. */
  readonly ca: string | null;
}

export class HttpConnection {
  /** The address at the other end. */
  readonly address: string;
  /** Scheme, host and port that it was made for. */
  readonly origin: string;
  /** Answers that came whole. */
  answers = 0;
  /** Closed, for whatever reason. */
  onGone: (() => void) | null = null;
  readonly #socket: Socket;
  readonly #reader: AnswerReader;
  #taker: AnswerTaker | null = null;
  #silenceMs = 0;
  #silence: NodeJS.Timeout | null = null;
  #isPaused = false;
  #hasSpoken = false;

  private constructor(origin: string, address: string, socket: Socket) {
    this.origin = origin;
    this.address = address;
    this.#socket = socket;
    this.#reader = new AnswerReader({
      onHead: (head) => this.#taker?.onHead(head),
      onBody: (bytes) => this.#taker?.onBody(bytes),
      onAnswered: () => this.#onAnswered(),
    });
    socket.on('error', (error) => this.#break(error));
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#break(new Error('the connection ended without an answer')));
  }

  /** @throws whatever the last address answered, or the signal's reason. */
  static async connect(options: ConnectOptions, signal: AbortSignal): Promise<HttpConnection> {
    const failures: unknown[] = [];
    for (const address of options.addresses) {
      signal.throwIfAborted();
      try {
        return await connectOne(options, address, signal);
      } catch (error) {
        failures.push(error);
      }
    }
    signal.throwIfAborted();
    throw new AggregateError(failures, 'no address answers');
  }

  /** @internal */
  static of(origin: string, address: string, socket: Socket): HttpConnection {
    return new HttpConnection(origin, address, socket);
  }

  get isOpen(): boolean {
    return !this.#socket.destroyed;
  }

  /** The answer to the present request has begun. */
  get hasSpoken(): boolean {
    return this.#hasSpoken;
  }

  /** Another request may follow. */
  get isReusable(): boolean {
    return this.isOpen && this.#taker === null && this.#reader.isIdle;
  }

  /** Sends a request, whole with its empty line. `silenceMs` may pass between any two bytes. */
  ask(request: string, silenceMs: number, taker: AnswerTaker): void {
    this.#taker = taker;
    this.#silenceMs = silenceMs;
    this.#hasSpoken = false;
    this.#reader.expect();
    this.#socket.ref();
    this.#socket.write(request, 'latin1');
    this.#watch();
  }

  pauseReading(): void {
    if (this.#isPaused || this.#taker === null) return;
    this.#isPaused = true;
    this.#socket.pause();
    this.#unwatch(); // A server that may not speak is not silent.
  }

  resumeReading(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#socket.resume();
    if (this.#taker !== null) this.#watch();
  }

  /** Ends it; whoever asked hears nothing more. */
  destroy(): void {
    this.#taker = null;
    this.#unwatch();
    this.#socket.destroy();
  }

  /** @internal */
  receive(bytes: Uint8Array): void {
    if (this.#taker !== null) {
      this.#hasSpoken = true;
      if (!this.#isPaused) this.#silence?.refresh();
    }
    try {
      this.#reader.receive(bytes);
    } catch (error) {
      if (!(error instanceof AnswerFault)) throw error;
      this.#break(error);
    }
  }

  #onEnd(): void {
    let error = new Error('the connection ended without an answer');
    try {
      if (this.#hasSpoken) this.#reader.end();
    } catch (fault) {
      if (!(fault instanceof AnswerFault)) throw fault;
      error = fault;
    }
    this.#break(error);
  }

  #onAnswered(): void {
    const taker = this.#taker;
    this.#taker = null;
    this.#unwatch();
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#socket.resume();
    }
    this.answers++;
    // An idle connection does not keep the process alive.
    if (this.#reader.keepsAlive) this.#socket.unref();
    else this.#socket.destroy();
    taker?.onAnswered();
  }

  #break(error: Error): void {
    const taker = this.#taker;
    this.destroy();
    this.onGone?.();
    this.onGone = null;
    taker?.onBroken(error);
  }

  #watch(): void {
    this.#silence ??= setTimeout(() => this.#break(new Error('the server went silent')), this.#silenceMs);
    this.#silence.refresh();
  }

  #unwatch(): void {
    if (this.#silence !== null) clearTimeout(this.#silence);
    this.#silence = null;
  }
}

function connectOne(
  { url, ca }: ConnectOptions,
  address: string,
  signal: AbortSignal,
): Promise<HttpConnection> {
  return new Promise((resolve, reject) => {
    const isTls = url.protocol === 'https:';
    let connection: HttpConnection | null = null;
    const receive = (bytes: Uint8Array): void => connection?.receive(bytes);
    const socket = isTls
      ? connectTls({ host: address, port: portOf(url), ...tlsOptions(url, ca) })
      : connectTcp({
          host: address,
          port: portOf(url),
          noDelay: true,
          onread: {
            buffer: new Uint8Array(RECEIVE_BUFFER_BYTES),
            callback: (length, buffer) => {
              receive(length === buffer.length ? buffer : buffer.subarray(0, length));
              return true;
            },
          },
        });
    const leave = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', onAbort);
      socket.off('error', fail);
    };
    const fail = (error: Error): void => {
      leave();
      // Stays when all is over: the socket may still complain about its end.
      socket.on('error', () => undefined);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(signal.reason as Error);
    const timer = setTimeout(() => fail(new Error('connecting timed out')), CONNECT_TIMEOUT_MS);
    signal.addEventListener('abort', onAbort, { once: true });
    socket.on('error', fail);
    socket.once(isTls ? 'secureConnect' : 'connect', () => {
      leave();
      connection = HttpConnection.of(url.origin, address, socket);
      // Deciphered bytes come in buffers of their own.
      if (isTls) socket.on('data', (data: Buffer) => receive(data));
      resolve(connection);
    });
  });
}

/** Spelled out, since the environment and the command line of Node could say otherwise. */
function tlsOptions(url: URL, ca: string | null): Record<string, unknown> {
  const host = hostOf(url);
  return {
    rejectUnauthorized: true,
    ALPNProtocols: ['http/1.1'],
    ...(ipFamily(host) === 0 ? { servername: host } : {}),
    ...(ca === null ? {} : { ca }),
  };
}

function portOf(url: URL): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'https:' ? 443 : 80;
}
