import { describe, expect, test } from 'vitest';
import { concatBytes, fromHex, utf8, writeU32 } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';
import { Decoder } from '../../src/wire/decoder.ts';
import { Feature, putHandshake, reservedOf } from '../../src/wire/handshake.ts';
import { PeerError } from '../../src/wire/link.ts';
import { mutate } from '../support/mutate.ts';
import { brief, cutAtRandom, patterned, RecordingSink } from './recording-sink.ts';

const ALL_FEATURES = reservedOf([Feature.extensions, Feature.fast, Feature.dht]);

/** Every message there is, blocks and bodies of several lengths among them, and what a sink hears of it. */
const CONVERSATION: readonly (readonly [hex: string, call: string | readonly string[]])[] = [
  ['00000005 05 ff00aa80', 'bitfield ff00aa80'],
  ['00000001 0e', 'have all'],
  ['00000001 0f', 'have none'],
  ['00000001 02', 'interested'],
  ['00000001 03', 'not interested'],
  ['00000000', 'keep-alive'],
  ['00000001 01', 'unchoke'],
  ['00000001 00', 'choke'],
  ['00000005 04 00000007', 'have 7'],
  ['00000005 04 ffffffff', 'have 4294967295'],
  ['0000000d 06 00000001 00004000 00004000', 'request 1 16384 16384'],
  ['0000000d 06 80000000 fffffff0 80000001', 'request 2147483648 4294967280 2147483649'],
  ['0000000d 08 00000001 00004000 00004000', 'cancel 1 16384 16384'],
  ['0000000d 10 00000002 00000000 00000001', 'reject 2 0 1'],
  ['0000000c 07 00000003 00008000 616263', ['target 3 32768 3', 'block 3 32768 616263']],
  ['0000000a 07 00000000 00000000 5a', ['target 0 0 1', 'block 0 0 5a']],
  ['00000009 07 00000003 00008000', 'reject 3 32768 0'],
  ['00000003 09 1ae1', 'port 6881'],
  ['00000003 09 0000', []],
  ['00000005 0d 00000009', 'suggest 9'],
  ['00000005 11 0000000a', 'allowed fast 10'],
  ['00000002 14 05', 'extended 5 '],
  ['00000007 14 00 6432 6565 65', 'extended 0 6432656565'],
];

describe('the decoder', () => {
  const stream = concatBytes([
    handshake(),
    ...CONVERSATION.map(([hex]) => bytesOf(hex)),
    pieceMessage(4, 16_384, patterned(16_384)),
    extendedMessage(3, patterned(20_000, 5)),
    pieceMessage(4, 32_768, patterned(9_999, 2)),
    bytesOf('00000001 02'),
  ]);
  const expected = [
    `handshake ${'01'.repeat(20)} ${'02'.repeat(20)} 0000000000100005`,
    ...CONVERSATION.flatMap(([, call]) => call),
    'target 4 16384 16384',
    `block 4 16384 ${brief(patterned(16_384))}`,
    `extended 3 ${brief(patterned(20_000, 5))}`,
    'target 4 32768 9999',
    `block 4 32768 ${brief(patterned(9_999, 2))}`,
    'interested',
  ];

  test('understands every message of a stream that arrives whole', () => {
    expect(decode([stream]).calls).toEqual(expected);
  });

  test('understands the same stream byte by byte', () => {
    expect(decode(Array.from(stream, (byte) => Uint8Array.of(byte))).calls).toEqual(expected);
  });

  test('understands the same stream however it is cut', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const rng = new Rng(seed);
      const longest = 1 + rng.below(seed % 3 === 0 ? 30 : 5_000);
      expect(decode(cutAtRandom(stream, rng, longest)).calls, `seed ${seed}`).toEqual(expected);
    }
  });

  test('reads the numbers of a chunk that lies anywhere in a larger memory', () => {
    const memory = new Uint8Array(stream.length + 64).fill(0xff);
    memory.set(stream, 33);
    expect(decode([memory.subarray(33, 33 + stream.length)]).calls).toEqual(expected);
  });

  test('keeps nothing of a chunk: its memory may be reused at once', () => {
    const { decoder, sink } = started();
    const shared = new Uint8Array(1_000);
    const message = concatBytes([pieceMessage(1, 0, patterned(3_000)), extendedMessage(2, patterned(5_000))]);
    for (let at = 0; at < message.length; at += shared.length) {
      const part = message.subarray(at, at + shared.length);
      shared.set(part);
      decoder.receive(shared.subarray(0, part.length));
      shared.fill(0xee);
    }
    expect(sink.calls).toEqual([
      'target 1 0 3000',
      `block 1 0 ${brief(patterned(3_000))}`,
      `extended 2 ${brief(patterned(5_000))}`,
    ]);
  });
});

describe('a handshake', () => {
  test('is refused at its first byte if it cannot be one, with nothing else awaited', () => {
    for (const byte of [0, 18, 20, 255]) expect(refusalOf([Uint8Array.of(byte)])).toBe('bad-handshake');
    // What a web browser begins with.
    expect(refusalOf([utf8('GET / HTTP/1.1\r\n')])).toBe('bad-handshake');
  });

  test('is refused at the first wrong byte of the protocol name', () => {
    const wrong = utf8('\x13BitTorrent protocoX');
    expect(refusalOf([wrong])).toBe('bad-handshake');
    const { decoder } = fresh();
    for (const byte of wrong.subarray(0, 19)) decoder.receive(Uint8Array.of(byte));
    expect(() => decoder.receive(wrong.subarray(19))).toThrow(PeerError);
  });

  test('is heard only when all of its 68 bytes are here', () => {
    const { decoder, sink } = fresh();
    decoder.receive(handshake().subarray(0, 67));
    expect(sink.calls).toEqual([]);
    decoder.receive(handshake().subarray(67));
    expect(sink.calls).toHaveLength(1);
  });

  test('may be kept by the sink, since its memory is its own', () => {
    const { decoder, sink } = fresh();
    const bytes = handshake();
    decoder.receive(bytes);
    bytes.fill(0);
    expect(sink.handshakes[0]!.infoHash).toEqual(new Uint8Array(20).fill(1));
  });

  test('does no harm with all 64 feature bits set', () => {
    const { decoder, sink } = fresh();
    decoder.receive(handshake(new Uint8Array(8).fill(0xff)));
    decoder.receive(bytesOf('00000001 02'));
    expect(sink.calls.at(-1)).toBe('interested');
  });

  test('is refused when it comes a second time: its first four bytes are a length of 323 million', () => {
    expect(refusalOf([handshake(), handshake()])).toBe('message-too-long');
  });
});

describe('a message is refused', () => {
  test.each(['80000000', 'ffffffff', '00100001', '13426974'])('at its header if its length is %s', (hex) => {
    expect(refusalOf([handshake(), bytesOf(hex)])).toBe('message-too-long');
  });

  test.each([
    ['choke', '00000002 00'],
    ['unchoke', '00000005 01'],
    ['interested', '00000002 02'],
    ['not interested', '00000003 03'],
    ['have', '00000004 04'],
    ['have', '00000006 04'],
    ['request', '0000000c 06'],
    ['request', '0000000e 06'],
    ['cancel', '00000005 08'],
    ['reject', '0000000c 10'],
    ['port', '00000002 09'],
    ['port', '00000005 09'],
    ['suggest', '00000004 0d'],
    ['have all', '00000002 0e'],
    ['have none', '00000002 0f'],
    ['allowed fast', '00000006 11'],
    ['piece', '00000008 07'],
    ['piece', '00000001 07'],
    ['extended', '00000001 14'],
  ])('if it is a %s of the wrong length (%s), as soon as its id is known', (_name, hex) => {
    expect(refusalOf([handshake(), bytesOf(hex)])).toBe('bad-message');
  });

  test('if its id is unknown, those of BEP 52 included', () => {
    for (const id of [10, 11, 12, 18, 19, 21, 22, 23, 0xc8, 0xff]) {
      expect(refusalOf([handshake(), bytesOf(`00000001 ${id.toString(16).padStart(2, '0')}`)])).toBe(
        'bad-message',
      );
    }
  });

  test('if it is an extended message above 64 KiB, before memory is taken for it', () => {
    expect(refusalOf([handshake(), bytesOf('00010001 14')])).toBe('message-too-long');
    expect(refusalOf([handshake(), bytesOf('00010000 14 01')])).toBeNull();
  });

  test('if it is of BEP 6 and either end did not offer the fast extension', () => {
    const messages = [
      '00000005 0d 00000000',
      '00000001 0e',
      '00000001 0f',
      '0000000d 10 00000000 00000000 00004000',
      '00000005 11 00000000',
    ];
    for (const hex of messages) {
      expect(refusalOf([handshake(new Uint8Array(8)), bytesOf(hex)])).toBe('fast-not-negotiated');
      expect(refusalOf([handshake(), bytesOf(hex)], (decoder) => (decoder.offersFast = false))).toBe(
        'fast-not-negotiated',
      );
    }
  });

  test('if the sink refuses it', () => {
    const { decoder, sink } = started();
    sink.onCall = () => {
      throw new PeerError('bad-have', 'no such piece');
    };
    expect(() => decoder.receive(bytesOf('00000005 04 00000007'))).toThrow('no such piece');
  });
});

describe('a bitfield', () => {
  test('is refused at its header when it is longer than that of the largest torrent', () => {
    expect(refusalOf([handshake(), bytesOf('00040001 05')])).toBeNull();
    expect(refusalOf([handshake(), bytesOf('00040002 05')])).toBe('bad-bitfield');
    expect(refusalOf([handshake(), bytesOf('00000001 05')])).toBe('bad-bitfield');
  });

  test('is refused at its header when its length is not that of the torrent, once that is known', () => {
    const exact = (decoder: Decoder): void => decoder.expectBitfield(3);
    expect(refusalOf([handshake(), bytesOf('00000003 05')], exact)).toBe('bad-bitfield');
    expect(refusalOf([handshake(), bytesOf('00000005 05')], exact)).toBe('bad-bitfield');
    expect(refusalOf([handshake(), bytesOf('00000004 05 ffffff')], exact)).toBeNull();
  });

  test('of the largest torrent arrives whole, however it is cut', () => {
    const bits = patterned(262_144, 9);
    const message = concatBytes([bytesOf('00040001 05'), bits]);
    const { decoder, sink } = started();
    for (const part of cutAtRandom(message, new Rng(4), 70_000)) decoder.receive(part);
    expect(sink.calls).toEqual([`bitfield ${brief(bits)}`]);
  });

  test('that is only claimed costs no more memory than what arrives of it', () => {
    const before = process.memoryUsage().arrayBuffers;
    const decoders = Array.from({ length: 200 }, () => {
      const { decoder } = started();
      decoder.receive(bytesOf('00040001 05 ff ff ff ff'));
      return decoder;
    });
    // 200 claims of 256 KiB are 50 MiB; 200 first buffers of 4 KiB are below one.
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(4_000_000);
    expect(decoders.every((decoder) => !decoder.isStopped)).toBe(true);
  });
});

describe('a block', () => {
  test('is written straight into the memory that the sink names, and nowhere else', () => {
    const { decoder, sink } = started();
    const slab = new Uint8Array(100);
    sink.target = (_piece, begin, length) => slab.subarray(begin, begin + length);
    const block = patterned(50, 3);
    for (const part of cutAtRandom(pieceMessage(0, 20, block), new Rng(1), 9)) decoder.receive(part);
    expect(slab.subarray(20, 70)).toEqual(block);
    expect(slab.subarray(0, 20)).toEqual(new Uint8Array(20));
    expect(slab.subarray(70)).toEqual(new Uint8Array(30));
  });

  test('that nobody wants is skipped, and what follows it is understood', () => {
    const { decoder, sink } = started();
    sink.target = () => null;
    decoder.receive(concatBytes([pieceMessage(1, 0, patterned(5_000)), bytesOf('00000001 01')]));
    expect(sink.calls).toEqual(['target 1 0 5000', 'block 1 0 skipped', 'unchoke']);
  });

  test('may be as long as a message may be, for the sink to judge', () => {
    const { decoder, sink } = started();
    sink.target = () => null;
    const message = bytesOf('00100000 07 00000000 00000000');
    decoder.receive(message);
    expect(sink.calls).toEqual([`target 0 0 ${1_048_576 - 9}`]);
  });

  test('that is discarded midway leaves its target alone from there on and is not reported', () => {
    const { decoder, sink } = started();
    const slab = new Uint8Array(1_000);
    sink.target = (_piece, _begin, length) => slab.subarray(0, length);
    const message = pieceMessage(1, 0, new Uint8Array(1_000).fill(7));
    decoder.receive(message.subarray(0, 413));
    decoder.discardBlock();
    decoder.receive(concatBytes([message.subarray(413), bytesOf('00000001 02')]));
    expect(slab.filter((byte) => byte === 7)).toHaveLength(400);
    expect(sink.calls).toEqual(['target 1 0 1000', 'interested']);
  });

  test('is not touched by a discard that comes when none is under way', () => {
    const { decoder, sink } = started();
    decoder.discardBlock();
    sink.onCall = (call) => {
      if (call.startsWith('block') || call.startsWith('target')) decoder.discardBlock();
    };
    decoder.receive(concatBytes([pieceMessage(1, 0, patterned(10)), pieceMessage(1, 10, patterned(10))]));
    expect(sink.calls.filter((call) => call.startsWith('block'))).toHaveLength(2);
  });

  test('costs one view for each part of it that arrives, and no copy of the chunk', () => {
    const { decoder, sink } = started();
    const slab = new Uint8Array(16_384);
    sink.target = () => slab;
    let views = 0;
    const message = pieceMessage(0, 0, patterned(16_384));
    const chunk = new Proxy(message, {
      get(target, key) {
        if (key === 'subarray') views++;
        if (key === 'slice') throw new Error('a copy');
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
    decoder.receive(chunk);
    expect(views).toBe(1);
    expect(sink.calls.at(-1)).toBe(`block 0 0 ${brief(message.subarray(13))}`);
  });
});

describe('a stopped decoder', () => {
  const everything = concatBytes([
    handshake(),
    ...CONVERSATION.map(([hex]) => bytesOf(hex)),
    extendedMessage(3, patterned(2_000)),
  ]);
  const all = decode([everything]).calls;

  test.each([
    ['whole', [everything]],
    ['byte by byte', Array.from(everything, (byte) => Uint8Array.of(byte))],
  ])('calls nobody any more, whichever call it was stopped in (stream %s)', (_name, chunks) => {
    for (let stopAt = 1; stopAt <= all.length; stopAt++) {
      const { decoder, sink } = fresh();
      sink.onCall = () => {
        if (sink.calls.length === stopAt) decoder.stop();
      };
      for (const chunk of chunks) decoder.receive(chunk);
      expect(sink.calls).toEqual(all.slice(0, stopAt));
    }
  });

  test('writes no more to the target of its block', () => {
    const { decoder, sink } = started();
    const slab = new Uint8Array(10);
    sink.target = () => slab;
    sink.onCall = () => decoder.stop();
    decoder.receive(pieceMessage(0, 0, patterned(10)));
    expect(slab).toEqual(new Uint8Array(10));
  });

  test('gives its calls to a new sink from the middle of a chunk on', () => {
    const { decoder, sink } = fresh();
    const next = new RecordingSink();
    sink.onCall = () => decoder.attach(next);
    decoder.receive(concatBytes([handshake(), bytesOf('00000001 02')]));
    expect(sink.calls).toHaveLength(1);
    expect(next.calls).toEqual(['interested']);
  });
});

test('small messages are decoded without allocating', () => {
  class Counter extends RecordingSink {
    count = 0;
    override onHave(): void {
      this.count++;
    }
    override onRequest(): void {
      this.count++;
    }
  }
  const sink = new Counter();
  const decoder = new Decoder();
  decoder.attach(sink);
  decoder.receive(handshake());
  const messages = concatBytes(
    Array.from({ length: 2_000 }, (_, i) =>
      bytesOf(i % 2 === 0 ? '00000005 04 00000007' : '0000000d 06 00000001 00004000 00004000'),
    ),
  );
  // Odd chunks, so that many heads are cut in two.
  const chunks = cutAtRandom(messages, new Rng(3), 100);
  const rounds = (count: number): void => {
    for (let i = 0; i < count; i++) for (const chunk of chunks) decoder.receive(chunk);
  };
  rounds(50);
  const before = process.memoryUsage().heapUsed;
  rounds(80);
  const bytesPerMessage = (process.memoryUsage().heapUsed - before) / (80 * 2_000);
  expect(sink.count).toBe(130 * 2_000);
  // The smallest object takes 16 bytes and more.
  expect(bytesPerMessage).toBeLessThan(4);
});

describe('hostile bytes', () => {
  test('a hundred thousand keep-alives are a hundred thousand keep-alives', () => {
    const { decoder, sink } = started();
    decoder.receive(new Uint8Array(400_000));
    expect(sink.calls).toHaveLength(100_000);
    expect(new Set(sink.calls)).toEqual(new Set(['keep-alive']));
  });

  test('damaged streams are understood or refused, never worse, and the same however they are cut', () => {
    const honest = concatBytes([
      handshake(),
      ...CONVERSATION.map(([hex]) => bytesOf(hex)),
      pieceMessage(4, 0, patterned(300)),
      extendedMessage(3, patterned(300)),
    ]);
    for (let seed = 1; seed <= 1_500; seed++) {
      const rng = new Rng(seed);
      const bytes = mutate(honest, rng);
      const whole = outcomeOf([bytes]);
      const cut = outcomeOf(cutAtRandom(bytes, rng, 1 + rng.below(60)));
      expect(cut, `seed ${seed}`).toEqual(whole);
    }
  });

  test('noise after a handshake is understood or refused', () => {
    for (let seed = 1; seed <= 800; seed++) {
      const rng = new Rng(seed);
      const noise = Uint8Array.from({ length: 400 }, () => rng.below(256));
      // Small lengths and known ids, so that it gets past the first header.
      for (let at = 0; at + 5 < noise.length; at += 1 + rng.below(30)) {
        noise.fill(0, at, at + 3);
        noise[at + 3] = rng.below(20);
        noise[at + 4] = rng.below(24);
      }
      outcomeOf([handshake(), noise]);
    }
  });
});

function fresh(): { decoder: Decoder; sink: RecordingSink } {
  const decoder = new Decoder();
  const sink = new RecordingSink();
  decoder.attach(sink);
  decoder.offersFast = true;
  return { decoder, sink };
}

/** A decoder with the handshake behind it. */
function started(): { decoder: Decoder; sink: RecordingSink } {
  const pair = fresh();
  pair.decoder.receive(handshake());
  pair.sink.calls.length = 0;
  return pair;
}

function decode(chunks: readonly Uint8Array[]): RecordingSink {
  const { decoder, sink } = fresh();
  for (const chunk of chunks) decoder.receive(chunk);
  return sink;
}

/** The reason of the refusal, or null if all was fine. */
function refusalOf(chunks: readonly Uint8Array[], prepare?: (decoder: Decoder) => void): string | null {
  const { decoder } = fresh();
  prepare?.(decoder);
  try {
    for (const chunk of chunks) decoder.receive(chunk);
    return null;
  } catch (error) {
    if (error instanceof PeerError) return error.reason;
    throw error;
  }
}

/** All calls and the refusal, if there was one; any other error is a failure of the test. */
function outcomeOf(chunks: readonly Uint8Array[]): readonly string[] {
  const { decoder, sink } = fresh();
  try {
    for (const chunk of chunks) decoder.receive(chunk);
  } catch (error) {
    if (!(error instanceof PeerError)) throw error;
    sink.calls.push(`refused ${error.reason}`);
  }
  return sink.calls;
}

function handshake(reserved: Uint8Array = ALL_FEATURES): Uint8Array {
  const bytes = new Uint8Array(68);
  const infoHash = new Uint8Array(20).fill(1);
  putHandshake(bytes, 0, { infoHash, peerId: new Uint8Array(20).fill(2), reserved });
  return bytes;
}

function bytesOf(hex: string): Uint8Array {
  return fromHex(hex.replaceAll(' ', ''))!;
}

function pieceMessage(piece: number, begin: number, block: Uint8Array): Uint8Array {
  const head = new Uint8Array(13);
  writeU32(head, 0, 9 + block.length);
  head[4] = 7;
  writeU32(head, 5, piece);
  writeU32(head, 9, begin);
  return concatBytes([head, block]);
}

function extendedMessage(id: number, payload: Uint8Array): Uint8Array {
  const head = new Uint8Array(6);
  writeU32(head, 0, 2 + payload.length);
  head[4] = 20;
  head[5] = id;
  return concatBytes([head, payload]);
}
