import { createHash } from 'node:crypto';
import { beforeEach, describe, expect, test } from 'vitest';
import { MetadataFetch, type MetadataSource } from '../../../src/engine/metadata/metadata-fetch.ts';
import { Rng } from '../../../src/util/rng.ts';
import { METADATA_PIECE_LENGTH } from '../../../src/wire/extension/ut-metadata.ts';

/** Five pieces, the last one short. */
const INFO = noise(4 * METADATA_PIECE_LENGTH + 1000, 1);
const HASH = createHash('sha1').update(INFO).digest();
const MiB = 1_048_576;

let fetch: MetadataFetch<Source>;
let found: Uint8Array | null;
let liars: Source[];
let now: number;

beforeEach(() => {
  found = null;
  liars = [];
  now = 0;
  fetch = new MetadataFetch<Source>(HASH, 16 * MiB, {
    onFound: (infoBytes) => (found = infoBytes),
    onLiar: (source) => liars.push(source),
  });
});

describe('one honest peer', () => {
  test('is asked for everything at once', () => {
    const peer = new Source();
    fetch.offer(peer, INFO.length, now);
    expect(peer.asked).toEqual([0, 1, 2, 3, 4]);
    peer.answerAll();
    expect(isInfo(found)).toBe(true);
    expect(liars).toEqual([]);
  });

  test('is enough for 16 MiB, with a bounded number of requests under way', () => {
    const large = noise(16 * MiB - 5, 2);
    fetch = new MetadataFetch<Source>(createHash('sha1').update(large).digest(), 16 * MiB, {
      onFound: (infoBytes) => (found = infoBytes),
      onLiar: (source) => liars.push(source),
    });
    const peer = new Source(large);
    fetch.offer(peer, large.length, now);
    let most = 0;
    while (peer.asked.length > 0) {
      most = Math.max(most, peer.asked.length);
      peer.answer(peer.asked.shift()!);
    }
    expect(Buffer.from(large).equals(found!)).toBe(true);
    expect(most).toBeLessThanOrEqual(64);
  });

  test('tells how far it is', () => {
    const peer = new Source();
    fetch.offer(peer, INFO.length, now);
    peer.answer(peer.asked.shift()!);
    peer.answer(peer.asked.shift()!);
    expect(fetch.progress).toBeCloseTo(0.4);
  });
});

describe('several honest peers', () => {
  test('share a large one', () => {
    const large = noise(200 * METADATA_PIECE_LENGTH, 3);
    fetch = new MetadataFetch<Source>(createHash('sha1').update(large).digest(), 16 * MiB, {
      onFound: (infoBytes) => (found = infoBytes),
      onLiar: (source) => liars.push(source),
    });
    const peers = [new Source(large), new Source(large), new Source(large)];
    for (const peer of peers) fetch.offer(peer, large.length, now);
    expect(new Set(peers.flatMap((peer) => peer.asked)).size).toBe(48);
    for (let i = 0; found === null; i++) {
      const peer = peers[i % 3]!;
      peer.answer(peer.asked.shift()!);
    }
    expect(Buffer.from(large).equals(found)).toBe(true);
  });

  test('are asked at once for what a silent one owes', () => {
    const [silent, quick] = [new Source(), new Source()];
    fetch.offer(silent, INFO.length, now);
    fetch.offer(quick, INFO.length, now);
    quick.answerAll();
    expect(isInfo(found)).toBe(true);
  });

  test('are asked for what the ones that were asked first have kept to themselves', () => {
    const silent = Array.from({ length: 4 }, () => new Source());
    for (const peer of silent) fetch.offer(peer, INFO.length, now);
    const late = new Source();
    fetch.offer(late, INFO.length, now);
    expect(late.asked).toEqual([]);
    beat(2000);
    late.answerAll();
    expect(isInfo(found)).toBe(true);
  });
});

describe('a peer that does not give', () => {
  test('by refusing is left alone for a while, and then asked again', () => {
    const peer = new Source();
    fetch.offer(peer, INFO.length, now);
    for (const piece of peer.asked.splice(0)) fetch.onReject(peer, piece, now);
    beat(10_000);
    expect(peer.asked).toEqual([]);
    beat(11_000);
    peer.answerAll();
    expect(isInfo(found)).toBe(true);
  });

  test('by refusing hands its pieces to others at once', () => {
    const [refuses, gives] = [new Source(), new Source()];
    fetch.offer(gives, INFO.length, now);
    gives.asked.length = 0; // It seems to sleep.
    fetch.offer(refuses, INFO.length, now);
    for (const piece of refuses.asked.splice(0)) fetch.onReject(refuses, piece, now);
    for (let piece = 0; piece < 5; piece++) gives.answer(piece);
    expect(isInfo(found)).toBe(true);
  });

  test('by being silent is asked again, since it may be the only one', () => {
    const peer = new Source();
    fetch.offer(peer, INFO.length, now);
    peer.asked.length = 0;
    for (let second = 0; second < 15; second++) beat(1000);
    peer.answerAll();
    expect(isInfo(found)).toBe(true);
  });

  test('by leaving takes nothing of what it gave along', () => {
    const [leaves, stays] = [new Source(), new Source()];
    fetch.offer(leaves, INFO.length, now);
    leaves.answer(0);
    leaves.answer(1);
    fetch.gone(leaves);
    fetch.offer(stays, INFO.length, now);
    expect(stays.asked).toEqual([2, 3, 4]);
    stays.answerAll();
    expect(isInfo(found)).toBe(true);
  });
});

describe('whoever lies about the size', () => {
  test.each([1, 100 * 1024, 16 * MiB])('and says %d keeps nobody else from finishing', (size) => {
    const liar = new Source(noise(size, 4));
    fetch.offer(liar, size, now);
    const honest = new Source();
    fetch.offer(honest, INFO.length, now);
    honest.answerAll();
    expect(isInfo(found)).toBe(true);
  });

  test('beyond what is taken is not asked for anything', () => {
    for (const size of [0, -1, 16 * MiB + 1, 2_038_487_152]) {
      const liar = new Source();
      fetch.offer(liar, size, now);
      expect(liar.asked).toEqual([]);
      expect(fetch.isSource(liar)).toBe(false);
    }
  });

  test('costs no memory but for what it sends, and not much of that', () => {
    const liars = Array.from({ length: 20 }, (_, i) => new Source(noise(16 * MiB - i, i)));
    for (const liar of liars) fetch.offer(liar, liar.info.length, now);
    for (let round = 0; round < 600; round++) {
      for (const liar of liars) {
        const piece = liar.asked.shift();
        if (piece !== undefined) liar.answer(piece);
      }
    }
    const stillAsked = liars.filter((liar) => fetch.isSource(liar));
    expect(stillAsked.length).toBeLessThan(12);
    const honest = new Source();
    fetch.offer(honest, INFO.length, now);
    honest.answerAll();
    expect(isInfo(found)).toBe(true);
  });

  test('may say another one later, and is then asked for that', () => {
    const peer = new Source();
    fetch.offer(peer, 5, now);
    fetch.offer(peer, INFO.length, now);
    peer.asked.splice(0, 1);
    peer.answerAll();
    expect(isInfo(found)).toBe(true);
  });
});

describe('whoever lies about the content', () => {
  test('alone is found out at once, and not asked again when it comes back', () => {
    const liar = new Source(noise(INFO.length, 5));
    fetch.offer(liar, INFO.length, now);
    liar.answerAll();
    expect(found).toBeNull();
    expect(liars).toEqual([liar]);
    const again = new Source(noise(INFO.length, 5), liar.key);
    fetch.offer(again, INFO.length, now);
    expect(again.asked).toEqual([]);
    fetch.offer(again, INFO.length, now + 300_001);
    expect(again.asked).not.toEqual([]);
  });

  test('among honest ones is told apart from them by asking each alone', () => {
    const liar = new Source(noise(INFO.length, 6));
    const honest = new Source();
    fetch.offer(liar, INFO.length, now);
    fetch.offer(honest, INFO.length, now);
    liar.answer(0);
    honest.answer(1);
    honest.answer(2);
    liar.answer(3);
    honest.answer(4);
    expect(found).toBeNull();
    expect(liars).toEqual([]);
    liar.asked.splice(0, 5);
    honest.asked.splice(0, 5);
    liar.answerAll();
    expect(liars).toEqual([liar]);
    honest.answerAll();
    expect(isInfo(found)).toBe(true);
  });

  test.each(Array.from({ length: 20 }, (_, seed) => seed))(
    'does not win, however many they are and whatever comes first (seed %d)',
    (seed) => {
      const rng = new Rng(seed);
      const honest = new Source();
      const crowd = Array.from({ length: 12 }, () => {
        const fate = rng.below(5);
        if (fate === 0) return new Source(noise(1 + rng.below(200_000), rng.u32()));
        if (fate === 1) return new Source(INFO, undefined, (bytes) => bytes.subarray(1));
        return new Source(noise(INFO.length, rng.u32()));
      });
      const peers = rng.shuffle([honest, ...crowd]);
      for (const peer of peers) fetch.offer(peer, peer.info.length, now);
      for (let step = 0; step < 20_000 && found === null; step++) {
        const peer = peers[rng.below(peers.length)]!;
        const piece = peer.asked.shift();
        if (piece !== undefined) {
          if (peer === honest || rng.below(10) > 0) peer.answer(piece);
          else if (rng.below(2) === 0) fetch.onReject(peer, piece, now);
        }
        if (rng.below(50) === 0) beat(1000);
      }
      expect(isInfo(found)).toBe(true);
      expect(liars).not.toContain(honest);
    },
  );

  test('by pieces of a wrong length or total is left out after some of them', () => {
    const liar = new Source(INFO, undefined, (bytes) => bytes.subarray(1));
    fetch.offer(liar, INFO.length, now);
    for (let second = 0; second < 20; second++) {
      liar.answerAll();
      beat(1000);
    }
    expect(liars).toEqual([liar]);
    expect(fetch.isSource(liar)).toBe(false);
  });
});

test('what nobody asked for is not looked at', () => {
  const peer = new Source();
  fetch.offer(peer, INFO.length, now);
  fetch.onData(peer, 7, INFO.length, new Uint8Array(METADATA_PIECE_LENGTH), now);
  fetch.onData(new Source(), 0, INFO.length, new Uint8Array(METADATA_PIECE_LENGTH), now);
  fetch.onReject(new Source(), 0, now);
  expect(fetch.progress).toBe(0);
  peer.answerAll();
  expect(isInfo(found)).toBe(true);
});

/** A peer that answers when the test says so. */
class Source implements MetadataSource {
  static #count = 0;
  readonly key: string;
  readonly info: Uint8Array;
  readonly asked: number[] = [];
  readonly #mend: (bytes: Uint8Array) => Uint8Array;

  constructor(info = INFO, key?: string, mend: (bytes: Uint8Array) => Uint8Array = (bytes) => bytes) {
    this.key = key ?? `peer ${Source.#count++}`;
    this.info = info;
    this.#mend = mend;
  }

  requestMetadata(piece: number): void {
    this.asked.push(piece);
  }

  answer(piece: number): void {
    const begin = piece * METADATA_PIECE_LENGTH;
    const bytes = this.#mend(this.info.subarray(begin, begin + METADATA_PIECE_LENGTH));
    fetch.onData(this, piece, this.info.length, bytes, now);
  }

  answerAll(): void {
    while (this.asked.length > 0 && found === null) this.answer(this.asked.shift()!);
  }
}

function beat(ms: number): void {
  now += ms;
  fetch.onBeat(now);
}

/** Much quicker than a comparison that could tell where they differ. */
function isInfo(bytes: Uint8Array | null): boolean {
  return bytes !== null && Buffer.from(INFO).equals(bytes);
}

function noise(length: number, seed: number): Uint8Array {
  const rng = new Rng(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 64) bytes[at] = rng.below(256);
  return bytes;
}
