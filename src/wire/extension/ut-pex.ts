import { encode, tryDecode } from '../../bencode/codec.ts';
import { isDict, readBytes } from '../../bencode/fields.ts';
import { PEER_LIMITS } from '../../bencode/scan.ts';
import type { BencodeDict } from '../../bencode/value.ts';
import {
  addressKey,
  ipFamily,
  isDialable,
  isLocalIp,
  readCompactPeers,
  writeCompactPeers,
  type IpFamily,
  type PeerAddress,
} from '../../util/ip.ts';

/** Peer exchange: which peers the sender is connected to (BEP 11). */

/** Name in the extended handshake. */
export const UT_PEX = 'ut_pex';

/** Bits that go with an added peer (BEP 11). */
export const PexFlag = {
  prefersEncryption: 0x01,
  /** Has everything, or downloads nothing (BEP 21). */
  seed: 0x02,
  utp: 0x04,
  holepunch: 0x08,
  /** The sender dialled it, so it can be reached. */
  reachable: 0x10,
} as const;

/** BEP 11: peers added, and peers dropped, in a message after the first. What is more is not read. */
export const PEX_PEERS_MAX = 50;
/** The first message tells of everybody. BEP 11 gives it no bound; libtorrent sends 100 at most, others 200. */
export const PEX_FIRST_PEERS_MAX = 200;

export interface PexPeer {
  readonly address: PeerAddress;
  /** Bits of `PexFlag`. */
  readonly flags: number;
}

export interface PexMessage {
  readonly added: readonly PexPeer[];
  readonly dropped: readonly PeerAddress[];
}

/** The payload of a message. At least one peer must be in it (BEP 11). */
export function writePex({ added, dropped }: PexMessage): Uint8Array {
  const part = (family: IpFamily): { peers?: Uint8Array; flags?: Uint8Array; dropped?: Uint8Array } => {
    const ours = added.filter(({ address }) => ipFamily(address.host) === family);
    const peers = writeCompactPeers(
      ours.map(({ address }) => address),
      family,
    );
    const gone = writeCompactPeers(dropped, family);
    return {
      ...(ours.length > 0 && { peers, flags: Uint8Array.from(ours, ({ flags }) => flags) }),
      ...(gone.length > 0 && { dropped: gone }),
    };
  };
  const v4 = part(4);
  const v6 = part(6);
  return encode({
    added: v4.peers,
    'added.f': v4.flags,
    added6: v6.peers,
    'added6.f': v6.flags,
    dropped: v4.dropped,
    dropped6: v6.dropped,
  });
}

/**
 * Reads a message that came from a peer at `sender`. Null if it is no dictionary. A list whose length is no multiple of an
 * address is left out, and so are flags whose number is not that of the peers. Of the rest only addresses are taken that
 * can be dialled, each once; one on a local network only from a peer that is itself on one, and elsewhere one port per
 * host, so that a liar cannot turn a swarm on a victim (BEP 11).
 *
 * @param max Peers taken of each kind, of both families together.
 */
export function readPex(payload: Uint8Array, sender: string, max: number): PexMessage | null {
  const decoded = tryDecode(payload, PEER_LIMITS);
  if (!decoded.ok || !isDict(decoded.value)) return null;
  const dict = decoded.value;
  const isCredible = credibleFrom(sender);
  const added: PexPeer[] = [];
  const dropped: PeerAddress[] = [];
  for (const [family, suffix] of [
    [4, ''],
    [6, '6'],
  ] as const) {
    const flags = readBytes(dict, `added${suffix}.f`);
    const peers = readPeers(dict, `added${suffix}`, family);
    peers.forEach((address, i) => {
      if (added.length >= max || !isCredible(address)) return;
      added.push({ address, flags: flags?.length === peers.length ? flags[i]! : 0 });
    });
    // To know that somebody is gone makes nobody dial.
    for (const address of readPeers(dict, `dropped${suffix}`, family)) {
      if (dropped.length < max && isDialable(address)) dropped.push(address);
    }
  }
  return { added, dropped };
}

function readPeers(dict: BencodeDict, key: string, family: IpFamily): readonly PeerAddress[] {
  const bytes = readBytes(dict, key);
  return (bytes && readCompactPeers(bytes, family)) ?? [];
}

function credibleFrom(sender: string): (address: PeerAddress) => boolean {
  const seen = new Set<string>();
  const isNeighbour = isLocalIp(sender);
  return (address) => {
    if (!isDialable(address)) return false;
    const isLocal = isLocalIp(address.host);
    if (isLocal && !isNeighbour) return false;
    // On one machine, or behind one router of ours, many clients may share an address.
    const key = isLocal ? addressKey(address) : address.host;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  };
}
