import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex, toHex } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';
import { ByteLink } from '../../src/wire/byte-link.ts';
import { Feature, reservedOf } from '../../src/wire/handshake.ts';
import { PeerError, SEND_HIGH_WATER, SEND_LOW_WATER, type DisconnectReason } from '../../src/wire/link.ts';
import { peerLinkContract } from '../contract/peer-link.contract.ts';
import { cutAtRandom, patterned, RecordingSink } from './recording-sink.ts';
import { memoryPair, type MemoryPair, type PairOptions } from './stream-pair.ts';

const HELLO = {
  infoHash: new Uint8Array(20).fill(1),
  peerId: new Uint8Array(20).fill(2),
  reserved: reservedOf([Feature.fast, Feature.extensions]),
};

peerLinkContract('a byte link over streams in memory', () => Promise.resolve(contractPair()));
peerLinkContract('a byte link over streams that cut at random', () => {
  const rng = new Rng(7);
  return Promise.resolve(contractPair({ cut: (bytes) => cutAtRandom(bytes, rng, 3_000) }));
});

describe('a byte link', () => {
  test('sends everything that was said in one turn in one flush', () => {
    const { dialer, pair } = linked();
    dialer.handshake(HELLO);
    dialer.haveNone();
    dialer.interested();
    expect(pair.dialer.written).toEqual([]);
    pair.turns.settle();
    expect(pair.dialer.written.map((bytes) => bytes.length)).toEqual([68 + 5 + 5]);
  });

  test('lets a have wait for what is said next, or for a flush', () => {
    const { dialer, pair } = linked();
    dialer.handshake(HELLO);
    pair.turns.settle();
    pair.dialer.written.length = 0;
    dialer.have(1, true);
    pair.turns.settle();
    expect(pair.dialer.written).toEqual([]);
    dialer.request(0, 0, 16_384);
    pair.turns.settle();
    expect(pair.dialer.written.map((bytes) => bytes.length)).toEqual([9 + 17]);
    dialer.have(2, true);
    dialer.flush();
    pair.turns.settle();
    dialer.flush();
    pair.turns.settle();
    expect(pair.dialer.written.map((bytes) => bytes.length)).toEqual([9 + 17, 9]);
  });

  test('has room for blocks while only a have waits, and says so when the last block is gone', () => {
    const { dialer, dialerSink, pair } = linked({ holdWrites: true });
    dialer.handshake(HELLO);
    dialer.piece(0, 0, new Uint8Array(100), null);
    pair.turns.settle();
    dialer.have(1, true);
    while (pair.dialer.bufferedBytes > 0) pair.dialer.take(1);
    expect(dialerSink.writableCount).toBe(1);
    expect(dialer.queuedBytes).toBe(0);
    dialer.flush();
    expect(dialer.queuedBytes).toBe(9);
    pair.turns.settle();
    pair.dialer.take(1);
    expect(dialer.queuedBytes).toBe(0);
    expect(dialer.sentBytes).toBe(68 + 13 + 100 + 9);
  });

  test('closes with the reason of a fault of the peer, later and once', () => {
    const { listener, listenerSink, pair } = linked();
    pair.listener.inject(Uint8Array.of(0x14));
    expect(listenerSink.closedWith).toBeNull();
    pair.turns.settle();
    expect(listenerSink.calls).toEqual(['closed bad-handshake']);
    listener.close('shutdown');
    pair.turns.settle();
    expect(listenerSink.calls).toEqual(['closed bad-handshake']);
  });

  test('closes with the reason of the sink when that refuses a message', () => {
    const { listenerSink, dialer, pair } = linked();
    listenerSink.onCall = (call) => {
      if (call.startsWith('handshake')) throw new PeerError('unknown-torrent', 'not here');
    };
    dialer.handshake(HELLO);
    pair.turns.settle();
    expect(listenerSink.closedWith).toBe('unknown-torrent');
    expect(listenerSink.batchCount).toBe(0);
  });

  test('lets a bug of ours through instead of blaming the peer', () => {
    const { listenerSink, pair } = linked();
    listenerSink.onCall = () => {
      throw new TypeError('a bug');
    };
    expect(() => pair.listener.inject(handshakeBytes())).toThrow('a bug');
  });

  test('tells a bug of ours to the sink that wants to know, and closes', () => {
    const { listenerSink, dialerSink, dialer, pair } = linked();
    const bugs: unknown[] = [];
    listenerSink.onCall = (call) => {
      throw new TypeError(`a bug in ${call.split(' ')[0]}`);
    };
    Object.assign(listenerSink, { onBug: (error: unknown) => bugs.push(error) });
    dialer.handshake(HELLO);
    pair.turns.settle();
    expect(bugs.map(String)).toEqual(['TypeError: a bug in handshake', 'TypeError: a bug in closed']);
    expect(dialerSink.closedWith).toBe('closed-by-peer');
  });

  test('accepts messages of the fast extension only if both ends offered it', () => {
    for (const [ours, theirs, accepted] of [
      [true, true, true],
      [true, false, false],
      [false, true, false],
      [false, false, false],
    ] as const) {
      const { dialer, listener, listenerSink, pair } = linked();
      const hello = (fast: boolean): typeof HELLO => ({
        ...HELLO,
        reserved: reservedOf(fast ? [Feature.fast] : []),
      });
      listener.handshake(hello(ours));
      dialer.handshake(hello(theirs));
      dialer.haveAll();
      pair.turns.settle();
      expect(listenerSink.closedWith).toBe(accepted ? null : 'fast-not-negotiated');
      expect(listenerSink.calls.includes('have all')).toBe(accepted);
    }
  });

  test('accepts messages of the fast extension that come in one chunk with the handshake we answer', () => {
    const { listener, listenerSink, pair } = linked();
    listenerSink.onCall = (call) => {
      if (call.startsWith('handshake')) listener.handshake(HELLO);
    };
    pair.listener.inject(concatBytes([handshakeBytes(), fromHex('000000010e')!]));
    expect(listenerSink.calls.at(-1)).toBe('have all');
  });

  test('reports a chunk that was worked off once, after its messages', () => {
    const { listenerSink, pair } = linked();
    pair.listener.inject(concatBytes([handshakeBytes(), fromHex('0000000102')!.slice(0, 3)]));
    expect(listenerSink.batchCount).toBe(1);
    pair.listener.inject(fromHex('0000000102')!.slice(3));
    expect(listenerSink.batchCount).toBe(2);
  });

  test('is heard no more from the call on in which the sink closed it', () => {
    const { listener, listenerSink, pair } = linked();
    listenerSink.onCall = (call) => {
      if (call === 'interested') listener.close('uninteresting');
    };
    pair.listener.inject(concatBytes([handshakeBytes(), fromHex('000000010200000001000000000102')!]));
    pair.listener.inject(fromHex('0000000103')!);
    pair.turns.settle();
    expect(listenerSink.calls.slice(1)).toEqual(['interested', 'closed uninteresting']);
    expect(listenerSink.batchCount).toBe(0);
  });

  test('counts bytes received, sent and queued', () => {
    const { dialer, listener, pair } = linked({ holdWrites: true });
    dialer.handshake(HELLO);
    expect([dialer.queuedBytes, dialer.sentBytes]).toEqual([68, 0]);
    pair.turns.settle();
    expect([dialer.queuedBytes, dialer.sentBytes]).toEqual([68, 0]);
    pair.dialer.take(1);
    expect([dialer.queuedBytes, dialer.sentBytes]).toEqual([0, 68]);
    pair.turns.settle();
    expect(listener.receivedBytes).toBe(68);
  });

  test('leaves the bytes of a message alone until the network has them', () => {
    const { dialer, listenerSink, pair } = linked({ holdWrites: true });
    dialer.handshake(HELLO);
    dialer.piece(1, 0, patterned(100), null);
    dialer.have(1);
    pair.turns.settle();
    pair.dialer.take(1);
    dialer.have(2);
    dialer.request(3, 0, 16_384);
    pair.turns.settle();
    pair.dialer.take(2);
    dialer.have(4);
    pair.turns.settle();
    pair.dialer.take(10);
    pair.turns.settle();
    expect(listenerSink.calls.slice(3)).toEqual(['have 1', 'have 2', 'request 3 0 16384', 'have 4']);
  });

  test('asks for more when it is down at the low-water mark, and when it is empty', () => {
    const { dialer, dialerSink, pair } = linked({ holdWrites: true });
    const block = new Uint8Array(16_384);
    while (dialer.queuedBytes <= SEND_HIGH_WATER) dialer.piece(0, 0, block, null);
    pair.turns.settle();
    while (dialer.queuedBytes > SEND_LOW_WATER) {
      expect(dialerSink.writableCount).toBe(0);
      pair.dialer.take(1);
    }
    expect(dialerSink.writableCount).toBe(1);
    while (dialer.queuedBytes > 0) pair.dialer.take(1);
    expect(dialerSink.writableCount).toBe(2);
  });

  test('sends what was batched when it leaves in peace, and nothing more when the peer is at fault', () => {
    for (const [reason, bytes] of [
      ['shutdown', '0000000100'],
      ['torrent-stopped', '0000000100'],
      ['bad-message', ''],
      ['banned', ''],
    ] as [DisconnectReason, string][]) {
      const { dialer, pair } = linked();
      dialer.choke();
      dialer.close(reason);
      dialer.unchoke();
      pair.turns.settle();
      expect(toHex(concatBytes(pair.dialer.written))).toBe(bytes);
    }
  });

  test('refuses a bitfield of the wrong length once it knows the right one', () => {
    const { listener, listenerSink, dialer, pair } = linked();
    listenerSink.onCall = (call) => {
      if (call.startsWith('handshake')) listener.expectBitfield(2);
    };
    dialer.handshake(HELLO);
    dialer.bitfield(patterned(3));
    pair.turns.settle();
    expect(listenerSink.closedWith).toBe('bad-bitfield');
  });

  test('insists that our handshake is the first thing we say', () => {
    const { dialer } = linked();
    dialer.interested();
    expect(() => dialer.handshake(HELLO)).toThrow('first');
  });
});

function linked(options: PairOptions = {}): {
  pair: MemoryPair;
  dialer: ByteLink;
  listener: ByteLink;
  dialerSink: RecordingSink;
  listenerSink: RecordingSink;
} {
  const pair = memoryPair(options);
  const dialer = new ByteLink(pair.dialer);
  const listener = new ByteLink(pair.listener);
  const dialerSink = new RecordingSink();
  const listenerSink = new RecordingSink();
  dialer.attach(dialerSink);
  listener.attach(listenerSink);
  return { pair, dialer, listener, dialerSink, listenerSink };
}

function contractPair(
  options: PairOptions = {},
): Awaited<ReturnType<Parameters<typeof peerLinkContract>[1]>> {
  const pair = memoryPair(options);
  return {
    dialer: new ByteLink(pair.dialer),
    listener: new ByteLink(pair.listener),
    until: (condition) => {
      pair.turns.settle();
      return Promise.resolve(condition());
    },
    dispose: () => Promise.resolve(),
  };
}

function handshakeBytes(): Uint8Array {
  const { dialer, pair } = linked();
  dialer.handshake(HELLO);
  pair.turns.settle();
  return concatBytes(pair.dialer.written);
}
