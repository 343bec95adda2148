import type { Encryption } from '../../options.ts';
import type { DisconnectReason, LinkEncryption } from '../../wire/link.ts';
import { PLAINTEXT, RC4, type OutboundEncryption } from '../../wire/mse/negotiation.ts';
import type { KnownPeer } from './peer-roster.ts';

/**
 * Whether a peer is dialled plain or encrypted. Where both are allowed, encrypted comes first, as most clients do: it
 * passes where plain handshakes are held up on the way, and a peer that knows no encryption hangs up at once, because a
 * key is longer than a handshake. The other way follows at once, and what worked is remembered.
 */
export interface DialManners {
  /** How it is dialled next, if both ways are allowed. */
  way: 'encrypted' | 'plain';
  /** The other way has just failed; if this one does too, the peer has failed. */
  isSecondTry: boolean;
}

export function firstManners(): DialManners {
  return { way: 'encrypted', isSecondTry: false };
}

/** The handshake to dial `peer` with; null for a plain one. */
export function encryptionFor(
  peer: KnownPeer,
  option: Encryption,
  infoHash: Uint8Array,
): OutboundEncryption | null {
  if (option === 'require') return { infoHash, provide: RC4 };
  if (option === 'off' || peer.manners.way === 'plain') return null;
  return { infoHash, provide: PLAINTEXT | RC4 };
}

/** What worked is what is done again. */
export function onDialWorked(peer: KnownPeer): void {
  peer.manners.isSecondTry = false;
}

/** Somebody got through to it encrypted (BEP 11). If a plain dial was to be next, that is for what it was like before. */
export function onPrefersEncryption({ state, manners }: KnownPeer): void {
  if (state === 'idle' && !manners.isSecondTry) manners.way = 'encrypted';
}

/**
 * The handshake with `peer` failed; `reached` is what of the link was encrypted by then. True if it is to be dialled again
 * at once, the other way.
 */
export function changesWay(
  peer: KnownPeer,
  option: Encryption,
  reason: DisconnectReason,
  reached: LinkEncryption,
): boolean {
  if (option !== 'prefer') return false;
  const { manners } = peer;
  // Once the keys agreed, it was not the encryption that failed.
  if (manners.isSecondTry || reached !== 'none' || !mayBeTheWay(reason)) {
    manners.isSecondTry = false;
    return false;
  }
  manners.way = manners.way === 'plain' ? 'encrypted' : 'plain';
  manners.isSecondTry = true;
  return true;
}

/** A side that does not understand the other hangs up, waits, or answers in its own way. */
function mayBeTheWay(reason: DisconnectReason): boolean {
  switch (reason) {
    case 'closed-by-peer':
    case 'connection-error':
    case 'handshake-timeout':
    case 'bad-handshake':
      return true;
    default:
      return false;
  }
}
