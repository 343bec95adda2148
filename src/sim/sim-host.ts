import type { Cancel, Clock } from '../ports.ts';
import { assert } from '../util/assert.ts';
import type { PeerAddress } from '../util/ip.ts';
import type { PeerLink } from '../wire/link.ts';
import { Downlink } from './downlink.ts';
import type { Path } from './flow.ts';
import { Uplink } from './uplink.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** The first port that hosts dial from: RFC 6335 leaves 49152 and up to short-lived ones. */
const EPHEMERAL_PORT_MIN = 49_152;
const EPHEMERAL_PORTS = 65_536 - EPHEMERAL_PORT_MIN;

export interface HostOptions {
  /** IP address. */
  readonly ip?: string;
  /** The port its client listens on. Default: 6881. */
  readonly port?: number;
  /** Bytes per second that it can send. Default: Infinity. */
  readonly upBytesPerSec?: number;
  /** Bytes per second that it can receive. Default: Infinity. */
  readonly downBytesPerSec?: number;
  /** Milliseconds from here to the middle of the network; two hosts are the sum of theirs apart. Default: 5. */
  readonly latencyMs?: number;
  /** False: behind a firewall that lets nobody in. Default: true. */
  readonly isReachable?: boolean;
}

/** One machine on the network. */
export class SimHost {
  readonly address: PeerAddress;
  readonly uplink: Uplink;
  readonly downlink: Downlink;
  readonly isReachable: boolean;
  readonly #clock: VirtualClock;
  latencyMs: number;
  /** Hosts of different sides do not reach each other. */
  side = 0;
  #isOnline = true;
  #process: SimProcess | null = null;
  #dialled = 0;

  constructor(clock: VirtualClock, ip: string, options: HostOptions, grainMs = 0) {
    this.#clock = clock;
    this.address = { host: ip, port: options.port ?? 6881 };
    this.uplink = new Uplink(clock, options.upBytesPerSec ?? Infinity, grainMs);
    this.downlink = new Downlink(clock, options.downBytesPerSec ?? Infinity);
    this.latencyMs = options.latencyMs ?? 5;
    this.isReachable = options.isReachable ?? true;
  }

  /** The client that runs here, if any. */
  get process(): SimProcess | null {
    return this.#process;
  }

  /** Starts a client; the one before must have ended. */
  start(): SimProcess {
    assert(this.#process?.isRunning !== true, `a client already runs on ${this.address.host}`);
    this.#process = new SimProcess(this.#clock, this);
    return this.#process;
  }

  /** Power or cable gone: from this turn on nobody hears of it again, and nothing runs on it. */
  vanish(): void {
    this.#isOnline = false;
    this.uplink.shutDown();
    this.downlink.shutDown();
    this.#process?.stop();
  }

  reaches(other: SimHost): boolean {
    return this.#isOnline && other.#isOnline && this.side === other.side;
  }

  latencyTo(other: SimHost): number {
    return this.latencyMs + other.latencyMs;
  }

  pathTo(other: SimHost): Path {
    return new HostPath(this, other);
  }

  /** Where the next connection from here comes from. */
  nextSource(): PeerAddress {
    return { host: this.address.host, port: EPHEMERAL_PORT_MIN + (this.#dialled++ % EPHEMERAL_PORTS) };
  }
}

class HostPath implements Path {
  readonly #from: SimHost;
  readonly #to: SimHost;

  constructor(from: SimHost, to: SimHost) {
    this.#from = from;
    this.#to = to;
  }

  get latencyMs(): number {
    return this.#from.latencyTo(this.#to);
  }

  isOpen(): boolean {
    return this.#from.reaches(this.#to);
  }
}

/** What a process has open, and the operating system closes behind it. */
export interface OpenHandle {
  /** The process is gone: release the other end, and call nothing of the process any more. */
  abandon(): void;
}

/** One run of a client on a host. */
export class SimProcess {
  readonly host: SimHost;
  /** Its view of time: after its end nothing it asked for happens. */
  readonly clock: Clock;
  /** Who takes inbound links, once somebody listens. */
  listener: ((link: PeerLink) => void) | null = null;
  readonly #open = new Set<OpenHandle>();
  #isRunning = true;

  constructor(clock: VirtualClock, host: SimHost) {
    this.host = host;
    this.clock = new ProcessClock(clock, this);
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  opened(handle: OpenHandle): void {
    this.#open.add(handle);
  }

  closed(handle: OpenHandle): void {
    this.#open.delete(handle);
  }

  /** Ends it as `kill -9` does: nothing of it runs any more, and its connections are closed. */
  kill(): void {
    this.stop();
    for (const handle of this.#open) handle.abandon();
    this.#open.clear();
  }

  /** Nothing of it runs any more, and nobody is told. */
  stop(): void {
    this.#isRunning = false;
    this.listener = null;
  }
}

class ProcessClock implements Clock {
  readonly #clock: VirtualClock;
  readonly #process: SimProcess;

  constructor(clock: VirtualClock, process: SimProcess) {
    this.#clock = clock;
    this.#process = process;
  }

  now(): number {
    return this.#clock.now();
  }

  at(time: number, fn: () => void): Cancel {
    return this.#clock.at(time, () => {
      if (this.#process.isRunning) fn();
    });
  }
}
