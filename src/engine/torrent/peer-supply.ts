import type { DisconnectReason, LinkEncryption, PeerLink } from '../../wire/link.ts';
import type { TorrentState } from '../../events.ts';
import type { GreetedTorrent } from '../greeter.ts';
import type { World } from '../../ports.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { OutboundEncryption } from '../../wire/mse/negotiation.ts';
import { changesWay, encryptionFor } from './dial-manners.ts';
import { Dialer, type DialerHost } from './dialer.ts';
import { isHearsay, type KnownPeer, type PeerRoster, type PeerSource } from './peer-roster.ts';
import type { Connected, Connections } from './swarm.ts';
import type { TorrentDeps } from './torrent-deps.ts';
import { HEARSAY_DELAY_MS, PARDON_DELAY_MAX_MS, PARDON_DELAY_MIN_MS } from '../limits.ts';

/** With fewer peers than this a download is worth an early announce. */
const FEW_PEERS = 5;

/** What is kept in peers: a torrent, or a magnet that looks for its metadata. */
export interface SuppliedTorrent extends GreetedTorrent {
  readonly infoHash: Uint8Array;
  readonly world: World;
  readonly state: TorrentState;
  /** Peers are welcome. */
  readonly isActive: boolean;
  readonly swarm: Pick<Connections<Connected>, 'size' | 'sessions' | 'closeAll'>;
  readonly roster: PeerRoster;
  now(): number;
}

/** Keeps a torrent in peers: how many more it may have, whom it dials, and what becomes of those that are gone. */
export class PeerSupply implements DialerHost {
  #torrent: SuppliedTorrent;
  readonly #deps: TorrentDeps;
  readonly #dialer: Dialer;
  #pardonAt = Infinity;
  #pardonDelayMs = PARDON_DELAY_MIN_MS;
  /** As a seed we had a connection to another one. */
  #metSeed = false;

  constructor(torrent: SuppliedTorrent, deps: TorrentDeps) {
    this.#torrent = torrent;
    this.#deps = deps;
    this.#dialer = new Dialer(torrent.world, deps.dialBudget, torrent.roster, this);
  }

  /** A magnet has become a torrent with the same roster: what is on its way to the one arrives at the other. */
  serve(torrent: SuppliedTorrent): void {
    if (torrent !== this.#torrent) this.#deps.greeter.handOver(this.#torrent, torrent);
    this.#torrent = torrent;
  }

  /** Connections that may still be made. A seed dials too: peers that nobody can reach would not find it otherwise. */
  get freeConnections(): number {
    const { isActive, state, swarm } = this.#torrent;
    if (!isActive || state === 'checking') return 0;
    const { options, connections, greeter } = this.#deps;
    const room = Math.min(options.connectionsPerTorrentMax - swarm.size, connections.free);
    return room - greeter.outboundTo(this.#torrent);
  }

  get isAlone(): boolean {
    return this.#isWanting && this.#torrent.swarm.size === 0;
  }

  rank(address: PeerAddress): number {
    return this.#deps.ranks.rank(address);
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (!this.isAlone) this.#pardonAt = Infinity;
    else if (this.#pardonAt === Infinity) this.#pardonAt = now + this.#pardonDelayMs;
    else if (now >= this.#pardonAt) {
      this.#pardonAt = Infinity;
      this.#pardonDelayMs = Math.min(PARDON_DELAY_MAX_MS, 2 * this.#pardonDelayMs);
      this.#torrent.roster.pardon(now);
    }
    this.#dialer.fill(this.#isAmongSeeds ? 1 : Infinity);
  }

  /** Somebody named peers of this torrent. */
  add(peers: readonly PeerAddress[], source: PeerSource): void {
    const { roster, swarm } = this.#torrent;
    const dialAt = isHearsay(source) && swarm.size > 0 ? this.#torrent.now() + HEARSAY_DELAY_MS : 0;
    for (const peer of peers) roster.add(peer, source, dialAt);
    this.fill();
  }

  /** Dials as many peers as there is room for. */
  fill(): void {
    if (!this.#isAmongSeeds) this.#dialer.fill();
  }

  /**
   * Where seeds meet seeds, most of those that we do not know will be seeds as well, and each is a handshake for nothing
   * on both sides. So they are dialled one a second: whoever still wants something dials us.
   */
  get #isAmongSeeds(): boolean {
    return this.#metSeed && this.#torrent.state === 'seeding';
  }

  get #isWanting(): boolean {
    const { state } = this.#torrent;
    return state === 'downloading' || state === 'metadata';
  }

  /** Downloading with few peers and nobody left to dial: trackers may know more. */
  get isLow(): boolean {
    const { swarm, roster } = this.#torrent;
    if (!this.#isWanting || swarm.size >= FEW_PEERS || this.#dialer.pending > 0) return false;
    return roster.candidates(this.#torrent.now(), 1).length === 0;
  }

  /** Gives up what is connected or on its way. */
  leave(reason: DisconnectReason): void {
    this.#dialer.stop();
    this.#deps.greeter.closeFor(this.#torrent);
    this.#torrent.swarm.closeAll(reason);
  }

  encryptionFor(peer: KnownPeer): OutboundEncryption | null {
    return encryptionFor(peer, this.#deps.options.encryption, this.#torrent.infoHash);
  }

  onDialed(link: PeerLink, peer: KnownPeer): void {
    this.#deps.greeter.greetOutbound(link, this.#torrent, peer);
  }

  /** Whoever hangs up before its handshake does not want us: that counts as a failure. */
  onGreetingFailed(known: KnownPeer, reason: DisconnectReason, reached: LinkEncryption): void {
    if (changesWay(known, this.#deps.options.encryption, reason, reached)) {
      this.#dialer.again(known);
      return;
    }
    const hungUp = reason === 'closed-by-peer' || reason === 'connection-error';
    this.onGone(known, hungUp ? 'connect-failed' : reason);
  }

  /** A connection to this peer ended. Another one may be left, when both sides dialled. */
  onGone(known: KnownPeer, reason: DisconnectReason): void {
    const { roster, state, swarm } = this.#torrent;
    // Both may hang up at once, and each hears of the other one's end first.
    const areSeeds = state === 'seeding' && known.isSeed;
    if (areSeeds) this.#metSeed = true;
    roster.onDisconnected(known, areSeeds ? 'both-seeds' : reason, this.#torrent.now());
    if (swarm.sessions.some((session) => session.known === known)) roster.onConnected(known);
  }
}
