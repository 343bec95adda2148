import { ipFamily } from '../util/ip.ts';

/** A tracker's address, checked once: everything behind `parseTrackerUrl` may rely on it. */
export interface TrackerUrl {
  readonly scheme: 'http' | 'https' | 'udp';
  /** A name in lower case or an IP address, IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65535. */
  readonly port: number;
  /** Path and query as they go over the wire; may be empty. */
  readonly path: string;
  /** As it was written, without fragment. Names the tracker in events and errors. */
  readonly text: string;
  /** Equal for two ways to write the same address. */
  readonly key: string;
}

/** Passkeys and signatures make long addresses, but not longer than servers accept a request line. */
const TRACKER_URL_LENGTH_MAX = 2048;

/** A tracker address that already says what an announce says would let a torrent forge requests to anyone. */
const ANNOUNCE_KEYS = new Set([
  'info_hash',
  'peer_id',
  'port',
  'uploaded',
  'downloaded',
  'left',
  'event',
  'key',
]);

const SHAPE =
  /^(https?|udp):\/\/(?:[^@/?#]*@)?(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::(\d{1,5}))?((?:[/?][^#]*)?)(?:#.*)?$/i;

/**
 * Reads the address of an HTTP, HTTPS or UDP tracker; null for everything else. Names beyond ASCII and their `xn--`
 * form are refused: look-alike names have no honest use here.
 */
export function parseTrackerUrl(text: string): TrackerUrl | null {
  if (text.length > TRACKER_URL_LENGTH_MAX || !/^[\x21-\x7e]+$/.test(text)) return null;
  const match = SHAPE.exec(text);
  if (match === null) return null;
  const scheme = match[1]!.toLowerCase() as TrackerUrl['scheme'];
  const host = (match[2] ?? match[3]!).toLowerCase();
  if (match[2] !== undefined && ipFamily(host) !== 6) return null;
  if (host.split('.').some((label) => label.startsWith('xn--'))) return null;
  // BEP 15 knows no default port.
  const port = match[4] === undefined ? defaultPort(scheme) : Number(match[4]);
  const path = match[5]!;
  if (port < 1 || port > 65_535 || hasAnnounceKeys(path)) return null;
  const hash = text.indexOf('#');
  return {
    scheme,
    host,
    port,
    path,
    text: hash < 0 ? text : text.slice(0, hash),
    key: `${scheme}://${host}:${port}${path === '' && scheme !== 'udp' ? '/' : path}`,
  };
}

/** Addresses kept, all of them once. Most clients speak to a few dozen trackers. */
const KEPT_MAX = 1000;

/** Reads each address once: thousands of torrents mostly name the same few trackers. */
export class TrackerUrls {
  readonly #known = new Map<string, TrackerUrl>();

  /** As `parseTrackerUrl`. */
  parse(text: string): TrackerUrl | null {
    const known = this.#known.get(text);
    if (known) return known;
    const url = parseTrackerUrl(text);
    if (url && this.#known.size >= KEPT_MAX) this.#known.clear();
    if (url) this.#known.set(text, url);
    return url;
  }
}

/** The last part of the path begins with `announce`, as trackers' addresses do. */
export function hasAnnouncePath(url: TrackerUrl): boolean {
  return /^[^?]*\/announce[^/?]*(?:\?|$)/.test(url.path);
}

function defaultPort(scheme: TrackerUrl['scheme']): number {
  return scheme === 'http' ? 80 : scheme === 'https' ? 443 : 0;
}

function hasAnnounceKeys(path: string): boolean {
  const query = path.indexOf('?');
  if (query < 0) return false;
  return path
    .slice(query + 1)
    .split('&')
    .some((pair) => ANNOUNCE_KEYS.has(pair.split('=', 1)[0]!.toLowerCase()));
}
