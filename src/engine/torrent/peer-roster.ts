import type { FoundPeer, PeerSource as AnySource } from '../../events.ts';
import type { Rng } from '../../util/rng.ts';
import { addressKey, isDialable, isLocalService, type PeerAddress } from '../../util/ip.ts';
import type { DisconnectReason } from '../../wire/link.ts';
import { DISCONNECT_POLICY } from '../disconnect-policy.ts';
import {
  DIAL_FAILURES_MAX,
  LAST_RESORT_DELAY_MS,
  RECONNECT_DELAYS_MS,
  REDIAL_AFTER_CLOSE_MS,
  ROSTER_MAX,
} from '../limits.ts';
import { BanList } from './ban-list.ts';
import { firstManners, onDialWorked, type DialManners } from './dial-manners.ts';
import { SparseMap } from '../../util/sparse-map.ts';

/** Where addresses come from. */
export type PeerSource = Exclude<AnySource, 'web-seed'>;

/** Peers that tell us of peers may say anything. Who is told of is often new here, and about to find us by itself. */
export function isHearsay(source: PeerSource): boolean {
  return source === 'pex' || source === 'lsd';
}

/** A peer we know of, connected or not. */
export interface KnownPeer {
  readonly address: PeerAddress;
  readonly source: PeerSource;
  /** Failures in a row. */
  failures: number;
  /** Not dialled before this time. */
  dialAt: number;
  state: 'idle' | 'dialing' | 'connected';
  /** It wants nothing any more: seen by us, or told by others before we met it. */
  isSeed: boolean;
  banned: boolean;
  readonly manners: DialManners;
}

/** The peers of one torrent that we know of: when to dial whom, and whom never. */
export class PeerRoster {
  readonly #rng: Rng;
  readonly #peers = new SparseMap<string, KnownPeer>();
  /** Made for the first one. */
  #bans: BanList | null = null;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  get size(): number {
    return this.#peers.size;
  }

  /** All of them. */
  found(): FoundPeer[] {
    return Array.from(this.#peers.values(), ({ address, source, state }) => ({ address, source, state }));
  }

  get connectedCount(): number {
    let count = 0;
    for (const peer of this.#peers.values()) if (peer.state === 'connected') count++;
    return count;
  }

  /**
   * Notes a peer; null if it cannot be dialled, or should not because somebody else than the user names it, or the roster
   * is full of better ones. One that is new is not dialled before `dialAt`.
   */
  add(address: PeerAddress, source: PeerSource, dialAt = 0): KnownPeer | null {
    if (!isDialable(address) || (source !== 'user' && isLocalService(address))) return null;
    const key = addressKey(address);
    const known = this.#peers.get(key);
    if (known) {
      // Somebody names it again: it may be back. Peers may name it every minute, and who knows why.
      if (known.failures >= DIAL_FAILURES_MAX && source !== 'pex') known.failures = DIAL_FAILURES_MAX - 1;
      return known;
    }
    // Anybody may say anything: the other half is for who is more to be trusted.
    if (isHearsay(source) && this.#peers.size >= ROSTER_MAX / 2) return null;
    if (this.#peers.size >= ROSTER_MAX && !this.#evictOne(source === 'user')) return null;
    const peer: KnownPeer = {
      address,
      source,
      failures: 0,
      dialAt,
      state: 'idle',
      isSeed: false,
      banned: false,
      manners: firstManners(),
    };
    this.#peers.set(key, peer);
    return peer;
  }

  /** Forgets all peers that do not fit; connected ones are forgotten as addresses only. */
  keepOnly(fits: (peer: KnownPeer) => boolean): void {
    for (const [key, peer] of this.#peers) if (!fits(peer)) this.#peers.delete(key);
  }

  get(address: PeerAddress): KnownPeer | undefined {
    return this.#peers.get(addressKey(address));
  }

  forget(address: PeerAddress): void {
    this.#peers.delete(addressKey(address));
  }

  /**
   * Up to `max` peers to dial now, fewest failures first, by rank among those, at random among equals. `lastResort`: there
   * is nobody else, so those that were given up too.
   */
  candidates(
    now: number,
    max: number,
    lastResort = false,
    rank: (address: PeerAddress) => number = () => 0,
  ): KnownPeer[] {
    if (max <= 0) return [];
    const ready: KnownPeer[] = [];
    for (const peer of this.#peers.values()) {
      if (peer.state !== 'idle' || peer.banned || peer.dialAt > now) continue;
      if (peer.failures >= DIAL_FAILURES_MAX && !lastResort) continue;
      if (this.#bans?.hasHost(peer.address.host) !== true) ready.push(peer);
    }
    if (ready.length <= 1) return ready;
    this.#rng.shuffle(ready);
    const comesBefore = (a: KnownPeer, b: KnownPeer): number =>
      a.failures - b.failures || rank(b.address) - rank(a.address);
    // A place for one is what mostly comes free.
    if (max === 1) return [ready.reduce((best, peer) => (comesBefore(peer, best) < 0 ? peer : best))];
    return ready.sort(comesBefore).slice(0, max);
  }

  /** The handshake succeeded. */
  onConnected(peer: KnownPeer): void {
    peer.state = 'connected';
    peer.failures = 0;
    onDialWorked(peer);
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
        const delay = RECONNECT_DELAYS_MS[peer.failures] ?? LAST_RESORT_DELAY_MS;
        peer.failures = Math.min(DIAL_FAILURES_MAX, peer.failures + 1);
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

  /** We have everything: there is nothing that a seed and we could say to each other, until `forgive`. */
  leaveSeedsAlone(): void {
    for (const peer of this.#peers.values()) if (peer.isSeed) peer.dialAt = Infinity;
  }

  /** What kept us from dialling may be over: our selection changed, or the network is back. */
  forgive(now: number): void {
    for (const peer of this.#peers.values()) {
      if (peer.dialAt === Infinity && !peer.banned) peer.dialAt = now;
    }
  }

  /** A piece came from this peer alone and was wrong. False if it was banned before. */
  ban(address: PeerAddress | null, host: string, peerId: Uint8Array, piece: number): boolean {
    if (!(this.#bans ??= new BanList()).add(address, host, peerId, piece)) return false;
    const known = address ? this.add(address, 'inbound') : null;
    if (known) known.banned = true;
    return true;
  }

  isBanned(address: PeerAddress | null, host: string, peerId: Uint8Array): boolean {
    if (this.#bans?.has(peerId) === true || this.#bans?.hasHost(host) === true) return true;
    return address !== null && (this.get(address)?.banned ?? false);
  }

  /** Somebody had this piece right. */
  onVerified(piece: number): void {
    this.#bans?.confirm(piece);
  }

  /** Nobody is left to ask: gives those another chance who may have been banned for a mistake of the torrent. */
  pardon(now: number): void {
    for (const address of this.#bans?.pardon() ?? []) {
      const peer = this.get(address);
      if (!peer) continue;
      peer.banned = false;
      peer.dialAt = now;
    }
  }

  /** Addresses worth keeping for the next run. */
  worthKeeping(max: number): PeerAddress[] {
    const good = [...this.#peers.values()].filter((peer) => !peer.banned && peer.failures === 0);
    good.sort((a, b) => Number(b.state === 'connected') - Number(a.state === 'connected'));
    return good.slice(0, max).map((peer) => peer.address);
  }

  /** Makes room by forgetting the idle peer that failed most, or `any` idle one; false if there is none. */
  #evictOne(any: boolean): boolean {
    let worst: string | null = null;
    let worstFailures = any ? -1 : 0;
    for (const [key, peer] of this.#peers) {
      if (peer.state !== 'idle' || peer.banned || peer.failures <= worstFailures) continue;
      worst = key;
      worstFailures = peer.failures;
    }
    return worst !== null && this.#peers.delete(worst);
  }
}
