import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { Blame } from '../../../src/engine/torrent/blame.ts';
import { Rng } from '../../../src/util/rng.ts';

const alice = { name: 'alice' };
const bob = { name: 'bob' };
const carol = { name: 'carol' };

describe('blame', () => {
  test('a sole sender of a bad piece is guilty at once', () => {
    expect(new Blame().onFailed(0, digests('xxxx'), [alice, alice, alice, alice])).toBe(alice);
  });

  test('with several senders nobody is guilty until the piece passes; then the one whose block differs', () => {
    const blame = new Blame();
    expect(blame.onFailed(0, digests('gbgg'), [alice, bob, alice, carol])).toBeNull();
    expect(blame.isSuspect(0)).toBe(true);
    expect(blame.onPassed(0, digests('gggg'))).toEqual([bob]);
    expect(blame.isSuspect(0)).toBe(false);
  });

  test('all colluders of several failures are found by one good copy', () => {
    const blame = new Blame();
    blame.onFailed(0, digests('bggg'), [alice, carol, carol, carol]);
    blame.onFailed(0, digests('gggb'), [carol, carol, carol, bob]);
    expect(new Set(blame.onPassed(0, digests('gggg')))).toEqual(new Set([alice, bob]));
  });

  test('honest peers are never blamed, whoever lies beside them', () => {
    for (let seed = 0; seed < 200; seed++) {
      const rng = new Rng(seed);
      const blame = new Blame();
      const peers = Array.from({ length: 8 }, (_, i) => ({ liar: i < 3 }));
      for (let failure = 0; failure < 5; failure++) {
        const senders = Array.from({ length: 16 }, () => peers[rng.below(peers.length)]!);
        const content = senders.map((peer) => (peer.liar && rng.below(2) ? 'b' : 'g')).join('');
        if (!content.includes('b') || new Set(senders).size === 1) continue;
        expect(blame.onFailed(0, digests(content), senders)).toBeNull();
      }
      const guilty = blame.onPassed(0, digests('g'.repeat(16))) as typeof peers;
      expect(guilty.every((peer) => peer.liar)).toBe(true);
    }
  });

  test('what is kept of failures is bounded', () => {
    const blame = new Blame();
    for (let piece = 0; piece < 1000; piece++) blame.onFailed(piece, digests('bg'), [alice, bob]);
    let kept = 0;
    for (let piece = 0; piece < 1000; piece++) if (blame.isSuspect(piece)) kept++;
    expect(kept).toBe(64);
    for (let i = 0; i < 100; i++) blame.onFailed(999, digests('bg'), [alice, bob]);
    expect(blame.failures(999)).toBe(8);
  });
});

/** One digest per letter. */
function digests(content: string): Uint8Array {
  return Buffer.concat(Array.from(content, (letter) => createHash('sha1').update(letter).digest()));
}
