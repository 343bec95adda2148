import type { Cancel, PeerTransport } from '../ports.ts';
import type { PeerAddress } from '../util/ip.ts';
import { ByteLink } from '../wire/byte-link.ts';
import type { PeerLink } from '../wire/link.ts';
import type { SimNetwork } from './network.ts';
import type { SimHost, SimProcess } from './sim-host.ts';
import { SimLink } from './sim-link.ts';
import { SimStream } from './sim-stream.ts';

/** Makes connections over the simulated network, for one run of a client. */
export class SimTransport implements PeerTransport {
  readonly #network: SimNetwork;
  readonly #process: SimProcess;

  constructor(network: SimNetwork, process: SimProcess) {
    this.#network = network;
    this.#process = process;
  }

  get listenPort(): number {
    return this.#process.host.address.port;
  }

  onInbound(listener: (link: PeerLink) => void): void {
    this.#process.listener = listener;
  }

  dial(
    to: PeerAddress,
    timeoutMs: number,
    done: (result: PeerLink | 'connect-failed' | 'connect-timeout') => void,
  ): Cancel {
    const attempt = new DialAttempt(this.#network, this.#process, done);
    attempt.start(to, timeoutMs);
    return attempt;
  }
}

/**
 * The three steps of a TCP connect: the call reaches the other host after the path's latency, its listener gets the
 * link, and we learn of it one latency later. A host that cannot be reached answers nothing; one that can but has no
 * listener at the port refuses.
 */
class DialAttempt implements Cancel {
  readonly #network: SimNetwork;
  readonly #process: SimProcess;
  #done: ((result: PeerLink | 'connect-failed' | 'connect-timeout') => void) | null;
  #timeout: Cancel | null = null;
  #link: PeerLink | null = null;

  constructor(
    network: SimNetwork,
    process: SimProcess,
    done: (result: PeerLink | 'connect-failed' | 'connect-timeout') => void,
  ) {
    this.#network = network;
    this.#process = process;
    this.#done = done;
  }

  start(to: PeerAddress, timeoutMs: number): void {
    const clock = this.#process.clock;
    this.#timeout = clock.at(clock.now() + timeoutMs, () => this.#end('connect-timeout'));
    const host = this.#network.hostAt(to.host);
    if (host === undefined || !(host.isReachable || host === this.#process.host)) return;
    this.#network.clock.at(clock.now() + this.#process.host.latencyTo(host), () => {
      this.#arrive(host, to.port);
    });
  }

  cancel(): void {
    this.#done = null;
    this.#timeout?.cancel();
    this.#link?.close('shutdown');
  }

  /** The call reaches the other host. */
  #arrive(host: SimHost, port: number): void {
    if (this.#done === null || !this.#process.isRunning || !this.#process.host.reaches(host)) return;
    const clock = this.#process.clock;
    const answerAt = clock.now() + this.#process.host.latencyTo(host);
    const callee = host.process;
    const listener = callee?.listener ?? null;
    if (callee === null || listener === null || host.address.port !== port) {
      clock.at(answerAt, () => this.#end('connect-failed'));
      return;
    }
    const { near, far } = connect(this.#network, this.#process, callee);
    this.#link = near;
    clock.at(answerAt, () => this.#end(near));
    listener(far);
  }

  #end(result: PeerLink | 'connect-failed' | 'connect-timeout'): void {
    const done = this.#done;
    if (done === null) return;
    this.#done = null;
    this.#timeout?.cancel();
    if (typeof result === 'string') this.#link?.close(result);
    this.#link = null;
    done(result);
  }
}

/** Both ends of a new link. */
function connect(
  network: SimNetwork,
  from: SimProcess,
  to: SimProcess,
): { readonly near: PeerLink; readonly far: PeerLink } {
  if (network.fidelity === 'messages') return SimLink.connect(network, from, to);
  const { near, far } = SimStream.connect(network, from, to);
  return { near: new ByteLink(near), far: new ByteLink(far) };
}
