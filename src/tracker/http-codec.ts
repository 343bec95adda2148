/**
 * Announces over HTTP (BEP 3), with compact peers (BEP 23), IPv6 peers (BEP 7) and our external address (BEP 24).
 *
 * Trackers are written in many languages, so an odd field is read as absent; an answer is an error only if it is no
 * dictionary, says so itself, or its list of peers cannot be understood.
 */
import { tryDecode } from '../bencode/codec.ts';
import { isDict, isList, readBytes, readInt, readText, readValue } from '../bencode/fields.ts';
import { TRACKER_LIMITS } from '../bencode/scan.ts';
import type { BencodeDict, BencodeValue } from '../bencode/value.ts';
import { TrackerError } from '../errors.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';
import { canonicalIp, ipFromBytes, readCompactPeers } from '../util/ip.ts';
import type { AnnounceRequest, AnnounceResponse } from './announce.ts';
import { PEERS_MAX, remoteText } from './announce.ts';
import type { TrackerUrl } from './tracker-url.ts';

/** Upper bound of an answer's body; libtorrent's too. 200 peers in dictionary form are 20 KiB. */
export const HTTP_BODY_MAX = 1_048_576;

/** A tracker id is opaque and goes into our next URL; those in use have some 20 bytes. */
const TRACKER_ID_MAX = 256;

/** IPv6 in full form has 39 characters, a zone cannot be used. */
const IP_TEXT_MAX = 45;

/** The URL of an announce (BEP 3). `trackerId` is what the last answer gave us. */
export function announceUrl(
  url: TrackerUrl,
  request: AnnounceRequest,
  trackerId: Uint8Array | null = null,
): string {
  const pairs = [
    `info_hash=${percentEncode(request.infoHash)}`,
    `peer_id=${percentEncode(request.peerId)}`,
    `port=${request.port}`,
    `uploaded=${request.uploaded}`,
    `downloaded=${request.downloaded}`,
    `left=${request.left}`,
    'compact=1', // BEP 23
    'no_peer_id=1',
    `numwant=${request.numWant}`,
    `key=${request.key.toString(16).padStart(8, '0')}`, // BEP 7
  ];
  // No BEP, but every client says it, and some trackers heed it.
  if ((request.encryption ?? 'off') !== 'off') pairs.push('supportcrypto=1');
  if (request.encryption === 'require') pairs.push('requirecrypto=1');
  if (request.event !== null) pairs.push(`event=${request.event}`);
  if (trackerId !== null) pairs.push(`trackerid=${percentEncode(trackerId)}`);
  return withQuery(url.text, pairs);
}

/** Appends to whatever query the address already has: private trackers keep the user's key there. */
export function withQuery(url: string, pairs: readonly string[]): string {
  const separator = !url.includes('?') ? '?' : /[?&]$/.test(url) ? '' : '&';
  return `${url}${separator}${pairs.join('&')}`;
}

/** RFC 3986: all but unreserved characters, byte by byte. */
export function percentEncode(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /[A-Za-z0-9._~-]/.test(character)
      ? character
      : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return text;
}

/** Reads the answer to an announce. Some trackers refuse with a status of 4xx and say why in the body. */
export function readAnnounceAnswer(
  status: number,
  body: Uint8Array,
  url: string,
): AnnounceResponse | TrackerError {
  const answer = readAnswer(status, body, url);
  if (answer instanceof TrackerError) return answer;
  const peers = readPeers(answer, url);
  if (peers instanceof TrackerError) return peers;
  const warning = readBytes(answer, 'warning message');
  const trackerId = readBytes(answer, 'tracker id');
  const externalIp = readBytes(answer, 'external ip');
  return {
    interval: readInt(answer, 'interval', 1, Number.MAX_SAFE_INTEGER),
    minInterval: readInt(answer, 'min interval', 1, Number.MAX_SAFE_INTEGER),
    seeders: readCount(answer, 'complete'),
    leechers: readCount(answer, 'incomplete'),
    peers,
    warning: warning === null ? null : remoteText(warning),
    externalIp: externalIp === null ? null : ipFromBytes(externalIp),
    trackerId: trackerId !== null && trackerId.length <= TRACKER_ID_MAX ? trackerId : null,
  };
}

/** The dictionary that every answer over HTTP is, unless it is a refusal. */
export function readAnswer(status: number, body: Uint8Array, url: string): BencodeDict | TrackerError {
  const decoded = tryDecode(body, TRACKER_LIMITS);
  if (decoded.ok && isDict(decoded.value)) {
    const failure = readBytes(decoded.value, 'failure reason');
    if (failure !== null) {
      return new TrackerError(remoteText(failure) || 'refused without giving a reason', url);
    }
    if (status === 200) return decoded.value;
  }
  if (status !== 200) return new TrackerError(`answered with HTTP status ${status}`, url);
  return new TrackerError(
    decoded.ok ? 'the answer is no dictionary' : `the answer is not bencode: ${decoded.message}`,
    url,
  );
}

/** A counter as trackers send it; null if absent or senseless. */
export function readCount(dict: BencodeDict, key: string): number | null {
  return readInt(dict, key, 0, Number.MAX_SAFE_INTEGER);
}

function readPeers(answer: BencodeDict, url: string): PeerAddress[] | TrackerError {
  const found: PeerAddress[] = [];
  // BEP 23: a string under `peers` is compact IPv4; BEP 7: `peers6` is compact IPv6.
  const keys: [string, IpFamily][] = [
    ['peers', 4],
    ['peers6', 6],
  ];
  for (const [key, family] of keys) {
    const value = readValue(answer, key);
    const peers = value instanceof Uint8Array ? readCompact(value, family) : readPeerDicts(value);
    if (peers === null) return new TrackerError(`the list of ${key} is malformed`, url);
    found.push(...peers.slice(0, PEERS_MAX - found.length));
  }
  return found;
}

function readCompact(bytes: Uint8Array, family: IpFamily): PeerAddress[] | null {
  const peers = readCompactPeers(bytes.subarray(0, compactLengthTaken(bytes.length, family)), family);
  return peers?.filter((peer) => peer.port > 0) ?? null;
}

/** A list beyond `PEERS_MAX` is cut before it is read, but its length still has to be right. */
function compactLengthTaken(length: number, family: IpFamily): number {
  const stride = family === 4 ? 6 : 18;
  return length % stride === 0 ? Math.min(length, PEERS_MAX * stride) : length;
}

/** BEP 3's original form. Single bad entries are skipped; null if there are entries and all are bad. */
function readPeerDicts(value: BencodeValue | undefined): PeerAddress[] | null {
  if (value === undefined) return [];
  if (!isList(value)) return null;
  const peers: PeerAddress[] = [];
  for (const entry of value.slice(0, PEERS_MAX)) {
    const peer = isDict(entry) ? readPeerDict(entry) : null;
    if (peer !== null) peers.push(peer);
  }
  return peers.length > 0 || value.length === 0 ? peers : null;
}

/**
 * BEP 3 would allow a name as `ip`. Looking up names that strangers give us is not worth the one tracker that does.
 */
function readPeerDict(entry: BencodeDict): PeerAddress | null {
  const port = readInt(entry, 'port', 1, 65_535);
  const ip = readBytes(entry, 'ip');
  if (port === null || ip === null || ip.length > IP_TEXT_MAX) return null;
  const host = canonicalIp(readText(entry, 'ip')!);
  return host === null ? null : { host, port };
}
