import { TrackerError } from '../errors.ts';
import type { Cancel, HttpPort, HttpRequest, HttpResponse } from '../ports.ts';
import { ipFamily } from '../util/ip.ts';
import type { SimProcess } from './sim-host.ts';

/** A web server of the simulated world. */
export interface WebServer {
  /** Milliseconds from here to the middle of the network. */
  readonly latencyMs: number;
  /** @param target Path and query. @param from The address of who asks. */
  answer(target: string, from: string): HttpResponse;
}

/** The web, by host and port as they stand in URLs. */
export type SimWeb = Map<string, WebServer>;

/** The bytes of requests and answers are few, so they cost time but no rate. */
export class SimHttp implements HttpPort {
  readonly #web: SimWeb;
  readonly #process: SimProcess;

  constructor(web: SimWeb, process: SimProcess) {
    this.#web = web;
    this.#process = process;
  }

  get(request: HttpRequest, done: (result: HttpResponse | TrackerError) => void): Cancel {
    const { clock, host } = this.#process;
    const start = clock.now();
    const url = /^https?:\/\/([^/]+)(\/.*)$/.exec(request.url);
    const server = url === null ? undefined : this.#web.get(url[1]!);
    const fail = (why: string) => done(new TrackerError(`${request.url}: ${why}`, request.url));
    // A host has one address, and so one family.
    const speaks = request.family === undefined || request.family === ipFamily(host.address.host);
    if (!speaks) return clock.at(start, () => fail('no address of this family'));
    if (url === null || server === undefined) return clock.at(start, () => fail('no such server'));
    const oneWayMs = host.latencyMs + server.latencyMs;
    if (2 * oneWayMs > request.timeoutMs) return clock.at(start + request.timeoutMs, () => fail('timed out'));
    let step = clock.at(start + oneWayMs, () => {
      const response = server.answer(url[2]!, host.address.host);
      step = clock.at(start + 2 * oneWayMs, () => {
        if (response.body.length > request.maxBytes) fail(`more than ${request.maxBytes} bytes`);
        else done(response);
      });
    });
    return { cancel: () => step.cancel() };
  }
}
