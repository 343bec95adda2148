import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, expect, test, vi } from 'vitest';
import { BLOCK_LENGTH } from '../../src/util/block-length.ts';
import { concatBytes } from '../../src/util/bytes.ts';
import { Decoder } from '../../src/wire/decoder.ts';
import { writeBlockName, writeHandshake, writePiece } from '../../src/wire/encoder.ts';
import type { ByteStream, LinkSink } from '../../src/wire/link.ts';
import { MessageId } from '../../src/wire/message.ts';
import { OutBuffer } from '../../src/wire/out-buffer.ts';

/** What a block costs on its way through the wire: counted, not timed. */

const BLOCKS = 64;
const CHUNK = 65_536;

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const slab = new Uint8Array(BLOCKS * BLOCK_LENGTH);
const stream = bytesOf((out) => {
  for (let i = 0; i < BLOCKS; i++) writePiece(out, 0, i * BLOCK_LENGTH, new Uint8Array(BLOCK_LENGTH), null);
});
const chunks = Array.from({ length: Math.ceil(stream.length / CHUNK) }, (_, i) =>
  stream.slice(i * CHUNK, (i + 1) * CHUNK),
);

afterEach(() => vi.restoreAllMocks());

test('a received block is copied once, from the chunk to its place', () => {
  const decoder = startedDecoder();
  let copied = 0;
  const set = Uint8Array.prototype.set;
  vi.spyOn(Uint8Array.prototype, 'set').mockImplementation(function (this: Uint8Array, from, at) {
    copied += from.length;
    set.call(this, from, at);
  });
  const slice = vi.spyOn(Uint8Array.prototype, 'slice');
  for (const chunk of chunks) decoder.receive(chunk);
  // Anything beyond the blocks would be headers that were cut in two by the end of a chunk.
  expect(copied - BLOCKS * BLOCK_LENGTH).toBeGreaterThanOrEqual(0);
  expect(copied - BLOCKS * BLOCK_LENGTH).toBeLessThanOrEqual(17 * chunks.length);
  expect(slice).not.toHaveBeenCalled();
});

test('a sent block is handed to the network as it is', () => {
  const out = new OutBuffer();
  const handed: Uint8Array[] = [];
  const network = { write: (bytes: Uint8Array) => handed.push(bytes) } as unknown as ByteStream;
  const blocks = Array.from({ length: BLOCKS }, (_, i) =>
    slab.subarray(i * BLOCK_LENGTH, (i + 1) * BLOCK_LENGTH),
  );
  const set = vi.spyOn(Uint8Array.prototype, 'set');
  blocks.forEach((block, i) => writePiece(out, 0, i * BLOCK_LENGTH, block, null));
  out.flushTo(network);
  const sent = handed.filter((bytes) => bytes.length === BLOCK_LENGTH);
  expect(sent.length).toBe(BLOCKS);
  expect(sent.every((bytes, i) => bytes === blocks[i])).toBe(true);
  expect(handed.reduce((sum, { length }) => sum + length, 0)).toBe(BLOCKS * (BLOCK_LENGTH + 13));
  expect(set).not.toHaveBeenCalled();
});

test('messages of one turn reach the network as one stretch', () => {
  const out = new OutBuffer();
  const handed: Uint8Array[] = [];
  for (let i = 0; i < 200; i++) writeBlockName(out, MessageId.request, 0, i * BLOCK_LENGTH, BLOCK_LENGTH);
  out.flushTo({ write: (bytes: Uint8Array) => handed.push(bytes) } as unknown as ByteStream);
  expect(handed.map(({ length }) => length)).toEqual([200 * 17]);
});

test('receiving in steady state allocates nothing but the views of chunks and places', () => {
  const decoder = startedDecoder();
  // Until the compilers are done with it, code allocates for itself.
  for (let round = 0; round < 400; round++) for (const chunk of chunks) decoder.receive(chunk);
  const perBlock = [];
  for (let round = 0; round < 8; round++) {
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let again = 0; again < 4; again++) for (const chunk of chunks) decoder.receive(chunk);
    perBlock.push((process.memoryUsage().heapUsed - before) / (4 * BLOCKS));
  }
  // A view takes about 100 bytes. A block has one of its place, and one of each chunk that it lies in.
  expect(Math.min(...perBlock)).toBeLessThan(320);
});

function startedDecoder(): Decoder {
  const decoder = new Decoder();
  const sink: Partial<LinkSink> = {
    onHandshake: () => undefined,
    blockTarget: (_, begin, length) => slab.subarray(begin, begin + length),
    onBlock: () => undefined,
    onBatchEnd: () => undefined,
  };
  decoder.attach(sink as LinkSink);
  const hello = { infoHash: new Uint8Array(20), peerId: new Uint8Array(20), reserved: new Uint8Array(8) };
  decoder.receive(bytesOf((out) => writeHandshake(out, hello)));
  return decoder;
}

function bytesOf(write: (out: OutBuffer) => void): Uint8Array {
  const out = new OutBuffer();
  const parts: Uint8Array[] = [];
  write(out);
  out.flushTo({ write: (bytes: Uint8Array) => parts.push(bytes.slice()) } as unknown as ByteStream);
  return concatBytes(parts);
}
