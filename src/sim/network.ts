import { SimHost, type HostOptions } from './sim-host.ts';
import { Trace } from './trace.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** Bytes that one direction of a connection may have under way; a well-tuned TCP on today's systems has megabytes. */
const WINDOW_BYTES = 1_048_576;

export interface NetworkOptions {
  /** Bytes that one direction of a connection may have under way. Default: 1 MiB. */
  readonly windowBytes?: number;
  /**
   * Blocks arrive in two parts with other messages between them, as they do on a real network, at twice the cost.
   * Default: false.
   */
  readonly splitBlocks?: boolean;
  /**
   * Messages smaller than a packet arrive at multiples of this many milliseconds, and those of one instant cost one
   * event together. Large swarms run faster so, and every answer comes up to that much later. Default: 0, each at its
   * own time.
   */
  readonly grainMs?: number;
  /**
   * What links carry: messages as calls, which is fast, or bytes, through the real encoder and decoder, cut into chunks
   * by chance. With bytes `carryContent` is on and `splitBlocks` says nothing. Default: messages.
   */
  readonly fidelity?: 'messages' | 'bytes';
  /** Links carry the content of blocks and not only what stands for it, at the cost of copies. Default: false. */
  readonly carryContent?: boolean;
}

/** All hosts, and what lies between them. */
export class SimNetwork {
  readonly clock: VirtualClock;
  readonly trace: Trace;
  readonly windowBytes: number;
  readonly splitBlocks: boolean;
  readonly carryContent: boolean;
  readonly fidelity: 'messages' | 'bytes';
  readonly #grainMs: number;
  readonly #hosts = new Map<string, SimHost>();
  #linkCount = 0;

  constructor(clock: VirtualClock, trace: Trace = new Trace(), options: NetworkOptions = {}) {
    this.clock = clock;
    this.trace = trace;
    this.windowBytes = options.windowBytes ?? WINDOW_BYTES;
    this.splitBlocks = options.splitBlocks ?? false;
    this.fidelity = options.fidelity ?? 'messages';
    this.carryContent = options.carryContent ?? this.fidelity === 'bytes';
    this.#grainMs = options.grainMs ?? 0;
  }

  get hosts(): Iterable<SimHost> {
    return this.#hosts.values();
  }

  /**
   * Adds a host. Those that name no address get one of 11.0.0.0/8, each in a /24 of its own: no rule about local
   * networks holds there, and what depends on the network (the allowed fast set of BEP 6) differs from host to host.
   */
  addHost(options: HostOptions = {}): SimHost {
    const index = this.#hosts.size;
    const ip = options.ip ?? `11.${(index >> 8) & 255}.${index & 255}.${1 + (index >> 16)}`;
    const host = new SimHost(this.clock, ip, options, this.#grainMs);
    this.#hosts.set(ip, host);
    return host;
  }

  hostAt(ip: string): SimHost | undefined {
    return this.#hosts.get(ip);
  }

  nextLinkId(): number {
    return this.#linkCount++;
  }

  /** Cuts the network: these hosts no longer reach the others. What is in flight still arrives. */
  split(side: Iterable<SimHost>): void {
    for (const host of side) host.side = 1;
  }

  /** Makes the network whole: what waited at the cut goes on. */
  heal(): void {
    for (const host of this.#hosts.values()) host.side = 0;
    for (const host of this.#hosts.values()) host.uplink.retryStalled();
  }
}
