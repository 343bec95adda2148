import { describe, expect, test } from 'vitest';
import type { AnnounceRequest } from '../../../src/tracker/announce.ts';
import { MemoryPeerStore } from '../../../src/tracker/server/memory-peer-store.ts';
import { UdpResponder } from '../../../src/tracker/server/udp-responder.ts';
import {
  readAnnounceReply,
  readConnectReply,
  readErrorReply,
  readReplyHeader,
  readScrapeReply,
  writeAnnounce,
  writeConnect,
  writeScrape,
} from '../../../src/tracker/udp-codec.ts';
import { Rng } from '../../../src/util/rng.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

const V4 = { host: '10.0.0.1', port: 5000 };
const V6 = { host: '2001:db8::1', port: 5000 };
const HASH = new Uint8Array(20).fill(1);
const LEECHER: AnnounceRequest = {
  infoHash: HASH,
  peerId: new Uint8Array(20).fill(2),
  port: 6881,
  uploaded: 0,
  downloaded: 0,
  left: 100,
  event: 'started',
  key: 1,
  numWant: -1,
};

describe('a tracker over UDP', () => {
  test.each([
    [4, V4, { host: '10.0.0.2', port: 1 }],
    [6, V6, { host: '2001:db8::2', port: 1 }],
  ] as const)('introduces peers over IPv%d', (family, first, second) => {
    const tracker = new Tracker();
    tracker.announce(first);
    const packet = tracker.announce(second);
    expect(readAnnounceReply(packet, family, 'udp://t')).toMatchObject({
      interval: 1800,
      leechers: 2,
      seeders: 0,
      peers: [{ host: first.host, port: 6881 }],
    });
  });

  test('answers scrapes in the order asked, with zeros for what it does not know', () => {
    const tracker = new Tracker();
    tracker.announce(V4);
    const id = tracker.connect(V4);
    const packet = tracker.answer(writeScrape(id, 3, [new Uint8Array(20), HASH]), V4)!;
    expect(readScrapeReply(packet, 2, 'udp://t')).toEqual([
      { seeders: 0, leechers: 0, downloads: 0 },
      { seeders: 0, leechers: 1, downloads: 0 },
    ]);
  });

  test('answers about 74 torrents at most', () => {
    const tracker = new Tracker();
    const hashes = Array.from({ length: 200 }, () => HASH);
    const packet = tracker.answer(writeScrape(tracker.connect(V4), 3, hashes), V4)!;
    expect(packet).toHaveLength(8 + 12 * 74);
  });

  test('accepts a connection id for at least two minutes and at most three', () => {
    for (const start of [0, 59_999, 60_000, 30_001]) {
      const tracker = new Tracker();
      tracker.now = start;
      const id = tracker.connect(V4);
      tracker.now = start + 120_000;
      expect(actionOf(tracker.answer(writeAnnounce(id, 1, LEECHER), V4))).toBe(1);
      tracker.now = start + 180_000;
      expect(actionOf(tracker.answer(writeAnnounce(id, 1, LEECHER), V4))).toBe(3);
    }
  });

  test('does not let one address use the connection id of another', () => {
    const tracker = new Tracker();
    const id = tracker.connect(V4);
    expect(actionOf(tracker.answer(writeAnnounce(id, 1, LEECHER), { host: '10.0.0.9', port: 5000 }))).toBe(3);
    expect(tracker.store.peerCount).toBe(0);
  });

  test('sends nobody more than they sent before they have shown a connection id', () => {
    const rng = fuzzRng(31);
    const tracker = new Tracker();
    const stranger = new Uint8Array(8).fill(9);
    const seeds = [
      writeConnect(1),
      writeAnnounce(stranger, 1, LEECHER),
      writeScrape(stranger, 1, [HASH]),
      writeScrape(stranger, 1, [HASH]).subarray(0, 36),
    ];
    for (let i = 0; i < rounds(4000); i++) {
      const packet = i < seeds.length ? seeds[i]! : mutate(seeds[i % seeds.length]!, rng);
      expect(tracker.answer(packet, V4)?.length ?? 0).toBeLessThanOrEqual(packet.length);
    }
    expect(tracker.store.peerCount).toBe(0);
  });

  test('says why it refuses', () => {
    const tracker = new Tracker(() => false);
    expect(readErrorReply(tracker.announce(V4))).toBe('this tracker does not serve this torrent');
    expect(readErrorReply(new Tracker().announce(V4, { port: 0 }))).toContain('port');
  });

  test('survives any datagram', () => {
    const rng = fuzzRng(33);
    const tracker = new Tracker();
    const id = tracker.connect(V4);
    const seeds = [writeAnnounce(id, 1, LEECHER, '/announce'), writeScrape(id, 1, [HASH, HASH])];
    let answered = 0;
    for (let i = 0; i < rounds(4000); i++) {
      const answer = tracker.answer(mutate(seeds[i % 2]!, rng), V4);
      if (answer !== null) answered++;
    }
    expect(answered).toBeGreaterThan(500);
  });
});

class Tracker {
  readonly store = new MemoryPeerStore(new Rng(1), {
    torrentsMax: 10_000,
    peersMax: 100_000,
    peersPerTorrentMax: 1000,
    expiryMs: 60_000,
  });
  readonly #responder: UdpResponder;
  now = 0;

  constructor(allows: (infoHash: string) => boolean = () => true) {
    this.#responder = new UdpResponder(
      { store: this.store, interval: 1800, minInterval: 60, allows },
      checksum,
    );
  }

  answer(packet: Uint8Array, from: { host: string; port: number }): Uint8Array | null {
    return this.#responder.answer(packet, from, this.now);
  }

  connect(from: { host: string; port: number }): Uint8Array {
    return readConnectReply(this.answer(writeConnect(7), from)!);
  }

  announce(from: { host: string; port: number }, changes: Partial<AnnounceRequest> = {}): Uint8Array {
    return this.answer(writeAnnounce(this.connect(from), 8, { ...LEECHER, ...changes }), from)!;
  }
}

/** No secret, but different for different messages, which is all that these tests ask of it. */
function checksum(message: Uint8Array): Uint8Array {
  const rng = message.reduce((seed, byte) => new Rng((seed.u32() ^ byte) >>> 0), new Rng(1));
  return Uint8Array.from({ length: 20 }, () => rng.below(256));
}

function actionOf(packet: Uint8Array | null): number | null {
  return packet && readReplyHeader(packet)!.action;
}
