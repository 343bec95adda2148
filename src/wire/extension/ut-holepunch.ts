import { readU16, readU32, writeU16, writeU32 } from '../../util/bytes.ts';
import { ipFromBytes, ipToBytes, type PeerAddress } from '../../util/ip.ts';

/** Name in the extended handshake (BEP 55). */
export const UT_HOLEPUNCH = 'ut_holepunch';

const TYPES = ['rendezvous', 'connect', 'error'] as const;

/** BEP 55: why a rendezvous cannot be. */
export const HolepunchError = {
  /** The target is no valid endpoint. */
  noSuchPeer: 1,
  /** The relay is not connected to the target. */
  notConnected: 2,
  /** The target does not know this extension. */
  noSupport: 3,
  /** The target is the relay. */
  noSelf: 4,
} as const;

/**
 * Two peers that cannot be dialled meet through a third that is connected to both (BEP 55): *rendezvous* asks it to
 * introduce the sender to `peer`, *connect* tells both to dial each other at the same time, *error* says why not.
 */
export interface HolepunchMessage {
  readonly type: (typeof TYPES)[number];
  readonly peer: PeerAddress;
  /** Of `HolepunchError`; 0 in messages that are no error. */
  readonly error: number;
}

/** `<type:1><family:1><address: 4 or 16><port:2><error:4>`; the error may be left out where there is none. */
export function readHolepunch(payload: Uint8Array): HolepunchMessage | null {
  const type = TYPES[payload[0] ?? -1];
  const family = payload[1];
  if (type === undefined || (family !== 0 && family !== 1)) return null;
  const portAt = 2 + (family === 0 ? 4 : 16);
  const errorAt = portAt + 2;
  const hasError = payload.length === errorAt + 4;
  if (!hasError && !(payload.length === errorAt && type !== 'error')) return null;
  const host = ipFromBytes(payload.subarray(2, portAt))!;
  const peer = { host, port: readU16(payload, portAt) };
  return { type, peer, error: hasError ? readU32(payload, errorAt) : 0 };
}

export function writeHolepunch({ type, peer, error }: HolepunchMessage): Uint8Array {
  const ip = ipToBytes(peer.host)!;
  const bytes = new Uint8Array(2 + ip.length + 2 + 4);
  bytes[0] = TYPES.indexOf(type);
  bytes[1] = ip.length === 4 ? 0 : 1;
  bytes.set(ip, 2);
  writeU16(bytes, 2 + ip.length, peer.port);
  writeU32(bytes, 4 + ip.length, error);
  return bytes;
}
