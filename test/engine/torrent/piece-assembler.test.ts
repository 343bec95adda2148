import { beforeEach, describe, expect, test } from 'vitest';
import { PieceAssembler, type BlockWriter } from '../../../src/engine/torrent/piece-assembler.ts';
import { PieceGeometry } from '../../../src/metainfo/geometry.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { SlabPool } from '../../../src/util/slab-pool.ts';

const PIECE_LENGTH = 4 * BLOCK_LENGTH;
const alice = { name: 'alice' };
const bob = { name: 'bob' };

describe('piece assembler', () => {
  let pool: SlabPool;
  let assembler: PieceAssembler;

  beforeEach(() => {
    pool = new SlabPool(2 * PIECE_LENGTH);
    assembler = new PieceAssembler(new PieceGeometry(10 * PIECE_LENGTH - 100, PIECE_LENGTH), pool);
  });

  test('a block goes straight into the place it has in its piece', () => {
    assembler.reserve(0);
    const writer = new Writer();
    assembler.open(0, BLOCK_LENGTH, BLOCK_LENGTH, writer)!.fill(7);
    expect(assembler.finish(0, BLOCK_LENGTH, writer, alice)).toBe(true);
    const { bytes } = assembler.get(0)!.slab;
    expect(bytes[BLOCK_LENGTH]).toBe(7);
    expect(bytes[2 * BLOCK_LENGTH - 1]).toBe(7);
    expect(assembler.get(0)!.contributors).toEqual([null, alice, null, null]);
  });

  test('gives no memory for pieces that were not begun, and at the cap begins none', () => {
    expect(assembler.open(3, 0, BLOCK_LENGTH, new Writer())).toBeNull();
    expect(assembler.reserve(0)).toBe(true);
    expect(assembler.reserve(1)).toBe(true);
    expect(assembler.reserve(2)).toBe(false);
    assembler.release(0);
    expect(assembler.reserve(2)).toBe(true);
  });

  test('the first of two that receive a block at once wins, and the other is told to let go', () => {
    for (const firstToFinish of [0, 1]) {
      assembler.reserve(0);
      const writers = [new Writer(), new Writer()];
      const targets = writers.map((writer) => assembler.open(0, 0, BLOCK_LENGTH, writer)!);
      targets[0]!.fill(10);
      targets[1]!.fill(11);
      const winner = writers[firstToFinish]!;
      const loser = writers[1 - firstToFinish]!;
      expect(assembler.finish(0, 0, winner, alice)).toBe(true);
      expect(loser.discards).toBe(1);
      expect(winner.discards).toBe(0);
      expect(assembler.get(0)!.slab.bytes[0]).toBe(10 + firstToFinish);
      expect(assembler.get(0)!.receivedCount).toBe(1);
      expect(assembler.open(0, 0, BLOCK_LENGTH, new Writer())).toBeNull();
      assembler.release(0);
    }
  });

  test('a connection that goes away in the middle leaves the block to others', () => {
    assembler.reserve(0);
    const gone = new Writer();
    assembler.open(0, 0, BLOCK_LENGTH, gone);
    assembler.abandon(0, 0, gone);
    const next = new Writer();
    const target = assembler.open(0, 0, BLOCK_LENGTH, next)!;
    expect(target.buffer).toBe(assembler.get(0)!.slab.bytes.buffer);
    expect(assembler.finish(0, 0, next, bob)).toBe(true);
  });

  test('a sealed piece has no writer left and takes no block', () => {
    assembler.reserve(0);
    const writer = new Writer();
    assembler.open(0, 0, BLOCK_LENGTH, writer);
    assembler.seal(0);
    expect(writer.discards).toBe(1);
    expect(assembler.open(0, BLOCK_LENGTH, BLOCK_LENGTH, writer)).toBeNull();
    expect(assembler.finish(0, 0, writer, alice)).toBe(false);
  });

  test('a released piece gives its buffer back once and tells its writers', () => {
    assembler.reserve(0);
    const writer = new Writer();
    assembler.open(0, 0, BLOCK_LENGTH, writer);
    assembler.release(0);
    assembler.release(0);
    expect(writer.discards).toBe(1);
    expect(pool.lentBytes).toBe(0);
    expect(assembler.finish(0, 0, writer, alice)).toBe(false);
  });
});

class Writer implements BlockWriter {
  discards = 0;
  discardBlock(): void {
    this.discards++;
  }
}
