import { expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { Rc4 } from '../../../src/wire/mse/rc4.ts';
import { cutAtRandom, patterned } from '../recording-sink.ts';

/** RFC 6229: 16 bytes of key stream at an offset. */
const VECTORS = [
  { key: '0102030405', at: 0, stream: 'b2396305f03dc027ccc3524a0a1118a8' },
  { key: '0102030405', at: 16, stream: '6982944f18fc82d589c403a47a0d0919' },
  { key: '0102030405', at: 1024, stream: '30abbcc7c20b01609f23ee2d5f6bb7df' },
  { key: '0102030405060708090a0b0c0d0e0f10', at: 0, stream: '9ac7cc9a609d1ef7b2932899cde41b97' },
  { key: '0102030405060708090a0b0c0d0e0f10', at: 1024, stream: 'bdf0324e6083dcc6d3cedd3ca8c53c16' },
];

test.each(VECTORS)('the key stream of $key at $at is that of RFC 6229', ({ key, at, stream }) => {
  const rc4 = new Rc4(fromHex(key)!);
  rc4.discard(at);
  const bytes = new Uint8Array(16);
  rc4.apply(bytes);
  expect(toHex(bytes)).toBe(stream);
});

test('however the bytes are cut, they are enciphered the same, and deciphered to what they were', () => {
  const key = patterned(20);
  const plain = patterned(5_000, 2);
  const whole = plain.slice();
  new Rc4(key).apply(whole);
  expect(whole).not.toEqual(plain);
  const inParts = new Rc4(key);
  const back = new Rc4(key);
  const parts = cutAtRandom(plain, new Rng(1), 300);
  for (const part of parts) inParts.apply(part);
  expect(Buffer.concat(parts).equals(whole)).toBe(true);
  for (const part of parts) back.apply(part);
  expect(Buffer.concat(parts).equals(plain)).toBe(true);
});
