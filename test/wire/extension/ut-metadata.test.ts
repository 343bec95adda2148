import { describe, expect, test } from 'vitest';
import {
  metadataPieceCount,
  readMetadataMessage,
  writeMetadataPiece,
  writeMetadataReject,
  writeMetadataRequest,
} from '../../../src/wire/extension/ut-metadata.ts';
import { PeerError } from '../../../src/wire/link.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

const METADATA = Uint8Array.from({ length: 16_384 + 100 }, (_, i) => i % 251);

describe('messages of metadata', () => {
  test('are written as BEP 9 shows them', () => {
    expect(Buffer.from(writeMetadataRequest(0)).toString()).toBe('d8:msg_typei0e5:piecei0ee');
    expect(Buffer.from(writeMetadataReject(3)).toString()).toBe('d8:msg_typei2e5:piecei3ee');
    expect(Buffer.from(writeMetadataPiece(1, METADATA).subarray(0, 47)).toString()).toBe(
      'd8:msg_typei1e5:piecei1e10:total_sizei16484ee'.padEnd(
        47,
        Buffer.from(METADATA.subarray(16_384, 16_386)).toString(),
      ),
    );
  });

  test('are read as they were written', () => {
    expect(readMetadataMessage(writeMetadataRequest(7))).toEqual({ type: 'request', piece: 7 });
    expect(readMetadataMessage(writeMetadataReject(7))).toEqual({ type: 'reject', piece: 7 });
    expect(readMetadataMessage(writeMetadataPiece(0, METADATA))).toEqual({
      type: 'data',
      piece: 0,
      totalSize: METADATA.length,
      bytes: METADATA.subarray(0, 16_384),
    });
    expect(metadataPieceCount(METADATA.length)).toBe(2);
    expect(metadataPieceCount(16_384)).toBe(1);
  });

  test('with an ee inside the dictionary are cut where the dictionary ends', () => {
    const payload = Buffer.from('d8:msg_typei1e5:piecei0e4:trap4:eeee10:total_sizei3eeabc');
    expect(readMetadataMessage(payload)).toMatchObject({
      type: 'data',
      totalSize: 3,
      bytes: Buffer.from('abc'),
    });
  });

  test.each([
    ['a type of the future', 'd8:msg_typei99e5:piecei0ee'],
    ['a type that is a text', 'd8:msg_type1:05:piecei0ee'],
    ['no type', 'd5:piecei0ee'],
    ['no piece', 'd8:msg_typei0ee'],
    ['a piece below zero', 'd8:msg_typei0e5:piecei-1ee'],
    ['a piece beyond 32 MiB', 'd8:msg_typei0e5:piecei2048ee'],
    ['a list', 'li0ei0ee'],
    ['half a dictionary', 'd8:msg_typei0e5:piece'],
    ['nothing', ''],
  ])('with %s are ignored', (_, text) => {
    expect(readMetadataMessage(Buffer.from(text))).toBeNull();
  });

  test('longer than any honest one close the connection', () => {
    const payload = Buffer.concat([writeMetadataPiece(0, METADATA), Buffer.alloc(2000)]);
    expect(() => readMetadataMessage(payload)).toThrow(PeerError);
  });

  test('damaged in any way are read, ignored or refused, and nothing else happens', () => {
    const rng = fuzzRng(9);
    const originals = [writeMetadataRequest(3), writeMetadataReject(9), writeMetadataPiece(1, METADATA)];
    for (let i = 0; i < rounds(5000); i++) {
      const message = readMetadataMessage(mutate(originals[i % 3]!, rng));
      if (message) expect(message.piece).toBeGreaterThanOrEqual(0);
    }
  });
});
