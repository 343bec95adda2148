import { describe, expect, test } from 'vitest';
import { REQUEST_WINDOW_MAX, REQUEST_WINDOW_START } from '../../../src/engine/limits.ts';
import { RequestPipeline } from '../../../src/engine/peer/request-pipeline.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { Rng } from '../../../src/util/rng.ts';

describe('request pipeline', () => {
  test('starts with a small window, so that a slow peer hoards nothing', () => {
    expect(new RequestPipeline().room).toBe(REQUEST_WINDOW_START);
  });

  test('grows by one with each block while the rate still rises', () => {
    const pipeline = new RequestPipeline();
    for (let i = 0; i < 100; i++) {
      pipeline.add(i, i);
      pipeline.onBlock(i, BLOCK_LENGTH, i + 1);
    }
    expect(pipeline.window).toBe(REQUEST_WINDOW_START + 100);
  });

  test('asks in batches: nothing until a quarter of the window is free', () => {
    const pipeline = new RequestPipeline();
    for (let i = 0; i < REQUEST_WINDOW_START; i++) pipeline.add(i, 0);
    expect(pipeline.room).toBe(0);
    pipeline.remove(0);
    expect(pipeline.room).toBe(0);
    pipeline.remove(1);
    expect(pipeline.room).toBe(2);
  });

  test('settles at round trip and slack of the rate once that stops growing', () => {
    const pipeline = new RequestPipeline();
    const perSecond = 640; // blocks: 10 MiB/s
    const roundTripMs = 100;
    let sent = 0;
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < perSecond; i++) {
        const now = second * 1000 + (i * 1000) / perSecond;
        pipeline.add(sent, now - roundTripMs);
        pipeline.onBlock(sent++, BLOCK_LENGTH, now);
      }
      pipeline.onBeat((second + 1) * 1000);
    }
    // 640 a second x (0.1 s x 1.5 + 0.25 s) and 2.
    expect(pipeline.window).toBeGreaterThanOrEqual(250);
    expect(pipeline.window).toBeLessThanOrEqual(270);
  });

  test('covers what the slack does not of the wait behind what we send to the same peer, up to three seconds', () => {
    const windowAfter = (wordsWaitSeconds: number): number => {
      const pipeline = new RequestPipeline();
      let block = 0;
      for (let second = 0; second < 60; second++) {
        for (let i = 0; i < 4; i++) {
          pipeline.add(block, second * 1000);
          pipeline.onBlock(block++, BLOCK_LENGTH, second * 1000 + 100);
        }
        pipeline.onBeat((second + 1) * 1000, wordsWaitSeconds);
      }
      return pipeline.window;
    };
    expect(windowAfter(2.5) - windowAfter(0)).toBe(8);
    expect(windowAfter(100) - windowAfter(0)).toBe(12);
    expect(windowAfter(0.5)).toBe(windowAfter(0));
  });

  test('never asks for more than the peer says it takes', () => {
    const pipeline = new RequestPipeline();
    pipeline.setPeerLimit(5);
    expect(pipeline.window).toBe(5);
    pipeline.setPeerLimit(10 * REQUEST_WINDOW_MAX);
    expect(pipeline.window).toBe(REQUEST_WINDOW_START);
  });

  test('keeps count when blocks come in any order, twice, or unasked', () => {
    for (let seed = 0; seed < 20; seed++) {
      const rng = new Rng(seed);
      const pipeline = new RequestPipeline();
      const expected = new Set<number>();
      for (let step = 0; step < 500; step++) {
        const block = rng.below(300);
        if (rng.below(2) === 0 && !expected.has(block)) {
          pipeline.add(block, step);
          expected.add(block);
        } else {
          expect(pipeline.remove(block)).toBe(expected.delete(block));
        }
        expect(pipeline.outstanding).toBe(expected.size);
      }
      const seen: number[] = [];
      pipeline.forEach((block) => seen.push(block));
      expect(new Set(seen)).toEqual(expected);
      expect(seen).toHaveLength(expected.size);
    }
  });

  test('visits requests oldest first, holes left out', () => {
    const pipeline = new RequestPipeline();
    for (const block of [7, 3, 9, 1]) pipeline.add(block, 0);
    pipeline.remove(3);
    const seen: number[] = [];
    pipeline.forEach((block) => seen.push(block));
    expect(seen).toEqual([7, 9, 1]);
  });

  test('a peer that has been asked and gives nothing is snubbed, and one block takes that back', () => {
    const pipeline = new RequestPipeline();
    pipeline.add(1, 0);
    pipeline.add(2, 0);
    pipeline.onBeat(19_000);
    expect(pipeline.snubbed).toBe(false);
    pipeline.onBeat(21_000);
    expect(pipeline.snubbed).toBe(true);
    expect(pipeline.window).toBe(1);
    pipeline.onBlock(1, BLOCK_LENGTH, 22_000);
    expect(pipeline.snubbed).toBe(false);
  });

  test('a peer that was asked for nothing is never snubbed', () => {
    const pipeline = new RequestPipeline();
    pipeline.onBeat(1_000_000);
    expect(pipeline.snubbed).toBe(false);
  });

  test('a peer known to be quick is called slow sooner than one of whom nothing is known', () => {
    const pipeline = new RequestPipeline();
    for (let i = 0; i < 100; i++) {
      pipeline.add(i, i * 10);
      pipeline.onBlock(i, BLOCK_LENGTH, i * 10 + 5);
    }
    pipeline.add(100, 1000);
    pipeline.onBeat(6000);
    expect(pipeline.snubbed).toBe(true);
  });
});
