import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns';
import { ipFamily, type IpFamily } from '../util/ip.ts';

/**
 * A socket for datagrams to and from addresses of one family; a name may only be bound to. Node asks its resolver for each
 * address, even of each datagram sent, which first compiles a regular expression of IPv6: 5 ms of the start of a process.
 */
export function datagramSocket(family: IpFamily, options: { readonly reuseAddr?: boolean } = {}): Socket {
  return createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    ipv6Only: family === 6,
    reuseAddr: options.reuseAddr ?? false,
    lookup: (address, _, done) => {
      if (ipFamily(address) === 0) lookup(address, { family }, done);
      else process.nextTick(done, null, address, family);
    },
  });
}
