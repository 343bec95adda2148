import { ipToBytes } from './ip.ts';

/**
 * Whose voice counts once when others tell us what our address is. Addresses are cheap by the network: whoever rents one
 * machine may have a whole /24 of IPv4 or /48 of IPv6, and all names below one domain have one owner.
 *
 * @param host An IP address or a name; any other text stands for itself.
 */
export function voiceOf(host: string): string {
  const bytes = ipToBytes(host);
  if (bytes === null) return host.toLowerCase().split('.').slice(-2).join('.');
  return bytes.subarray(0, bytes.length === 4 ? 3 : 6).join('.') + (bytes.length === 4 ? '.0/24' : '/48');
}
