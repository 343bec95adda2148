import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { ByteLink } from '../../../src/wire/byte-link.ts';
import { reservedOf } from '../../../src/wire/handshake.ts';
import { MseStream } from '../../../src/wire/mse/mse-stream.ts';
import { PLAINTEXT, RC4 } from '../../../src/wire/mse/negotiation.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';
import { brief, cutAtRandom, patterned, RecordingSink } from '../recording-sink.ts';
import { memoryPair, type Cut } from '../stream-pair.ts';
import { takes, toyTools } from './tools.ts';

const INFO_HASH = patterned(20, 7);
const HELLO = { infoHash: INFO_HASH, peerId: patterned(20, 1), reserved: reservedOf([]) };
const ANSWER = { infoHash: INFO_HASH, peerId: patterned(20, 2), reserved: reservedOf([]) };
const BLOCK = patterned(16_384, 3);

const CUTS: { how: string; cut: () => Cut }[] = [
  { how: 'whole', cut: () => (bytes) => [bytes] },
  { how: 'byte by byte', cut: () => (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte)) },
  {
    how: 'cut at random',
    cut: () => {
      const rng = new Rng(3);
      return (bytes) => cutAtRandom(bytes, rng, 400);
    },
  },
];

const POLICIES = [
  { offer: 'plaintext and RC4', provide: PLAINTEXT | RC4, required: false, encryption: 'handshake' },
  { offer: 'RC4', provide: RC4, required: false, encryption: 'rc4' },
  { offer: 'both to one that requires RC4', provide: PLAINTEXT | RC4, required: true, encryption: 'rc4' },
] as const;

describe.each(CUTS)('two links whose bytes arrive $how', ({ cut }) => {
  for (const { offer, provide, required, encryption } of POLICIES) {
    test(`shake hands and trade blocks when one offers ${offer}`, () => {
      const { turns, dialer, listener } = memoryPair({ cut: cut() });
      const policy = { ...takes(INFO_HASH), required };
      const here = new ByteLink(MseStream.dial(dialer, toyTools(1), { infoHash: INFO_HASH, provide }));
      const there = new ByteLink(MseStream.accept(listener, toyTools(2), policy));
      const [sinkHere, sinkThere] = [new RecordingSink(), new RecordingSink()];
      here.attach(sinkHere);
      there.attach(sinkThere);
      let released = 0;
      const original = BLOCK.slice();
      sinkThere.onCall = (call) => {
        if (!call.startsWith('handshake')) return;
        there.handshake(ANSWER);
        there.piece(0, 0, BLOCK, { release: () => released++ });
      };
      here.handshake(HELLO);
      expect(here.encryption).toBe('none');
      turns.settle();
      here.piece(1, 0, BLOCK, { release: () => released++ });
      turns.settle();
      expect([here.encryption, there.encryption]).toEqual([encryption, encryption]);
      expect(sinkHere.calls.slice(1)).toEqual(['target 0 0 16384', `block 0 0 ${brief(original)}`]);
      expect(sinkThere.calls.slice(1)).toEqual(['target 1 0 16384', `block 1 0 ${brief(original)}`]);
      expect([BLOCK, released]).toEqual([original, 2]);
      for (const link of [here, there]) {
        expect([link.queuedBytes, link.sentBytes, link.receivedBytes]).toEqual([0, 16_465, 16_465]);
      }
    });
  }

  test('end where one offers plaintext alone and the other requires RC4', () => {
    const { turns, dialer, listener } = memoryPair({ cut: cut() });
    const policy = { ...takes(INFO_HASH), required: true };
    const here = new ByteLink(
      MseStream.dial(dialer, toyTools(1), { infoHash: INFO_HASH, provide: PLAINTEXT }),
    );
    const [sinkHere, sinkThere] = [new RecordingSink(), new RecordingSink()];
    here.attach(sinkHere);
    new ByteLink(MseStream.accept(listener, toyTools(2), policy)).attach(sinkThere);
    here.handshake(HELLO);
    turns.settle();
    expect([sinkHere.calls, sinkThere.calls]).toEqual([['closed closed-by-peer'], ['closed bad-handshake']]);
  });

  test('end where one is plain and the other requires encryption', () => {
    const { turns, dialer, listener } = memoryPair({ cut: cut() });
    const here = new ByteLink(dialer);
    const [sinkHere, sinkThere] = [new RecordingSink(), new RecordingSink()];
    here.attach(sinkHere);
    const policy = { ...takes(INFO_HASH), required: true };
    new ByteLink(MseStream.accept(listener, toyTools(2), policy)).attach(sinkThere);
    here.handshake(HELLO);
    turns.settle();
    expect([sinkHere.calls, sinkThere.calls]).toEqual([['closed closed-by-peer'], ['closed bad-handshake']]);
  });
});

test('what is said before the two agreed is counted as waiting, and goes out in order', () => {
  const { turns, dialer, listener } = memoryPair();
  const here = new ByteLink(MseStream.dial(dialer, toyTools(1), { infoHash: INFO_HASH, provide: RC4 }));
  const sink = new RecordingSink();
  here.attach(new RecordingSink());
  new ByteLink(MseStream.accept(listener, toyTools(2), takes(INFO_HASH))).attach(sink);
  here.handshake(HELLO);
  // More than goes with an encrypted handshake.
  here.unchoke();
  here.piece(0, 0, BLOCK, null);
  expect([here.queuedBytes, here.sentBytes]).toEqual([68 + 5 + 16_397, 0]);
  turns.step();
  expect([here.queuedBytes, here.sentBytes]).toEqual([68 + 5 + 16_397, 0]);
  turns.settle();
  expect(sink.calls.slice(1)).toEqual(['unchoke', 'target 0 0 16384', `block 0 0 ${brief(BLOCK)}`]);
  expect([here.queuedBytes, here.sentBytes]).toEqual([0, 68 + 5 + 16_397]);
});

test('a peer that answers a dial with anything ends it, or is waited for, and nothing is thrown', () => {
  const rng = fuzzRng(9);
  for (let i = 0; i < rounds(300); i++) {
    const { turns, dialer, listener } = memoryPair();
    const sink = new RecordingSink();
    const link = new ByteLink(MseStream.dial(dialer, toyTools(i), { infoHash: INFO_HASH, provide: RC4 }));
    link.attach(sink);
    link.handshake(HELLO);
    listener.attach({ onData() {}, onFlush() {}, onDrained() {}, onEnd() {}, onClosed() {} });
    turns.settle();
    const answer = mutate(concatBytes([toyTools(500 + i).random(96), patterned(rng.below(700))]), rng);
    for (const chunk of cutAtRandom(answer, rng, 200)) dialer.inject(chunk);
    turns.settle();
    link.close('handshake-timeout');
    turns.settle();
    expect(['closed handshake-timeout', 'closed bad-handshake']).toContain(sink.calls.at(-1));
    expect(sink.handshakes).toHaveLength(0);
  }
});
