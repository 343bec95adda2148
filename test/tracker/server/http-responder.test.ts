import { describe, expect, test } from 'vitest';
import { tryDecode } from '../../../src/bencode/codec.ts';
import { TRACKER_LIMITS } from '../../../src/bencode/scan.ts';
import { TrackerError } from '../../../src/errors.ts';
import type { AnnounceRequest, AnnounceResponse } from '../../../src/tracker/announce.ts';
import { announceUrl, readAnnounceAnswer } from '../../../src/tracker/http-codec.ts';
import { readScrapeAnswer, scrapeUrl } from '../../../src/tracker/scrape.ts';
import type { TrackerPolicy } from '../../../src/tracker/server/announce-policy.ts';
import { answerHttp } from '../../../src/tracker/server/http-responder.ts';
import { MemoryPeerStore } from '../../../src/tracker/server/memory-peer-store.ts';
import { parseTrackerUrl } from '../../../src/tracker/tracker-url.ts';
import { toHex, toText, utf8 } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

const TRACKER = parseTrackerUrl('http://t/announce')!;
const HASH = Uint8Array.from({ length: 20 }, (_, i) => (i * 37) % 256);
const LEECHER: AnnounceRequest = {
  infoHash: HASH,
  peerId: utf8('-TT0100-+&=%abcdefgh'),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 100,
  event: 'started',
  key: 1,
  numWant: 200,
};

describe('a tracker over HTTP', () => {
  test('tells a client about the others, its times, and its own address', () => {
    const policy = makePolicy();
    announce(policy, '10.0.0.1', { left: 0 });
    announce(policy, '2001:db8::1');
    expect(announce(policy, '10.0.0.2')).toMatchObject({
      interval: 1800,
      minInterval: 60,
      seeders: 1,
      leechers: 2,
      externalIp: '10.0.0.2',
      peers: [
        { host: '10.0.0.1', port: 6881 },
        { host: '2001:db8::1', port: 6881 },
      ],
    });
    expect(announce(policy, '2001:db8::2').externalIp).toBe('2001:db8::2');
  });

  test('lists peers as dictionaries for those who want no compact form', () => {
    const policy = makePolicy();
    announce(policy, '10.0.0.1');
    const path = pathOf(LEECHER).replace('compact=1', 'compact=0');
    expect(textOf(answerFrom(policy, path, '10.0.0.2'))).toContain('5:peersld2:ip8:10.0.0.14:porti6881eee');
    const withId = answerFrom(policy, path.replace('no_peer_id=1', ''), '10.0.0.2');
    expect(textOf(withId)).toContain('7:peer id20:-TT0100-+&=%abcdefgh4:port');
  });

  test('gives 50 peers by default and 200 at most', () => {
    const policy = makePolicy();
    for (let i = 0; i < 250; i++) announce(policy, `10.0.1.${i}`);
    expect(announce(policy, '10.0.0.1', { numWant: 7 }).peers).toHaveLength(7);
    expect(announce(policy, '10.0.0.1', { numWant: 9999 }).peers).toHaveLength(200);
    expect(announce(policy, '10.0.0.1', { numWant: 0 }).peers).toHaveLength(0);
    const path = pathOf(LEECHER).replace('&numwant=200', '');
    const answer = readAnnounceAnswer(200, answerFrom(policy, path, '10.0.0.1').body, 't');
    expect((answer as AnnounceResponse).peers).toHaveLength(50);
  });

  test('gives peers on its own machine the address that others reach it by', () => {
    const policy = makePolicy();
    announce(policy, '127.0.0.1');
    expect(announce(policy, '192.168.1.7', {}, '192.168.1.2').peers).toEqual([
      { host: '192.168.1.2', port: 6881 },
    ]);
    expect(announce(policy, '192.168.1.8', { numWant: 0 }, null).peers).toEqual([]);
    const near = announce(policy, '127.0.0.2').peers;
    expect(near).toContainEqual({ host: '127.0.0.1', port: 6881 });
  });

  test('does not believe an address that a client claims', () => {
    const policy = makePolicy();
    answerFrom(policy, `${pathOf(LEECHER)}&ip=8.8.8.8&ipv4=8.8.8.8`, '10.0.0.1');
    expect(announce(policy, '10.0.0.2').peers).toEqual([{ host: '10.0.0.1', port: 6881 }]);
  });

  test('serves only the torrents on its list, if it has one', () => {
    const policy = makePolicy([toHex(HASH)]);
    announce(policy, '10.0.0.1');
    const other = answerFrom(policy, pathOf({ ...LEECHER, infoHash: new Uint8Array(20) }), '10.0.0.1');
    expect(readAnnounceAnswer(200, other.body, 't')).toMatchObject({
      message: 'this tracker does not serve this torrent',
    });
  });

  test.each([
    '/announce',
    '/announce?',
    '/announce?info_hash=abc',
    '/announce?info_hash=%zz',
    '/announce?info_hash=%',
    `/announce?${'a&'.repeat(1000)}`,
    '/announce?info_hash=\u{1f600}',
    '/scrape',
    '/scrape?info_hash=abc',
    `/scrape?${'info_hash=aaaaaaaaaaaaaaaaaaaa&'.repeat(75)}`,
  ])('refuses %j with a reason', (path) => {
    const reply = answerFrom(makePolicy(), path, '10.0.0.1');
    expect(reply.status).toBe(200);
    expect(textOf(reply)).toMatch(/^d14:failure reason/);
  });

  test.each(['port=0', 'port=65536', 'port=-1', 'port=x', 'port=99999999999999999999999', ''])(
    'refuses an announce with %j as its port',
    (port) => {
      const path = pathOf(LEECHER).replace('port=6881', port);
      expect(textOf(answerFrom(makePolicy(), path, '10.0.0.1'))).toContain('port must be');
    },
  );

  test.each(['/', '/stats', '/announce/', '//announce', '/../../etc/passwd', 'http://x/announce', '*', ''])(
    'knows no %j',
    (path) => {
      expect(answerFrom(makePolicy(), path, '10.0.0.1').status).toBe(404);
    },
  );

  test('answers a scrape about the torrents it knows', () => {
    const policy = makePolicy();
    announce(policy, '10.0.0.1');
    announce(policy, '10.0.0.1', { left: 0, event: 'completed' });
    const hashes = [HASH, new Uint8Array(20)];
    const path = scrapeUrl(TRACKER, hashes)!.slice('http://t'.length);
    expect(readScrapeAnswer(200, answerFrom(policy, path, '10.0.0.2').body, hashes, 't')).toEqual(
      new Map([[toHex(HASH), { seeders: 1, leechers: 0, downloads: 1 }]]),
    );
  });

  test('answers any request with valid bencode or 404', () => {
    const rng = fuzzRng(21);
    const policy = makePolicy();
    const seeds = [
      pathOf(LEECHER),
      pathOf({ ...LEECHER, event: 'stopped' }),
      scrapeUrl(TRACKER, [HASH])!.slice(8),
    ];
    for (let i = 0; i < rounds(4000); i++) {
      const path = String.fromCharCode(...mutate(utf8(seeds[i % seeds.length]!), rng));
      const reply = answerFrom(policy, path, '10.0.0.1');
      if (reply.status === 200) expect(tryDecode(reply.body, TRACKER_LIMITS).ok).toBe(true);
    }
    expect(policy.store.peerCount).toBeLessThan(20_000);
  });
});

function makePolicy(infoHashes: readonly string[] | null = null): TrackerPolicy {
  return {
    store: new MemoryPeerStore(new Rng(1), {
      torrentsMax: 1000,
      peersMax: 10_000,
      peersPerTorrentMax: 1000,
      expiryMs: 60_000,
    }),
    interval: 1800,
    minInterval: 60,
    allows: (infoHash) => infoHashes?.includes(infoHash) ?? true,
  };
}

function pathOf(request: AnnounceRequest): string {
  return announceUrl(TRACKER, request).slice('http://t'.length);
}

function answerFrom(
  policy: TrackerPolicy,
  target: string,
  from: string,
  at: string | null = null,
): ReturnType<typeof answerHttp> {
  return answerHttp(policy, { target, from, at }, 0);
}

function announce(
  policy: TrackerPolicy,
  from: string,
  changes: Partial<AnnounceRequest> = {},
  at: string | null = null,
): AnnounceResponse {
  const reply = answerFrom(policy, pathOf({ ...LEECHER, ...changes }), from, at);
  const answer = readAnnounceAnswer(reply.status, reply.body, 't');
  if (answer instanceof TrackerError) throw answer;
  return answer;
}

function textOf(reply: { body: Uint8Array }): string {
  return toText(reply.body);
}
