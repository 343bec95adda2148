/** Scrapes: what a tracker knows about torrents without joining them (BEP 48; over UDP see `udp-codec.ts`). */
import { isDict, readDict, readValue } from '../bencode/fields.ts';
import { toByteString } from '../bencode/value.ts';
import { TrackerError } from '../errors.ts';
import { toHex } from '../util/bytes.ts';
import type { ScrapeCounts } from './announce.ts';
import { percentEncode, readAnswer, readCount, withQuery } from './http-codec.ts';
import type { TrackerUrl } from './tracker-url.ts';
import { hasAnnouncePath } from './tracker-url.ts';

/** Counts by info hash in hex; torrents the tracker does not know are absent. */
export type ScrapeResult = ReadonlyMap<string, ScrapeCounts>;

/** BEP 15: "up to about 74 torrents". Over HTTP as many make a URL of 5 KiB, which servers take. */
export const SCRAPE_HASHES_MAX = 74;

/**
 * The URL of a scrape, or null if this tracker has none: BEP 48 replaces `announce` by `scrape`, and practice only
 * does so at the beginning of the path's last part.
 */
export function scrapeUrl(url: TrackerUrl, infoHashes: readonly Uint8Array[]): string | null {
  if (!hasAnnouncePath(url)) return null;
  const path = url.path.replace(/^([^?]*\/)announce/, '$1scrape');
  const base = url.text.slice(0, url.text.length - url.path.length) + path;
  return withQuery(
    base,
    infoHashes.map((hash) => `info_hash=${percentEncode(hash)}`),
  );
}

/** Reads the answer. Torrents we did not ask for are left out. */
export function readScrapeAnswer(
  status: number,
  body: Uint8Array,
  infoHashes: readonly Uint8Array[],
  url: string,
): ScrapeResult | TrackerError {
  const answer = readAnswer(status, body, url);
  if (answer instanceof TrackerError) return answer;
  const files = readDict(answer, 'files');
  if (files === null) return new TrackerError('the answer holds no "files"', url);
  const counts = new Map<string, ScrapeCounts>();
  for (const hash of infoHashes) {
    const file = readValue(files, toByteString(hash));
    if (!isDict(file)) continue;
    counts.set(toHex(hash), {
      seeders: readCount(file, 'complete') ?? 0,
      leechers: readCount(file, 'incomplete') ?? 0,
      downloads: readCount(file, 'downloaded') ?? 0,
    });
  }
  return counts;
}
