import { K } from '../../dht/bucket.ts';
import type { Answered, Lookup } from '../../dht/lookup.ts';
import type { DhtNode } from '../../dht/dht-node.ts';
import { GetPeersTask } from '../../dht/tasks/get-peers-task.ts';
import { addressKey, type PeerAddress } from '../../util/ip.ts';
import type { Rng } from '../../util/rng.ts';
import type { Follow, FollowSubject } from './peer-finder.ts';

/** Nodes forget a peer after 30 minutes or later; clients come back every 15 to 28. */
const ANNOUNCE_EVERY_MS = 15 * 60_000;
/** A torrent that needs peers looks again this soon, then twice as late each time: others may just be starting, too. */
const HUNGRY_FIRST_MS = 5000;
const HUNGRY_LAST_MS = 2 * 60_000;
/** So long trackers have to find peers. */
const TRACKERS_FIRST_MS = 3000;
/** If they did, more are looked for, and the torrent is made known, when the first rush is over. */
const RUSH_MS = 30_000;
/** So that many torrents started together do not stay together. */
const JITTER = 0.2;
/** Nodes remembered as announced to; the closest ones change slowly. */
const ANNOUNCED_MAX = 64;
/** Peers taken from our own store. */
const OWN_STORE_PEERS = 100;

/** What a follow needs of the driver. */
export interface FollowHost {
  readonly nodes: readonly DhtNode[];
  /** Where lookups begin that know too few nodes. */
  startAddresses(node: DhtNode): readonly PeerAddress[];
  now(): number;
  /** `nextAt` has changed. */
  onRescheduled(follow: DhtFollow): void;
  onStopped(follow: DhtFollow): void;
  /** Peers reach us at the port that our datagrams come from, whichever that is to them. */
  readonly impliedPort: boolean;
  readonly rng: Rng;
}

/** The search for the peers of one torrent, and our announces of it. */
export class DhtFollow implements Follow {
  readonly infoHash: Uint8Array;
  readonly subject: FollowSubject;
  readonly #host: FollowHost;
  readonly #lookups = new Set<Lookup>();
  /** When we last announced to a node, by its address. */
  readonly #announced = new Map<string, number>();
  #nextAt: number;
  #startedAt = -Infinity;
  #hungryGap = HUNGRY_FIRST_MS;
  #unsettled = 0;
  #hasWaited = false;
  #isStopped = false;

  constructor(host: FollowHost, infoHash: Uint8Array, subject: FollowSubject) {
    this.#host = host;
    this.infoHash = infoHash;
    this.subject = subject;
    this.#nextAt =
      host.now() + (subject.mayWait === true ? TRACKERS_FIRST_MS * (1 + JITTER * host.rng.float()) : 0);
  }

  /** When to look next; Infinity while looking, or stopped. */
  get nextAt(): number {
    return this.#isStopped ? Infinity : this.#nextAt;
  }

  get #letsTrackersTry(): boolean {
    return this.subject.mayWait === true && !this.#hasWaited && this.#startedAt === -Infinity;
  }

  announceNow(): void {
    // A hungry torrent says so every second: that does not shorten what it has to wait.
    if (this.#unsettled === 0 && !this.#letsTrackersTry)
      this.#reschedule(Math.min(this.#nextAt, this.#startedAt + this.#hungryGap));
  }

  stop(): void {
    this.#isStopped = true;
    for (const lookup of this.#lookups) lookup.stop();
    this.#lookups.clear();
    this.#host.onStopped(this);
  }

  /** We know more of the network than when we looked last. */
  onNetworkGrew(): void {
    if (this.#unsettled > 0 || this.#letsTrackersTry || !this.subject.isHungry()) return;
    this.#hungryGap = HUNGRY_FIRST_MS;
    this.#reschedule(this.#host.now());
  }

  /** Somebody announced this torrent to us. */
  onPeers(peers: readonly PeerAddress[]): void {
    if (!this.#isStopped && peers.length > 0) this.subject.onPeers(peers);
  }

  /** Looks now. */
  look(now: number): void {
    if (this.subject.mayWait === true && !this.#hasWaited && this.subject.hasPeers?.() === true) {
      this.#hasWaited = true;
      this.#reschedule(now + RUSH_MS * (1 + JITTER * this.#host.rng.float()));
      return;
    }
    this.#nextAt = Infinity;
    this.#startedAt = now;
    // Lookups of last time have nothing more to say.
    for (const lookup of this.#lookups) if (lookup.isOver) this.#lookups.delete(lookup);
    const { nodes } = this.#host;
    this.#unsettled = nodes.length;
    for (const node of nodes) {
      this.onPeers(node.peers.sample(this.infoHash, OWN_STORE_PEERS, LOOPBACK));
      if (this.#isStopped) return;
      const task = new GetPeersTask(this.infoHash, {
        onPeers: (peers) => this.onPeers(peers),
        onSettled: (closest) => {
          if (task.peerCount === 0) this.#guessPeers(closest);
          this.#onSettled(node, closest);
        },
        onLateAnswer: (late) => this.#announceTo(node, [late]),
      });
      this.#lookups.add(node.lookUp(task, this.#host.startAddresses(node), now));
    }
  }

  #onSettled(node: DhtNode, closest: readonly Answered[]): void {
    this.#unsettled--;
    if (this.#isStopped) return;
    this.#announceTo(node, closest);
    if (this.#unsettled > 0) return;
    const hungry = this.subject.isHungry();
    const gap = hungry ? this.#hungryGap : ANNOUNCE_EVERY_MS;
    this.#hungryGap = hungry ? Math.min(HUNGRY_LAST_MS, 2 * this.#hungryGap) : HUNGRY_FIRST_MS;
    // Only ever later: an announce that comes early is refused by our own record of it.
    this.#reschedule(this.#host.now() + gap * (1 + JITTER * this.#host.rng.float()));
  }

  /**
   * In a network of a handful of nodes, all of them are likely to be in the few torrents there are, and nearly all clients
   * take peers at the port of their node. But nobody tells that he has a torrent himself, only what others announced to
   * him, which the first few never did. So they are worth a dial.
   */
  #guessPeers(closest: readonly Answered[]): void {
    if (closest.length < K && this.subject.isHungry()) this.onPeers(closest.map(({ address }) => address));
  }

  /** BEP 5: announces to the closest nodes that gave a token, unless they know already. */
  #announceTo(node: DhtNode, closest: readonly Answered[]): void {
    const port = this.subject.port();
    if (port === 0 || this.#isStopped) return;
    const now = this.#host.now();
    for (const { address, token } of closest) {
      const key = addressKey(address);
      if (token === null || now - (this.#announced.get(key) ?? -Infinity) < ANNOUNCE_EVERY_MS) continue;
      const args = {
        info_hash: this.infoHash,
        port,
        implied_port: this.#host.impliedPort ? 1 : 0,
        seed: this.subject.isSeed() ? 1 : undefined, // BEP 33
        token,
      };
      const asker = {
        onAnswer: () => undefined,
        onLate: () => undefined,
        // It does not know us after all.
        onRefused: () => this.#announced.delete(key),
        onFailed: () => this.#announced.delete(key),
      };
      if (!node.query(address, 'announce_peer', args, asker, now)) return;
      this.#announced.delete(key);
      this.#announced.set(key, now);
      if (this.#announced.size > ANNOUNCED_MAX) {
        this.#announced.delete(this.#announced.keys().next().value!);
      }
    }
  }

  #reschedule(at: number): void {
    if (this.#isStopped || at === this.#nextAt) return;
    this.#nextAt = at;
    this.#host.onRescheduled(this);
  }
}

/** Our own store keeps local peers from strangers, but not from ourselves. */
const LOOPBACK = '127.0.0.1';
