import { describe, expect, test } from 'vitest';
import { commonBits, compareDistance, idInBucket, isSecureId, secureId } from '../../src/dht/node-id.ts';
import { fromHex, toHex } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';

/** BEP 42: address, last byte, and an id that fits. */
const VECTORS = [
  ['124.31.75.21', '5fbfbff10c5d6a4ec8a88e4c6ab4c28b95eee401'],
  ['21.75.31.124', '5a3ce9c14e7a08645677bbd1cfe7d8f956d53256'],
  ['65.23.51.170', 'a5d43220bc8f112a3d426c84764f8c2a1150e616'],
  ['84.124.73.14', '1b0321dd1bb1fe518101ceef99462b947a01ff41'],
  ['43.213.53.83', 'e56f6cbf5b7c4be0237986d5243b87aa6d51305a'],
] as const;

describe('ids that fit an address', () => {
  test.each(VECTORS)('the example of BEP 42 for %s fits, and fits no other address', (host, id) => {
    expect(isSecureId(fromHex(id)!, host)).toBe(true);
    for (const [other] of VECTORS) if (other !== host) expect(isSecureId(fromHex(id)!, other)).toBe(false);
  });

  test.each(VECTORS)('for %s the first 21 bits and the last byte are those of BEP 42', (host, example) => {
    const random = Uint8Array.from({ length: 20 }, (_, i) => 7 * i);
    random[19] = fromHex(example)![19]!;
    const id = secureId(host, random);
    expect(toHex(id).slice(0, 4)).toBe(example.slice(0, 4));
    expect(id[2]! & 0xf8).toBe(fromHex(example)![2]! & 0xf8);
    expect(id[2]! & 7).toBe(random[2]! & 7);
    expect(id.slice(3)).toEqual(random.slice(3));
  });

  test('a made id fits, for any address of both families and any seed', () => {
    const rng = new Rng(1);
    for (let i = 0; i < 200; i++) {
      const bytes = Uint8Array.from({ length: 20 }, () => rng.below(256));
      const v4 = `${1 + rng.below(200)}.${rng.below(256)}.${rng.below(256)}.${rng.below(256)}`;
      const v6 = `2001:db8:${rng.below(65_536).toString(16)}::${rng.below(65_536).toString(16)}`;
      for (const host of [v4, v6]) expect(isSecureId(secureId(host, bytes), host)).toBe(true);
    }
  });

  test('of IPv6 only the network counts', () => {
    const id = secureId('2001:db8:1:2::1', new Uint8Array(20));
    expect(isSecureId(id, '2001:db8:1:2:ffff::9')).toBe(true);
    expect(isSecureId(id, '2001:db8:1:3::1')).toBe(false);
  });

  test('one changed bit of the first 21 spoils it, one behind them does not', () => {
    for (let bit = 0; bit < 24; bit++) {
      const id = secureId('84.124.73.14', new Uint8Array(20));
      id[bit >> 3]! ^= 0x80 >> (bit & 7);
      expect(isSecureId(id, '84.124.73.14')).toBe(bit >= 21);
    }
  });

  test('local addresses may have any id', () => {
    for (const host of [
      '127.0.0.1',
      '10.1.2.3',
      '192.168.1.1',
      '172.16.0.1',
      '169.254.0.1',
      '::1',
      'fd00::1',
    ]) {
      expect(isSecureId(new Uint8Array(20), host)).toBe(true);
    }
  });
});

describe('distance', () => {
  const id = (first: number): Uint8Array => Uint8Array.from({ length: 20 }, (_, i) => (i === 0 ? first : 0));

  test('is XOR, not difference', () => {
    expect(compareDistance(id(0b1000), id(0b0111), id(0b1111))).toBeLessThan(0);
    expect(compareDistance(id(0b1000), id(0b0111), id(0))).toBeGreaterThan(0);
    expect(compareDistance(id(3), id(3), id(9))).toBe(0);
  });

  test('counts common bits from the front', () => {
    expect(commonBits(id(0), id(0x80))).toBe(0);
    expect(commonBits(id(0), id(1))).toBe(7);
    expect(commonBits(id(0), id(0))).toBe(160);
    const last = id(0);
    last[19] = 1;
    expect(commonBits(id(0), last)).toBe(159);
  });

  test('an id for a bucket shares exactly as many bits as asked for', () => {
    const rng = new Rng(2);
    const random = (): Uint8Array => Uint8Array.from({ length: 20 }, () => rng.below(256));
    for (let bits = 0; bits <= 160; bits++) {
      const base = random();
      expect(commonBits(base, idInBucket(base, bits, random()))).toBe(bits);
    }
  });
});
