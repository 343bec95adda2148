import { describe, expect, test } from 'vitest';
import { encode, RawBencode, type Encodable } from '../../../src/bencode/codec.ts';
import { signedBytes, type ImmutableItem, type MutableItem } from '../../../src/dht/item.ts';
import { readMessage, type KrpcResponse } from '../../../src/dht/krpc.ts';
import { GetImmutableTask, GetMutableTask } from '../../../src/dht/tasks/get-item-task.ts';
import { sha1 } from '../../../src/metainfo/info-hash.ts';
import { nodeEd25519 } from '../../../src/node/ed25519.ts';
import { utf8 } from '../../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

const ID = new Uint8Array(20).fill(1);

function bytesOf(r: Record<string, Encodable | undefined>): Uint8Array {
  return encode({ r: { id: ID, ...r }, t: 'aa', y: 'r' });
}

function answerOf(r: Record<string, Encodable | undefined>): KrpcResponse {
  return readMessage(bytesOf(r)) as KrpcResponse;
}

describe('an immutable item', () => {
  const value = utf8('12:Hello World!');
  const begin = (target = sha1(value)): { task: GetImmutableTask; found: ImmutableItem[] } => {
    const found: ImmutableItem[] = [];
    return {
      found,
      task: new GetImmutableTask(
        target,
        sha1,
        (item) => found.push(item),
        () => undefined,
      ),
    };
  };

  test('is told once, though many have it', () => {
    const { task, found } = begin();
    for (let i = 0; i < 8; i++) task.onAnswer(answerOf({ v: new RawBencode(value) }));
    expect(found).toEqual([{ value }]);
  });

  test('that does not hash to what was asked for is none', () => {
    const { task, found } = begin();
    for (const v of ['Hello World?', 5, [1], { a: 'Hello World!' }, '']) task.onAnswer(answerOf({ v }));
    task.onAnswer(answerOf({}));
    expect(found).toEqual([]);
    task.onAnswer(answerOf({ v: 'Hello World!' }));
    expect(found).toEqual([{ value }]);
  });

  test('of more than 1,000 bytes is none, whatever its hash', () => {
    const large = encode(new Uint8Array(1001));
    const { task, found } = begin(sha1(large));
    task.onAnswer(answerOf({ v: new Uint8Array(1001) }));
    expect(found).toEqual([]);
  });
});

describe('a mutable item', () => {
  const seed = new Uint8Array(32).fill(5);
  const publicKey = nodeEd25519.publicKey(seed);
  const salt = utf8('salt');
  const signed = (
    sequence: bigint,
    text: string,
    by = seed,
    withSalt = salt,
  ): Record<string, Encodable | undefined> => {
    const value = utf8(text);
    return {
      k: nodeEd25519.publicKey(by),
      seq: sequence,
      sig: nodeEd25519.sign(by, signedBytes({ value, salt: withSalt, sequence })),
      v: new RawBencode(value),
    };
  };
  const begin = (): { task: GetMutableTask; found: MutableItem[] } => {
    const found: MutableItem[] = [];
    const crypto = { sha1, signatures: nodeEd25519 };
    return {
      found,
      task: new GetMutableTask(
        { publicKey, salt },
        crypto,
        (item) => found.push(item),
        () => undefined,
      ),
    };
  };

  test('is told each time that a later one turns up, and never an earlier one', () => {
    const { task, found } = begin();
    for (const sequence of [3n, 2n, 3n, 7n, 5n]) task.onAnswer(answerOf(signed(sequence, `i${sequence}e`)));
    expect(found.map(({ sequence }) => sequence)).toEqual([3n, 7n]);
  });

  test.each<[string, Record<string, Encodable | undefined>]>([
    ['of another key', signed(9n, 'i1e', new Uint8Array(32).fill(6))],
    [
      'of the right key, signed by another',
      { ...signed(9n, 'i1e', new Uint8Array(32).fill(6)), k: publicKey },
    ],
    ['signed for another salt', signed(9n, 'i1e', seed, utf8('other'))],
    ['signed for no salt', signed(9n, 'i1e', seed, new Uint8Array(0))],
    ['whose value was changed', { ...signed(9n, 'i1e'), v: 2 }],
    ['whose number was raised', { ...signed(9n, 'i1e'), seq: 10 }],
    ['whose number is negative', { ...signed(9n, 'i1e'), seq: -1 }],
    ['without a number', { ...signed(9n, 'i1e'), seq: undefined }],
    ['without a signature', { ...signed(9n, 'i1e'), sig: undefined }],
    ['with a short signature', { ...signed(9n, 'i1e'), sig: new Uint8Array(63) }],
    ['with a number for a key', { ...signed(9n, 'i1e'), k: 32 }],
    ['with a value that is not canonical', signed(9n, 'd1:bi1e1:ai1ee')],
    ['of more than 1,000 bytes', signed(9n, `1000:${'x'.repeat(1000)}`)],
  ])('%s is none, and keeps no right one out', (_, r) => {
    const { task, found } = begin();
    expect(task.onAnswer(answerOf(r))).toBeNull();
    expect(found).toEqual([]);
    expect(task.onAnswer(answerOf(signed(1n, 'i1e')))).toBe(1n);
    expect(found).toHaveLength(1);
  });

  test('however damaged is what was signed, or none', () => {
    const rng = fuzzRng(12);
    const good = bytesOf(signed(4n, 'i4e'));
    for (let i = 0; i < rounds(3000); i++) {
      const { task, found } = begin();
      const message = readMessage(mutate(good, rng));
      if (message?.kind !== 'response') continue;
      task.onAnswer(message);
      for (const { value, sequence } of found) expect([value, sequence]).toEqual([utf8('i4e'), 4n]);
    }
  });
});
