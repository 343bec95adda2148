import { describe, expect, test } from 'vitest';
import { concatBytes, toHex } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';
import { Decoder } from '../../src/wire/decoder.ts';
import {
  writeBare,
  writeBitfield,
  writeBlockName,
  writeExtended,
  writeHandshake,
  writeKeepAlive,
  writePiece,
  writePieceIndex,
  writePort,
} from '../../src/wire/encoder.ts';
import { MessageId } from '../../src/wire/message.ts';
import { OutBuffer } from '../../src/wire/out-buffer.ts';
import { brief, patterned, RecordingSink } from './recording-sink.ts';
import { memoryPair } from './stream-pair.ts';

describe('the encoder', () => {
  test.each<readonly [string, (out: OutBuffer) => void, string]>([
    ['keep-alive', (out) => writeKeepAlive(out), '00000000'],
    ['choke', (out) => writeBare(out, MessageId.choke), '0000000100'],
    ['unchoke', (out) => writeBare(out, MessageId.unchoke), '0000000101'],
    ['interested', (out) => writeBare(out, MessageId.interested), '0000000102'],
    ['not interested', (out) => writeBare(out, MessageId.notInterested), '0000000103'],
    ['have', (out) => writePieceIndex(out, MessageId.have, 0x01020304), '000000050401020304'],
    ['bitfield', (out) => writeBitfield(out, Uint8Array.of(0xff, 0x80)), '0000000305ff80'],
    [
      'request',
      (out) => writeBlockName(out, MessageId.request, 1, 16_384, 16_384),
      '0000000d06000000010000400000004000',
    ],
    ['piece', (out) => writePiece(out, 1, 2, Uint8Array.of(3), null), '0000000a07000000010000000203'],
    [
      'cancel',
      (out) => writeBlockName(out, MessageId.cancel, 1, 0, 0xffff),
      '0000000d0800000001000000000000ffff',
    ],
    ['port', (out) => writePort(out, 6881), '00000003091ae1'],
    ['suggest', (out) => writePieceIndex(out, MessageId.suggest, 7), '000000050d00000007'],
    ['have all', (out) => writeBare(out, MessageId.haveAll), '000000010e'],
    ['have none', (out) => writeBare(out, MessageId.haveNone), '000000010f'],
    ['reject', (out) => writeBlockName(out, MessageId.reject, 1, 2, 3), '0000000d10000000010000000200000003'],
    ['allowed fast', (out) => writePieceIndex(out, MessageId.allowedFast, 7), '000000051100000007'],
    ['extended', (out) => writeExtended(out, 3, Uint8Array.of(0x64, 0x65)), '0000000414036465'],
  ])('writes %s as the BEPs lay it out', (_name, write, hex) => {
    const out = new OutBuffer();
    write(out);
    expect(toHex(sent(out))).toBe(hex);
  });

  test('writes what the decoder reads, for any sequence of messages', () => {
    for (let seed = 1; seed <= 40; seed++) {
      const rng = new Rng(seed);
      const out = new OutBuffer();
      const expected = writeHandshakeAnd(out, () => writeAtRandom(out, rng));
      const sink = new RecordingSink();
      const decoder = new Decoder();
      decoder.attach(sink);
      decoder.offersFast = true;
      decoder.receive(sent(out));
      expect(sink.calls.slice(1), `seed ${seed}`).toEqual(expected);
    }
  });
});

function writeHandshakeAnd(out: OutBuffer, writeOne: () => readonly string[]): string[] {
  writeHandshake(out, {
    infoHash: new Uint8Array(20),
    peerId: new Uint8Array(20),
    reserved: new Uint8Array(8).fill(0xff),
  });
  return Array.from({ length: 200 }, writeOne).flat();
}

/** Writes a message and tells what a sink should hear of it. */
function writeAtRandom(out: OutBuffer, rng: Rng): readonly string[] {
  const piece = rng.u32();
  const begin = rng.u32();
  const length = rng.u32();
  switch (rng.below(6)) {
    case 0:
      writePieceIndex(out, MessageId.have, piece);
      return [`have ${piece}`];
    case 1:
      writeBlockName(out, MessageId.request, piece, begin, length);
      return [`request ${piece} ${begin} ${length}`];
    case 2: {
      const block = patterned(1 + rng.below(3_000), rng.below(100));
      writePiece(out, piece, begin, block, null);
      return [`target ${piece} ${begin} ${block.length}`, `block ${piece} ${begin} ${brief(block)}`];
    }
    case 3: {
      const payload = patterned(rng.below(1_200), rng.below(100));
      writeExtended(out, 7, payload);
      return [`extended 7 ${brief(payload)}`];
    }
    case 4: {
      const bits = patterned(1 + rng.below(1_200), rng.below(100));
      writeBitfield(out, bits);
      return [`bitfield ${brief(bits)}`];
    }
    default:
      writeBare(out, MessageId.unchoke);
      return ['unchoke'];
  }
}

/** The bytes as the network gets them. */
function sent(out: OutBuffer): Uint8Array {
  const { dialer, turns } = memoryPair();
  dialer.attach({
    onData: () => {},
    onFlush: () => out.flushTo(dialer),
    onDrained: () => {},
    onEnd: () => {},
    onClosed: () => {},
  });
  dialer.requestFlush();
  turns.settle();
  return concatBytes(dialer.written);
}
