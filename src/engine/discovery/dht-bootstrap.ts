import type { DhtNode } from '../../dht/dht-node.ts';
import type { Clock, Resolver } from '../../ports.ts';
import type { HostPort } from '../../util/host-port.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { isDialable } from '../../util/ip.ts';
import { Chain } from './chain.ts';

/** Nobody answered: again after this, then twice as late each time. */
const RETRY_FIRST_MS = 2000;
const RETRY_LAST_MS = 5 * 60_000;
/** Addresses a name may have; each is asked. */
const ADDRESSES_PER_HOST_MAX = 4;
/** With fewer nodes than this it is worth looking once more. */
const NODES_ENOUGH = 8;

/** How the node of one family gets to know its first neighbours, and again when it has lost them all. */
export class DhtBootstrap {
  readonly #clock: Pick<Clock, 'now'>;
  readonly #node: DhtNode;
  readonly #resolver: Resolver | null;
  /** Their names are looked up anew each time. */
  readonly #hosts: readonly HostPort[];
  readonly #done: () => void;
  /** What the names led to. */
  #addresses: readonly PeerAddress[] = [];
  readonly #given: readonly PeerAddress[];
  readonly #chains: Chain[] = [];
  #nextAt: number;
  #retryMs = RETRY_FIRST_MS;
  #isRunning = false;

  /** @param done A search for neighbours has ended, whether it found any or not. */
  constructor(
    node: DhtNode,
    resolver: Resolver | null,
    start: { readonly hosts: readonly HostPort[]; readonly nodes: readonly PeerAddress[] },
    clock: Pick<Clock, 'now'>,
    done: () => void,
  ) {
    this.#clock = clock;
    this.#node = node;
    this.#resolver = resolver;
    this.#hosts = start.hosts;
    this.#given = start.nodes;
    this.#done = done;
    this.#nextAt = clock.now();
  }

  /** Addresses without ids, for lookups that know too few nodes. */
  get addresses(): readonly PeerAddress[] {
    return [...this.#given, ...this.#addresses];
  }

  nextDeadline(): number {
    return this.#isRunning || !this.#isNeeded ? Infinity : this.#nextAt;
  }

  onTime(now: number, resolved: (addresses: readonly PeerAddress[]) => void): void {
    if (now < this.nextDeadline()) return;
    this.#isRunning = true;
    const searched = this.#node.table.size;
    this.#node.findClosest(this.addresses, now, () => {
      this.#isRunning = false;
      this.#nextAt = this.#clock.now() + this.#retryMs;
      this.#retryMs = Math.min(RETRY_LAST_MS, 2 * this.#retryMs);
      if (this.#node.table.size > searched) this.#done();
    });
    this.#resolve(resolved);
  }

  stop(): void {
    for (const chain of this.#chains) chain.cancel();
  }

  get #isNeeded(): boolean {
    return this.#node.table.size < NODES_ENOUGH;
  }

  #resolve(resolved: (addresses: readonly PeerAddress[]) => void): void {
    this.stop();
    this.#chains.length = 0;
    const resolver = this.#resolver;
    if (resolver === null) return;
    this.#addresses = [];
    for (const { host, port } of this.#hosts) {
      const chain = new Chain();
      this.#chains.push(chain);
      chain.next(
        resolver.resolve(host, this.#node.family, (found) => {
          const addresses = found
            .slice(0, ADDRESSES_PER_HOST_MAX)
            .map((address) => ({ host: address, port }))
            .filter(isDialable);
          this.#addresses = [...this.#addresses, ...addresses];
          resolved(addresses);
        }),
      );
    }
  }
}
