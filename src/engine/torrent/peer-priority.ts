import { concatBytes, compareBytes, writeU16 } from '../../util/bytes.ts';
import { crc32c } from '../../util/crc32c.ts';
import { ipFamily, ipToBytes, isLocalIp, type PeerAddress } from '../../util/ip.ts';
import type { ExternalAddress } from '../external-address.ts';

/**
 * The canonical priority of a connection (BEP 40): 32 bits that both its ends compute alike from their addresses. When
 * everybody prefers the higher ones, connections spread over the swarm at random, a newcomer has the same chance as who
 * was there before, and who fills all slots from a few networks does not keep them.
 *
 * Null for addresses of different families.
 */
export function peerPriority(ours: PeerAddress, theirs: PeerAddress): number | null {
  const a = ipToBytes(ours.host);
  const b = ipToBytes(theirs.host);
  if (a?.length !== b?.length || !a || !b) return null;
  if (compareBytes(a, b) === 0) return crc32c(sorted(portBytes(ours.port), portBytes(theirs.port)));
  const exact = exactBytes(a, b);
  return crc32c(sorted(masked(a, exact), masked(b, exact)));
}

/**
 * BEP 40: at first the network is taken as it is (/16 of IPv4, /48 of IPv6), and of the rest every other bit. Among
 * addresses of the same network one byte more is taken as it is, and so on.
 */
function exactBytes(a: Uint8Array, b: Uint8Array): number {
  let equal = 0;
  while (a[equal] === b[equal]) equal++;
  const network = a.length === 4 ? 2 : 6;
  return equal < network ? network : equal + 1;
}

function masked(ip: Uint8Array, exact: number): Uint8Array {
  return ip.map((byte, i) => (i < exact ? byte : byte & 0x55));
}

function portBytes(port: number): Uint8Array {
  const bytes = new Uint8Array(2);
  writeU16(bytes, 0, port);
  return bytes;
}

function sorted(a: Uint8Array, b: Uint8Array): Uint8Array {
  return concatBytes(compareBytes(a, b) <= 0 ? [a, b] : [b, a]);
}

/** Above every priority. */
const NEIGHBOUR = 2 ** 32;

/**
 * The order in which peers are dialled, and keep their places, by their canonical priority. While our own address is not
 * known all are alike. Neighbours come first: what they give costs nobody anything.
 */
export class PeerRanks {
  readonly #external: ExternalAddress;
  readonly #listenPort: () => number;
  #ranks = new WeakMap<PeerAddress, number>();
  #version = -1;

  constructor(external: ExternalAddress, listenPort: () => number) {
    this.#external = external;
    this.#listenPort = listenPort;
  }

  /** The higher the better. */
  rank(peer: PeerAddress): number {
    if (this.#version !== this.#external.version) {
      this.#version = this.#external.version;
      this.#ranks = new WeakMap();
    }
    const known = this.#ranks.get(peer);
    if (known !== undefined) return known;
    const rank = this.#compute(peer);
    this.#ranks.set(peer, rank);
    return rank;
  }

  #compute(peer: PeerAddress): number {
    if (isLocalIp(peer.host)) return NEIGHBOUR;
    const family = ipFamily(peer.host);
    const host = family === 0 ? null : this.#external.of(family);
    return host === null ? 0 : (peerPriority({ host, port: this.#listenPort() }, peer) ?? 0);
  }
}
