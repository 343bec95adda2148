/**
 * The DHT (BEP 5) in a world of sockets and time: one node per address family (BEP 32), one timer for both, and the
 * searches of all torrents. A search begins with whatever nodes are known at that moment, and takes in those that turn up
 * while the network is still being explored.
 */
import type { Contact } from '../../dht/contact.ts';
import { DhtNode, type DhtTraffic } from '../../dht/dht-node.ts';
import { looksLikeKrpc } from '../../dht/krpc.ts';
import { readSavedState, SAVED_NODES_MAX, writeSavedState, type SavedFamily } from '../../dht/saved-state.ts';
import { sha1 } from '../../metainfo/info-hash.ts';
import type { Cancel, World } from '../../ports.ts';
import { EMPTY_BYTES, toHex } from '../../util/bytes.ts';
import { Heap } from '../../util/heap.ts';
import { type IpFamily, ipFamily, isDialable, type PeerAddress } from '../../util/ip.ts';
import { logger } from '../../util/log.ts';
import type { Rng } from '../../util/rng.ts';
import type { HostPort } from '../../util/host-port.ts';
import type { ExternalAddress } from '../external-address.ts';
import { Chain } from './chain.ts';
import { DhtBootstrap } from './dht-bootstrap.ts';
import { DhtFollow, type FollowHost } from './dht-follow.ts';
import { DhtOperations } from './dht-operations.ts';
import { NodeHints } from './node-hints.ts';
import type { Follow, FollowSubject, PeerFinder } from './peer-finder.ts';

const log = logger('dht');

/** Searches at once per family; more would only compete for the same budget of queries. */
const LOOKUPS_MAX = 50;
/** Names of nodes looked up at once; torrents may name any number between them. */
const NAMES_MAX = 64;
/** Our ids follow an address that so many name, as with nodes alone; else the first two liars would choose them. */
const ID_VOTES_MIN = 10;
/** Random bytes are drawn in advance: a query takes four of them. */
const RANDOM_POOL = 512;
/** `v` of our messages: client and version, as BEP 5 and BEP 20 have it. */
const VERSION = Uint8Array.of(0x54, 0x53, 0, 1); // TS 0.1

export type DhtWorld = Pick<World, 'clock' | 'entropy' | 'datagrams' | 'resolver' | 'ed25519'>;

export interface DhtOptions {
  /** What `savedState` gave in an earlier run. */
  readonly saved?: Uint8Array | null;
  /** Take other ids than those of `saved`, because somebody else has them. Default: false. */
  readonly newIds?: boolean;
  /** Where to begin; it then starts by itself, as soon as anybody needs it. Default: with `start`. */
  readonly startsFrom?: DhtStart;
  /** Where others see us, to be asked and told (BEP 42). Default: what nodes say is all there is. */
  readonly external?: ExternalAddress;
  /** Ask and never answer (BEP 43), for hosts that nobody can reach or that pay for traffic. Default: false. */
  readonly readOnly?: boolean;
  /** We accept peers at the port our datagrams come from, so nodes are to note that one (BEP 5). Default: false. */
  readonly impliedPort?: boolean;
}

export interface DhtStart {
  /** Names or addresses of nodes that introduce others. */
  readonly hosts: readonly HostPort[];
  /** Addresses of nodes. */
  readonly nodes: readonly PeerAddress[];
}

/** The node of one family, in numbers. */
export interface DhtFamilyStats extends Readonly<DhtTraffic> {
  readonly family: IpFamily;
  readonly id: string;
  /** Nodes of the table, and how many of them answered within 15 minutes. */
  readonly nodes: number;
  readonly goodNodes: number;
  readonly lookups: number;
  /** What others stored with us. */
  readonly storedTorrents: number;
  readonly storedPeers: number;
  readonly storedItems: number;
}

export class DhtDriver extends DhtOperations implements PeerFinder {
  readonly source = 'dht';
  readonly #world: DhtWorld;
  readonly #nodes: readonly DhtNode[];
  readonly #bootstraps = new Map<DhtNode, DhtBootstrap>();
  readonly #follows = new Map<string, Set<DhtFollow>>();
  /** By the time they want to look; entries whose time has changed are stale. */
  readonly #due = new Heap<DhtFollow>();
  readonly #followHost: FollowHost;
  readonly #startsFrom: DhtStart | null;
  readonly #isReadOnly: boolean;
  /** Nodes of an earlier run, for as long as none has answered in this one. */
  readonly #saved: ReadonlyMap<IpFamily, SavedFamily>;
  /** Names of nodes that are being looked up. */
  readonly #named = new Set<Chain>();
  readonly #hints = new NodeHints((address) => void this.ping(address, () => undefined));
  #subscription: Cancel | null = null;
  #timer: { readonly at: number; readonly cancel: Cancel } | null = null;
  #isRunning = false;
  #isStopped = false;

  constructor(world: DhtWorld, rng: Rng, options: DhtOptions = {}) {
    const nodes: DhtNode[] = [];
    super({
      nodes,
      clock: world.clock,
      ed25519: world.ed25519 ?? null,
      startAddresses: (node) => this.#startAddresses(node),
      onBegun: () => this.#arm(),
    });
    this.#world = world;
    this.#nodes = nodes;
    this.#startsFrom = options.startsFrom ?? null;
    this.#isReadOnly = options.readOnly ?? false;
    const { external } = options;
    this.#saved = readSavedState(options.saved ?? EMPTY_BYTES);
    const randomBytes = pooled((count) => world.entropy.bytes(count));
    for (const family of [4, 6] as const) {
      if (world.datagrams?.supports(family) !== true) continue;
      const earlier = this.#saved.get(family);
      const node = new DhtNode(
        {
          family,
          ownId: options.newIds === true ? null : (earlier?.id ?? null),
          sha1,
          signatures: world.ed25519 ?? null,
          randomBytes,
          rng: rng.fork(`dht${family}`),
          version: VERSION,
          readOnly: this.#isReadOnly,
          send: (bytes, to) => world.datagrams?.send(bytes, to),
          ownPort: (infoHash) => this.#ownPort(infoHash),
          onAnnounced: (infoHash, peer) => this.#onAnnounced(infoHash, peer),
          onForeignContacts: (contacts) => this.#onForeignContacts(contacts),
          onSeenAs: (voter, host) => external?.vote(voter.host, host),
          externalHost: () => external?.of(family, ID_VOTES_MIN) ?? null,
        },
        world.clock.now(),
      );
      for (const contact of earlier?.contacts ?? []) node.table.addUnconfirmed(contact);
      nodes.push(node);
    }
    const [first, second] = nodes;
    if (first !== undefined && second !== undefined) [first.sibling, second.sibling] = [second, first];
    this.#followHost = {
      nodes,
      startAddresses: (node) => this.#startAddresses(node),
      now: () => world.clock.now(),
      onRescheduled: (follow) => this.#schedule(follow),
      onStopped: (follow) => this.#forget(follow),
      impliedPort: options.impliedPort ?? false,
      rng: rng.fork('dht follows'),
    };
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** The port that nodes of this family reach us at; 0 if there is none, or nobody there would answer (BEP 43). */
  port(family: IpFamily): number {
    return this.#isRunning && !this.#isReadOnly ? (this.#world.datagrams?.localPort?.(family) ?? 0) : 0;
  }

  /** Starts, if it is to start by itself. */
  wake(): void {
    if (this.#startsFrom !== null) this.start(this.#startsFrom);
  }

  /** Begins to speak and to answer. */
  start(start: DhtStart): void {
    if (this.#isRunning || this.#isStopped) return;
    this.#isRunning = true;
    const { datagrams, clock, resolver } = this.#world;
    datagrams?.open?.();
    this.#subscription = datagrams?.onMessage((bytes, from) => this.#onMessage(bytes, from)) ?? null;
    for (const node of this.#nodes) {
      const nodes = start.nodes.filter((each) => isDialable(each) && ipFamily(each.host) === node.family);
      const bootstrap = new DhtBootstrap(node, resolver, { hosts: start.hosts, nodes }, clock, () => {
        log('IPv%d: %d nodes known', node.family, node.table.size);
        for (const follows of this.#follows.values()) for (const follow of follows) follow.onNetworkGrew();
      });
      this.#bootstraps.set(node, bootstrap);
    }
    this.#arm();
  }

  /** Somebody says that there is a node (a PORT message of BEP 5, the `nodes` of a torrent): it is asked in its turn. */
  addNode(address: PeerAddress): void {
    if (!this.#isRunning || !isDialable(address)) return;
    this.#hints.add(address, this.#world.clock.now());
    this.#arm();
  }

  /** The same of one whose host may be a name. */
  addHost({ host, port }: HostPort): void {
    if (ipFamily(host) !== 0) this.addNode({ host, port });
    else for (const { family } of this.#nodes) this.#addNamed(host, port, family);
  }

  follow(infoHash: Uint8Array, subject: FollowSubject): Follow {
    this.wake();
    for (const host of subject.nodes ?? []) this.addHost(host);
    const follow = new DhtFollow(this.#followHost, infoHash, subject);
    const key = toHex(infoHash);
    const follows = this.#follows.get(key) ?? new Set();
    this.#follows.set(key, follows.add(follow));
    this.#schedule(follow);
    return follow;
  }

  /** What to give to the constructor next time: our ids and nodes that answered. */
  savedState(): Uint8Array {
    const families = this.#nodes.map((node) => {
      const contacts = node.table.closest(node.id, SAVED_NODES_MAX, (each) => each.isNameable);
      // Where there was no network, there was nobody to answer: that is no reason to forget them.
      const earlier = this.#saved.get(node.family)?.contacts ?? [];
      return [node.family, { id: node.id, contacts: contacts.length > 0 ? contacts : earlier }] as const;
    });
    return writeSavedState(new Map(families));
  }

  stats(): DhtFamilyStats[] {
    const now = this.#world.clock.now();
    return this.#nodes.map((node) => ({
      ...node.traffic,
      family: node.family,
      id: toHex(node.id),
      nodes: node.table.size,
      goodNodes: [...node.table.nodes()].filter((each) => each.isGood(now)).length,
      lookups: node.lookupCount,
      storedTorrents: node.peers.torrentCount,
      storedPeers: node.peers.peerCount,
      storedItems: node.items.size,
    }));
  }

  /** Ends all searches without a word; nothing is sent or heard afterwards. Idempotent. */
  stop(done: () => void): void {
    this.#isRunning = false;
    this.#isStopped = true;
    for (const name of this.#named) name.cancel();
    this.#subscription?.cancel();
    this.#timer?.cancel.cancel();
    this.#timer = null;
    for (const bootstrap of this.#bootstraps.values()) bootstrap.stop();
    for (const follows of [...this.#follows.values()]) for (const follow of [...follows]) follow.stop();
    for (const node of this.#nodes) node.stop();
    this.#world.clock.at(this.#world.clock.now(), done);
  }

  #onMessage(bytes: Uint8Array, from: PeerAddress): boolean {
    if (!looksLikeKrpc(bytes)) return false;
    const family = ipFamily(from.host);
    this.#nodes.find((node) => node.family === family)?.receive(bytes, from, this.#world.clock.now());
    this.#arm();
    return true;
  }

  #onTime(): void {
    this.#timer = null;
    const now = this.#world.clock.now();
    this.#hints.onTime(now);
    for (const node of this.#nodes) {
      if (Math.min(node.nextDeadline(), node.budgetDeadline(now)) <= now) node.onTime(now);
    }
    for (const [node, bootstrap] of this.#bootstraps) {
      bootstrap.onTime(now, (addresses) => {
        node.offerAddresses(addresses, this.#world.clock.now());
        this.#arm();
      });
    }
    this.#lookForDue(now);
    this.#arm();
  }

  #lookForDue(now: number): void {
    while (this.#hasRoom() && this.#nextDueAt() <= now) this.#due.pop()!.look(now);
  }

  /** Sets the timer for whatever comes first. One that is set too early costs one turn, so it is left alone. */
  #arm(): void {
    if (!this.#isRunning) return;
    const { clock } = this.#world;
    const now = clock.now();
    let next = Math.min(this.#hasRoom() ? this.#nextDueAt() : Infinity, this.#hints.nextDeadline());
    for (const node of this.#nodes) next = Math.min(next, node.nextDeadline(), node.budgetDeadline(now));
    for (const bootstrap of this.#bootstraps.values()) next = Math.min(next, bootstrap.nextDeadline());
    if (next === Infinity || (this.#timer !== null && this.#timer.at <= next)) return;
    this.#timer?.cancel.cancel();
    this.#timer = { at: next, cancel: clock.at(next, () => this.#onTime()) };
  }

  #hasRoom(): boolean {
    return this.#nodes.every((node) => node.lookupCount < LOOKUPS_MAX);
  }

  #nextDueAt(): number {
    while (this.#due.size > 0 && this.#due.min!.nextAt !== this.#due.minKey) this.#due.pop();
    return this.#due.minKey;
  }

  #addNamed(name: string, port: number, family: IpFamily): void {
    const { resolver } = this.#world;
    if (resolver === null || this.#named.size >= NAMES_MAX) return;
    const chain = new Chain();
    this.#named.add(chain);
    chain.next(
      resolver.resolve(name, family, ([host]) => {
        this.#named.delete(chain);
        if (host !== undefined) this.addNode({ host, port });
      }),
    );
  }

  #schedule(follow: DhtFollow): void {
    this.#due.push(follow.nextAt, follow);
    this.#arm();
  }

  #forget(follow: DhtFollow): void {
    const key = toHex(follow.infoHash);
    const follows = this.#follows.get(key);
    follows?.delete(follow);
    if (follows?.size === 0) this.#follows.delete(key);
  }

  #startAddresses(node: DhtNode): readonly PeerAddress[] {
    return this.#bootstraps.get(node)?.addresses ?? [];
  }

  #ownPort(infoHash: Uint8Array): number {
    const [follow] = this.#follows.get(toHex(infoHash)) ?? [];
    return follow?.subject.port() ?? 0;
  }

  /** Whoever announces to us is a peer, too, and the first to know is us. */
  #onAnnounced(infoHash: Uint8Array, peer: PeerAddress): void {
    for (const follow of [...(this.#follows.get(toHex(infoHash)) ?? [])]) follow.onPeers([peer]);
  }

  #onForeignContacts(contacts: readonly Contact[]): void {
    const family = ipFamily(contacts[0]!.address.host);
    const node = this.#nodes.find((each) => each.family === family);
    node?.onForeignNamed(contacts, this.#world.clock.now());
  }
}

/** Draws from a supply, which is renewed when it runs out. */
function pooled(draw: (count: number) => Uint8Array): (count: number) => Uint8Array {
  let pool = new Uint8Array(0);
  return (count) => {
    if (count > pool.length) pool = Uint8Array.from(draw(Math.max(RANDOM_POOL, count)));
    const taken = pool.slice(0, count);
    pool = pool.subarray(count);
    return taken;
  };
}
