import type { Cancel, Clock, PeerTransport, World } from '../../ports.ts';
import type { PeerLink } from '../../wire/link.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { OutboundEncryption } from '../../wire/mse/negotiation.ts';
import { CONNECT_TIMEOUT_MS, DIALS_PER_SECOND, HALF_OPEN_MAX } from '../limits.ts';
import type { KnownPeer, PeerRoster } from './peer-roster.ts';
import { SparseMap } from '../../util/sparse-map.ts';

/** How many dials may be made; shared by all torrents of an engine. */
export class DialBudget {
  #halfOpen = 0;
  #tokens = DIALS_PER_SECOND;
  #refilledAt: number;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#refilledAt = clock.now();
  }

  /** True if a dial may be made now, which is then counted until `onDone`. */
  take(): boolean {
    const now = this.#clock.now();
    const earned = ((now - this.#refilledAt) / 1000) * DIALS_PER_SECOND;
    this.#tokens = Math.min(DIALS_PER_SECOND, this.#tokens + earned);
    this.#refilledAt = now;
    if (this.#halfOpen >= HALF_OPEN_MAX || this.#tokens < 1) return false;
    this.#tokens--;
    this.#halfOpen++;
    return true;
  }

  onDone(): void {
    this.#halfOpen--;
  }
}

/** What the dialer needs of its torrent. */
export interface DialerHost {
  /** Connections that may still be opened. */
  readonly freeConnections: number;
  /** Nobody is connected, and somebody should be. */
  readonly isAlone: boolean;
  /** Who is better to be connected to has the higher one. */
  rank(address: PeerAddress): number;
  /** The encrypted handshake to dial a peer with; null for a plain one. */
  encryptionFor(peer: KnownPeer): OutboundEncryption | null;
  onDialed(link: PeerLink, peer: KnownPeer): void;
}

/** Makes connections to the peers of one torrent, within the limits. */
export class Dialer {
  readonly #world: Pick<World, 'clock' | 'transports'>;
  readonly #budget: DialBudget;
  readonly #roster: PeerRoster;
  readonly #host: DialerHost;
  readonly #pending = new SparseMap<KnownPeer, Cancel>();

  constructor(
    world: Pick<World, 'clock' | 'transports'>,
    budget: DialBudget,
    roster: PeerRoster,
    host: DialerHost,
  ) {
    this.#world = world;
    this.#budget = budget;
    this.#roster = roster;
    this.#host = host;
  }

  /** Connections being made. */
  get pending(): number {
    return this.#pending.size;
  }

  /** Dials as many peers as the limits allow, and no more than `max`. */
  fill(max = Infinity): void {
    if (this.#roster.size === 0) return;
    const [transport] = this.#world.transports;
    const room = Math.min(max, this.#host.freeConnections - this.#pending.size);
    if (!transport || room <= 0) return;
    const rank = (address: PeerAddress): number => this.#host.rank(address);
    for (const peer of this.#roster.candidates(this.#world.clock.now(), room, this.#host.isAlone, rank)) {
      if (!this.#budget.take()) return;
      this.#dial(transport, peer);
    }
  }

  /** Dials a peer at once that has just been dialled in vain; or as soon as the limits allow. */
  again(peer: KnownPeer): void {
    const [transport] = this.#world.transports;
    peer.state = 'idle';
    peer.dialAt = this.#world.clock.now();
    const room = this.#host.freeConnections - this.#pending.size;
    if (transport && room > 0 && this.#budget.take()) this.#dial(transport, peer);
  }

  stop(): void {
    for (const [peer, dial] of this.#pending) {
      dial.cancel();
      peer.state = 'idle';
      this.#budget.onDone();
    }
    this.#pending.clear();
  }

  #dial(transport: PeerTransport, peer: KnownPeer): void {
    peer.state = 'dialing';
    const done = (result: PeerLink | 'connect-failed' | 'connect-timeout'): void => {
      this.#pending.delete(peer);
      this.#budget.onDone();
      if (typeof result === 'string') this.#roster.onDisconnected(peer, result, this.#world.clock.now());
      else this.#host.onDialed(result, peer);
    };
    const encryption = this.#host.encryptionFor(peer);
    this.#pending.set(peer, transport.dial(peer.address, CONNECT_TIMEOUT_MS, done, encryption));
  }
}
