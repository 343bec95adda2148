import type { Encodable } from '../../bencode/codec.ts';
import { readBytes, readList } from '../../bencode/fields.ts';
import { readU16 } from '../../util/bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { addressKey, ipFromBytes } from '../../util/ip.ts';
import { BloomFilter, FILTER_LENGTH } from '../bloom-filter.ts';
import { isBelievable } from '../contact.ts';
import type { KrpcResponse } from '../krpc.ts';
import type { Answered, LookupTask } from '../lookup.ts';

/** No datagram holds more. */
const VALUES_READ_MAX = 250;
/** Far more than a client dials; liars would name any number. */
const PEERS_MAX = 1000;

export interface GetPeersEvents {
  /** New peers, as soon as somebody names them. */
  onPeers(peers: readonly PeerAddress[]): void;
  onSettled(closest: readonly Answered[]): void;
  onLateAnswer(node: Answered): void;
}

/** The peers of a torrent (BEP 5), or how many there are (BEP 33). */
export class GetPeersTask implements LookupTask {
  readonly method = 'get_peers';
  readonly target: Uint8Array;
  /** What all nodes that keep counts have, joined. */
  readonly seeds = new BloomFilter();
  readonly peers = new BloomFilter();
  readonly #events: GetPeersEvents;
  readonly #scrape: boolean;
  readonly #seen = new Set<string>();

  constructor(infoHash: Uint8Array, events: GetPeersEvents, scrape = false) {
    this.target = infoHash;
    this.#events = events;
    this.#scrape = scrape;
  }

  get peerCount(): number {
    return this.#seen.size;
  }

  args(): Record<string, Encodable | undefined> {
    return { info_hash: this.target, scrape: this.#scrape ? 1 : undefined };
  }

  onAnswer({ values }: KrpcResponse, from: PeerAddress): null {
    for (const [key, filter] of [
      ['BFsd', this.seeds],
      ['BFpe', this.peers],
    ] as const) {
      const bytes = readBytes(values, key, FILTER_LENGTH);
      if (bytes !== null) filter.join(bytes);
    }
    const found = (readList(values, 'values') ?? []).slice(0, VALUES_READ_MAX).flatMap((value) => {
      const peer = value instanceof Uint8Array ? readPeer(value) : null;
      return peer !== null && isBelievable(peer, from) && this.#isNew(peer) ? [peer] : [];
    });
    if (found.length > 0) this.#events.onPeers(found);
    return null;
  }

  onSettled(closest: readonly Answered[]): void {
    this.#events.onSettled(closest);
  }

  onLateAnswer(node: Answered): void {
    this.#events.onLateAnswer(node);
  }

  #isNew(peer: PeerAddress): boolean {
    const key = addressKey(peer);
    if (this.#seen.size >= PEERS_MAX || this.#seen.has(key)) return false;
    this.#seen.add(key);
    return true;
  }
}

/** BEP 32: a list may hold both families. */
function readPeer(value: Uint8Array): PeerAddress | null {
  if (value.length !== 6 && value.length !== 18) return null;
  const host = ipFromBytes(value.subarray(0, -2));
  return host === null ? null : { host, port: readU16(value, value.length - 2) };
}
