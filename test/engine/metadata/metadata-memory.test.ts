import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { MetadataFetch, type MetadataSource } from '../../../src/engine/metadata/metadata-fetch.ts';
import { MetadataMemory } from '../../../src/engine/metadata/metadata-memory.ts';
import {
  METADATA_PIECE_LENGTH,
  metadataPieceCount,
  UT_METADATA,
  writeMetadataPiece,
} from '../../../src/wire/extension/ut-metadata.ts';
import { MagnetBench } from '../support/magnet-bench.ts';

const MiB = 1_048_576;
const MAX = 8 * MiB;
const PIECE = new Uint8Array(METADATA_PIECE_LENGTH);

/** A magnet with one peer, which sends as much as the test says of metadata of `size` bytes. */
class Magnet implements MetadataSource {
  readonly key: string;
  readonly size: number;
  readonly fetch: MetadataFetch<Magnet>;
  readonly asked: number[] = [];
  isFound = false;

  constructor(name: string, size: number, memory: MetadataMemory, now: number, isHonest = false) {
    this.key = name;
    this.size = size;
    const hash = isHonest
      ? createHash('sha1').update(new Uint8Array(size)).digest()
      : new Uint8Array(20).fill(name.length);
    const events = { onFound: () => void (this.isFound = true), onLiar: () => undefined };
    this.fetch = new MetadataFetch<Magnet>(hash, 32 * MiB, events, memory);
    this.fetch.offer(this, size, now);
  }

  requestMetadata(piece: number): void {
    this.asked.push(piece);
  }

  /** Answers so many requests, as far as there are any. */
  send(count: number, now: number): void {
    for (let i = 0; i < count && !this.isFound; i++) {
      const piece = this.asked.shift();
      if (piece === undefined) return;
      const length = Math.min(METADATA_PIECE_LENGTH, this.size - piece * METADATA_PIECE_LENGTH);
      this.fetch.onData(this, piece, this.size, PIECE.subarray(0, length), now);
    }
  }

  get pieceCount(): number {
    return metadataPieceCount(this.size);
  }
}

describe('what all magnets hold of metadata', () => {
  test('is bounded, however many of them are sent however much', () => {
    const memory = new MetadataMemory(MAX);
    const magnets = Array.from({ length: 50 }, (_, i) => new Magnet(`${i}`, 30 * MiB, memory, 0));
    let most = 0;
    for (let now = 0; now < 60_000; now += 1000) {
      for (const magnet of magnets) {
        magnet.fetch.onBeat(now);
        magnet.send(20, now);
        most = Math.max(most, memory.held);
      }
    }
    expect(most).toBeGreaterThan(MAX / 2);
    expect(most).toBeLessThanOrEqual(MAX);
  });

  test('is nothing for a claim', () => {
    const memory = new MetadataMemory(MAX);
    for (let i = 0; i < 50; i++) new Magnet(`${i}`, 32 * MiB, memory, 0);
    expect(memory.held).toBe(0);
  });

  test('is let go of when a magnet has its metadata, or ends', () => {
    const memory = new MetadataMemory(MAX);
    const whole = new Magnet('whole', MiB, memory, 0, true);
    const ends = new Magnet('ends', MiB, memory, 0);
    whole.send(10, 0);
    ends.send(10, 0);
    expect(memory.held).toBe(20 * METADATA_PIECE_LENGTH);
    whole.send(100, 0);
    expect(whole.isFound).toBe(true);
    expect(memory.held).toBe(10 * METADATA_PIECE_LENGTH);
    ends.fetch.stop();
    expect(memory.held).toBe(0);
  });
});

describe('while liars fill the memory', () => {
  /** They send what never gets whole, and keep it. */
  const beset = (): { memory: MetadataMemory; liars: Magnet[] } => {
    const memory = new MetadataMemory(MAX);
    const liars = Array.from({ length: 4 }, (_, i) => new Magnet(`liar ${i}`, 30 * MiB, memory, 0));
    for (const liar of liars) liar.send(2 * 64, 0);
    expect(memory.held).toBe(MAX);
    return { memory, liars };
  };

  test('small metadata comes through at once', () => {
    const { memory, liars } = beset();
    const small = new Magnet('small', 200_000, memory, 1000, true);
    small.send(100, 1000);
    expect(small.isFound).toBe(true);
    expect(liars.filter(({ fetch }) => fetch.progress === 0)).toHaveLength(1);
  });

  test('large metadata waits until the others have had their turn', () => {
    const { memory, liars } = beset();
    const large = new Magnet('large', 3.5 * MiB, memory, 1000, true);
    for (let now = 1000; now < 600_000 && !large.isFound; now += 1000) {
      for (const magnet of [...liars, large]) {
        magnet.fetch.onBeat(now);
        // What a liar asks for again it sends again, as far as it goes: two megabytes.
        if (magnet === large || magnet.fetch.progress < 128 / magnet.pieceCount) magnet.send(16, now);
      }
    }
    expect(large.isFound).toBe(true);
    expect(memory.held).toBeLessThanOrEqual(MAX);
  });
});

test('a magnet lets go of what it holds when it is paused', () => {
  const bench = new MagnetBench();
  const pending = bench.magnet();
  const { voice } = bench.knower();
  const { infoBytes } = bench.torrent.metaInfo;
  voice.say(UT_METADATA, writeMetadataPiece(0, infoBytes));
  expect(pending.stats().progress).toBe(0.5);
  pending.pause();
  expect(pending.stats().progress).toBe(0);
  pending.resume();
  bench.settle();
  bench.tell(bench.knower().voice);
  expect(pending.state).toBe('metadata');
  expect(bench.engine.torrents.size).toBe(1);
});
