import ipaddr from 'ipaddr.js';
import { readU16, writeU16 } from './bytes.ts';

/** Where a peer listens. `host` is an IP address in its shortest form, never a name. */
export interface PeerAddress {
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
}

/** 4 bytes of address and 2 of port (BEP 23), 16 and 2 (BEP 7). */
const COMPACT_V4 = 6;
const COMPACT_V6 = 18;

export type IpFamily = 4 | 6;

/**
 * The family of an address in text form, or 0 if it is not an IP address. With a zone (`fe80::1%eth0`) it is none: that
 * means something on one machine alone.
 */
export function ipFamily(host: string): IpFamily | 0 {
  return factsOf(host)?.family ?? 0;
}

/** The shortest form, with an IPv4 address mapped into IPv6 taken back out; null if it is not an IP address. */
export function canonicalIp(host: string): string | null {
  return factsOf(host)?.canonical ?? null;
}

interface IpFacts {
  /** Of the text; an IPv4 address mapped into IPv6 is one of 6. */
  readonly family: IpFamily;
  readonly canonical: string;
  /** Of the canonical one, as `ipaddr.js` names it. */
  readonly range: string;
  readonly bytes: Uint8Array;
}

/**
 * Addresses of peers come again and again: parsing them each time was 4 % of the CPU of a swarm of 30 that begins, and
 * with room for a thousand 8 % of one of two thousand. Four megabytes at most.
 */
const FACTS_MAX = 16_384;
const known = new Map<string, IpFacts>();

function factsOf(host: string): IpFacts | null {
  const before = known.get(host);
  if (before) return before;
  const family = parsedFamily(host);
  if (family === 0) return null;
  const ip = ipaddr.process(host);
  const bytes = Uint8Array.from(ip.toByteArray());
  const facts = { family, canonical: ip.toString(), range: ip.range(), bytes };
  if (known.size >= FACTS_MAX) known.clear();
  known.set(host, facts);
  return facts;
}

function parsedFamily(host: string): IpFamily | 0 {
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) return 4;
  return host.includes(':') && !host.includes('%') && ipaddr.IPv6.isValid(host) ? 6 : 0;
}

/** The 4 or 16 bytes of an address, or null. */
export function ipToBytes(host: string): Uint8Array | null {
  return factsOf(host)?.bytes.slice() ?? null;
}

/** The text of 4 or 16 bytes, or null for any other length. */
export function ipFromBytes(bytes: Uint8Array): string | null {
  if (bytes.length === 4) return `${bytes[0]!}.${bytes[1]!}.${bytes[2]!}.${bytes[3]!}`;
  if (bytes.length !== 16) return null;
  return ipaddr.process(ipaddr.fromByteArray(Array.from(bytes)).toString()).toString();
}

/** Names an address in maps. */
export function addressKey(address: PeerAddress): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** `HOST:PORT` or `[V6]:PORT` with an IP address as host, or null. */
export function parseAddress(text: string): PeerAddress | null {
  const match = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text);
  if (!match) return null;
  const host = canonicalIp(match[1] ?? match[2] ?? '');
  const port = Number(match[3]);
  return host !== null && port >= 1 && port <= 65535 ? { host, port } : null;
}

/** Compact peers (BEP 23 for family 4, BEP 7 for 6). Null if the length is not a whole number of them. */
export function readCompactPeers(bytes: Uint8Array, family: IpFamily): PeerAddress[] | null {
  const stride = family === 4 ? COMPACT_V4 : COMPACT_V6;
  if (bytes.length % stride !== 0) return null;
  const peers: PeerAddress[] = [];
  for (let i = 0; i < bytes.length; i += stride) {
    const host = ipFromBytes(bytes.subarray(i, i + stride - 2));
    if (host !== null) peers.push({ host, port: readU16(bytes, i + stride - 2) });
  }
  return peers;
}

/** The compact form of those peers that are of the given family. */
export function writeCompactPeers(peers: readonly PeerAddress[], family: IpFamily): Uint8Array {
  const stride = family === 4 ? COMPACT_V4 : COMPACT_V6;
  const ours = peers.filter((peer) => ipFamily(peer.host) === family);
  const bytes = new Uint8Array(ours.length * stride);
  ours.forEach((peer, i) => {
    bytes.set(ipToBytes(peer.host)!, i * stride);
    writeU16(bytes, (i + 1) * stride - 2, peer.port);
  });
  return bytes;
}

/** Ranges that lead to this machine or its own network. A connection to the unspecified address reaches loopback. */
const LOCAL_RANGES = ['loopback', 'unspecified', 'private', 'linkLocal', 'carrierGradeNat', 'uniqueLocal'];

export function isLocalIp(host: string): boolean {
  return LOCAL_RANGES.includes(factsOf(host)?.range ?? '');
}

/**
 * Can a peer be dialled there at all? Unspecified, multicast and broadcast addresses, IPv6 link-local ones (they need
 * a zone that no tracker can know) and port 0 cannot.
 */
export function isDialable(address: PeerAddress): boolean {
  const { host, port } = address;
  const facts = factsOf(host);
  if (!Number.isInteger(port) || port < 1 || port > 65535 || facts === null) return false;
  const { range, canonical } = facts;
  if (range === 'unspecified' || range === 'multicast' || range === 'broadcast') return false;
  return !(canonical.includes(':') && range === 'linkLocal');
}

/** Ports below are those of well-known services (RFC 6335). */
const SERVICE_PORTS_END = 1024;

/**
 * Might a service of this machine or its own network listen there? Anybody may name such an address, in a tracker's
 * answer, a magnet link or another peer's list, to have us knock at doors that the world cannot reach. No BitTorrent
 * client listens there by itself.
 */
export function isLocalService({ host, port }: PeerAddress): boolean {
  return port < SERVICE_PORTS_END && isLocalIp(host);
}
