import type { IpFamily } from '../util/ip.ts';
import { ipFamily, ipToBytes, isDialable, isLocalIp } from '../util/ip.ts';

/** What an address is, whatever its port. */
export interface HostFacts {
  readonly family: IpFamily | 0;
  /** 4 or 16; empty if it is no address. */
  readonly bytes: Uint8Array;
  /** It leads to this machine or its own network. */
  readonly isLocal: boolean;
  /** Something can be sent there. */
  readonly isReachable: boolean;
  /** The network that one owner plausibly has as a whole: a /24 of IPv4, a /64 of IPv6. */
  readonly network: string;
}

/** The nodes of a full table and of a few lookups; then the memory begins anew. */
const REMEMBERED_MAX = 4096;

const remembered = new Map<string, HostFacts>();

/** Remembered, because each datagram asks for the facts of up to ten addresses, mostly of the same ones. */
export function factsOf(host: string): HostFacts {
  const known = remembered.get(host);
  if (known !== undefined) return known;
  if (remembered.size >= REMEMBERED_MAX) remembered.clear();
  const bytes = ipToBytes(host) ?? new Uint8Array(0);
  const facts: HostFacts = {
    family: ipFamily(host),
    bytes,
    isLocal: isLocalIp(host),
    isReachable: isDialable({ host, port: 1 }),
    network: bytes.length === 4 ? host.slice(0, host.lastIndexOf('.')) : bytes.subarray(0, 8).join('.'),
  };
  remembered.set(host, facts);
  return facts;
}
