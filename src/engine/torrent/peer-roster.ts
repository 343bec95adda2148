import type { Rng } from '../../util/rng.ts';
import { addressKey, isDialable, isLocalIp, type PeerAddress } from '../../util/ip.ts';
import { toHex } from '../../util/bytes.ts';
import type { DisconnectReason } from '../../wire/link.ts';
import { DISCONNECT_POLICY } from '../disconnect-policy.ts';
import { DIAL_FAILURES_MAX, RECONNECT_DELAYS_MS, REDIAL_AFTER_CLOSE_MS, ROSTER_MAX } from '../limits.ts';

/** Distinct bans after which a whole address is refused. Fewer would let one bad peer behind a NAT ban its neighbours. */
const BANS_PER_HOST_MAX = 3;

/** Each ban costs the liar a connection and us a piece, so these are never reached by honest means; oldest go first. */
const BANNED_IDS_MAX = 10_000;
const BANNED_HOSTS_MAX = 10_000;

export type PeerSource = 'tracker' | 'user' | 'inbound' | 'resume';

/** A peer we know of, connected or not. */
export interface KnownPeer {
  readonly address: PeerAddress;
  readonly source: PeerSource;
  /** Failures in a row. */
  failures: number;
  /** Not dialled before this time. */
  dialAt: number;
  state: 'idle' | 'dialing' | 'connected';
  banned: boolean;
}

/** The peers of one torrent that we know of: when to dial whom, and whom never. */
export class PeerRoster {
  readonly #rng: Rng;
  readonly #peers = new Map<string, KnownPeer>();
  readonly #bannedIds = new Set<string>();
  readonly #bansByHost = new Map<string, number>();

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  get size(): number {
    return this.#peers.size;
  }

  get connectedCount(): number {
    let count = 0;
    for (const peer of this.#peers.values()) if (peer.state === 'connected') count++;
    return count;
  }

  /** Notes a peer; null if it cannot be dialled or the roster is full of better ones. */
  add(address: PeerAddress, source: PeerSource): KnownPeer | null {
    if (!isDialable(address)) return null;
    const key = addressKey(address);
    const known = this.#peers.get(key);
    if (known) {
      // Somebody names it again: it may be back.
      if (known.failures >= DIAL_FAILURES_MAX) known.failures = DIAL_FAILURES_MAX - 1;
      return known;
    }
    if (this.#peers.size >= ROSTER_MAX && !this.#evictOne()) return null;
    const peer: KnownPeer = { address, source, failures: 0, dialAt: 0, state: 'idle', banned: false };
    this.#peers.set(key, peer);
    return peer;
  }

  get(address: PeerAddress): KnownPeer | undefined {
    return this.#peers.get(addressKey(address));
  }

  forget(address: PeerAddress): void {
    this.#peers.delete(addressKey(address));
  }

  /** Up to `max` peers to dial now, fewest failures first, at random among equals. */
  candidates(now: number, max: number): KnownPeer[] {
    if (max <= 0) return [];
    const ready: KnownPeer[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.state === 'idle' && !peer.banned && peer.dialAt <= now && peer.failures < DIAL_FAILURES_MAX) {
        if (!this.isHostBanned(peer.address.host)) ready.push(peer);
      }
    }
    if (ready.length <= 1) return ready;
    this.#rng.shuffle(ready);
    ready.sort((a, b) => a.failures - b.failures);
    return ready.slice(0, max);
  }

  /** The handshake succeeded. */
  onConnected(peer: KnownPeer): void {
    peer.state = 'connected';
    peer.failures = 0;
  }

  /** A connection to it ended or could not be made. */
  onDisconnected(peer: KnownPeer, reason: DisconnectReason, now: number): void {
    peer.state = 'idle';
    switch (DISCONNECT_POLICY[reason].redial) {
      case 'now':
        peer.dialAt = now;
        break;
      case 'soon':
        peer.dialAt = now + REDIAL_AFTER_CLOSE_MS * (0.5 + this.#rng.float());
        break;
      case 'later': {
        const delay = RECONNECT_DELAYS_MS[Math.min(peer.failures, RECONNECT_DELAYS_MS.length - 1)]!;
        peer.failures++;
        peer.dialAt = now + delay * (0.75 + 0.5 * this.#rng.float());
        break;
      }
      case 'never':
        peer.dialAt = Infinity;
        // Nothing will change that: it stays, so that trackers cannot name it again.
        if (reason === 'self-connection') peer.banned = true;
        break;
    }
  }

  /** What kept us from dialling may be over: our selection changed, or the network is back. */
  forgive(now: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.dialAt === Infinity && !peer.banned) peer.dialAt = now;
    }
  }

  /**
   * By evidence: the address it listens on, if known, and its peer id; the host only after several of its peers. False
   * if the peer was banned before: one liar has as many bad pieces as it had in flight.
   */
  ban(address: PeerAddress | null, host: string, peerId: Uint8Array): boolean {
    const id = toHex(peerId);
    if (this.#bannedIds.has(id)) return false;
    this.#bannedIds.add(id);
    if (this.#bannedIds.size > BANNED_IDS_MAX) this.#bannedIds.delete(firstOf(this.#bannedIds));
    const known = address ? this.add(address, 'inbound') : null;
    if (known) known.banned = true;
    if (isLocalIp(host)) return true;
    this.#bansByHost.set(host, (this.#bansByHost.get(host) ?? 0) + 1);
    if (this.#bansByHost.size > BANNED_HOSTS_MAX) this.#bansByHost.delete(firstOf(this.#bansByHost.keys()));
    return true;
  }

  isBanned(address: PeerAddress | null, host: string, peerId: Uint8Array): boolean {
    if (this.#bannedIds.has(toHex(peerId)) || this.isHostBanned(host)) return true;
    return address !== null && (this.get(address)?.banned ?? false);
  }

  isHostBanned(host: string): boolean {
    return (this.#bansByHost.get(host) ?? 0) >= BANS_PER_HOST_MAX;
  }

  /** Addresses worth keeping for the next run. */
  worthKeeping(max: number): PeerAddress[] {
    const good = [...this.#peers.values()].filter((peer) => !peer.banned && peer.failures === 0);
    good.sort((a, b) => Number(b.state === 'connected') - Number(a.state === 'connected'));
    return good.slice(0, max).map((peer) => peer.address);
  }

  /** Makes room by forgetting the idle peer that failed most; false if there is none. */
  #evictOne(): boolean {
    let worst: string | null = null;
    let worstFailures = 0;
    for (const [key, peer] of this.#peers) {
      if (peer.state !== 'idle' || peer.banned || peer.failures <= worstFailures) continue;
      worst = key;
      worstFailures = peer.failures;
    }
    return worst !== null && this.#peers.delete(worst);
  }
}

function firstOf<T>(values: Iterable<T>): T {
  const [first] = values;
  return first!;
}
