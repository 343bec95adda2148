/** The URLs of a .torrent: trackers in tiers (BEP 3, BEP 12) and web seeds (BEP 19). Bad ones are left out. */
import { isList, readBytes, readList, readValue } from '../bencode/fields.ts';
import type { BencodeDict, BencodeValue } from '../bencode/value.ts';
import { toTextStrict } from '../util/bytes.ts';
import { TRACKERS_MAX, URL_LENGTH_MAX, WEB_SEEDS_MAX } from './limits.ts';

const AUTHORITY = String.raw`(?:[^\s/?#@]+@)?(?:\[[0-9a-f:.]+\]|[^\s/?#@:[\]]+)(?::\d{1,5})?`;
const TRACKER = new RegExp(String.raw`^(?:https?|udp)://${AUTHORITY}(?:[/?#]\S*)?$`, 'iu');
const WEB_SEED = new RegExp(String.raw`^https?://${AUTHORITY}(?:[/?#]\S*)?$`, 'iu');
// eslint-disable-next-line no-control-regex
const CONTROL = /[\0-\x1f\x7f-\x9f]/u;

/** Can a tracker have this address? Whether it may be asked is decided where the question is sent. */
export function isTrackerUrl(url: string): boolean {
  return url.length <= URL_LENGTH_MAX && TRACKER.test(url) && !CONTROL.test(url);
}

export function isWebSeedUrl(url: string): boolean {
  return url.length <= URL_LENGTH_MAX && WEB_SEED.test(url) && !CONTROL.test(url);
}

/** Scheme, host and port, in which nothing is escaped and no backslash does the work of a slash. */
const PLAIN = /^\w+:\/\/(?:[^/?#@\\]*@)?(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::(\d+))?(?=[/?#]|$)/i;

/** False if no machine has the port that a URL names; true if it names none. */
export function hasRealPort(url: string): boolean {
  const port = /^\w+:\/\/(?:[^/?#@]*@)?(?:\[[^\]]*\]|[^/?#:]*):(\d+)/.exec(url)?.[1];
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

/**
 * True if the name of the server is written as plain as names are on the wire. In a name beyond ASCII, or in its `xn--`
 * form, hides what looks like another name: whoever made the torrent may have chosen it for that.
 */
export function hasPlainHost(url: string): boolean {
  const host = PLAIN.exec(url)?.[1]?.toLowerCase();
  return host !== undefined && !host.split('.').some((label) => label.startsWith('xn--'));
}

/** A URL as it may be shown: without a name and password. */
export function withoutLogin(url: string): string {
  return url.replace(/^(\w+:\/\/)[^/?#@]*@/, '$1');
}

/** Tiers without empty ones and without a URL twice. `announce` counts only without an `announce-list` (BEP 12). */
export function readTrackers(root: BencodeDict): readonly (readonly string[])[] {
  const seen = new Set<string>();
  const tiers: (readonly string[])[] = [];
  for (const tier of readList(root, 'announce-list') ?? []) {
    // A tier that is a bare URL is against BEP 12, but its meaning is plain.
    const urls = takeUrls(isList(tier) ? tier : [tier], isTrackerUrl, seen, TRACKERS_MAX);
    if (urls.length > 0) tiers.push(Object.freeze(urls));
    if (seen.size >= TRACKERS_MAX) break;
  }
  if (tiers.length === 0) {
    const announce = readBytes(root, 'announce');
    const urls = announce ? takeUrls([announce], isTrackerUrl, seen, TRACKERS_MAX) : [];
    if (urls.length > 0) tiers.push(Object.freeze(urls));
  }
  return Object.freeze([...tiers]);
}

/** BEP 19: one URL or a list of them. */
export function readWebSeeds(root: BencodeDict): readonly string[] {
  const value = readValue(root, 'url-list');
  const items = isList(value) ? value : value === undefined ? [] : [value];
  return Object.freeze(takeUrls(items, isWebSeedUrl, new Set(), WEB_SEEDS_MAX));
}

function takeUrls(
  items: readonly BencodeValue[],
  isGood: (url: string) => boolean,
  seen: Set<string>,
  max: number,
): string[] {
  const urls: string[] = [];
  for (const item of items) {
    if (seen.size >= max) break;
    // Long ones are dropped before they are decoded.
    if (!(item instanceof Uint8Array) || item.length > 2 * URL_LENGTH_MAX) continue;
    const url = toTextStrict(item)?.trim();
    if (url === undefined || !isGood(url) || seen.has(url)) continue;
    seen.add(url);
    urls.push(url);
  }
  // Copied, because a list that grew by pushes keeps room for more.
  return [...urls];
}
