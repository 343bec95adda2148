import type { Handshake } from './link.ts';
import { utf8 } from '../util/bytes.ts';
import { HANDSHAKE_LENGTH } from './message.ts';

/**
 * The handshake (BEP 3), 68 bytes:
 *
 *     0x13 "BitTorrent protocol"    20
 *     reserved, feature bits         8
 *     info hash                     20
 *     peer id                       20
 */

/** What every plain handshake begins with. */
export const PROTOCOL_HEADER: Uint8Array = utf8('\x13BitTorrent protocol');

const RESERVED_AT = 20;
const INFO_HASH_AT = 28;
const PEER_ID_AT = 48;

/** A feature bit: which of the 8 reserved bytes, and which bit of it. */
export interface Feature {
  readonly byte: number;
  readonly mask: number;
}

export const Feature = {
  /** BEP 10, extension protocol */
  extensions: { byte: 5, mask: 0x10 },
  /** BEP 6, fast extension */
  fast: { byte: 7, mask: 0x04 },
  /** BEP 5, the peer takes *port* messages */
  dht: { byte: 7, mask: 0x01 },
} as const;

export function hasFeature(reserved: Uint8Array, feature: Feature): boolean {
  return (reserved[feature.byte]! & feature.mask) !== 0;
}

/** 8 reserved bytes with exactly these features on. */
export function reservedOf(features: readonly Feature[]): Uint8Array {
  const reserved = new Uint8Array(8);
  for (const feature of features) reserved[feature.byte]! |= feature.mask;
  return reserved;
}

/** The parts of 68 bytes whose header was checked. Views, not copies. */
export function readHandshake(bytes: Uint8Array): Handshake {
  return {
    reserved: bytes.subarray(RESERVED_AT, INFO_HASH_AT),
    infoHash: bytes.subarray(INFO_HASH_AT, PEER_ID_AT),
    peerId: bytes.subarray(PEER_ID_AT, HANDSHAKE_LENGTH),
  };
}

/** Puts 68 bytes at `offset`. */
export function putHandshake(bytes: Uint8Array, offset: number, handshake: Handshake): void {
  bytes.set(PROTOCOL_HEADER, offset);
  bytes.set(handshake.reserved, offset + RESERVED_AT);
  bytes.set(handshake.infoHash, offset + INFO_HASH_AT);
  bytes.set(handshake.peerId, offset + PEER_ID_AT);
}
