import type { IpFamily } from '../../util/ip.ts';
import { ipFamily } from '../../util/ip.ts';
import type { AnnounceEvent } from '../announce.ts';
import type { PeerStore, SwarmView } from './peer-store.ts';
import { trackedPeer } from './peer-store.ts';

/** What one tracker decides the same way whether it is asked over HTTP or UDP. */
export interface TrackerPolicy {
  readonly store: PeerStore;
  /** Seconds between regular announces. */
  readonly interval: number;
  /** Seconds below which nobody should announce again (HTTP only; BEP 15 has no field for it). */
  readonly minInterval: number;
  /** Whether this tracker serves the torrent of this info hash, in hex. */
  readonly allows: (infoHash: string) => boolean;
}

/** The answer to those who name no number: what the protocol's textbooks give. */
const PEERS_DEFAULT = 50;
/** More does not make a swarm better connected; clients ask for 200 at most. */
const PEERS_MAX = 200;

/** An announce as far as both protocols have it. */
export interface ServedAnnounce {
  readonly infoHash: string;
  readonly peerId: Uint8Array;
  readonly port: number;
  readonly left: number;
  readonly event: AnnounceEvent | null;
  /** Below 0: the default. */
  readonly numWant: number;
  /** Where the announce came from. The address a client claims for itself is not believed (BEP 7). */
  readonly from: string;
  /** The tracker's own address that the client reached, if known. */
  readonly at: string | null;
  /** The answer has room for peers of both families. */
  readonly bothFamilies: boolean;
}

/** Notes an announce; a text is the reason of a refusal. */
export function serveAnnounce(
  policy: TrackerPolicy,
  announce: ServedAnnounce,
  now: number,
): SwarmView | string {
  if (!policy.allows(announce.infoHash)) return 'this tracker does not serve this torrent';
  if (announce.port < 1 || announce.port > 65_535) return 'port must be 1 to 65535';
  const family = ipFamily(announce.from) as IpFamily;
  const view = policy.store.announce(
    announce.infoHash,
    trackedPeer({ host: announce.from, port: announce.port }, family, announce.peerId),
    announce.left === 0,
    announce.event,
    {
      count: announce.numWant < 0 ? PEERS_DEFAULT : Math.min(announce.numWant, PEERS_MAX),
      family,
      bothFamilies: announce.bothFamilies,
    },
    now,
  );
  if (view === null) return 'this tracker is full';
  return { ...view, peers: reachablePeers(view.peers, announce.from, announce.at) };
}

/**
 * A peer on the tracker's own machine announces from a loopback address, which nobody else can dial. Others get the
 * address under which they reached the tracker in its place, which is the same machine; if that is unknown, they do
 * not get it.
 */
function reachablePeers(peers: SwarmView['peers'], from: string, at: string | null): SwarmView['peers'] {
  if (isLoopback(from) || !peers.some((peer) => isLoopback(peer.address.host))) return peers;
  const host = at === null || isLoopback(at) ? null : at;
  return peers.flatMap((peer) => {
    if (!isLoopback(peer.address.host)) return [peer];
    if (host === null || ipFamily(host) !== peer.family) return [];
    return [trackedPeer({ host, port: peer.address.port }, peer.family, peer.peerId)];
  });
}

function isLoopback(host: string): boolean {
  return host === '::1' || host.startsWith('127.');
}
