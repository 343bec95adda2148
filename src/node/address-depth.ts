import { ipToBytes, isLocalIp } from '../util/ip.ts';

/** How far inside an address is: 0 the world, 1 our own network, 2 this machine. */
export type AddressDepth = 0 | 1 | 2;

export function addressDepth(address: string): AddressDepth {
  if (address === '::1' || ipToBytes(address)?.[0] === 127) return 2;
  return isLocalIp(address) ? 1 : 0;
}
