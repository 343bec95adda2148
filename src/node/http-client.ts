/**
 * GET over HTTP and HTTPS from servers nobody vouches for.
 *
 * What a plain fetch would do and this must not: follow redirects into the local network, look a name up a second
 * time between check and connection, inflate without bounds, wait for ever. So names are resolved by our own
 * resolver, addresses are checked, and the connection goes to a checked address; redirects are followed by hand,
 * each checked the same way; bodies are counted as they arrive and as they unpack. Every connection serves one
 * request.
 */
import { TrackerError } from '../errors.ts';
import type { Cancel, HttpPort, HttpRequest, HttpResponse, Resolver } from '../ports.ts';
import { noAddressError } from '../tracker/announce.ts';
import type { IpFamily } from '../util/ip.ts';
import { isDialable } from '../util/ip.ts';
import type { AddressDepth } from './address-depth.ts';
import { addressDepth } from './address-depth.ts';
import { httpErrorText } from './http-errors.ts';
import type { HttpAnswer } from './http-exchange.ts';
import { exchange, hostOf, isRedirect } from './http-exchange.ts';
import { ACCEPT_ENCODING, unpack } from './http-unpack.ts';

/** As libtorrent; browsers follow 20. */
const REDIRECTS_MAX = 5;
/** To connect, TLS included, and between any two bytes after it. */
const SILENCE_MS = 10_000;

export interface HttpClientOptions {
  readonly resolver: Resolver;
  /** Of this package, for the User-Agent. */
  readonly version: string;
  /** Certificates of authorities to trust instead of the usual ones, as PEM. */
  readonly ca?: string;
  /** How far inside an address is; given by tests, which have no outside. */
  readonly depthOf?: (address: string) => AddressDepth;
  /** How long a server may be silent; given by tests, which do not want to wait. */
  readonly silenceMs?: number;
}

export class HttpClient implements HttpPort {
  readonly #resolver: Resolver;
  readonly #userAgent: string;
  readonly #ca: string | null;
  readonly #depthOf: (address: string) => AddressDepth;
  readonly #silenceMs: number;

  constructor(options: HttpClientOptions) {
    this.#resolver = options.resolver;
    this.#userAgent = `torrent-ts/${options.version}`;
    this.#ca = options.ca ?? null;
    this.#depthOf = options.depthOf ?? addressDepth;
    this.#silenceMs = options.silenceMs ?? SILENCE_MS;
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
    const answer = await exchange(
      {
        url,
        addresses,
        headers: this.#headersFor(url),
        maxBytes: request.maxBytes,
        silenceMs: this.#silenceMs,
        ca: this.#ca,
      },
      signal,
    );
    if (isRedirect(answer.status)) return targetOf(answer, url);
    const encoding = answer.headers['content-encoding'];
    const body = await unpack(answer.body, encoding, request.maxBytes, request.url);
    return { status: answer.status, body };
  }

  #headersFor(url: URL): Record<string, string> {
    const headers: Record<string, string> = {
      'user-agent': this.#userAgent,
      accept: '*/*',
      'accept-encoding': ACCEPT_ENCODING,
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

/** Where a redirect leads. */
function targetOf(answer: HttpAnswer, from: URL): URL {
  const { location } = answer.headers;
  if (location === undefined) throw new TrackerError('a redirect to nowhere', from.href);
  // Node takes each byte for a character; URLs are UTF-8.
  const to = parseUrl(Buffer.from(location, 'latin1').toString(), from);
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new TrackerError('a redirect from https to http is not followed', from.href);
  }
  // The name and password that the user's URL carries are for that server alone.
  if (to.origin !== from.origin) to.username = to.password = '';
  return to;
}

function toTrackerError(error: unknown, url: string): TrackerError {
  if (error instanceof TrackerError) {
    return error.url === url ? error : new TrackerError(error.message, url, { cause: error.cause });
  }
  return new TrackerError(httpErrorText(error), url, { cause: error });
}
