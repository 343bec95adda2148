/**
 * The packets of UDP trackers (BEP 15) and their URL option (BEP 41), for both ends.
 *
 * Every packet names an action and carries a transaction id that the client chose. Whether an address in a list has
 * 4 or 16 bytes is decided by the family of the socket, not by anything in the packet.
 */
import { TrackerError } from '../errors.ts';
import { concatBytes, readU16, readU32, readU64, utf8, writeU16, writeU32, writeU64 } from '../util/bytes.ts';
import type { IpFamily } from '../util/ip.ts';
import { readCompactPeers } from '../util/ip.ts';
import type { AnnounceEvent, AnnounceRequest, AnnounceResponse, ScrapeCounts } from './announce.ts';
import { PEERS_MAX, remoteText } from './announce.ts';

export const ACTION_CONNECT = 0;
export const ACTION_ANNOUNCE = 1;
export const ACTION_SCRAPE = 2;
export const ACTION_ERROR = 3;

/** First 8 bytes of a connect request. */
const PROTOCOL_ID = 0x417_2710_1980n;

/** Index is the number on the wire. */
const EVENTS: readonly (AnnounceEvent | null)[] = [null, 'completed', 'started', 'stopped'];

const ANNOUNCE_REQUEST_LENGTH = 98;
const ANNOUNCE_REPLY_LENGTH = 20;

/** BEP 41: option 2 is a piece of the URL, its length is one byte. */
const OPTION_URL_DATA = 2;
const OPTION_LENGTH_MAX = 255;

export interface UdpReplyHeader {
  readonly action: number;
  readonly transactionId: number;
}

// The client's side.

/** `<protocol id: 8><action 0: 4><transaction id: 4>` */
export function writeConnect(transactionId: number): Uint8Array {
  const packet = new Uint8Array(16);
  writeU64(packet, 0, PROTOCOL_ID);
  writeU32(packet, 8, ACTION_CONNECT);
  writeU32(packet, 12, transactionId);
  return packet;
}

/**
 * `<connection id: 8><action 1: 4><transaction id: 4><info hash: 20><peer id: 20><downloaded: 8><left: 8><uploaded:
 * 8>` `<event: 4><ip: 4><key: 4><num want: 4><port: 2>`, then the options of BEP 41. `path` is path and query of
 * the tracker's URL.
 */
export function writeAnnounce(
  connectionId: Uint8Array,
  transactionId: number,
  request: AnnounceRequest,
  path = '',
): Uint8Array {
  const packet = new Uint8Array(ANNOUNCE_REQUEST_LENGTH);
  packet.set(connectionId, 0);
  writeU32(packet, 8, ACTION_ANNOUNCE);
  writeU32(packet, 12, transactionId);
  packet.set(request.infoHash, 16);
  packet.set(request.peerId, 36);
  writeU64(packet, 56, request.downloaded);
  writeU64(packet, 64, request.left);
  writeU64(packet, 72, request.uploaded);
  writeU32(packet, 80, EVENTS.indexOf(request.event));
  // The address at 84 stays 0: the tracker takes the one it sees.
  writeU32(packet, 88, request.key);
  writeU32(packet, 92, request.numWant);
  writeU16(packet, 96, request.port);
  return path === '' || path === '/' ? packet : concatBytes([packet, ...urlData(path)]);
}

/** `<connection id: 8><action 2: 4><transaction id: 4>{<info hash: 20>}` */
export function writeScrape(
  connectionId: Uint8Array,
  transactionId: number,
  infoHashes: readonly Uint8Array[],
): Uint8Array {
  const packet = new Uint8Array(16 + 20 * infoHashes.length);
  packet.set(connectionId, 0);
  writeU32(packet, 8, ACTION_SCRAPE);
  writeU32(packet, 12, transactionId);
  infoHashes.forEach((hash, i) => packet.set(hash, 16 + 20 * i));
  return packet;
}

/** BEP 41: a path beyond 255 bytes goes into several options. */
function urlData(path: string): Uint8Array[] {
  const bytes = utf8(path);
  const options: Uint8Array[] = [];
  for (let i = 0; i < bytes.length; i += OPTION_LENGTH_MAX) {
    const part = bytes.subarray(i, i + OPTION_LENGTH_MAX);
    options.push(Uint8Array.of(OPTION_URL_DATA, part.length), part);
  }
  return options;
}

/** The head of any reply, or null if it is too short to have one. */
export function readReplyHeader(packet: Uint8Array): UdpReplyHeader | null {
  if (packet.length < 8) return null;
  return { action: readU32(packet, 0), transactionId: readU32(packet, 4) };
}

/** Is the packet as long as a reply of its action must be at least? Shorter ones are as good as never sent. */
export function isWholeReply(packet: Uint8Array, action: number): boolean {
  const least = action === ACTION_CONNECT ? 16 : action === ACTION_ANNOUNCE ? ANNOUNCE_REPLY_LENGTH : 8;
  return packet.length >= least;
}

/** `<action 0: 4><transaction id: 4><connection id: 8>`; the caller has checked the length. */
export function readConnectReply(packet: Uint8Array): Uint8Array {
  return packet.slice(8, 16);
}

/** `<action 1: 4><transaction id: 4><interval: 4><leechers: 4><seeders: 4>{<ip: 4 or 16><port: 2>}` */
export function readAnnounceReply(
  packet: Uint8Array,
  family: IpFamily,
  url: string,
): AnnounceResponse | TrackerError {
  const list = packet.subarray(ANNOUNCE_REPLY_LENGTH);
  const peers = readCompactPeers(list, family);
  if (peers === null) return new TrackerError('the list of peers has an odd length', url);
  return {
    interval: readU32(packet, 8),
    minInterval: null,
    leechers: readU32(packet, 12),
    seeders: readU32(packet, 16),
    peers: peers.filter((peer) => peer.port > 0).slice(0, PEERS_MAX),
    warning: null,
    externalIp: null,
    trackerId: null,
  };
}

/** `<action 2: 4><transaction id: 4>{<seeders: 4><completed: 4><leechers: 4>}`, in the order of the request. */
export function readScrapeReply(
  packet: Uint8Array,
  count: number,
  url: string,
): readonly ScrapeCounts[] | TrackerError {
  if (packet.length < 8 + 12 * count) return new TrackerError('the scrape is too short', url);
  return Array.from({ length: count }, (_, i) => ({
    seeders: readU32(packet, 8 + 12 * i),
    downloads: readU32(packet, 12 + 12 * i),
    leechers: readU32(packet, 16 + 12 * i),
  }));
}

/** `<action 3: 4><transaction id: 4><message>` */
export function readErrorReply(packet: Uint8Array): string {
  return remoteText(packet.subarray(8)) || 'refused without giving a reason';
}

// The tracker's side.

/** What a request says, as far as its form goes. */
export type UdpRequestPacket =
  | { readonly action: 'connect'; readonly transactionId: number }
  | {
      readonly action: 'announce';
      readonly transactionId: number;
      readonly connectionId: Uint8Array;
      readonly announce: AnnounceRequest;
    }
  | {
      readonly action: 'scrape';
      readonly transactionId: number;
      readonly connectionId: Uint8Array;
      readonly infoHashes: readonly Uint8Array[];
    };

/** Reads a request, or null if it is none. Options behind an announce (BEP 41) are of no use to this tracker. */
export function readRequest(packet: Uint8Array): UdpRequestPacket | null {
  if (packet.length < 16) return null;
  const action = readU32(packet, 8);
  const transactionId = readU32(packet, 12);
  const connectionId = packet.slice(0, 8);
  if (action === ACTION_CONNECT) {
    return readU64(packet, 0) === PROTOCOL_ID ? { action: 'connect', transactionId } : null;
  }
  if (action === ACTION_ANNOUNCE && packet.length >= ANNOUNCE_REQUEST_LENGTH) {
    const announce = readAnnounceRequest(packet);
    return announce && { action: 'announce', transactionId, connectionId, announce };
  }
  if (action === ACTION_SCRAPE && packet.length >= 36) {
    const infoHashes: Uint8Array[] = [];
    for (let i = 16; i + 20 <= packet.length; i += 20) infoHashes.push(packet.slice(i, i + 20));
    return { action: 'scrape', transactionId, connectionId, infoHashes };
  }
  return null;
}

function readAnnounceRequest(packet: Uint8Array): AnnounceRequest | null {
  const event = EVENTS[readU32(packet, 80)];
  if (event === undefined) return null;
  return {
    infoHash: packet.slice(16, 36),
    peerId: packet.slice(36, 56),
    // Counters beyond 2^53 only matter for being zero or not.
    downloaded: Number(readU64(packet, 56)),
    left: Number(readU64(packet, 64)),
    uploaded: Number(readU64(packet, 72)),
    event,
    key: readU32(packet, 88),
    numWant: readU32(packet, 92) | 0, // -1 asks for the tracker's default
    port: readU16(packet, 96),
  };
}

export function writeConnectReply(transactionId: number, connectionId: Uint8Array): Uint8Array {
  const packet = replyOf(ACTION_CONNECT, transactionId, 16);
  packet.set(connectionId, 8);
  return packet;
}

/** `peers` is the list in compact form, of the family of the socket. */
export function writeAnnounceReply(
  transactionId: number,
  reply: { interval: number; seeders: number; leechers: number; peers: Uint8Array },
): Uint8Array {
  const { peers } = reply;
  const packet = replyOf(ACTION_ANNOUNCE, transactionId, ANNOUNCE_REPLY_LENGTH + peers.length);
  writeU32(packet, 8, reply.interval);
  writeU32(packet, 12, reply.leechers);
  writeU32(packet, 16, reply.seeders);
  packet.set(peers, ANNOUNCE_REPLY_LENGTH);
  return packet;
}

export function writeScrapeReply(transactionId: number, counts: readonly ScrapeCounts[]): Uint8Array {
  const packet = replyOf(ACTION_SCRAPE, transactionId, 8 + 12 * counts.length);
  counts.forEach((count, i) => {
    writeU32(packet, 8 + 12 * i, count.seeders);
    writeU32(packet, 12 + 12 * i, count.downloads);
    writeU32(packet, 16 + 12 * i, count.leechers);
  });
  return packet;
}

export function writeErrorReply(transactionId: number, message: string): Uint8Array {
  const text = utf8(message);
  const packet = replyOf(ACTION_ERROR, transactionId, 8 + text.length);
  packet.set(text, 8);
  return packet;
}

function replyOf(action: number, transactionId: number, length: number): Uint8Array {
  const packet = new Uint8Array(length);
  writeU32(packet, 0, action);
  writeU32(packet, 4, transactionId);
  return packet;
}
