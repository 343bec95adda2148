import { createDiffieHellman, randomBytes } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { fromHex } from '../../../src/util/bytes.ts';
import {
  DiffieHellmanExchange,
  isPublicKey,
  KEY_LENGTH,
  PRIVATE_KEY_LENGTH,
} from '../../../src/wire/mse/dh.ts';

const PRIME = fromHex(
  'ffffffffffffffffc90fdaa22168c234c4c6628b80dc1cd129024e088a67cc74020bbea63b139b22514a08798e3404dd' +
    'ef9519b3cd3a431b302b0a6df25f14374fe1356d6d51c245e485b576625e7ec6f44c42e9a63a36210000000000090563',
)!;

function numbered(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * KEY_LENGTH, '0'))!;
}

describe('a key exchange', () => {
  test('gives both sides one secret, each time another, all of the full length', () => {
    const secrets = new Set<string>();
    // Enough that some key or secret begins with a zero.
    for (let i = 0; i < 300; i++) {
      const a = new DiffieHellmanExchange(randomBytes(PRIVATE_KEY_LENGTH));
      const b = new DiffieHellmanExchange(randomBytes(PRIVATE_KEY_LENGTH));
      const [ya, yb] = [a.publicKey(), b.publicKey()];
      const [atA, atB] = [a.secret(yb), b.secret(ya)];
      expect([ya.length, yb.length, atA.length]).toEqual([KEY_LENGTH, KEY_LENGTH, KEY_LENGTH]);
      expect(atA).toEqual(atB);
      secrets.add(Buffer.from(atA).toString('hex'));
    }
    expect(secrets.size).toBe(300);
  });

  test('agrees with the arithmetic of OpenSSL, whose private keys are of full length', () => {
    const other = createDiffieHellman(PRIME, 2);
    const theirs = new Uint8Array(KEY_LENGTH);
    const key = other.generateKeys();
    theirs.set(key, KEY_LENGTH - key.length);
    for (const privateKey of [
      new Uint8Array(PRIVATE_KEY_LENGTH).fill(0xff),
      ...Array.from({ length: 50 }, () => randomBytes(PRIVATE_KEY_LENGTH)),
    ]) {
      const ours = new DiffieHellmanExchange(privateKey);
      const expected = other.computeSecret(ours.publicKey());
      expect(ours.secret(theirs).subarray(-expected.length)).toEqual(new Uint8Array(expected));
    }
  });
});

describe('a public key', () => {
  const p = BigInt(`0x${Buffer.from(PRIME).toString('hex')}`);
  test.each([
    ['0', 0n],
    ['1', 1n],
    ['p - 1', p - 1n],
    ['p', p],
    ['p + 1', p + 1n],
    ['2^768 - 1', (1n << 768n) - 1n],
  ])('is not %s', (_name, key) => {
    expect(isPublicKey(numbered(key))).toBe(false);
  });

  test.each([
    ['2', 2n],
    ['3', 3n],
    ['p - 2', p - 2n],
  ])('can be %s', (_name, key) => {
    expect(isPublicKey(numbered(key))).toBe(true);
    const exchange = new DiffieHellmanExchange(new Uint8Array(PRIVATE_KEY_LENGTH).fill(7));
    expect(exchange.secret(numbered(key))).toHaveLength(KEY_LENGTH);
  });
});
