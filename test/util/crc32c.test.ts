import { expect, test } from 'vitest';
import { utf8 } from '../../src/util/bytes.ts';
import { crc32c } from '../../src/util/crc32c.ts';

test('has the check value of CRC-32C', () => {
  expect(crc32c(utf8('123456789'))).toBe(0xe3069283);
  expect(crc32c(new Uint8Array(0))).toBe(0);
  // RFC 3720, B.4: 32 bytes of zeros.
  expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
});
