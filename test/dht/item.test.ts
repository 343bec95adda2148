import { describe, expect, test } from 'vitest';
import type { MutableItem } from '../../src/dht/item.ts';
import { immutableTarget, isCanonical, isSigned, mutableTarget, signedBytes } from '../../src/dht/item.ts';
import { ItemStore } from '../../src/dht/item-store.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { nodeEd25519 } from '../../src/node/ed25519.ts';
import { fromHex, toHex, toText, utf8 } from '../../src/util/bytes.ts';

const PUBLIC_KEY = fromHex('77ff84905a91936367c01360803104f92432fcd904a43511876df5cdf3e7e548')!;
const VALUE = utf8('12:Hello World!');

describe('the test vectors of BEP 44', () => {
  test('mutable', () => {
    const item: MutableItem = {
      value: VALUE,
      publicKey: PUBLIC_KEY,
      salt: new Uint8Array(0),
      sequence: 1n,
      signature: fromHex(
        '305ac8aeb6c9c151fa120f120ea2cfb923564e11552d06a5d856091e5e853cff' +
          '1260d3f39e4999684aa92eb73ffd136e6f4f3ecbfda0ce53a1608ecd7ae21f01',
      )!,
    };
    expect(toText(signedBytes(item))).toBe('3:seqi1e1:v12:Hello World!');
    expect(toHex(mutableTarget(PUBLIC_KEY, item.salt, sha1))).toBe(
      '4a533d47ec9c7d95b1ad75f576cffc641853b750',
    );
    expect(isSigned(item, nodeEd25519)).toBe(true);
    expect(isSigned({ ...item, sequence: 2n }, nodeEd25519)).toBe(false);
    expect(isSigned({ ...item, value: utf8('12:Hello World?') }, nodeEd25519)).toBe(false);
  });

  test('mutable with salt', () => {
    const item: MutableItem = {
      value: VALUE,
      publicKey: PUBLIC_KEY,
      salt: utf8('foobar'),
      sequence: 1n,
      signature: fromHex(
        '6834284b6b24c3204eb2fea824d82f88883a3d95e8b4a21b8c0ded553d17d17d' +
          'df9a8a7104b1258f30bed3787e6cb896fca78c58f8e03b5f18f14951a87d9a08',
      )!,
    };
    expect(toText(signedBytes(item))).toBe('4:salt6:foobar3:seqi1e1:v12:Hello World!');
    expect(toHex(mutableTarget(PUBLIC_KEY, item.salt, sha1))).toBe(
      '411eba73b6f087ca51a3795d9c8c938d365e32c1',
    );
    expect(isSigned(item, nodeEd25519)).toBe(true);
    expect(isSigned({ ...item, salt: utf8('foobaz') }, nodeEd25519)).toBe(false);
  });

  test('immutable', () => {
    expect(toHex(immutableTarget(VALUE, sha1))).toBe('e5f96f6f38320f0f33959cb4d3d656452117aadb');
  });
});

test('a value is one canonical piece of bencode', () => {
  for (const good of ['i1e', '0:', 'de', 'd1:ai1e1:bi2ee']) expect(isCanonical(utf8(good))).toBe(true);
  for (const bad of ['', 'd1:bi1e1:ai2ee', 'i01e', 'i1ei1e', 'l']) expect(isCanonical(utf8(bad))).toBe(false);
});

describe('the store', () => {
  const target = new Uint8Array(20).fill(9);
  const make = (): ItemStore => new ItemStore(() => new Uint8Array(20));
  const item = (sequence: bigint, value = 'i1e'): MutableItem => ({
    value: utf8(value),
    publicKey: PUBLIC_KEY,
    salt: new Uint8Array(0),
    sequence,
    signature: new Uint8Array(64),
  });

  test('never goes back to a lower sequence number, or to another value of the same one', () => {
    const store = make();
    expect(store.putMutable(target, item(5n), null, 0)).toBeNull();
    expect(store.putMutable(target, item(4n), null, 0)).toBe('sequence-too-low');
    expect(store.putMutable(target, item(5n, 'i2e'), null, 0)).toBe('sequence-too-low');
    expect(store.putMutable(target, item(6n), null, 0)).toBeNull();
    expect(store.get(target)).toMatchObject({ sequence: 6n });
  });

  test('compares before it swaps', () => {
    const store = make();
    expect(store.putMutable(target, item(5n), 99n, 0)).toBeNull(); // Nothing to compare with.
    expect(store.putMutable(target, item(7n), 4n, 0)).toBe('cas-mismatch');
    expect(store.putMutable(target, item(7n), 5n, 0)).toBeNull();
  });

  test('forgets after two hours, unless put again', () => {
    const HOUR = 3_600_000;
    const store = make();
    store.putMutable(target, item(1n), null, 0);
    store.putImmutable(new Uint8Array(20), { value: VALUE }, 0);
    store.putMutable(target, item(1n), null, HOUR);
    store.expire(2 * HOUR);
    expect(store.size).toBe(1);
    store.expire(3 * HOUR);
    expect(store.size).toBe(0);
  });

  test('holds 700 items, those close to our id', () => {
    const store = make();
    for (let i = 0; i < 2000; i++) {
      const key = Uint8Array.from({ length: 20 }, (_, at) => (at === 0 ? i >> 3 : at === 1 ? i : 0));
      store.putImmutable(key, { value: VALUE }, 0);
    }
    expect(store.size).toBe(700);
    expect(store.get(new Uint8Array(20))).not.toBeNull();
  });
});
