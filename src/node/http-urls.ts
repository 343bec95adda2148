/** URLs from outside: which are followed, and where a redirect leads. */
import { TrackerError } from '../errors.ts';

/** As libtorrent; browsers follow 20. */
export const REDIRECTS_MAX = 5;

/** @throws TrackerError for what is no URL, or none that is followed. */
export function parseUrl(text: string, base: URL | null): URL {
  const url = URL.canParse(text, base?.href) ? new URL(text, base?.href) : null;
  if (url === null) throw new TrackerError('a malformed URL', text);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') {
    throw new TrackerError(`${url.protocol} URLs are not followed`, text);
  }
  if (url.port === '0') throw new TrackerError('port 0', text);
  return url;
}

/**
 * Where a redirect leads.
 * @param location The header of that name, a character per byte.
 * @throws TrackerError
 */
export function redirectTarget(location: string | undefined, from: URL): URL {
  if (location === undefined) throw new TrackerError('a redirect to nowhere', from.href);
  // URLs are UTF-8, and some servers send them unescaped.
  const to = parseUrl(Buffer.from(location, 'latin1').toString(), from);
  if (from.protocol === 'https:' && to.protocol === 'http:') {
    throw new TrackerError('a redirect from https to http is not followed', from.href);
  }
  // The name and password that the user's URL carries are for that server alone.
  if (to.origin !== from.origin) to.username = to.password = '';
  return to;
}

/** Whether an answer says where to go instead (RFC 9110, 15.4). */
export function isRedirect(status: number): boolean {
  return [301, 302, 303, 307, 308].includes(status);
}

/** Name or address without brackets. The URL parser has turned `0x7f.1` and `2130706433` into what they mean. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1');
}

/** What of a URL's name and password the server is told; null if it has none. */
export function authorizationOf(url: URL): string | null {
  if (url.username === '' && url.password === '') return null;
  const user = `${unescaped(url.username)}:${unescaped(url.password)}`;
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

/** Whoever writes a bare `%` means just that, and the URL parser leaves it alone. */
function unescaped(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // It has no other way to say that it is not percent-encoded UTF-8.
  }
}
