import { expect, test } from 'vitest';
import { BloomFilter, filterBits } from '../../src/dht/bloom-filter.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { toHex } from '../../src/util/bytes.ts';

/** BEP 33: what 192.0.2.0 to 192.0.2.255 and 2001:db8:: to 2001:db8::3e7 make. */
const VECTOR = `
 F6C3F5EA A07FFD91 BDE89F77 7F26FB2B FF37BDB8 FB2BBAA2 FD3DDDE7 BACFFF75 EE7CCBAE
 FE5EEDB1 FBFAFF67 F6ABFF5E 43DDBCA3 FD9B9FFD F4FFD3E9 DFF12D1B DF59DB53 DBE9FA5B
 7FF3B8FD FCDE1AFB 8BEDD7BE 2F3EE71E BBBFE93B CDEEFE14 8246C2BC 5DBFF7E7 EFDCF24F
 D8DC7ADF FD8FFFDF DDFFF7A4 BBEEDF5C B95CE81F C7FCFF1F F4FFFFDF E5F7FDCB B7FD79B3
 FA1FC77B FE07FFF9 05B7B7FF C7FEFEFF E0B8370B B0CD3F5B 7F2BD93F EB4386CF DD6F7FD5
 BFAF2E9E BFFFFEEC D67ADBF7 C67F17EF D5D75EBA 6FFEBA7F FF47A91E B1BFBB53 E8ABFB57
 62ABE8FF 237279BF EFBFEEF5 FFC5FEBF DFE5ADFF ADFEE1FB 737FFFFB FD9F6AEF FEEE76B6
 FD8F72EF`;

test('makes the filter of BEP 33 and its estimate', () => {
  const filter = new BloomFilter();
  for (let i = 0; i < 256; i++) filter.insert(filterBits(`192.0.2.${i}`, sha1));
  for (let i = 0; i < 1000; i++) {
    filter.insert(filterBits(i === 0 ? '2001:db8::' : `2001:db8::${i.toString(16)}`, sha1));
  }
  expect(toHex(filter.bytes)).toBe(VECTOR.replace(/\s/g, '').toLowerCase());
  expect(filter.estimate()).toBeCloseTo(1224.9308, 3);
});

test('joined filters count an address once', () => {
  const one = new BloomFilter();
  const other = new BloomFilter();
  for (let i = 0; i < 100; i++) one.insert(filterBits(`192.0.2.${i}`, sha1));
  for (let i = 50; i < 150; i++) other.insert(filterBits(`192.0.2.${i}`, sha1));
  one.join(other.bytes);
  expect(one.estimate()).toBeGreaterThan(140);
  expect(one.estimate()).toBeLessThan(160);
});

test('an empty filter holds nobody, and a full one has a finite size', () => {
  expect(new BloomFilter().estimate()).toBe(0);
  expect(new BloomFilter(new Uint8Array(256).fill(255)).estimate()).toBeLessThan(10_000);
});
