import { fromHex, toHex, utf8 } from '../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';

/** Local service discovery: who else on this network is in a swarm (BEP 14). */

/** The groups of BEP 14; an announcement goes to both. */
export const LSD_GROUPS: Readonly<Record<IpFamily, PeerAddress>> = {
  4: { host: '239.192.152.143', port: 6771 },
  6: { host: 'ff15::efc0:988f', port: 6771 },
};

/** BEP 14: longer datagrams might be cut in two on their way. */
const SENT_BYTES_MAX = 1400;
/** What is longer is no announcement; libtorrent reads as much. */
const READ_BYTES_MAX = 1500;
/** Characters of a cookie; others use eight. */
const COOKIE_LENGTH_MAX = 64;

const REQUEST_LINE = 'BT-SEARCH * HTTP/1.1';

export interface LsdAnnouncement {
  /** Where the sender, whose address the datagram tells, takes connections. */
  readonly port: number;
  readonly infoHashes: readonly Uint8Array[];
  /** Tells the sender its own announcements when they come back. */
  readonly cookie: string | null;
}

/** The datagrams that announce these torrents: as few as fit. */
export function writeAnnouncements(announcement: LsdAnnouncement, family: IpFamily): Uint8Array[] {
  const { infoHashes, cookie, port } = announcement;
  const group = LSD_GROUPS[family];
  const host = family === 6 ? `[${group.host}]` : group.host;
  const head = `${REQUEST_LINE}\r\nHost: ${host}:${group.port}\r\nPort: ${port}\r\n`;
  const tail = `${cookie === null ? '' : `cookie: ${cookie}\r\n`}\r\n\r\n`;
  const lines = infoHashes.map((infoHash) => `Infohash: ${toHex(infoHash)}\r\n`);
  const perDatagram = Math.floor((SENT_BYTES_MAX - head.length - tail.length) / (lines[0]?.length ?? 1));
  const datagrams: Uint8Array[] = [];
  for (let i = 0; i < lines.length; i += perDatagram) {
    datagrams.push(utf8(head + lines.slice(i, i + perDatagram).join('') + tail));
  }
  return datagrams;
}

/** Null if it is no announcement, or of nothing. Info hashes that are none are left out; unknown headers are ignored. */
export function readAnnouncement(bytes: Uint8Array): LsdAnnouncement | null {
  if (bytes.length > READ_BYTES_MAX) return null;
  const text = String.fromCharCode(...bytes);
  const end = text.indexOf('\r\n\r\n');
  const [requestLine, ...lines] = text.slice(0, Math.max(0, end)).split('\r\n');
  if (requestLine !== REQUEST_LINE) return null;
  let port = 0;
  let cookie: string | null = null;
  const infoHashes: Uint8Array[] = [];
  for (const line of lines) {
    const colon = line.indexOf(':');
    const value = line.slice(colon + 1).trim();
    switch (line.slice(0, Math.max(0, colon)).toLowerCase()) {
      case 'port':
        port = /^\d{1,5}$/.test(value) ? Number(value) : 0;
        break;
      case 'infohash': {
        const infoHash = value.length === 40 ? fromHex(value) : null;
        if (infoHash) infoHashes.push(infoHash);
        break;
      }
      case 'cookie':
        cookie = value.slice(0, COOKIE_LENGTH_MAX);
        break;
    }
  }
  if (port < 1 || port > 65_535 || infoHashes.length === 0) return null;
  return { port, infoHashes, cookie };
}
