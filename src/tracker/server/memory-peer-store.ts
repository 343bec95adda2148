import type { IpFamily } from '../../util/ip.ts';
import { addressKey } from '../../util/ip.ts';
import { equalBytes } from '../../util/bytes.ts';
import type { Rng } from '../../util/rng.ts';
import type { AnnounceEvent, ScrapeCounts } from '../announce.ts';
import type { ListedPeer } from './peer-list.ts';
import { PeerList } from './peer-list.ts';
import type { PeerQuery, PeerStore, SwarmView, TrackedPeer } from './peer-store.ts';

export interface MemoryPeerStoreLimits {
  /** Some 500 bytes each while empty. */
  readonly torrentsMax: number;
  /** Of all torrents together, some 300 bytes each. */
  readonly peersMax: number;
  /** A swarm larger than this is served by a random part of itself. */
  readonly peersPerTorrentMax: number;
  /** A peer that did not announce for so long is gone. Milliseconds. */
  readonly expiryMs: number;
}

/** At most about 350 MB in all, and far above what one group of people needs. */
export const MEMORY_STORE_LIMITS: Omit<MemoryPeerStoreLimits, 'expiryMs'> = {
  torrentsMax: 100_000,
  peersMax: 1_000_000,
  peersPerTorrentMax: 100_000,
};

/** The peers of one torrent: by address, and in four lists to draw from. */
class TrackedSwarm {
  readonly peers = new Map<string, ListedPeer>();
  readonly #seeds: Record<IpFamily, PeerList> = { 4: new PeerList(), 6: new PeerList() };
  readonly #leechers: Record<IpFamily, PeerList> = { 4: new PeerList(), 6: new PeerList() };
  downloads = 0;

  get seeders(): number {
    return this.#seeds[4].size + this.#seeds[6].size;
  }

  get leechers(): number {
    return this.#leechers[4].size + this.#leechers[6].size;
  }

  add(key: string, peer: ListedPeer, isSeed: boolean): void {
    this.peers.set(key, peer);
    this.#listFor(peer, isSeed).add(peer);
  }

  remove(key: string, peer: ListedPeer): void {
    this.peers.delete(key);
    this.#listFor(peer, this.isSeed(peer)).remove(peer);
  }

  isSeed(peer: ListedPeer): boolean {
    return this.#listFor(peer, true).all[peer.index] === peer;
  }

  draw(query: PeerQuery, asker: ListedPeer | null, isSeed: boolean, rng: Rng): TrackedPeer[] {
    const drawn: TrackedPeer[] = [];
    const other: IpFamily = query.family === 4 ? 6 : 4;
    for (const family of query.bothFamilies ? [query.family, other] : [query.family]) {
      const missing = query.count - drawn.length;
      const leechers = this.#leechers[family];
      // Two seeds have nothing to say to each other.
      const seeds = isSeed ? null : this.#seeds[family];
      // Seeds and leechers come in proportion to their numbers, so that every peer is equally likely.
      const share = seeds === null ? 0 : seedShare(missing, seeds.size, leechers.size, rng);
      const picked: TrackedPeer[] = [];
      seeds?.draw(share, asker, rng, picked);
      leechers.draw(missing - share, asker, rng, picked);
      drawn.push(...rng.shuffle(picked));
    }
    return drawn;
  }

  #listFor(peer: TrackedPeer, isSeed: boolean): PeerList {
    return (isSeed ? this.#seeds : this.#leechers)[peer.family];
  }
}

/** How many of `count` peers drawn from both lists together are seeds. */
function seedShare(count: number, seeds: number, leechers: number, rng: Rng): number {
  if (seeds + leechers <= count) return seeds;
  let share = 0;
  for (let drawn = 0; drawn < count; drawn++) {
    if (rng.below(seeds + leechers - drawn) < seeds - share) share++;
  }
  return share;
}

/** A tracker's memory that ends with the process. */
export class MemoryPeerStore implements PeerStore {
  readonly #swarms = new Map<string, TrackedSwarm>();
  readonly #limits: MemoryPeerStoreLimits;
  readonly #rng: Rng;
  #peerCount = 0;

  constructor(rng: Rng, limits: MemoryPeerStoreLimits) {
    this.#rng = rng;
    this.#limits = limits;
  }

  get torrentCount(): number {
    return this.#swarms.size;
  }

  get peerCount(): number {
    return this.#peerCount;
  }

  announce(
    infoHash: string,
    peer: TrackedPeer,
    isSeed: boolean,
    event: AnnounceEvent | null,
    query: PeerQuery,
    now: number,
  ): SwarmView | null {
    let swarm = this.#swarms.get(infoHash);
    if (swarm === undefined) {
      if (this.#swarms.size >= this.#limits.torrentsMax) return null;
      swarm = new TrackedSwarm();
      // Whoever leaves a torrent nobody knows leaves nothing behind.
      if (event !== 'stopped') this.#swarms.set(infoHash, swarm);
    }
    const listed = this.#note(swarm, peer, isSeed, event, now);
    const peers = event === 'stopped' ? [] : swarm.draw(query, listed, isSeed, this.#rng);
    return { seeders: swarm.seeders, leechers: swarm.leechers, downloads: swarm.downloads, peers };
  }

  scrape(infoHash: string): ScrapeCounts | null {
    const swarm = this.#swarms.get(infoHash);
    if (swarm === undefined) return null;
    return { seeders: swarm.seeders, leechers: swarm.leechers, downloads: swarm.downloads };
  }

  sweep(now: number): void {
    for (const [infoHash, swarm] of this.#swarms) {
      for (const [key, peer] of swarm.peers) {
        if (now - peer.seenAt >= this.#limits.expiryMs) this.#remove(swarm, key, peer);
      }
      // A count of downloads is worth keeping as long as there is room for it.
      const keep = swarm.downloads > 0 && this.#swarms.size < this.#limits.torrentsMax / 2;
      if (swarm.peers.size === 0 && !keep) this.#swarms.delete(infoHash);
    }
  }

  /** Updates the swarm by one announce; returns the entry of the one who announced, if there is one now. */
  #note(
    swarm: TrackedSwarm,
    peer: TrackedPeer,
    isSeed: boolean,
    event: AnnounceEvent | null,
    now: number,
  ): ListedPeer | null {
    const key = addressKey(peer.address);
    const known = swarm.peers.get(key);
    if (event === 'stopped') {
      // Only the peer itself may take itself away, not the next one behind the same address.
      if (known !== undefined && equalBytes(known.peerId, peer.peerId)) this.#remove(swarm, key, known);
      return null;
    }
    // Counted once per peer: it was here as a leecher before.
    if (event === 'completed' && isSeed && known !== undefined && !swarm.isSeed(known)) swarm.downloads++;
    if (known === undefined) return this.#add(swarm, key, peer, isSeed, now);
    known.seenAt = now;
    known.peerId = peer.peerId;
    if (swarm.isSeed(known) !== isSeed) {
      swarm.remove(key, known);
      swarm.add(key, known, isSeed);
    }
    return known;
  }

  #add(swarm: TrackedSwarm, key: string, peer: TrackedPeer, isSeed: boolean, now: number): ListedPeer | null {
    const { peersMax, peersPerTorrentMax } = this.#limits;
    if (this.#peerCount >= peersMax || swarm.peers.size >= peersPerTorrentMax) return null;
    const listed = { ...peer, seenAt: now, index: 0 };
    swarm.add(key, listed, isSeed);
    this.#peerCount++;
    return listed;
  }

  #remove(swarm: TrackedSwarm, key: string, peer: ListedPeer): void {
    swarm.remove(key, peer);
    this.#peerCount--;
  }
}
