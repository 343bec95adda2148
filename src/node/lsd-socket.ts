import type { RemoteInfo, Socket } from 'node:dgram';
import { BlockList } from 'node:net';
import { networkInterfaces } from 'node:os';
import { LSD_GROUPS } from '../lsd/lsd.ts';
import type { Cancel, MulticastPort } from '../ports.ts';
import { canonicalIp, ipFamily, type IpFamily, type PeerAddress } from '../util/ip.ts';
import { logger } from '../util/log.ts';
import { datagramSocket } from './datagram-socket.ts';

const log = logger('lsd');

/** Neighbours are on the same network: no router need pass this on. */
const TTL = 1;
/** Interfaces used; machines with more have them for virtual machines and containers. */
const INTERFACES_MAX = 16;

/** An address of this machine on some network. */
export interface LocalAddress {
  readonly interface: string;
  readonly host: string;
  /** Bits of the network's part of it. */
  readonly prefix: number;
  /** Loopback. */
  readonly internal: boolean;
}

export interface LsdSocketOptions {
  /** Speak and hear on the network of this address only; its family is then the only one. Default: all but loopback. */
  readonly host?: string | null;
  /** Default: 6771 (BEP 14). */
  readonly port?: number;
  /** The addresses of this machine, asked for again before each datagram: networks come and go. */
  readonly addresses?: () => readonly LocalAddress[];
}

/**
 * Multicast on the networks that this machine is on (BEP 14), with one socket per family to hear and one per address to
 * speak, because which network a datagram leaves by is a property of its socket. Where there is no network, or no
 * multicast on it, nothing is heard and nothing said.
 */
export class LsdSocket implements MulticastPort {
  readonly #host: string | null;
  readonly #port: number;
  readonly #addresses: () => readonly LocalAddress[];
  readonly #receivers = new Set<(bytes: Uint8Array, from: PeerAddress) => void>();
  readonly #ears = new Map<IpFamily, Ear>();
  /** By address. */
  readonly #mouths = new Map<string, Socket>();
  #neighbours = new BlockList();

  constructor(options: LsdSocketOptions = {}) {
    this.#host = options.host ?? null;
    this.#port = options.port ?? LSD_GROUPS[4].port;
    this.#addresses = options.addresses ?? localAddresses;
  }

  send(bytes: Uint8Array, family: IpFamily): void {
    const addresses = this.#lookAround();
    for (const address of addresses) {
      if (ipFamily(address.host) !== family) continue;
      const socket = this.#mouths.get(address.host) ?? this.#openMouth(address, family);
      // Until the socket is bound, Node keeps what is sent.
      socket.send(bytes, this.#port, LSD_GROUPS[family].host, (error) => {
        if (error) log('from %s: %s', address.host, error.message);
      });
    }
  }

  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => void): Cancel {
    const own = (bytes: Uint8Array, from: PeerAddress): void => receiver(bytes, from);
    this.#receivers.add(own);
    this.#lookAround();
    return {
      cancel: () => {
        if (this.#receivers.delete(own) && this.#receivers.size === 0) this.#closeAll();
      },
    };
  }

  close(): void {
    this.#receivers.clear();
    this.#closeAll();
  }

  #closeAll(): void {
    for (const ear of this.#ears.values()) ear.socket.close();
    for (const mouth of this.#mouths.values()) mouth.close();
    this.#ears.clear();
    this.#mouths.clear();
  }

  /** Finds out which networks there are, and hears on all of them. */
  #lookAround(): readonly LocalAddress[] {
    const addresses = addressesFor(this.#host, this.#addresses());
    const neighbours = new BlockList();
    for (const { host, prefix } of addresses)
      neighbours.addSubnet(host, prefix, ipFamily(host) === 4 ? 'ipv4' : 'ipv6');
    this.#neighbours = neighbours;
    for (const [host, mouth] of this.#mouths) {
      if (addresses.some((address) => address.host === host)) continue;
      this.#mouths.delete(host);
      mouth.close();
    }
    if (this.#receivers.size === 0) return addresses;
    for (const family of [4, 6] as const) {
      const own = addresses.filter(({ host }) => ipFamily(host) === family);
      if (own.length > 0) (this.#ears.get(family) ?? this.#openEar(family)).join(own);
    }
    return addresses;
  }

  #openEar(family: IpFamily): Ear {
    const socket = datagramSocket(family, { reuseAddr: true });
    const ear = new Ear(socket, family);
    this.#ears.set(family, ear);
    socket.on('error', (error) => {
      log('IPv%d: %s', family, error.message);
      // The next look around opens another one.
      if (this.#ears.get(family) === ear) this.#ears.delete(family);
      socket.close();
    });
    socket.on('message', (bytes, from) => this.#onMessage(bytes, from));
    socket.bind({ port: this.#port, exclusive: true });
    return ear;
  }

  #openMouth({ host, interface: name }: LocalAddress, family: IpFamily): Socket {
    const socket = datagramSocket(family);
    this.#mouths.set(host, socket);
    socket.on('error', (error) => {
      log('%s: %s', host, error.message);
      if (this.#mouths.get(host) === socket) this.#mouths.delete(host);
      socket.close();
    });
    socket.on('listening', () => {
      attempt(`speak on ${host}`, () => {
        socket.setMulticastInterface(family === 4 ? host : `::%${name}`);
        socket.setMulticastTTL(TTL);
        // Other clients on this machine are neighbours too.
        socket.setMulticastLoopback(true);
      });
    });
    socket.bind({ address: host, port: 0, exclusive: true });
    return socket;
  }

  #onMessage(bytes: Uint8Array, { address, port }: RemoteInfo): void {
    const host = canonicalIp(address);
    // What comes from another network is no neighbour's, whoever it says it is.
    if (host === null || !this.#neighbours.check(host, ipFamily(host) === 4 ? 'ipv4' : 'ipv6')) return;
    for (const receiver of [...this.#receivers]) receiver(bytes, { host, port });
  }
}

/**
 * Those of our addresses that stand for a network to speak and hear on, for a client that listens at `host` (null: at
 * all). BEP 14: wherever peers can reach us, and nowhere else. An IPv6 address that is valid on one link alone is no
 * place to dial.
 */
export function addressesFor(host: string | null, addresses: readonly LocalAddress[]): LocalAddress[] {
  const meant = addresses.filter((address) => {
    const family = ipFamily(address.host);
    if (family === 0 || address.host.startsWith('fe80:')) return false;
    if (host === null || host === '::') return !address.internal;
    if (host === '0.0.0.0') return family === 4 && !address.internal;
    return address.host === canonicalIp(host);
  });
  return meant.slice(0, INTERFACES_MAX);
}

/** A socket that hears a group, on each network that it has joined it on. */
class Ear {
  readonly socket: Socket;
  readonly #family: IpFamily;
  readonly #joined = new Set<string>();
  #isBound = false;
  #wanted: readonly LocalAddress[] = [];

  constructor(socket: Socket, family: IpFamily) {
    this.socket = socket;
    this.#family = family;
    socket.on('listening', () => {
      this.#isBound = true;
      this.join(this.#wanted);
    });
  }

  join(addresses: readonly LocalAddress[]): void {
    this.#wanted = addresses;
    if (!this.#isBound) return;
    for (const { host, interface: name } of addresses) {
      // IPv4 names a network by our address on it, IPv6 by its interface.
      const where = this.#family === 4 ? host : `::%${name}`;
      if (this.#joined.has(where)) continue;
      this.#joined.add(where);
      attempt(`hear on ${where}`, () => this.socket.addMembership(LSD_GROUPS[this.#family].host, where));
    }
  }
}

/** Not every network takes part; that is no reason to say anything to anybody. */
function attempt(what: string, act: () => void): void {
  try {
    act();
  } catch (error) {
    log('cannot %s: %s', what, (error as Error).message);
  }
}

function localAddresses(): LocalAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, infos]) =>
    (infos ?? []).flatMap(({ address, cidr, internal }) =>
      cidr === null
        ? []
        : [
            {
              interface: name,
              host: canonicalIp(address) ?? address,
              prefix: Number(cidr.split('/')[1]),
              internal,
            },
          ],
    ),
  );
}
