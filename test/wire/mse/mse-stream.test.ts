import { describe, expect, test } from 'vitest';
import { concatBytes } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { ByteLink } from '../../../src/wire/byte-link.ts';
import { putHandshake, reservedOf } from '../../../src/wire/handshake.ts';
import type { ByteStreamSink } from '../../../src/wire/link.ts';
import { Initiator, PLAINTEXT, RC4 } from '../../../src/wire/mse/negotiation.ts';
import { MseStream } from '../../../src/wire/mse/mse-stream.ts';
import { brief, cutAtRandom, patterned, RecordingSink } from '../recording-sink.ts';
import { memoryPair, type Cut, type MemoryStream, type PairOptions, type Turns } from '../stream-pair.ts';
import { takes, toyTools, type ToyTools } from './tools.ts';

const INFO_HASH = patterned(20, 7);
const HELLO = { infoHash: INFO_HASH, peerId: patterned(20, 1), reserved: reservedOf([]) };
const ANSWER = { infoHash: INFO_HASH, peerId: patterned(20, 2), reserved: reservedOf([]) };
const UNCHOKE = Uint8Array.of(0, 0, 0, 1, 1);
const BLOCK = patterned(16_384, 3);

/** A peer that dials, by hand: what it says goes out as it is, or by its handshake. */
class Dialer implements ByteStreamSink {
  readonly #stream: MemoryStream;
  readonly #waiting: Uint8Array[] = [];
  readonly #received: Uint8Array[] = [];
  #initiator: Initiator | null = null;
  endedWith: string | null = null;

  constructor(stream: MemoryStream) {
    this.#stream = stream;
    stream.attach(this);
  }

  /** All plain bytes that came after the handshake, if there is one. */
  get received(): Uint8Array {
    return concatBytes(this.#received);
  }

  encrypt(tools: ToyTools, provide: number, initial: Uint8Array): void {
    const offer = { infoHash: INFO_HASH, provide };
    this.#initiator = new Initiator(
      tools,
      offer,
      () => initial,
      (bytes) => this.#write(bytes),
    );
  }

  say(bytes: Uint8Array): void {
    const copy = bytes.slice();
    this.#initiator?.agreement?.outgoing?.apply(copy);
    this.#write(copy);
  }

  onData(chunk: Uint8Array): void {
    let rest = chunk;
    if (this.#initiator !== null && this.#initiator.agreement === null) {
      rest = chunk.subarray(this.#initiator.receive(chunk));
    }
    const plain = rest.slice();
    this.#initiator?.agreement?.incoming?.apply(plain);
    this.#received.push(plain);
  }

  onFlush(): void {
    for (const bytes of this.#waiting.splice(0)) this.#stream.write(bytes, null);
  }

  onDrained(): void {}

  onEnd(reason: string): void {
    this.endedWith = reason;
  }

  onClosed(): void {}

  #write(bytes: Uint8Array): void {
    this.#waiting.push(bytes.slice());
    this.#stream.requestFlush();
  }
}

interface SetUp {
  readonly turns: Turns;
  readonly tools: ToyTools;
  readonly sink: RecordingSink;
  readonly link: ByteLink;
  readonly peer: Dialer;
  /** The stream below the one under test. */
  readonly inner: MemoryStream;
}

function setUp(options: PairOptions = {}): SetUp {
  const { turns, dialer, listener } = memoryPair(options);
  const tools = toyTools(11);
  const sink = new RecordingSink();
  const link = new ByteLink(MseStream.accept(listener, tools, takes(INFO_HASH)));
  link.attach(sink);
  return { turns, tools, sink, link, peer: new Dialer(dialer), inner: listener };
}

function handshakeBytes(handshake = HELLO): Uint8Array {
  const bytes = new Uint8Array(68);
  putHandshake(bytes, 0, handshake);
  return bytes;
}

function pieceBytes(block: Uint8Array): Uint8Array {
  const head = new Uint8Array(13);
  new DataView(head.buffer).setUint32(0, 9 + block.length);
  head[4] = 7;
  return concatBytes([head, block]);
}

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

const OFFERS = [
  { offer: 'plaintext and RC4', provide: PLAINTEXT | RC4 },
  { offer: 'RC4 only', provide: RC4 },
];

describe.each(CUTS)('a peer whose bytes arrive $how', ({ cut }) => {
  for (const { offer, provide } of OFFERS) {
    for (const inside of [true, false]) {
      const where = inside ? 'inside' : 'after';
      test(`and offers ${offer} is understood, with its BitTorrent handshake ${where} the encrypted one`, () => {
        const { turns, tools, sink, link, peer } = setUp({ cut: cut() });
        let released = 0;
        sink.onCall = (call) => {
          if (!call.startsWith('handshake')) return;
          link.handshake(ANSWER);
          link.piece(0, 0, BLOCK, { release: () => released++ });
        };
        const original = BLOCK.slice();
        peer.encrypt(tools, provide, inside ? handshakeBytes() : new Uint8Array(0));
        turns.settle();
        if (!inside) peer.say(handshakeBytes());
        peer.say(UNCHOKE);
        peer.say(pieceBytes(BLOCK));
        turns.settle();
        expect(sink.calls.slice(1)).toEqual(['unchoke', 'target 0 0 16384', `block 0 0 ${brief(BLOCK)}`]);
        expect(sink.handshakes[0]!.peerId).toEqual(HELLO.peerId);
        expect(peer.received).toEqual(concatBytes([handshakeBytes(ANSWER), pieceBytes(original)]));
        // A block is shared memory: it goes out enciphered and stays what it was.
        expect(BLOCK).toEqual(original);
        expect(released).toBe(1);
        expect([link.queuedBytes, link.sentBytes]).toEqual([0, peer.received.length]);
      });
    }
  }

  test('and are plain is understood, with no key exchanged', () => {
    const { turns, tools, sink, link, peer } = setUp({ cut: cut() });
    peer.say(handshakeBytes());
    peer.say(pieceBytes(BLOCK));
    turns.settle();
    link.handshake(ANSWER);
    turns.settle();
    expect(sink.calls.slice(1)).toEqual(['target 0 0 16384', `block 0 0 ${brief(BLOCK)}`]);
    expect(link.receivedBytes).toBe(68 + 13 + 16_384);
    expect(peer.received).toEqual(handshakeBytes(ANSWER));
    expect(tools.exchanges).toBe(0);
  });

  test('and whose key begins like a plain handshake is understood', () => {
    for (const length of [1, 5, 19]) {
      const { turns, sink, peer } = setUp({ cut: cut() });
      peer.encrypt(toyTools(length, handshakeBytes().subarray(0, length)), RC4, handshakeBytes());
      turns.settle();
      expect(sink.handshakes[0]!.infoHash).toEqual(INFO_HASH);
    }
  });
});

test('what the link says before the peer says anything goes out after the first bytes of a plain peer', () => {
  const { turns, link, peer } = setUp();
  link.handshake(ANSWER);
  turns.settle();
  expect(peer.received).toHaveLength(0);
  peer.say(handshakeBytes());
  turns.settle();
  expect(peer.received).toEqual(handshakeBytes(ANSWER));
});

test('an enciphered block is given back at once, and its bytes count until the network has them', () => {
  const { turns, tools, sink, link, peer, inner } = setUp({ holdWrites: true });
  let released = 0;
  peer.encrypt(tools, RC4, handshakeBytes());
  sink.onCall = (call) => {
    if (!call.startsWith('handshake')) return;
    link.handshake(ANSWER);
    link.piece(0, 0, BLOCK, { release: () => released++ });
  };
  const dialled = inner.peer;
  turns.settle();
  dialled.take(1);
  turns.settle();
  inner.take(1);
  turns.settle();
  dialled.take(1);
  turns.settle();
  expect(released).toBe(1);
  // Our half of the encrypted handshake waits too, and is not the link's.
  expect(inner.bufferedBytes).toBeGreaterThan(68 + 13 + BLOCK.length);
  expect([link.queuedBytes, link.sentBytes]).toEqual([68 + 13 + BLOCK.length, 0]);
  inner.take(10);
  turns.settle();
  expect([link.queuedBytes, link.sentBytes]).toEqual([0, 68 + 13 + BLOCK.length]);
  expect(peer.received).toEqual(concatBytes([handshakeBytes(ANSWER), pieceBytes(BLOCK)]));
});

describe('a peer that is refused', () => {
  test('for what is neither a name nor a key closes as a bad handshake', () => {
    const { turns, sink, peer, inner } = setUp();
    peer.say(patterned(96 + 512 + 19));
    turns.settle();
    expect(sink.calls).toEqual([]);
    peer.say(Uint8Array.of(0));
    turns.settle();
    expect(sink.calls).toEqual(['closed bad-handshake']);
    expect(inner.isClosed).toBe(true);
    expect(peer.endedWith).toBe('closed-by-peer');
  });

  test('for a torrent that nobody has is told nothing of ours but a key', () => {
    const { turns, dialer, listener } = memoryPair();
    const sink = new RecordingSink();
    new ByteLink(MseStream.accept(listener, toyTools(1), takes(patterned(20, 50)))).attach(sink);
    const peer = new Dialer(dialer);
    peer.encrypt(toyTools(2), RC4, handshakeBytes());
    turns.settle();
    expect(sink.calls).toEqual(['closed unknown-torrent']);
    expect(peer.received).toHaveLength(0);
  });

  test('for what follows an encrypted handshake and is no BitTorrent handshake closes as a bad one', () => {
    for (const initial of [true, false]) {
      const { turns, tools, sink, peer } = setUp();
      peer.encrypt(tools, RC4, initial ? patterned(68) : new Uint8Array(0));
      turns.settle();
      if (!initial) peer.say(Uint8Array.of(0x7f));
      turns.settle();
      expect(sink.calls).toEqual(['closed bad-handshake']);
    }
  });

  test('by the engine in the middle of its handshake closes with the reason of the engine', () => {
    const { turns, sink, link, peer } = setUp();
    peer.say(patterned(50));
    turns.settle();
    link.close('handshake-timeout');
    peer.say(patterned(600));
    turns.settle();
    expect(sink.calls).toEqual(['closed handshake-timeout']);
  });

  test('by the network in the middle of its handshake closes with that reason', () => {
    const { turns, sink, peer, inner } = setUp();
    peer.say(patterned(150));
    turns.settle();
    inner.peer.close(false);
    turns.settle();
    expect(sink.calls).toEqual(['closed closed-by-peer']);
  });
});

describe('a bug of ours in the key exchange', () => {
  const bug = new TypeError('x is undefined');
  const brokenTools = (bugs: unknown[], when: 'at once' | 'in its turn'): ToyTools => ({
    ...toyTools(11, undefined, when === 'at once' ? null : []),
    keyExchange: () => {
      throw bug;
    },
    onBug: (error) => bugs.push(error),
  });

  test.each(['at once', 'in its turn'] as const)('closes the one connection, told %s', (when) => {
    const { turns, dialer, listener } = memoryPair({});
    const bugs: unknown[] = [];
    const tools = brokenTools(bugs, when);
    const sink = new RecordingSink();
    new ByteLink(MseStream.accept(listener, tools, takes(INFO_HASH))).attach(sink);
    const peer = new Dialer(dialer);
    peer.encrypt(toyTools(1), RC4, handshakeBytes());
    turns.settle();
    tools.turn();
    turns.settle();
    expect(bugs).toEqual([bug]);
    expect(sink.calls).toEqual(['closed connection-error']);
    expect(peer.endedWith).toBe('closed-by-peer');
  });

  test('closes a connection that we made', () => {
    const { turns, dialer } = memoryPair({});
    const bugs: unknown[] = [];
    const offer = { infoHash: INFO_HASH, provide: RC4 };
    const link = new ByteLink(MseStream.dial(dialer, brokenTools(bugs, 'at once'), offer));
    const sink = new RecordingSink();
    link.attach(sink);
    link.handshake(HELLO);
    turns.settle();
    expect(bugs).toEqual([bug]);
    expect(sink.calls).toEqual(['closed connection-error']);
  });

  test('shows to whoever called if nobody is to be told', () => {
    const { turns, dialer, listener } = memoryPair({});
    const tools = { ...toyTools(11), keyExchange: brokenTools([], 'at once').keyExchange };
    new ByteLink(MseStream.accept(listener, tools, takes(INFO_HASH))).attach(new RecordingSink());
    new Dialer(dialer).encrypt(toyTools(1), RC4, handshakeBytes());
    expect(() => turns.settle()).toThrow(bug);
  });
});
