/** Nodes that get to know each other by the connections of their peers (BEP 5). */
import { type IpFamily, ipFamily, type PeerAddress } from '../../util/ip.ts';
import { Feature, hasFeature, reservedOf } from '../../wire/handshake.ts';
import type { PeerLink } from '../../wire/link.ts';

/** The DHT as connections know it. */
export interface DhtPorts {
  /** Where nodes of this family reach us; 0 if they do not. */
  port(family: IpFamily): number;
  /** Somebody says that there is a node. */
  addNode(address: PeerAddress): void;
}

interface PortSession {
  readonly link: PeerLink;
  dhtPorts: DhtPorts | null;
}

/** The reserved bytes of our handshake. @param dht Null if this torrent has nothing to do with it (BEP 27). */
export function featuresWith(dht: DhtPorts | null): Uint8Array {
  return dht === null ? WITHOUT_DHT : WITH_DHT;
}

const WITHOUT_DHT = reservedOf([Feature.extensions, Feature.fast]);
const WITH_DHT = reservedOf([Feature.extensions, Feature.fast, Feature.dht]);

/** Tells a peer that wants to know where our node is, and takes what it says. After the bitfield, which comes first. */
export function exchangePorts(session: PortSession, dht: DhtPorts | null, theirs: Uint8Array): void {
  session.dhtPorts = dht;
  if (dht === null || !hasFeature(theirs, Feature.dht)) return;
  const family = ipFamily(session.link.remote.host);
  const port = family === 0 ? 0 : dht.port(family);
  if (port > 0) session.link.port(port);
}
