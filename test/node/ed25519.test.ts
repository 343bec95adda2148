import { expect, test } from 'vitest';
import { nodeEd25519 } from '../../src/node/ed25519.ts';
import { fromHex, toHex, utf8 } from '../../src/util/bytes.ts';

/** RFC 8032, 7.1, test 2. */
const SEED = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')!;
const PUBLIC = '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c';
const SIGNATURE =
  '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da' +
  '085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00';

test('signs and verifies as RFC 8032', () => {
  expect(toHex(nodeEd25519.publicKey(SEED))).toBe(PUBLIC);
  expect(toHex(nodeEd25519.sign(SEED, Uint8Array.of(0x72)))).toBe(SIGNATURE);
  expect(nodeEd25519.verify(fromHex(PUBLIC)!, Uint8Array.of(0x72), fromHex(SIGNATURE)!)).toBe(true);
});

test('anything else is no signature, and no error', () => {
  const publicKey = fromHex(PUBLIC)!;
  const signature = fromHex(SIGNATURE)!;
  expect(nodeEd25519.verify(publicKey, utf8('other'), signature)).toBe(false);
  expect(nodeEd25519.verify(publicKey, Uint8Array.of(0x72), signature.subarray(1))).toBe(false);
  expect(nodeEd25519.verify(publicKey.subarray(1), Uint8Array.of(0x72), signature)).toBe(false);
  expect(nodeEd25519.verify(new Uint8Array(32).fill(255), Uint8Array.of(0x72), signature)).toBe(false);
  expect(nodeEd25519.verify(new Uint8Array(32), Uint8Array.of(0x72), new Uint8Array(64))).toBe(false);
});
