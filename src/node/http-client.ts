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
import type { AddressDepth } from './address-depth.ts';
import { CheckedAddresses } from './checked-addresses.ts';
import { toTrackerError } from './http-errors.ts';
import { exchange } from './http-exchange.ts';
import { ACCEPT_ENCODING, unpack } from './http-unpack.ts';
import { authorizationOf, isRedirect, parseUrl, redirectTarget, REDIRECTS_MAX } from './http-urls.ts';

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
  readonly #addresses: CheckedAddresses;
  readonly #userAgent: string;
  readonly #ca: string | null;
  readonly #silenceMs: number;

  constructor(options: HttpClientOptions) {
    this.#addresses = new CheckedAddresses(options.resolver, options.depthOf);
    this.#userAgent = `torrent-ts/${options.version}`;
    this.#ca = options.ca ?? null;
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
      const families = request.family === undefined ? undefined : [request.family];
      const addresses = await this.#addresses.of(url, request.url, depthMax, signal, families);
      // A server outside must not send us to our own network, nor one on our network to our own machine.
      depthMax = Math.min(...addresses.map(this.#addresses.depthOf)) as AddressDepth;
      const answer = await this.#getOne(url, addresses, request, signal);
      if (answer instanceof URL) url = answer;
      else return answer;
    }
    throw new TrackerError(`more than ${REDIRECTS_MAX} redirects`, request.url);
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
    if (isRedirect(answer.status)) return redirectTarget(answer.headers.location, url);
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
    const authorization = authorizationOf(url);
    if (authorization !== null) headers.authorization = authorization;
    return headers;
  }
}
