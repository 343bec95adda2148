import { describe, expect, test } from 'vitest';
import { toHex, utf8 } from '../../src/util/bytes.ts';
import { Feature, hasFeature, putHandshake, readHandshake, reservedOf } from '../../src/wire/handshake.ts';
import { patterned } from './recording-sink.ts';

describe('the handshake', () => {
  test('is 68 bytes: 19, the name of the protocol, feature bits, info hash, peer id', () => {
    const infoHash = patterned(20, 1);
    const peerId = utf8('-TT0100-abcdefghijkl');
    const bytes = new Uint8Array(70);
    putHandshake(bytes, 1, { infoHash, peerId, reserved: reservedOf([Feature.fast]) });
    expect(toHex(bytes)).toBe(
      `00${toHex(utf8('\x13BitTorrent protocol'))}0000000000000004${toHex(infoHash)}${toHex(peerId)}00`,
    );
  });

  test('is read back as it was written', () => {
    const handshake = { infoHash: patterned(20, 2), peerId: patterned(20, 3), reserved: patterned(8, 4) };
    const bytes = new Uint8Array(68);
    putHandshake(bytes, 0, handshake);
    expect(readHandshake(bytes)).toEqual(handshake);
  });

  test('names its features by the bits of BEP 10, 6 and 5', () => {
    expect(toHex(reservedOf([Feature.extensions]))).toBe('0000000000100000');
    expect(toHex(reservedOf([Feature.fast]))).toBe('0000000000000004');
    expect(toHex(reservedOf([Feature.dht]))).toBe('0000000000000001');
    expect(toHex(reservedOf([Feature.extensions, Feature.fast, Feature.dht]))).toBe('0000000000100005');
  });

  test('shows each feature apart, also when all 64 bits are set', () => {
    const fast = reservedOf([Feature.fast]);
    expect(hasFeature(fast, Feature.fast)).toBe(true);
    expect(hasFeature(fast, Feature.dht)).toBe(false);
    expect(hasFeature(fast, Feature.extensions)).toBe(false);
    const all = new Uint8Array(8).fill(0xff);
    for (const feature of Object.values(Feature)) expect(hasFeature(all, feature)).toBe(true);
  });
});
