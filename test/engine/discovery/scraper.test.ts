import { describe, expect, test } from 'vitest';
import type { TrackerTransports } from '../../../src/engine/discovery/announce-transport.ts';
import { AnnounceLimiter } from '../../../src/engine/discovery/announce-limiter.ts';
import { scrapeTracker } from '../../../src/engine/discovery/scraper.ts';
import { UdpTrackerClient } from '../../../src/engine/discovery/udp-tracker-client.ts';
import { TrackerError } from '../../../src/errors.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';
import type { ScrapeResult } from '../../../src/tracker/scrape.ts';
import { readRequest, writeConnectReply, writeScrapeReply } from '../../../src/tracker/udp-codec.ts';
import { toByteString } from '../../../src/bencode/value.ts';
import { toHex } from '../../../src/util/bytes.ts';
import { FakeDatagrams, FakeEntropy, FakeHttp, FakeResolver } from './fake-network.ts';

const COUNTS = { seeders: 1, leechers: 2, downloads: 3 };

describe('a scrape', () => {
  test('asks an HTTP tracker about many torrents in several requests', () => {
    const { http, scrape } = world();
    http.trackers.set('http://192.0.2.1/scrape?', (_said, { url }) => {
      const asked = [...url.matchAll(/info_hash=([^&]+)/g)].map(([, hash]) =>
        Uint8Array.from(decodeBytes(hash!)),
      );
      const file = { complete: 1, incomplete: 2, downloaded: 3 };
      return { files: Object.fromEntries(asked.map((hash) => [toByteString(hash), file])) };
    });
    const hashes = makeHashes(100);
    const result = scrape('http://192.0.2.1/announce', hashes);
    expect(result).toEqual(new Map(hashes.map((hash) => [toHex(hash), COUNTS])));
    expect(http.requests).toHaveLength(2);
  });

  test('asks a UDP tracker, over IPv6 where there is no IPv4', () => {
    const { datagrams, resolver, scrape } = world();
    resolver.names.set('tracker.example', ['2001:db8::1']);
    datagrams.servers.set('[2001:db8::1]:6969', (bytes) => {
      const request = readRequest(bytes)!;
      if (request.action !== 'scrape') return writeConnectReply(request.transactionId, new Uint8Array(8));
      return writeScrapeReply(
        request.transactionId,
        request.infoHashes.map(() => COUNTS),
      );
    });
    const hashes = makeHashes(80);
    expect(scrape('udp://tracker.example:6969', hashes)).toEqual(
      new Map(hashes.map((hash) => [toHex(hash), COUNTS])),
    );
  });

  test.each([
    ['nonsense', 'not a tracker address'],
    ['http://192.0.2.1/x', 'the tracker offers no scrape'],
    ['http://192.0.2.1/announce', 'connection refused'],
    ['udp://nowhere.example:1', 'no IPv6 address found'],
  ])('of %s fails with the reason: %s', (url, message) => {
    const result = world().scrape(url, makeHashes(1));
    expect(result).toBeInstanceOf(TrackerError);
    expect(result).toMatchObject({ message, url });
  });
});

function world() {
  const clock = new VirtualClock();
  const http = new FakeHttp(clock);
  const datagrams = new FakeDatagrams(clock);
  const resolver = new FakeResolver(clock);
  const udp = new UdpTrackerClient({ clock, datagrams, resolver, entropy: new FakeEntropy() });
  const transports: TrackerTransports = {
    http,
    udp,
    limiter: new AnnounceLimiter(clock),
    refuseLocal: false,
  };
  const scrape = (url: string, hashes: readonly Uint8Array[]): ScrapeResult | TrackerError => {
    const results: (ScrapeResult | TrackerError)[] = [];
    scrapeTracker(transports, clock, url, hashes, (result) => results.push(result));
    expect(results).toHaveLength(0);
    clock.run(100_000);
    expect(results).toHaveLength(1);
    return results[0]!;
  };
  return { http, datagrams, resolver, scrape };
}

function makeHashes(count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => new Uint8Array(20).fill(i));
}

function decodeBytes(text: string): number[] {
  return text
    .match(/%..|./g)!
    .map((part) => (part.length === 3 ? parseInt(part.slice(1), 16) : part.charCodeAt(0)));
}
