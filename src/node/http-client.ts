/**
 * GET over HTTP and HTTPS from servers nobody vouches for.
 *
 * What a plain fetch would do and this must not: follow redirects into the local network, look a name up a second
 * time between check and connection, inflate without bounds, wait for ever. So names are resolved by our own
 * resolver, addresses are checked, and the connection goes to a checked address; redirects are followed by hand,
 * each checked the same way; bodies are counted as they arrive and as they unpack. Every connection serves one
 * request.
 *
 * `undici` does the HTTP. It is loaded with the first request, since it costs 50 ms that a `--help` need not pay.
 */
import type { LookupFunction } from 'node:net';
import { promisify } from 'node:util';
import { gunzip, inflate, inflateRaw } from 'node:zlib';
import type { Client, Dispatcher } from 'undici';
import { TrackerError } from '../errors.ts';
import type { Cancel, HttpPort, HttpRequest, HttpResponse, Resolver } from '../ports.ts';
import { noAddressError } from '../tracker/announce.ts';
import type { IpFamily } from '../util/ip.ts';
import { ipFamily, isDialable } from '../util/ip.ts';
import type { AddressDepth } from './address-depth.ts';
import { addressDepth } from './address-depth.ts';
import { httpErrorText } from './http-errors.ts';

/** As libtorrent; browsers follow 20. */
const REDIRECTS_MAX = 5;
/** To connect, TLS included, and between any two bytes after it. */
const SILENCE_MS = 10_000;
/** Node's own limit. */
const HEADERS_MAX = 16_384;
/** How long one of several addresses is tried before the next; Node's 250 ms is too short for far servers. */
const ADDRESS_ATTEMPT_MS = 3000;

export interface HttpClientOptions {
  readonly resolver: Resolver;
  /** Of this package, for the User-Agent. */
  readonly version: string;
  /** Certificates of authorities to trust besides the usual ones, as PEM. */
  readonly ca?: string;
  /** How far inside an address is; given by tests, which have no outside. */
  readonly depthOf?: (address: string) => AddressDepth;
}

export class HttpClient implements HttpPort {
  readonly #resolver: Resolver;
  readonly #userAgent: string;
  readonly #ca: string | null;
  readonly #depthOf: (address: string) => AddressDepth;

  constructor(options: HttpClientOptions) {
    this.#resolver = options.resolver;
    this.#userAgent = `torrent-ts/${options.version}`;
    this.#ca = options.ca ?? null;
    this.#depthOf = options.depthOf ?? addressDepth;
  }

  get(request: HttpRequest, done: (result: HttpResponse | TrackerError) => void): Cancel {
    const abort = new AbortController();
    const timeoutMs = Math.min(request.timeoutMs, 2 ** 31 - 1); // Node turns longer ones into 1 ms.
    const timer = setTimeout(
      () => abort.abort(new TrackerError(`no answer within ${timeoutMs / 1000} s`, request.url)),
      timeoutMs,
    );
    let cancelled = false;
    void this.#follow(request, abort.signal)
      .catch((error: unknown) => toTrackerError(error, request.url))
      .then((result) => {
        clearTimeout(timer);
        if (!cancelled) done(result);
      });
    return {
      cancel: () => {
        cancelled = true;
        abort.abort();
      },
    };
  }

  /** @throws whatever went wrong. */
  async #follow(request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    let url = parseUrl(request.url, null);
    let depthMax: AddressDepth = request.refuseLocal ? 0 : 2;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const addresses = await this.#addressesOf(url, request, depthMax, signal);
      // A server outside must not send us to our own network, nor one on our network to our own machine.
      depthMax = Math.min(...addresses.map(this.#depthOf)) as AddressDepth;
      const answer = await this.#getOne(url, addresses, request, signal);
      if (answer instanceof URL) url = answer;
      else return answer;
    }
    throw new TrackerError(`more than ${REDIRECTS_MAX} redirects`, request.url);
  }

  async #addressesOf(
    url: URL,
    request: HttpRequest,
    depthMax: AddressDepth,
    signal: AbortSignal,
  ): Promise<string[]> {
    const host = hostOf(url);
    const families: readonly IpFamily[] = request.family === undefined ? [4, 6] : [request.family];
    const found = await Promise.all(families.map((family) => this.#resolve(host, family, signal)));
    const dialable = found.flat().filter((address) => isDialable({ host: address, port: 1 }));
    if (dialable.length === 0) throw noAddressError(request.url, families[0]!);
    const allowed = dialable.filter((address) => this.#depthOf(address) <= depthMax);
    if (allowed.length === 0) throw new TrackerError('a local address, which is refused', request.url);
    return allowed;
  }

  #resolve(host: string, family: IpFamily, signal: AbortSignal): Promise<readonly string[]> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      const lookup = this.#resolver.resolve(host, family, (addresses) => {
        signal.removeEventListener('abort', onAbort);
        resolve(addresses);
      });
      const onAbort = (): void => {
        lookup.cancel();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The answer, or where it says to go. */
  async #getOne(
    url: URL,
    addresses: readonly string[],
    request: HttpRequest,
    signal: AbortSignal,
  ): Promise<HttpResponse | URL> {
    const { Client: HttpConnection } = await import('undici');
    const connection = new HttpConnection(url.origin, this.#connectionOptions(addresses));
    try {
      const answer = await connection.request({
        method: 'GET',
        path: `${url.pathname}${url.search}`,
        headers: this.#headersFor(url),
        reset: true, // Connection: close
        signal,
      });
      const location = redirectOf(answer, url);
      if (location !== null) return location;
      const raw = await collect(answer.body, request.maxBytes, request.url);
      const body = await unpack(raw, answer.headers['content-encoding'], request.maxBytes, request.url);
      return { status: answer.statusCode, body };
    } finally {
      // Whatever happened, nothing more is wanted from it; its own errors have reached us already.
      await connection.destroy();
    }
  }

  #connectionOptions(addresses: readonly string[]): Client.Options {
    return {
      pipelining: 0,
      maxHeaderSize: HEADERS_MAX,
      headersTimeout: SILENCE_MS,
      bodyTimeout: SILENCE_MS,
      connect: {
        timeout: SILENCE_MS,
        rejectUnauthorized: true,
        lookup: pinnedTo(addresses),
        autoSelectFamily: true,
        autoSelectFamilyAttemptTimeout: ADDRESS_ATTEMPT_MS,
        ...(this.#ca === null ? {} : { ca: this.#ca }),
      },
    };
  }

  #headersFor(url: URL): Record<string, string> {
    const headers: Record<string, string> = {
      'user-agent': this.#userAgent,
      accept: '*/*',
      'accept-encoding': 'gzip, deflate',
    };
    if (url.username !== '' || url.password !== '') {
      const user = `${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`;
      headers.authorization = `Basic ${Buffer.from(user).toString('base64')}`;
    }
    return headers;
  }
}

/** @throws TrackerError */
function parseUrl(text: string, base: URL | null): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : null;
  if (url === null) throw new TrackerError('a malformed URL', text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TrackerError(`${url.protocol} URLs are not followed`, text);
  }
  if (url.port === '0') throw new TrackerError('port 0', text);
  return url;
}

/** Name or address without brackets. The URL parser has turned `0x7f.1` and `2130706433` into what they mean. */
function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** Where a 3xx answer leads, or null if it is an answer. */
function redirectOf(answer: Dispatcher.ResponseData, from: URL): URL | null {
  if (![301, 302, 303, 307, 308].includes(answer.statusCode)) return null;
  const location = answer.headers.location;
  if (typeof location !== 'string') throw new TrackerError('a redirect to nowhere', from.href);
  const to = parseUrl(location, from);
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new TrackerError('a redirect from https to http is not followed', from.href);
  }
  // The name and password that the user's URL carries are for that server alone.
  if (to.origin !== from.origin) to.username = to.password = '';
  return to;
}

/** Answers every look-up with the addresses that were checked. */
function pinnedTo(addresses: readonly string[]): LookupFunction {
  const all = addresses.map((address) => ({ address, family: ipFamily(address) }));
  return (_host, options, callback) => {
    if (options.all === true) callback(null, all);
    else callback(null, all[0]!.address, all[0]!.family);
  };
}

async function collect(body: AsyncIterable<Buffer>, maxBytes: number, url: string): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of body) {
    length += chunk.length;
    if (length > maxBytes) throw tooLong(maxBytes, url);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

async function unpack(
  raw: Buffer,
  encoding: string | string[] | undefined,
  maxBytes: number,
  url: string,
): Promise<Uint8Array> {
  const options = { maxOutputLength: maxBytes };
  const name = String(encoding ?? 'identity')
    .trim()
    .toLowerCase();
  try {
    switch (name) {
      case 'identity':
      case '':
        return raw;
      case 'gzip':
      case 'x-gzip':
        return await promisify(gunzip)(raw, options);
      case 'deflate':
        // RFC 9110 means zlib's format, some servers send the bare one. Zlib's first byte has 8 in its low half.
        return ((raw[0] ?? 0) & 0x0f) === 8
          ? await promisify(inflate)(raw, options)
          : await promisify(inflateRaw)(raw, options);
      default:
        break;
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong(maxBytes, url);
    throw new TrackerError(`the ${name} answer is damaged`, url, { cause: error });
  }
  throw new TrackerError('the answer is packed in a way we did not ask for', url);
}

function tooLong(maxBytes: number, url: string): TrackerError {
  return new TrackerError(`the answer is longer than ${maxBytes} bytes`, url);
}

function toTrackerError(error: unknown, url: string): TrackerError {
  if (error instanceof TrackerError) {
    return error.url === url ? error : new TrackerError(error.message, url, { cause: error.cause });
  }
  return new TrackerError(httpErrorText(error), url, { cause: error });
}
