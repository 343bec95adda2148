import type { Cancel, DatagramPort } from '../ports.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';
import { addressKey, ipFamily } from '../util/ip.ts';
import type { Rng } from '../util/rng.ts';
import type { VirtualClock } from './virtual-clock.ts';

export interface DatagramNetOptions {
  /** Milliseconds from sender to receiver. Default: 25. */
  readonly delayMs?: number;
  /** Up to so much more, by chance, which also changes the order. Default: 0. */
  readonly jitterMs?: number;
  /** Share of datagrams that vanish, 0 to 1. Default: 0. */
  readonly loss?: number;
}

/** Datagrams between simulated hosts: late, out of order or lost, as UDP has it. */
export class DatagramNet {
  readonly #clock: VirtualClock;
  readonly #rng: Rng;
  readonly #delayMs: number;
  readonly #jitterMs: number;
  readonly #loss: number;
  readonly #sockets = new Map<string, SimDatagrams>();
  #sent = 0;
  #sentBytes = 0;

  constructor(clock: VirtualClock, rng: Rng, options: DatagramNetOptions = {}) {
    this.#clock = clock;
    this.#rng = rng;
    this.#delayMs = options.delayMs ?? 25;
    this.#jitterMs = options.jitterMs ?? 0;
    this.#loss = options.loss ?? 0;
  }

  /** Datagrams sent so far, lost ones included. */
  get sent(): number {
    return this.#sent;
  }

  get sentBytes(): number {
    return this.#sentBytes;
  }

  /** Opens a socket per address; at most one address of each family. */
  open(addresses: readonly PeerAddress[]): SimDatagrams {
    const socket = new SimDatagrams(this, addresses);
    for (const address of addresses) this.#sockets.set(addressKey(address), socket);
    return socket;
  }

  /** The socket neither sends nor receives from now on; what is under way to it is lost. */
  close(socket: SimDatagrams): void {
    for (const [key, each] of this.#sockets) if (each === socket) this.#sockets.delete(key);
  }

  carry(bytes: Uint8Array, from: PeerAddress, to: PeerAddress): void {
    this.#sent++;
    this.#sentBytes += bytes.length;
    if (!this.#sockets.has(addressKey(from))) return;
    if (this.#loss > 0 && this.#rng.float() < this.#loss) return;
    const datagram = Uint8Array.from(bytes);
    const delay = this.#delayMs + (this.#jitterMs > 0 ? this.#rng.float() * this.#jitterMs : 0);
    this.#clock.at(this.#clock.now() + delay, () => {
      this.#sockets.get(addressKey(to))?.deliver(datagram, from);
    });
  }
}

/** The sockets of one simulated host. */
export class SimDatagrams implements DatagramPort {
  readonly #net: DatagramNet;
  readonly #addresses = new Map<IpFamily | 0, PeerAddress>();
  readonly #receivers = new Set<(bytes: Uint8Array, from: PeerAddress) => boolean>();

  constructor(net: DatagramNet, addresses: readonly PeerAddress[]) {
    this.#net = net;
    for (const address of addresses) this.#addresses.set(ipFamily(address.host), address);
  }

  supports(family: IpFamily): boolean {
    return this.#addresses.has(family);
  }

  send(bytes: Uint8Array, to: PeerAddress): void {
    const from = this.#addresses.get(ipFamily(to.host));
    if (from !== undefined) this.#net.carry(bytes, from, to);
  }

  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => boolean): Cancel {
    const own = (bytes: Uint8Array, from: PeerAddress): boolean => receiver(bytes, from);
    this.#receivers.add(own);
    return { cancel: () => this.#receivers.delete(own) };
  }

  deliver(bytes: Uint8Array, from: PeerAddress): void {
    for (const receiver of this.#receivers) if (receiver(bytes, from)) return;
  }
}
