import { createDiffieHellman } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DiffieHellmanExchange, KEY_EXCHANGES_PER_SEC, mseTools } from '../../src/node/key-exchange.ts';
import { fromHex } from '../../src/util/bytes.ts';
import { KEY_LENGTH } from '../../src/wire/mse/negotiation.ts';

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
    for (let i = 0; i < 600; i++) {
      const a = new DiffieHellmanExchange();
      const b = new DiffieHellmanExchange();
      const [ya, yb] = [a.publicKey(), b.publicKey()];
      const [atA, atB] = [a.secret(yb)!, b.secret(ya)!];
      expect([ya.length, yb.length, atA.length]).toEqual([KEY_LENGTH, KEY_LENGTH, KEY_LENGTH]);
      expect(atA).toEqual(atB);
      secrets.add(Buffer.from(atA).toString('hex'));
    }
    expect(secrets.size).toBe(600);
  });

  test('agrees with a side that has a private key of full length', () => {
    const other = createDiffieHellman(PRIME, 2);
    const theirs = new Uint8Array(KEY_LENGTH);
    const key = other.generateKeys();
    theirs.set(key, KEY_LENGTH - key.length);
    const ours = new DiffieHellmanExchange();
    const expected = other.computeSecret(ours.publicKey());
    expect(ours.secret(theirs)!.subarray(-expected.length)).toEqual(new Uint8Array(expected));
  });

  const p = BigInt(`0x${Buffer.from(PRIME).toString('hex')}`);
  test.each([
    ['0', 0n],
    ['1', 1n],
    ['p - 1', p - 1n],
    ['p', p],
    ['p + 1', p + 1n],
    ['2^768 - 1', (1n << 768n) - 1n],
  ])('takes %s for no key', (_name, key) => {
    expect(new DiffieHellmanExchange().secret(numbered(key))).toBeNull();
  });

  test.each([
    ['2', 2n],
    ['3', 3n],
    ['p - 2', p - 2n],
  ])('takes %s for a key', (_name, key) => {
    expect(new DiffieHellmanExchange().secret(numbered(key))).toHaveLength(KEY_LENGTH);
  });
});

test('there are no more key exchanges than so many a second', () => {
  let now = 5_000;
  const tools = mseTools({ now: () => now, at: () => ({ cancel: () => {} }) });
  const made = (): number => Array.from({ length: 200 }, () => tools.keyExchange()).filter(Boolean).length;
  expect(made()).toBe(KEY_EXCHANGES_PER_SEC);
  expect(made()).toBe(0);
  now += 100;
  expect(made()).toBe(KEY_EXCHANGES_PER_SEC / 10);
  now += 60_000;
  expect(made()).toBe(KEY_EXCHANGES_PER_SEC);
});
