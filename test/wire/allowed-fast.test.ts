import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ALLOWED_FAST_COUNT, allowedFastSet } from '../../src/wire/allowed-fast.ts';

const INFO_HASH = new Uint8Array(20).fill(0xaa);

describe('the allowed fast set (BEP 6)', () => {
  test('is that of the example in the BEP', () => {
    const seven = [1059, 431, 808, 1217, 287, 376, 1188];
    expect(allowedFastSet('80.4.4.200', INFO_HASH, 1313, 7, sha1)).toEqual(seven);
    expect(allowedFastSet('80.4.4.200', INFO_HASH, 1313, 9, sha1)).toEqual([...seven, 353, 508]);
  });

  test('is shared by all addresses of one /24 network', () => {
    const set = allowedFastSet('80.4.4.200', INFO_HASH, 1313, ALLOWED_FAST_COUNT, sha1);
    expect(allowedFastSet('80.4.4.7', INFO_HASH, 1313, ALLOWED_FAST_COUNT, sha1)).toEqual(set);
    expect(allowedFastSet('80.4.5.200', INFO_HASH, 1313, ALLOWED_FAST_COUNT, sha1)).not.toEqual(set);
    expect(allowedFastSet('::ffff:80.4.4.200', INFO_HASH, 1313, ALLOWED_FAST_COUNT, sha1)).toEqual(set);
  });

  test('has every piece once in a torrent of fewer pieces than the set', () => {
    for (const pieces of [0, 1, 2, 10]) {
      const set = allowedFastSet('80.4.4.200', INFO_HASH, pieces, ALLOWED_FAST_COUNT, sha1);
      expect([...set].sort((a, b) => a - b)).toEqual(Array.from({ length: pieces }, (_, piece) => piece));
    }
  });

  test('is empty for IPv6, which the BEP does not define', () => {
    expect(allowedFastSet('2001:db8::1', INFO_HASH, 1313, ALLOWED_FAST_COUNT, sha1)).toEqual([]);
  });
});

function sha1(bytes: Uint8Array): Uint8Array {
  return createHash('sha1').update(bytes).digest();
}
