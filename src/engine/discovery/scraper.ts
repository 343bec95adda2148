import { TrackerError } from '../../errors.ts';
import type { Cancel, Clock } from '../../ports.ts';
import type { ScrapeCounts } from '../../tracker/announce.ts';
import { isNoAddressError } from '../../tracker/announce.ts';
import type { ScrapeResult } from '../../tracker/scrape.ts';
import { SCRAPE_HASHES_MAX } from '../../tracker/scrape.ts';
import type { TrackerUrl } from '../../tracker/tracker-url.ts';
import { hasAnnouncePath, parseTrackerUrl } from '../../tracker/tracker-url.ts';
import type { IpFamily } from '../../util/ip.ts';
import type { TrackerTransports } from './announce-transport.ts';
import { canReach, sendScrape } from './announce-transport.ts';
import { Chain } from './chain.ts';

/**
 * Asks one tracker about torrents (BEP 48, BEP 15), in as many requests as it takes, over IPv4 or, where there is
 * none, IPv6. Info hashes of 20 bytes; the first error ends it.
 */
export function scrapeTracker(
  transports: TrackerTransports,
  clock: Clock,
  tracker: string,
  infoHashes: readonly Uint8Array[],
  done: (result: ScrapeResult | TrackerError) => void,
): Cancel {
  const chain = new Chain();
  const url = parseTrackerUrl(tracker);
  const fault = url === null ? 'not a tracker address' : unscrapable(transports, url);
  if (url === null || fault !== null) {
    const error = new TrackerError(fault ?? '', tracker);
    chain.next(clock.at(clock.now(), () => done(error)));
    return chain;
  }
  const counts = new Map<string, ScrapeCounts>();
  const ask = (from: number, family: IpFamily): void => {
    const hashes = infoHashes.slice(from, from + SCRAPE_HASHES_MAX);
    chain.next(
      sendScrape(transports, url, family, hashes, (result) => {
        if (result instanceof TrackerError) {
          if (family === 4 && isNoAddressError(result)) ask(from, 6);
          else done(result);
          return;
        }
        for (const [hash, count] of result) counts.set(hash, count);
        if (from + hashes.length < infoHashes.length) ask(from + hashes.length, family);
        else done(counts);
      }),
    );
  };
  ask(0, 4);
  return chain;
}

function unscrapable(transports: TrackerTransports, url: TrackerUrl): string | null {
  if (!canReach(transports, url)) return `no way to reach trackers over ${url.scheme}`;
  return url.scheme === 'udp' || hasAnnouncePath(url) ? null : 'the tracker offers no scrape';
}
