import { describe, expect, test } from 'vitest';
import { toHex } from '../../src/util/bytes.ts';
import type { BlockSource, ByteStream } from '../../src/wire/link.ts';
import { writeBare, writeBlockName, writeExtended, writePiece } from '../../src/wire/encoder.ts';
import { MessageId } from '../../src/wire/message.ts';
import { OutBuffer } from '../../src/wire/out-buffer.ts';
import { patterned } from './recording-sink.ts';

describe('the out-buffer', () => {
  test('hands the small messages of a turn over as one stretch', () => {
    const out = new OutBuffer();
    writeBare(out, MessageId.interested);
    writeBlockName(out, MessageId.request, 0, 0, 16_384);
    writeBlockName(out, MessageId.request, 0, 16_384, 16_384);
    const parts = flush(out);
    expect(parts.map((part) => part.bytes.length)).toEqual([5 + 17 + 17]);
  });

  test('hands a block over by reference, behind all that was said before it', () => {
    const out = new OutBuffer();
    const block = patterned(16_384);
    const source = { release: () => {} };
    writeBare(out, MessageId.unchoke);
    writePiece(out, 1, 2, block, source);
    writeBare(out, MessageId.choke);
    const parts = flush(out);
    expect(parts.map((part) => part.bytes.length)).toEqual([5 + 13, 16_384, 5]);
    expect(parts[1]!.bytes).toBe(block);
    expect(parts.map((part) => part.source)).toEqual([null, source, null]);
  });

  test('counts what is not flushed yet', () => {
    const out = new OutBuffer();
    expect(out.queuedBytes).toBe(0);
    writeBare(out, MessageId.choke);
    writePiece(out, 0, 0, new Uint8Array(100), null);
    expect(out.queuedBytes).toBe(5 + 13 + 100);
    flush(out);
    expect(out.queuedBytes).toBe(0);
  });

  test('copies long payloads at once, so that their memory may change after the call', () => {
    const out = new OutBuffer();
    for (const length of [10, 60_000]) {
      const payload = new Uint8Array(length).fill(1);
      writeExtended(out, 1, payload);
      payload.fill(2);
    }
    const bytes = flush(out).flatMap((part) => [...part.bytes]);
    expect(bytes.filter((byte) => byte === 1).length).toBeGreaterThanOrEqual(60_010);
  });

  test('does not write to memory that the network may still read', () => {
    const out = new OutBuffer();
    const inFlight: { bytes: Uint8Array; asSent: string }[] = [];
    for (let turn = 0; turn < 50; turn++) {
      for (let i = 0; i < 40; i++) writeBlockName(out, MessageId.request, turn, i, 16_384);
      for (const { bytes } of flush(out)) inFlight.push({ bytes, asSent: toHex(bytes) });
    }
    for (const { bytes, asSent } of inFlight) expect(toHex(bytes)).toBe(asSent);
  });

  test('uses the same memory again and again once the network has taken everything', () => {
    const out = new OutBuffer();
    const buffers = new Set<ArrayBufferLike>();
    for (let turn = 0; turn < 1_000; turn++) {
      for (let i = 0; i < 100; i++) writeBlockName(out, MessageId.request, turn, i, 16_384);
      for (const { bytes } of flush(out)) buffers.add(bytes.buffer);
      out.onAllSent();
    }
    expect(buffers.size).toBe(1);
  });

  test('keeps what was said since the flush when the network reports that all before it is gone', () => {
    const out = new OutBuffer();
    writeBare(out, MessageId.choke);
    flush(out);
    writeBare(out, MessageId.unchoke);
    out.onAllSent();
    writeBare(out, MessageId.interested);
    expect(flush(out).map((part) => toHex(part.bytes))).toEqual(['00000001010000000102']);
  });

  test('releases each block once when it is cleared, and forgets the rest', () => {
    const out = new OutBuffer();
    let released = 0;
    for (let i = 0; i < 3; i++) writePiece(out, 0, 0, new Uint8Array(10), { release: () => released++ });
    out.clear();
    out.clear();
    expect(released).toBe(3);
    expect(out.queuedBytes).toBe(0);
    expect(flush(out)).toEqual([]);
  });
});

interface Part {
  readonly bytes: Uint8Array;
  readonly source: BlockSource | null;
}

function flush(out: OutBuffer): Part[] {
  const parts: Part[] = [];
  const stream = { write: (bytes, source) => parts.push({ bytes, source }) } as Partial<ByteStream>;
  out.flushTo(stream as ByteStream);
  return parts;
}
