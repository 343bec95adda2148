import { describe, expect, test } from 'vitest';
import { putStamp, readStamp } from '../../src/sim/content.ts';
import { StampMemory } from '../../src/sim/stamp-memory.ts';

const BLOCK = 16_384;

describe('memory that keeps stamps', () => {
  test('says it is as long as was asked for, and takes eight bytes for a block', () => {
    const memory = StampMemory.allocate(3 * BLOCK + 1);
    expect(memory).toHaveLength(3 * BLOCK + 1);
    expect(memory.buffer.byteLength).toBe(32);
    expect(memory.subarray(BLOCK, 2 * BLOCK)).toHaveLength(BLOCK);
  });

  test('keeps the stamp of each block, through whatever stretch it is written and read', () => {
    const memory = StampMemory.allocate(3 * BLOCK + 1);
    for (let block = 0; block < 4; block++) putStamp(memory, block * BLOCK, block, 0xf000_0000 + block);
    const stamp = { x: 0, y: 0 };
    for (let block = 0; block < 4; block++) {
      readStamp(memory.subarray(block * BLOCK, Math.min(memory.length, (block + 1) * BLOCK)), stamp);
      expect(stamp).toEqual({ x: block, y: 0xf000_0000 + block });
    }
    putStamp(memory.subarray(BLOCK), BLOCK, 7, 8);
    readStamp(memory, stamp, 2 * BLOCK);
    expect(stamp).toEqual({ x: 7, y: 8 });
  });

  test('takes blocks over from memory that holds all their bytes, and from its own kind', () => {
    const plain = new Uint8Array(2 * BLOCK);
    putStamp(plain, 0, 1, 2);
    putStamp(plain, BLOCK, 3, 4);
    const memory = StampMemory.allocate(4 * BLOCK);
    memory.set(plain, 2 * BLOCK);
    memory.set(memory.subarray(2 * BLOCK), 0);
    const stamp = { x: 0, y: 0 };
    readStamp(memory, stamp, BLOCK);
    expect(stamp).toEqual({ x: 3, y: 4 });
  });

  test('knows no byte inside a block', () => {
    expect(() => StampMemory.allocate(BLOCK).subarray(1)).toThrow('no block begins at 1');
  });
});
