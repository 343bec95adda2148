import { describe, expect, test } from 'vitest';
import { encode } from '../../src/bencode/codec.ts';
import { toByteString } from '../../src/bencode/value.ts';
import { TrackerError } from '../../src/errors.ts';
import { readScrapeAnswer, scrapeUrl } from '../../src/tracker/scrape.ts';
import { parseTrackerUrl } from '../../src/tracker/tracker-url.ts';
import { toHex } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const A = new Uint8Array(20).fill(0xff);
const B = new Uint8Array(20).fill(0x42);

describe('the URL of a scrape', () => {
  test.each([
    ['http://a/announce', 'http://a/scrape?info_hash='],
    ['http://a/x/announce.php?pass=1', 'http://a/x/scrape.php?pass=1&info_hash='],
    ['http://announce.example/announce/announce', 'http://announce.example/announce/scrape?info_hash='],
  ])('replaces announce in the last part of the path: %s', (from, to) => {
    expect(scrapeUrl(parseTrackerUrl(from)!, [A])).toBe(to + '%FF'.repeat(20));
  });

  test.each(['http://a/x', 'http://a/announce/x', 'http://a/', 'http://a/x?y=/announce'])(
    'does not exist for %s',
    (url) => {
      expect(scrapeUrl(parseTrackerUrl(url)!, [A])).toBeNull();
    },
  );

  test('names several torrents', () => {
    expect(scrapeUrl(parseTrackerUrl('http://a/announce')!, [A, B])).toBe(
      `http://a/scrape?info_hash=${'%FF'.repeat(20)}&info_hash=${'B'.repeat(20)}`,
    );
  });
});

describe('the answer to a scrape', () => {
  const body = encode({
    files: {
      [toByteString(A)]: { complete: 11, downloaded: 13772, incomplete: 19 },
      [toByteString(B)]: { complete: -1, downloaded: 'x' },
    },
  });

  test('gives counts by info hash, without torrents that were not asked for', () => {
    const counts = readScrapeAnswer(200, body, [A], 'http://a');
    expect(counts).toEqual(new Map([[toHex(A), { seeders: 11, downloads: 13772, leechers: 19 }]]));
  });

  test('reads senseless counts as zero and leaves out what the tracker does not know', () => {
    const other = new Uint8Array(20);
    const counts = readScrapeAnswer(200, body, [B, other], 'http://a');
    expect(counts).toEqual(new Map([[toHex(B), { seeders: 0, downloads: 0, leechers: 0 }]]));
  });

  test.each(['de', 'd5:filesi1ee', 'd14:failure reason2:noe', 'x'])(
    'that says nothing is an error: %s',
    (text) => {
      expect(readScrapeAnswer(200, new TextEncoder().encode(text), [A], 'http://a')).toBeInstanceOf(
        TrackerError,
      );
    },
  );

  test('damaged in any way is read or refused', () => {
    const rng = fuzzRng(3);
    for (let i = 0; i < rounds(10_000); i++) {
      const counts = readScrapeAnswer(200, mutate(body, rng), [A, B], 'http://a');
      if (!(counts instanceof TrackerError)) expect(counts.size).toBeLessThanOrEqual(2);
    }
  });
});
