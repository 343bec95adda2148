import { describe, expect, test } from 'vitest';
import { sha1 } from '../../../src/metainfo/info-hash.ts';
import { concatBytes, utf8, writeU16, writeU32 } from '../../../src/util/bytes.ts';
import { Rng } from '../../../src/util/rng.ts';
import { PeerError } from '../../../src/wire/link.ts';
import { KEY_LENGTH } from '../../../src/wire/mse/dh.ts';
import {
  Initiator,
  obfuscatedName,
  PAD_MAX,
  PLAINTEXT,
  RC4,
  Responder,
} from '../../../src/wire/mse/negotiation.ts';
import { Rc4 } from '../../../src/wire/mse/rc4.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';
import { cutAtRandom, patterned } from '../recording-sink.ts';
import { takes, toyTools, type ToyTools } from './tools.ts';

const INFO_HASH = patterned(20, 7);
const HANDSHAKE = patterned(68, 8);
const LATER = patterned(300, 9);

type Cut = (bytes: Uint8Array) => Uint8Array[];
const WHOLE: Cut = (bytes) => [bytes];
const BYTE_BY_BYTE: Cut = (bytes) => Array.from(bytes, (byte) => Uint8Array.of(byte));
const atRandom = (seed: number): Cut => {
  const rng = new Rng(seed);
  return (bytes) => cutAtRandom(bytes, rng, 200);
};

interface Talk {
  readonly initiator: Initiator;
  readonly responder: Responder;
  /** What each side got after the end of its handshake. */
  readonly atResponder: Uint8Array;
  readonly atInitiator: Uint8Array;
}

/** Both sides talk until nothing is under way. Each says `LATER` once it has agreed. */
function talk(seed: number, cut: Cut, provide: number, initial: Uint8Array): Talk {
  const toResponder: Uint8Array[] = [];
  const toInitiator: Uint8Array[] = [];
  const initiator = new Initiator(
    toyTools(seed),
    { infoHash: INFO_HASH, provide },
    () => initial,
    (bytes) => toResponder.push(...cut(bytes)),
  );
  const responder = new Responder(toyTools(seed + 1_000), takes(patterned(20, 3), INFO_HASH), (bytes) =>
    toInitiator.push(...cut(bytes)),
  );
  const deliver = (
    side: Initiator | Responder,
    from: Uint8Array[],
    to: Uint8Array[],
    rest: Uint8Array[],
  ): void => {
    const chunk = from.shift();
    if (chunk === undefined) return;
    const before = side.agreement;
    const used = side.receive(chunk);
    if (used < chunk.length) {
      const after = chunk.slice(used);
      side.agreement!.incoming?.apply(after);
      rest.push(after);
    }
    if (before === null && side.agreement !== null) {
      const said = LATER.slice();
      side.agreement.outgoing?.apply(said);
      to.push(...cut(said));
    }
  };
  const atResponder: Uint8Array[] = [];
  const atInitiator: Uint8Array[] = [];
  while (toResponder.length + toInitiator.length > 0) {
    deliver(responder, toResponder, toInitiator, atResponder);
    deliver(initiator, toInitiator, toResponder, atInitiator);
  }
  return {
    initiator,
    responder,
    atResponder: concatBytes(atResponder),
    atInitiator: concatBytes(atInitiator),
  };
}

describe('two ends', () => {
  const cuts = [
    { how: 'whole', cut: WHOLE },
    { how: 'byte by byte', cut: BYTE_BY_BYTE },
    { how: 'cut at random', cut: atRandom(1) },
  ];
  const offers = [
    { offer: 'both', provide: PLAINTEXT | RC4, enciphered: false },
    { offer: 'both and things unknown', provide: 0xffff_ffff, enciphered: false },
    { offer: 'plaintext only', provide: PLAINTEXT, enciphered: false },
    { offer: 'RC4 only', provide: RC4, enciphered: true },
  ];
  for (const { how, cut } of cuts) {
    test.each(offers)(`agree, ${how}, when $offer is offered`, ({ provide, enciphered }) => {
      for (let seed = 0; seed < 8; seed++) {
        const initial = seed % 2 === 0 ? HANDSHAKE : new Uint8Array(0);
        const { initiator, responder, atResponder, atInitiator } = talk(seed, cut, provide, initial);
        expect(responder.agreement!.incoming !== null).toBe(enciphered);
        expect(initiator.agreement!.outgoing !== null).toBe(enciphered);
        expect(responder.agreement!.initial).toEqual(initial);
        expect(atResponder).toEqual(LATER);
        expect(atInitiator).toEqual(LATER);
      }
    });
  }
});

interface Forged {
  readonly infoHash?: Uint8Array;
  readonly vc?: Uint8Array;
  readonly provide?: number;
  readonly padLength?: number;
  readonly padding?: Uint8Array;
  readonly initialLength?: number;
  readonly initial?: Uint8Array;
}

/** Responder and what a peer sends to it by hand. */
function hand(policy = takes(INFO_HASH)): {
  responder: Responder;
  said: Uint8Array[];
  key: Uint8Array;
  /** Step 3, after the key of the responder has been seen. */
  step3: (forged: Forged) => Uint8Array;
} {
  const said: Uint8Array[] = [];
  const responder = new Responder(toyTools(5), policy, (bytes) => said.push(bytes));
  const exchange = toyTools(6).keyExchange();
  const step3 = (forged: Forged): Uint8Array => {
    const secret = exchange.secret(said[0]!.subarray(0, KEY_LENGTH));
    const infoHash = forged.infoHash ?? INFO_HASH;
    const mask = sha1(concatBytes([utf8('req3'), secret]));
    const padding = forged.padding ?? new Uint8Array(0);
    const initial = forged.initial ?? new Uint8Array(0);
    const numbers = new Uint8Array(6);
    writeU32(numbers, 0, forged.provide ?? RC4);
    writeU16(numbers, 4, forged.padLength ?? padding.length);
    const initialLength = new Uint8Array(2);
    writeU16(initialLength, 0, forged.initialLength ?? initial.length);
    const rest = concatBytes([forged.vc ?? new Uint8Array(8), numbers, padding, initialLength, initial]);
    const rc4 = new Rc4(sha1(concatBytes([utf8('keyA'), secret, infoHash])));
    rc4.discard(1_024);
    rc4.apply(rest);
    const name = obfuscatedName(infoHash, sha1).map((byte, i) => byte ^ mask[i]!);
    return concatBytes([sha1(concatBytes([utf8('req1'), secret])), name, rest]);
  };
  return { responder, said, key: exchange.publicKey(), step3 };
}

function refusalOf(action: () => void): string | null {
  try {
    action();
  } catch (error) {
    if (error instanceof PeerError) return error.reason;
    throw error;
  }
  return null;
}

describe('the side that is dialled', () => {
  test('says nothing, and computes nothing, before it has a whole key', () => {
    const tools = toyTools(1);
    const said: Uint8Array[] = [];
    const responder = new Responder(tools, takes(INFO_HASH), (bytes) => said.push(bytes));
    responder.receive(patterned(KEY_LENGTH - 1));
    expect([said.length, tools.exchanges]).toEqual([0, 0]);
    responder.receive(Uint8Array.of(1));
    expect([said.length, tools.exchanges]).toEqual([1, 1]);
  });

  test('refuses a key that is none, without an answer', () => {
    const { responder, said } = hand();
    expect(refusalOf(() => responder.receive(new Uint8Array(KEY_LENGTH)))).toBe('bad-handshake');
    expect(said).toEqual([]);
  });

  describe('while it waits for its turn to work on a key', () => {
    function waiting(): { tools: ToyTools; responder: Responder; said: Uint8Array[] } {
      const tools = toyTools(1, new Uint8Array(0), []);
      const said: Uint8Array[] = [];
      return { tools, responder: new Responder(tools, takes(INFO_HASH), (bytes) => said.push(bytes)), said };
    }

    test('says nothing, and takes padding, in whatever stretches it comes', () => {
      for (const cut of [WHOLE, BYTE_BY_BYTE]) {
        const { tools, responder, said } = waiting();
        const answers: Uint8Array[] = [];
        const initiator = new Initiator(
          toyTools(9),
          { infoHash: INFO_HASH, provide: RC4 },
          () => HANDSHAKE,
          (bytes) => answers.push(bytes),
        );
        const padded = concatBytes([answers.pop()!.subarray(0, KEY_LENGTH), patterned(PAD_MAX)]);
        for (const chunk of cut(padded)) expect(responder.receive(chunk)).toBe(chunk.length);
        expect([said.length, tools.exchanges]).toEqual([0, 0]);
        expect(tools.turn()).toEqual([true]);
        expect([said.length, tools.exchanges]).toEqual([1, 1]);
        initiator.receive(said[0]!);
        responder.receive(answers[0]!);
        expect(responder.agreement!.initial).toEqual(HANDSHAKE);
      }
    });

    test('refuses more than padding can be', () => {
      for (const parts of [[1], [PAD_MAX, 1], [0, PAD_MAX + 1]]) {
        const { tools, responder } = waiting();
        const lengths = parts.length === 1 ? [PAD_MAX + parts[0]!] : parts;
        const first = concatBytes([patterned(KEY_LENGTH), patterned(lengths[0]!)]);
        const refusals = [first, ...lengths.slice(1).map((length) => patterned(length))].map((chunk) =>
          refusalOf(() => responder.receive(chunk)),
        );
        expect(refusals.at(-1)).toBe('bad-handshake');
        expect(tools.exchanges).toBe(0);
      }
    });

    test('lets its turn pass once the peer is gone', () => {
      const { tools, responder, said } = waiting();
      responder.receive(patterned(KEY_LENGTH));
      responder.cancel();
      expect(tools.turn()).toEqual([false]);
      expect([said.length, tools.exchanges]).toEqual([0, 0]);
    });
  });

  test('that must have everything enciphered selects RC4 whatever else is offered, and refuses plaintext', () => {
    const policy = { ...takes(INFO_HASH), required: true };
    for (const provide of [RC4, PLAINTEXT | RC4, 0xffff_ffff]) {
      const { responder, key, step3 } = hand(policy);
      responder.receive(key);
      responder.receive(step3({ provide }));
      expect(responder.agreement!.outgoing).not.toBeNull();
    }
    const { responder, key, step3 } = hand(policy);
    responder.receive(key);
    expect(refusalOf(() => responder.receive(step3({ provide: PLAINTEXT })))).toBe('bad-handshake');
  });

  test.each([0, 1, PAD_MAX - 1, PAD_MAX])('finds what follows a key after %d bytes of padding', (length) => {
    const { responder, key, step3 } = hand();
    responder.receive(key);
    responder.receive(patterned(length));
    responder.receive(step3({ initial: HANDSHAKE }));
    expect(responder.agreement!.initial).toEqual(HANDSHAKE);
  });

  test('refuses padding after a key that is too long, at the first byte that makes it so', () => {
    const { responder, key } = hand();
    responder.receive(key);
    responder.receive(patterned(PAD_MAX + 19));
    expect(refusalOf(() => responder.receive(Uint8Array.of(0)))).toBe('bad-handshake');
  });

  test.each([
    {
      what: 'a name of no torrent of ours',
      forged: { infoHash: patterned(20, 99) },
      reason: 'unknown-torrent',
    },
    { what: 'a check value that is not zero', forged: { vc: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1) } },
    { what: 'an offer of nothing', forged: { provide: 0 } },
    { what: 'an offer of only unknown things', forged: { provide: 0xffff_fffc } },
    { what: 'a padding of 513 bytes', forged: { padLength: 513 } },
    { what: 'a padding of 65535 bytes', forged: { padLength: 0xffff } },
    { what: 'an initial payload of 69 bytes', forged: { initialLength: 69 } },
    { what: 'an initial payload of 65535 bytes', forged: { initialLength: 0xffff } },
  ])('refuses $what at once', ({ forged, reason = 'bad-handshake' }) => {
    const { responder, said, key, step3 } = hand();
    responder.receive(key);
    expect(refusalOf(() => responder.receive(step3(forged)))).toBe(reason);
    expect(said).toHaveLength(1);
    expect(responder.agreement).toBeNull();
  });

  test.each([
    { what: 'no padding and no payload', forged: {} },
    { what: 'the longest padding', forged: { padding: patterned(PAD_MAX) } },
    { what: 'the longest padding and payload', forged: { padding: patterned(PAD_MAX), initial: HANDSHAKE } },
  ])('takes $what, and nothing after it', ({ forged }) => {
    const { responder, said, key, step3 } = hand();
    responder.receive(key);
    const message = step3(forged);
    expect(responder.receive(concatBytes([message, LATER]))).toBe(message.length);
    expect(responder.agreement).not.toBeNull();
    expect(said).toHaveLength(2);
  });

  test('ends every damaged handshake with a refusal, an agreement or a wait for more', () => {
    const rng = fuzzRng(4);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < rounds(2_000); i++) {
      const { responder, key, step3 } = hand();
      responder.receive(key);
      const rest = mutate(concatBytes([patterned(rng.below(20)), step3({ initial: HANDSHAKE })]), rng);
      let refusal: string | null = null;
      for (const chunk of cutAtRandom(rest, rng, 100)) {
        if (responder.agreement === null) refusal ??= refusalOf(() => responder.receive(chunk));
      }
      const outcome = refusal ?? (responder.agreement === null ? 'waits' : 'agreed');
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(['agreed', 'bad-handshake', 'unknown-torrent', 'waits']);
  });
});

describe('the side that dials', () => {
  function dialled(provide: number): {
    initiator: Initiator;
    answer: (selected: number, pad: number) => Uint8Array;
  } {
    const said: Uint8Array[] = [];
    const initiator = new Initiator(
      toyTools(5),
      { infoHash: INFO_HASH, provide },
      () => HANDSHAKE,
      (bytes) => said.push(bytes),
    );
    const exchange = toyTools(6).keyExchange();
    initiator.receive(exchange.publicKey());
    const secret = exchange.secret(said[0]!.subarray(0, KEY_LENGTH));
    const answer = (selected: number, pad: number): Uint8Array => {
      const bytes = new Uint8Array(14);
      writeU32(bytes, 8, selected);
      writeU16(bytes, 12, pad);
      const rc4 = new Rc4(sha1(concatBytes([utf8('keyB'), secret, INFO_HASH])));
      rc4.discard(1_024);
      rc4.apply(bytes);
      return bytes;
    };
    return { initiator, answer };
  }

  test.each([
    { what: 'what was not offered', provide: PLAINTEXT, selected: RC4, pad: 0 },
    { what: 'plaintext where only RC4 was offered', provide: RC4, selected: PLAINTEXT, pad: 0 },
    { what: 'both', provide: PLAINTEXT | RC4, selected: PLAINTEXT | RC4, pad: 0 },
    { what: 'nothing', provide: PLAINTEXT | RC4, selected: 0, pad: 0 },
    { what: 'a padding of 513 bytes', provide: RC4, selected: RC4, pad: 513 },
  ])('refuses an answer that selects $what', ({ provide, selected, pad }) => {
    const { initiator, answer } = dialled(provide);
    expect(refusalOf(() => initiator.receive(answer(selected, pad)))).toBe('bad-handshake');
  });

  test('refuses a key that is none', () => {
    const initiator = new Initiator(
      toyTools(5),
      { infoHash: INFO_HASH, provide: RC4 },
      () => expect.unreachable(),
      () => undefined,
    );
    expect(refusalOf(() => initiator.receive(new Uint8Array(KEY_LENGTH)))).toBe('bad-handshake');
  });

  test('ends every damaged answer with a refusal, an agreement or a wait for more', () => {
    const rng = fuzzRng(6);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < rounds(1_000); i++) {
      const { initiator, answer } = dialled(PLAINTEXT | RC4);
      const bytes = mutate(concatBytes([patterned(rng.below(20)), answer(RC4, 0), patterned(600)]), rng);
      let refusal: string | null = null;
      for (const chunk of cutAtRandom(bytes, rng, 100)) {
        if (initiator.agreement === null) refusal ??= refusalOf(() => initiator.receive(chunk));
      }
      const outcome = refusal ?? (initiator.agreement === null ? 'waits' : 'agreed');
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    expect([...outcomes.keys()].sort()).toEqual(['agreed', 'bad-handshake', 'waits']);
  });

  test('refuses padding that does not end', () => {
    const { initiator } = dialled(RC4);
    initiator.receive(patterned(PAD_MAX + 7));
    expect(refusalOf(() => initiator.receive(Uint8Array.of(0)))).toBe('bad-handshake');
  });

  test('waits for the last byte of the padding', () => {
    const { initiator, answer } = dialled(RC4);
    initiator.receive(concatBytes([answer(RC4, 3), Uint8Array.of(1, 2)]));
    expect(initiator.agreement).toBeNull();
    expect(initiator.receive(Uint8Array.of(3, 4))).toBe(1);
    expect(initiator.agreement).not.toBeNull();
  });
});
