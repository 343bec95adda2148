/**
 * Stretches of files from web servers, at the speed of the network.
 *
 * Unlike `HttpClient`, whose every connection serves one question, this keeps connections for the next stretch, hands
 * bodies on as they come, and leaves it to the receiver to judge what came. What both have in common is that nobody is
 * trusted: names are looked up once and the checked address is dialled, and each redirect is checked anew.
 */
import { TrackerError } from '../errors.ts';
import type { RangeHead, RangePort, RangeRequest, RangeSink, RangeStream, Resolver } from '../ports.ts';
import type { AddressDepth } from './address-depth.ts';
import { CheckedAddresses } from './checked-addresses.ts';
import { HttpConnection } from './http-connection.ts';
import { toTrackerError } from './http-errors.ts';
import { authorizationOf, isRedirect, parseUrl, redirectTarget, REDIRECTS_MAX } from './http-urls.ts';

/** Shorter than servers keep idle connections (nginx 75 s, Apache 5 s): those that closed meanwhile are noticed. */
const IDLE_MS = 15_000;
/** Idle connections kept; as many as a few web seeds use at a time. */
const IDLE_MAX = 16;
/** The body of a redirect is a sentence for people; longer ones are not waited for. */
const REDIRECT_BODY_MAX = 65_536;

export interface WebRangesOptions {
  readonly resolver: Resolver;
  /** Of this package, for the User-Agent. */
  readonly version: string;
  /** Certificates of authorities to trust instead of the usual ones, as PEM. */
  readonly ca?: string;
  /** How far inside an address is; given by tests, which have no outside. */
  readonly depthOf?: (address: string) => AddressDepth;
}

/** One answer over one connection: where it says to go, or null if the sink has had it whole. */
type Outcome = URL | null;

export class WebRanges implements RangePort {
  readonly #addresses: CheckedAddresses;
  readonly #userAgent: string;
  readonly #ca: string | null;
  readonly #idle = new Map<HttpConnection, NodeJS.Timeout>();
  readonly #aborts = new Set<AbortController>();

  constructor(options: WebRangesOptions) {
    this.#addresses = new CheckedAddresses(options.resolver, options.depthOf);
    this.#userAgent = `torrent-ts/${options.version}`;
    this.#ca = options.ca ?? null;
  }

  stream(request: RangeRequest, sink: RangeSink): RangeStream {
    const abort = new AbortController();
    this.#aborts.add(abort);
    const job: Job = { request, sink, signal: abort.signal, connection: null, isPaused: false };
    void this.#follow(job)
      .catch((error: unknown) => toTrackerError(error, request.url))
      .then((error) => {
        this.#aborts.delete(abort);
        if (!error || abort.signal.aborted) return;
        sink.onFail(error);
      });
    return {
      cancel: () => {
        this.#aborts.delete(abort);
        abort.abort();
        job.connection?.destroy();
      },
      pauseReading: () => {
        job.isPaused = true;
        job.connection?.pauseReading();
      },
      resumeReading: () => {
        job.isPaused = false;
        job.connection?.resumeReading();
      },
    };
  }

  /** Closes all connections; who still waits hears nothing more. */
  close(): void {
    for (const abort of this.#aborts) abort.abort();
    for (const connection of [...this.#idle.keys()]) connection.destroy();
    for (const timer of this.#idle.values()) clearTimeout(timer);
    this.#idle.clear();
  }

  /** @throws whatever went wrong. */
  async #follow(job: Job): Promise<undefined> {
    const { request, signal } = job;
    let url = parseUrl(request.url, null);
    let depthMax: AddressDepth = request.refuseLocal ? 0 : 2;
    for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
      const { connection, outcome } = await this.#askAt(url, depthMax, job);
      if (outcome === null) return;
      // A server outside must not send us to our own network, nor one on our network to our own machine.
      depthMax = Math.min(depthMax, this.#addresses.depthOf(connection.address)) as AddressDepth;
      url = outcome;
      signal.throwIfAborted();
    }
    throw new TrackerError(`more than ${REDIRECTS_MAX} redirects`, request.url);
  }

  async #askAt(
    url: URL,
    depthMax: AddressDepth,
    job: Job,
  ): Promise<{ connection: HttpConnection; outcome: Outcome }> {
    for (let kept = this.#takeIdle(url, depthMax); kept; kept = this.#takeIdle(url, depthMax)) {
      try {
        return { connection: kept, outcome: await this.#ask(kept, url, job) };
      } catch (error) {
        // The server may have closed it the moment we asked: that is no answer yet.
        if (kept.hasSpoken || job.signal.aborted) throw error;
      }
    }
    const { request, signal } = job;
    const addresses = await this.#addresses.of(url, request.url, depthMax, signal);
    const connection = await HttpConnection.connect({ url, addresses, ca: this.#ca }, signal);
    return { connection, outcome: await this.#ask(connection, url, job) };
  }

  #ask(connection: HttpConnection, url: URL, job: Job): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const { request, sink, signal } = job;
      if (signal.aborted) {
        connection.destroy();
        reject(signal.reason as Error);
        return;
      }
      let next: URL | null = null;
      const settle = (): void => {
        job.connection = null;
        signal.removeEventListener('abort', onAbort);
      };
      const leave = (): void => {
        connection.destroy();
        settle();
      };
      const onAbort = (): void => {
        leave();
        reject(signal.reason as Error);
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const onHead = (head: RangeHead): void => {
        if (isRedirect(head.status)) {
          next = redirectTarget(head.headers.get('location'), url);
          if (head.length !== null && head.length <= REDIRECT_BODY_MAX) return;
        } else if (sink.onHead(head)) return;
        leave();
        resolve(next);
      };
      job.connection = connection;
      connection.ask(this.#requestText(url, request), request.silenceMs, {
        onHead: (head) => {
          try {
            onHead(head);
          } catch (error) {
            leave();
            reject(toTrackerError(error, request.url));
          }
        },
        onBody: (bytes) => {
          if (next === null) sink.onData(bytes);
        },
        onAnswered: () => {
          settle();
          this.#keep(connection);
          resolve(next);
          if (next === null) sink.onEnd();
        },
        onBroken: (error) => {
          settle();
          reject(error);
        },
      });
      if (job.isPaused) connection.pauseReading();
    });
  }

  #requestText(url: URL, { offset, length }: RangeRequest): string {
    const authorization = authorizationOf(url);
    return [
      `GET ${url.pathname}${url.search} HTTP/1.1`,
      `Host: ${url.host}`,
      `User-Agent: ${this.#userAgent}`,
      'Accept: */*',
      // Packed bytes have other offsets.
      'Accept-Encoding: identity',
      `Range: bytes=${offset}-${offset + length - 1}`,
      ...(authorization === null ? [] : [`Authorization: ${authorization}`]),
      '\r\n',
    ].join('\r\n');
  }

  /** A connection to this server that nobody uses, if its address may be used. */
  #takeIdle(url: URL, depthMax: AddressDepth): HttpConnection | null {
    for (const [connection, timer] of this.#idle) {
      if (connection.origin !== url.origin) continue;
      if (this.#addresses.depthOf(connection.address) > depthMax) continue;
      clearTimeout(timer);
      this.#idle.delete(connection);
      connection.onGone = null;
      if (connection.isReusable) return connection;
    }
    return null;
  }

  #keep(connection: HttpConnection): void {
    if (!connection.isReusable) return;
    if (this.#idle.size >= IDLE_MAX) {
      connection.destroy();
      return;
    }
    const drop = (): void => {
      clearTimeout(timer);
      this.#idle.delete(connection);
    };
    const timer = setTimeout(() => {
      drop();
      connection.destroy();
    }, IDLE_MS);
    timer.unref();
    connection.onGone = drop;
    this.#idle.set(connection, timer);
  }
}

/** A request under way. */
interface Job {
  readonly request: RangeRequest;
  readonly sink: RangeSink;
  readonly signal: AbortSignal;
  connection: HttpConnection | null;
  isPaused: boolean;
}
