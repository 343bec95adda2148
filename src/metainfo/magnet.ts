/**
 * Magnet links: the info hash of a torrent in a URI, with hints where its swarm may be found (BEP 9, BEP 53).
 *
 * They are pasted from web pages, so reading them is tolerant: keys in any case, percent-encoding where none is needed,
 * `tr.1` for `tr`, `&amp;` for `&`. A hint that is of no use is left out; only a link without a usable hash is an error.
 * Nothing in a link by itself makes us fetch anything but through the swarm: `xs` is followed for users who say so,
 * `as` and `mt` never.
 */
import { MagnetError } from '../errors.ts';
import { fromHex, toHex } from '../util/bytes.ts';
import { addressKey, isDialable, parseAddress, type PeerAddress } from '../util/ip.ts';
import { isTrackerUrl, isWebSeedUrl } from './announce-urls.ts';

/** Characters. One with a hundred trackers has 8,000; this is room for the longest URLs in all of them. */
const LINK_LENGTH_MAX = 262_144;
/** Parameters looked at; more than all the limits below together. */
const PARAMETERS_MAX = 1_024;
/** As many as are ever announced to. */
const TRACKERS_MAX = 100;
const WEB_SEEDS_MAX = 100;
/** They are tried one after the other, up to half a minute each. */
const EXACT_SOURCES_MAX = 5;
/** Peers named by a link get no more of the roster than this. */
const PEERS_MAX = 100;
/** Parts of `so`. A range is one, so whoever writes more names single files by the hundred. */
const SELECT_PARTS_MAX = 1_000;
/** Characters of a name for show; file systems stop at 255. */
const NAME_LENGTH_MAX = 255;
/** The last index of a file that is believed; a torrent of 64 MiB cannot have more. */
const FILE_INDEX_MAX = 8_388_607;

const INFO_HASH_LENGTH = 20;
/** A multihash: SHA-256 (0x12) of 32 (0x20) bytes, as BEP 52 has it. */
const V2_HASH = /^1220[0-9a-f]{64}$/i;
const BASE32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';

/** What a magnet link says. Frozen. */
export interface Magnet {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** The same in 40 lower-case hexadecimal digits. */
  readonly infoHashHex: string;
  /** `dn`. Text from outside, for show only: it names no file. */
  readonly name: string | null;
  /** `tr`: each is a tier of its own; only http, https and udp. */
  readonly trackers: readonly string[];
  /** `ws` (BEP 19). */
  readonly webSeeds: readonly string[];
  /** `xs`: where the .torrent is; only http and https. */
  readonly exactSources: readonly string[];
  /** `x.pe`: peers by IP address. */
  readonly peers: readonly PeerAddress[];
  /** `so` (BEP 53): which files, as ranges of indices that count pad files too; null for all. */
  readonly select: readonly (readonly [number, number])[] | null;
}

/** What a magnet link is made of. A `MetaInfo` is that, and a `Magnet` too. */
export interface MagnetParts {
  readonly infoHashHex: string;
  readonly name?: string | null;
  readonly trackers?: readonly (string | readonly string[])[];
  readonly webSeeds?: readonly string[];
  readonly exactSources?: readonly string[];
  readonly peers?: readonly PeerAddress[];
  readonly select?: readonly (readonly [number, number])[] | null;
}

/**
 * Parses a magnet link. Of a hybrid torrent's two hashes (BEP 52) the v1 hash is taken.
 * @throws MagnetError `ERR_MAGNET`, or `ERR_UNSUPPORTED` for a torrent that has a v2 hash alone.
 */
export function parseMagnet(uri: string): Magnet {
  if (uri.length > LINK_LENGTH_MAX) {
    throw new MagnetError(`not a magnet link: longer than ${LINK_LENGTH_MAX} characters`);
  }
  // Trimmed first: an expression that looks for the end of the spaces takes a minute for a link full of them.
  const match = /^magnet:\??(.*)$/is.exec(uri.trim());
  if (!match) throw new MagnetError('not a magnet link: it does not begin with magnet:');
  const values = readParameters(match[1]!);
  const infoHash = readInfoHash(values.get('xt') ?? []);
  return Object.freeze({
    infoHash,
    infoHashHex: toHex(infoHash),
    name: readName(values.get('dn') ?? []),
    trackers: unique(values.get('tr') ?? [], isTrackerUrl, TRACKERS_MAX),
    webSeeds: unique(values.get('ws') ?? [], isWebSeedUrl, WEB_SEEDS_MAX),
    exactSources: unique(values.get('xs') ?? [], isWebSeedUrl, EXACT_SOURCES_MAX),
    peers: readPeers(values.get('x.pe') ?? []),
    select: readSelect(values.get('so') ?? []),
  });
}

/** The magnet link of a torrent: harmless text, because everything from outside is percent-encoded. */
export function writeMagnet(torrent: MagnetParts): string {
  const parts = [`xt=urn:btih:${torrent.infoHashHex}`];
  if (torrent.name) parts.push(`dn=${encode(torrent.name)}`);
  for (const url of (torrent.trackers ?? []).flat()) parts.push(`tr=${encode(url)}`);
  for (const url of torrent.webSeeds ?? []) parts.push(`ws=${encode(url)}`);
  for (const url of torrent.exactSources ?? []) parts.push(`xs=${encode(url)}`);
  for (const peer of torrent.peers ?? []) parts.push(`x.pe=${addressKey(peer)}`);
  if (torrent.select && torrent.select.length > 0) {
    const ranges = torrent.select.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
    parts.push(`so=${ranges.join(',')}`);
  }
  return `magnet:?${parts.join('&')}`;
}

/** Decoded values by key, in their order. What cannot be decoded is left out. */
function readParameters(query: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const part of query.split('&', PARAMETERS_MAX)) {
    const equals = part.indexOf('=');
    if (equals < 0) continue;
    // `&amp;` of a page's source, and `tr.1`, `tr.2` where somebody counted.
    const name = part.slice(0, equals).trim().toLowerCase().replace(/^amp;/, '');
    const key = name.replace(/\.\d+$/, '');
    // A form writes + for a space; in a URL it is itself.
    const text = part.slice(equals + 1);
    const value = unescape(key === 'dn' ? text.replaceAll('+', ' ') : text);
    if (value === null) continue;
    const known = values.get(key);
    if (known) known.push(value);
    else values.set(key, [value]);
  }
  return values;
}

function unescape(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null; // It has no other way to say that it is not percent-encoded UTF-8.
  }
}

function readInfoHash(topics: readonly string[]): Uint8Array {
  let bad: string | null = null;
  let isV2 = false;
  for (const topic of topics) {
    const match = /^urn:(btih|btmh):(.*)$/is.exec(topic);
    if (!match) continue;
    const text = match[2]!;
    if (match[1]!.toLowerCase() === 'btmh') {
      if (V2_HASH.test(text)) isV2 = true;
      else bad ??= 'its v2 info hash is not 1220 and 64 hexadecimal digits';
      continue;
    }
    const hash = text.length === 40 ? fromHex(text) : text.length === 32 ? fromBase32(text) : null;
    if (hash) return hash;
    bad ??= 'its info hash is neither 40 hexadecimal digits nor 32 characters of base32';
  }
  if (bad !== null) throw new MagnetError(`not a usable magnet link: ${bad}`, { field: 'xt' });
  if (!isV2) throw new MagnetError('not a usable magnet link: it has no info hash', { field: 'xt' });
  throw new MagnetError(
    'this magnet link is not supported: it is of a v2 torrent (BEP 52) without a v1 half',
    {
      code: 'ERR_UNSUPPORTED',
      field: 'xt',
    },
  );
}

/** RFC 4648 without padding: 32 characters are 20 bytes. */
function fromBase32(text: string): Uint8Array | null {
  const bytes = new Uint8Array(INFO_HASH_LENGTH);
  let bits = 0;
  let value = 0;
  let at = 0;
  for (const char of text.toUpperCase()) {
    const five = BASE32.indexOf(char);
    if (five < 0) return null;
    value = ((value << 5) | five) & 0xfff;
    bits += 5;
    if (bits < 8) continue;
    bits -= 8;
    bytes[at++] = value >> bits;
  }
  return at === INFO_HASH_LENGTH ? bytes : null;
}

function readName(names: readonly string[]): string | null {
  for (const name of names) {
    // Of the whole only so much is looked at, and a character may be two units long.
    const cut = Array.from(name.slice(0, 2 * NAME_LENGTH_MAX))
      .slice(0, NAME_LENGTH_MAX)
      .join('');
    const shown = cut.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, ' ').trim();
    if (shown !== '') return shown;
  }
  return null;
}

function readPeers(texts: readonly string[]): readonly PeerAddress[] {
  const peers = new Map<string, PeerAddress>();
  for (const text of texts) {
    if (peers.size >= PEERS_MAX) break;
    const peer = parseAddress(text.trim());
    if (peer && isDialable(peer)) peers.set(addressKey(peer), Object.freeze(peer));
  }
  return Object.freeze([...peers.values()]);
}

/** Ranges stay ranges: `0-4294967295` costs no more than `0`. */
function readSelect(texts: readonly string[]): Magnet['select'] {
  const ranges: (readonly [number, number])[] = [];
  for (const part of texts.flatMap((text) => text.split(',', SELECT_PARTS_MAX))) {
    if (ranges.length >= SELECT_PARTS_MAX) break;
    const match = /^\s*(\d{1,10})(?:-(\d{1,10}))?\s*$/.exec(part);
    if (!match) continue;
    const first = Number(match[1]);
    const last = Math.min(Number(match[2] ?? match[1]), FILE_INDEX_MAX);
    if (first <= last) ranges.push(Object.freeze([first, last] as const));
  }
  return ranges.length > 0 ? Object.freeze(ranges) : null;
}

function unique(texts: readonly string[], isGood: (text: string) => boolean, max: number): readonly string[] {
  const found = new Set<string>();
  for (const text of texts) {
    if (found.size >= max) break;
    const trimmed = text.trim();
    if (isGood(trimmed)) found.add(trimmed);
  }
  return Object.freeze([...found]);
}

/** Half a surrogate pair, as names of odd file systems have it, cannot be encoded. */
function encode(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\ufffd'));
}
