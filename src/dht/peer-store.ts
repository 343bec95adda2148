/**
 * Peers that were announced to us, by info hash (BEP 5), and whether they are seeds (BEP 33).
 *
 * Everything here comes from strangers, who only proved their address. So every number has a limit, and when there are too
 * many torrents the one with the fewest peers gives way: a flood of invented info hashes pushes out itself.
 */
import { toHex } from '../util/bytes.ts';
import type { PeerAddress } from '../util/ip.ts';
import type { Rng } from '../util/rng.ts';
import { BloomFilter, filterBits } from './bloom-filter.ts';
import { senderOf } from './contact.ts';
import { factsOf } from './host-facts.ts';
import type { Sha1 } from './node-id.ts';

/** libtorrent's numbers. */
const TORRENTS_MAX = 2000;
const PEERS_PER_TORRENT_MAX = 500;
/** All torrents together: about 10 MB. */
const PEERS_MAX = 50_000;
/** Clients announce again every 15 to 28 minutes. */
const PEER_TTL_MS = 30 * 60_000;

interface StoredPeer {
  readonly address: PeerAddress;
  readonly isSeed: boolean;
  readonly isLocal: boolean;
  /** See `filterBits`. */
  readonly bits: number;
  readonly announcedAt: number;
}

/** Counts of one torrent as Bloom filters. */
export interface PeerFilters {
  readonly seeds: Uint8Array;
  readonly peers: Uint8Array;
}

export class PeerStore {
  readonly #sha1: Sha1;
  readonly #rng: Rng;
  /** By info hash in hexadecimal, then by sender, the latest announce last. */
  readonly #torrents = new Map<string, Map<string, StoredPeer>>();
  #peerCount = 0;

  constructor(sha1: Sha1, rng: Rng) {
    this.#sha1 = sha1;
    this.#rng = rng;
  }

  get torrentCount(): number {
    return this.#torrents.size;
  }

  get peerCount(): number {
    return this.#peerCount;
  }

  /** BEP 33: one peer per address and torrent, whose port and kind may change. */
  announce(infoHash: Uint8Array, address: PeerAddress, isSeed: boolean, now: number): void {
    const key = toHex(infoHash);
    const peers = this.#torrents.get(key) ?? this.#addTorrent(key);
    const sender = senderOf(address);
    if (peers.delete(sender)) this.#peerCount--;
    else if (peers.size >= PEERS_PER_TORRENT_MAX) this.#dropOldest(peers);
    if (this.#peerCount >= PEERS_MAX) this.#dropTorrent(this.#smallest(peers));
    const bits = filterBits(address.host, this.#sha1);
    peers.set(sender, { address, isSeed, isLocal: factsOf(address.host).isLocal, bits, announcedAt: now });
    this.#torrents.set(key, peers);
    this.#peerCount++;
  }

  /**
   * Up to `count` peers by chance. Who is not in a local network itself gets no local addresses.
   * @param noSeeds Peers that are no seeds are preferred (BEP 33).
   */
  sample(infoHash: Uint8Array, count: number, askedBy: string, noSeeds = false): PeerAddress[] {
    const all = [...(this.#torrents.get(toHex(infoHash))?.values() ?? [])];
    const fit = factsOf(askedBy).isLocal ? all : all.filter((peer) => !peer.isLocal);
    if (fit.length > count) this.#rng.shuffle(fit);
    if (noSeeds) fit.sort((a, b) => Number(a.isSeed) - Number(b.isSeed));
    return fit.slice(0, count).map(({ address }) => address);
  }

  /** Null if there is no such torrent here. */
  filters(infoHash: Uint8Array): PeerFilters | null {
    const peers = this.#torrents.get(toHex(infoHash));
    if (peers === undefined) return null;
    const filters = { seeds: new BloomFilter(), peers: new BloomFilter() };
    for (const { isSeed, bits } of peers.values()) filters[isSeed ? 'seeds' : 'peers'].insert(bits);
    return { seeds: filters.seeds.bytes, peers: filters.peers.bytes };
  }

  /** Info hashes of up to `count` torrents by chance, in hexadecimal (BEP 51). */
  sampleInfoHashes(count: number): string[] {
    return this.#rng.shuffle([...this.#torrents.keys()]).slice(0, count);
  }

  /** Forgets peers that did not announce again. */
  expire(now: number): void {
    for (const [key, peers] of this.#torrents) {
      for (const [sender, { announcedAt }] of peers) {
        if (now - announcedAt < PEER_TTL_MS) break; // Those behind it are younger.
        peers.delete(sender);
        this.#peerCount--;
      }
      if (peers.size === 0) this.#torrents.delete(key);
    }
  }

  #addTorrent(key: string): Map<string, StoredPeer> {
    if (this.#torrents.size >= TORRENTS_MAX) this.#dropTorrent(this.#smallest());
    const peers = new Map<string, StoredPeer>();
    this.#torrents.set(key, peers);
    return peers;
  }

  #dropOldest(peers: Map<string, StoredPeer>): void {
    peers.delete(peers.keys().next().value!);
    this.#peerCount--;
  }

  #dropTorrent(key: string): void {
    this.#peerCount -= this.#torrents.get(key)!.size;
    this.#torrents.delete(key);
  }

  /** The torrent with the fewest peers, the oldest of several; not the one that is being announced. */
  #smallest(except: Map<string, StoredPeer> | null = null): string {
    let smallest = '';
    let size = Infinity;
    for (const [key, peers] of this.#torrents) {
      if (peers !== except && peers.size < size) [smallest, size] = [key, peers.size];
    }
    return smallest;
  }
}
