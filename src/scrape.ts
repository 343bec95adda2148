import { AnnounceLimiter } from './engine/discovery/announce-limiter.ts';
import { scrapeTracker } from './engine/discovery/scraper.ts';
import { UdpTrackerClient } from './engine/discovery/udp-tracker-client.ts';
import { DnsResolver } from './node/dns.ts';
import { SystemEntropy } from './node/entropy.ts';
import { HttpClient } from './node/http-client.ts';
import { SystemClock } from './node/system-clock.ts';
import { UdpHub } from './node/udp-hub.ts';
import { toHex } from './util/bytes.ts';
import { VERSION } from './version.ts';

export interface ScrapeOptions {
  signal?: AbortSignal;
}

/** What a tracker knows of one torrent (BEP 48). */
export interface ScrapeEntry {
  /** 40 hexadecimal digits. */
  readonly infoHash: string;
  readonly seeders: number;
  readonly leechers: number;
  /** How often a download was completed. */
  readonly downloads: number;
}

/**
 * Asks a tracker, over HTTP or UDP, about torrents; those it does not know are left out of the answer.
 * @param infoHashes 20 bytes each.
 * @throws TrackerError if it fails or does not answer, or the signal's reason.
 */
export async function scrape(
  trackerUrl: string,
  infoHashes: readonly Uint8Array[],
  options: ScrapeOptions = {},
): Promise<ScrapeEntry[]> {
  const { signal } = options;
  signal?.throwIfAborted();
  const clock = new SystemClock({ keepAlive: true });
  const resolver = new DnsResolver(clock);
  const datagrams = new UdpHub();
  const udp = new UdpTrackerClient({ clock, entropy: new SystemEntropy(), datagrams, resolver });
  const http = new HttpClient({ resolver, version: VERSION });
  const transports = { http, udp, limiter: new AnnounceLimiter(clock), refuseLocal: false };
  try {
    return await new Promise((resolve, reject) => {
      const request = scrapeTracker(transports, clock, trackerUrl, infoHashes, (result) => {
        if (result instanceof Error) reject(result);
        else resolve(entries(infoHashes, result));
      });
      signal?.addEventListener('abort', () => {
        request.cancel();
        reject(signal.reason as Error);
      });
    });
  } finally {
    udp.close();
    await datagrams.close();
  }
}

function entries(
  infoHashes: readonly Uint8Array[],
  counts: ReadonlyMap<string, Omit<ScrapeEntry, 'infoHash'>>,
): ScrapeEntry[] {
  return infoHashes.flatMap((hash) => {
    const infoHash = toHex(hash);
    const found = counts.get(infoHash);
    return found ? [{ infoHash, ...found }] : [];
  });
}
