import { readU16, writeU16 } from '../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';
import { addressKey, ipFromBytes } from '../util/ip.ts';
import { factsOf } from './host-facts.ts';
import { ID_LENGTH } from './node-id.ts';

/** A node as others name it: not yet known to be there. */
export interface Contact {
  readonly id: Uint8Array;
  readonly address: PeerAddress;
}

/** 20 bytes of id, then the compact address: 26 bytes for IPv4 (BEP 5), 38 for IPv6 (BEP 32). */
function contactLength(family: IpFamily): number {
  return ID_LENGTH + (family === 4 ? 6 : 18);
}

/**
 * Nodes that one answer may name. BEP 5 asks for 8; some send more, and nobody honest more than this. It bounds what an
 * answer costs us.
 */
const NODES_READ_MAX = 16;

/** Compact nodes. None if the length is not a whole number of them: such a sender is not to be believed at all. */
export function readContacts(bytes: Uint8Array, family: IpFamily, max = NODES_READ_MAX): Contact[] {
  const stride = contactLength(family);
  const contacts: Contact[] = [];
  if (bytes.length % stride !== 0) return contacts;
  const end = Math.min(bytes.length, max * stride);
  for (let at = 0; at < end; at += stride) {
    const host = ipFromBytes(bytes.subarray(at + ID_LENGTH, at + stride - 2));
    if (host === null || factsOf(host).family !== family) continue;
    const port = readU16(bytes, at + stride - 2);
    contacts.push({ id: bytes.slice(at, at + ID_LENGTH), address: { host, port } });
  }
  return contacts;
}

/** The compact form of an address: 6 bytes for IPv4, 18 for IPv6. */
export function writeEndpoint({ host, port }: PeerAddress): Uint8Array {
  const ip = factsOf(host).bytes;
  const bytes = new Uint8Array(ip.length + 2);
  bytes.set(ip);
  writeU16(bytes, ip.length, port);
  return bytes;
}

/** The compact form of nodes, all of one family. */
export function writeContacts(contacts: readonly Contact[], family: IpFamily): Uint8Array {
  const stride = contactLength(family);
  const bytes = new Uint8Array(contacts.length * stride);
  contacts.forEach(({ id, address }, i) => {
    bytes.set(id, i * stride);
    bytes.set(factsOf(address.host).bytes, i * stride + ID_LENGTH);
    writeU16(bytes, (i + 1) * stride - 2, address.port);
  });
  return bytes;
}

/**
 * May an address named by `source` be spoken to? Who is not in a local network has no business naming local addresses:
 * it would have us send to machines that only we can reach.
 */
export function isBelievable(address: PeerAddress, source: PeerAddress): boolean {
  const { isReachable, isLocal } = factsOf(address.host);
  return address.port > 0 && isReachable && (!isLocal || factsOf(source.host).isLocal);
}

/**
 * The network that one owner plausibly has as a whole: a /24 of IPv4, a /64 of IPv6. Local networks are no such thing,
 * so there each address with its port stands for itself.
 */
export function networkOf(address: PeerAddress): string {
  const { isLocal, network } = factsOf(address.host);
  return isLocal ? addressKey(address) : network;
}

/** Who is behind a datagram, for limits: an IPv4 address, a /64 of IPv6, or in local networks address and port. */
export function senderOf(address: PeerAddress): string {
  const { isLocal, family } = factsOf(address.host);
  return family === 4 && !isLocal ? address.host : networkOf(address);
}
