/**
 * One GET over a connection of its own, to addresses that somebody else has checked.
 *
 * Node's parser is strict about lengths, chunks and headers, and reports what it dislikes as an error of the request,
 * at times after the answer has begun. An answer can also break off, which is an event of the answer, or end in
 * neither (a server that switches protocols unasked). Whatever comes first decides; all later events find the case
 * closed and the socket destroyed.
 */
import { get as getPlain } from 'node:http';
import type { ClientRequest, IncomingHttpHeaders } from 'node:http';
import { get as getSecure } from 'node:https';
import type { RequestOptions } from 'node:https';
import type { LookupFunction, TcpSocketConnectOpts } from 'node:net';
import { TrackerError } from '../errors.ts';
import { ipFamily } from '../util/ip.ts';
import { tooLong } from './http-errors.ts';
import { hostOf, isRedirect } from './http-urls.ts';

/** Node's own limit, whatever the process was started with. */
const HEADERS_MAX = 16_384;
/** How long one of several addresses is tried before the next; Node's 250 ms is too short for far servers. */
const ADDRESS_ATTEMPT_MS = 3000;
/** What most trackers answer fits. */
const BODY_START = 4096;

export interface ExchangeOptions {
  readonly url: URL;
  /** Tried in turn, at least one. The name in `url` is not looked up. */
  readonly addresses: readonly string[];
  readonly headers: Readonly<Record<string, string>>;
  /** Of the body as it arrives, packed or not. */
  readonly maxBytes: number;
  /** To connect, TLS included, and then between any two bytes. */
  readonly silenceMs: number;
  /** Certificates of authorities to trust instead of the usual ones, as PEM. */
  readonly ca: string | null;
}

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Still packed. Empty for a redirect, whose body is not waited for. */
  readonly body: Buffer;
}

type GetOptions = RequestOptions &
  Pick<TcpSocketConnectOpts, 'autoSelectFamily' | 'autoSelectFamilyAttemptTimeout'>;

/** @throws whatever went wrong, or the signal's reason. */
export async function exchange(options: ExchangeOptions, signal: AbortSignal): Promise<HttpAnswer> {
  const get: (options: GetOptions) => ClientRequest =
    options.url.protocol === 'https:' ? getSecure : getPlain;
  signal.throwIfAborted();
  return receive(get(getOptions(options)), options, signal);
}

function getOptions({ url, addresses, headers, ca }: ExchangeOptions): GetOptions {
  return {
    host: hostOf(url),
    port: url.port === '' ? null : url.port,
    path: `${url.pathname}${url.search}`,
    headers,
    agent: false, // No connection is used twice.
    lookup: pinnedTo(addresses),
    autoSelectFamily: true,
    autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
    // Spelled out, since the environment and the command line of Node could say otherwise.
    rejectUnauthorized: true,
    insecureHTTPParser: false,
    maxHeaderSize: HEADERS_MAX,
    ...(ca === null ? {} : { ca }),
  };
}

function receive(
  request: ClientRequest,
  { url, maxBytes, silenceMs }: ExchangeOptions,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      clearTimeout(silence);
      signal.removeEventListener('abort', onAbort);
      request.destroy();
    };
    const fail = (error: Error): void => {
      reject(error);
      leave();
    };
    const failWith = (text: string): void => fail(new TrackerError(text, url.href));
    const onAbort = (): void => fail(signal.reason as Error);
    const onClose = (): void => failWith('the connection ended without an answer');
    let connected = false;
    const silence = setTimeout(
      () => failWith(connected ? 'the server went silent' : 'connecting timed out'),
      silenceMs,
    );
    request.on('socket', (socket) => {
      socket.on(url.protocol === 'https:' ? 'secureConnect' : 'connect', () => {
        connected = true;
        silence.refresh();
      });
      socket.on('data', () => silence.refresh());
    });
    signal.addEventListener('abort', onAbort, { once: true });
    // Stays when all is over: the socket may still complain about its end.
    request.on('error', fail);
    request.on('close', onClose);
    request.on('response', (response) => {
      request.off('close', onClose); // From here on the answer's own end counts, which may come later.
      const body = new Body(maxBytes);
      const answer = (): void => {
        resolve({ status: response.statusCode!, headers: response.headers, body: body.bytes() });
        leave();
      };
      if (isRedirect(response.statusCode!)) {
        answer();
        return;
      }
      response.on('data', (chunk: Buffer) => {
        if (!body.add(chunk)) fail(tooLong(maxBytes, url.href));
      });
      response.on('end', answer);
      response.on('error', () => failWith('the answer breaks off'));
    });
  });
}

/** Bytes in one piece, since a body sent byte by byte would cost a hundred times its length in objects. */
class Body {
  readonly #maxBytes: number;
  #buffer = Buffer.alloc(0);
  #length = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False if it does not fit. */
  add(chunk: Buffer): boolean {
    const length = this.#length + chunk.length;
    if (length > this.#maxBytes) return false;
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.min(this.#maxBytes, Math.max(BODY_START, length, 2 * this.#length)));
      this.#buffer.copy(larger, 0, 0, this.#length);
      this.#buffer = larger;
    }
    chunk.copy(this.#buffer, this.#length);
    this.#length = length;
    return true;
  }

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }
}

/** Answers every look-up with the addresses that were checked. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: ipFamily(address) }));
  return (_host, options, callback) => {
    if (options.all === true) callback(null, all);
    else callback(null, all[0]!.address, all[0]!.family);
  };
}
