import { DhtDriver, type DhtOptions, type DhtStart } from '../engine/discovery/dht-driver.ts';
import type { Ed25519 } from '../ports.ts';
import { DatagramNet, type DatagramNetOptions, type SimDatagrams } from './datagram-net.ts';
import { VirtualClock } from './virtual-clock.ts';
import { ipFamily, type PeerAddress } from '../util/ip.ts';
import { Rng } from '../util/rng.ts';

/** A host that takes part in the DHT. */
export interface SimDhtNode {
  readonly driver: DhtDriver;
  readonly socket: SimDatagrams;
  readonly address: PeerAddress;
}

/** Nodes of ours on simulated datagrams, each in a network of its own. */
export class SimDht {
  readonly clock = new VirtualClock();
  readonly rng: Rng;
  readonly net: DatagramNet;
  readonly nodes: SimDhtNode[] = [];
  readonly #hosts = new Map<string, readonly string[]>();
  /** Names looked up so far. */
  resolved = 0;

  readonly #ed25519: Ed25519 | null;

  constructor(seed: number, options: DatagramNetOptions & { readonly ed25519?: Ed25519 } = {}) {
    this.#ed25519 = options.ed25519 ?? null;
    this.rng = new Rng(seed);
    this.net = new DatagramNet(this.clock, this.rng.fork('net'), options);
  }

  /** @param addresses One per family; by default one IPv4 address of its own. */
  add(
    start: Partial<DhtStart> = {},
    options: DhtOptions & { addresses?: readonly PeerAddress[] } = {},
  ): SimDhtNode {
    const index = this.nodes.length;
    const addresses = options.addresses ?? [
      { host: `11.${(index >> 8) & 255}.${index & 255}.${1 + (index >> 16)}`, port: 6881 },
    ];
    const socket = this.net.open(addresses);
    const rng = this.rng.fork(`node ${index}`);
    const driver = new DhtDriver(
      {
        clock: this.clock,
        entropy: { bytes: (count) => Uint8Array.from({ length: count }, () => rng.below(256)) },
        datagrams: socket,
        resolver: {
          resolve: (host, family, done) => {
            this.resolved++;
            const found = (this.#hosts.get(host) ?? [host]).filter((each) => ipFamily(each) === family);
            return this.clock.at(this.clock.now(), () => done(found));
          },
        },
        ...(this.#ed25519 === null ? {} : { ed25519: this.#ed25519 }),
      },
      rng.fork('driver'),
      options,
    );
    driver.start({ hosts: start.hosts ?? [], nodes: start.nodes ?? [] });
    const node = { driver, socket, address: addresses[0]! };
    this.nodes.push(node);
    return node;
  }

  name(host: string, addresses: readonly string[]): void {
    this.#hosts.set(host, addresses);
  }

  /** `count` nodes that join one after another, each over one that is there. */
  grow(count: number, everyMs: number): void {
    for (let i = 0; i < count; i++) {
      const known = this.nodes.length === 0 ? [] : [this.nodes[this.rng.below(this.nodes.length)]!.address];
      this.add({ nodes: known });
      this.clock.run(this.clock.now() + everyMs);
    }
  }

  /** The host vanishes without a word. */
  kill(node: SimDhtNode): void {
    this.net.close(node.socket);
  }

  run(ms: number): void {
    this.clock.run(this.clock.now() + ms);
  }

  infoHash(): Uint8Array {
    return Uint8Array.from({ length: 20 }, () => this.rng.below(256));
  }
}
