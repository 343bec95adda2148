import { describe, expect, test } from 'vitest';
import { encode, type Encodable } from '../../src/bencode/codec.ts';
import { readBytes } from '../../src/bencode/fields.ts';
import { rawMember, readMessage, writeError, writeQuery, writeResponse } from '../../src/dht/krpc.ts';
import { toText, utf8 } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const VERSION = utf8('TS01');
const ID = 'abcdefghij0123456789';

describe('reading', () => {
  test('takes the examples of BEP 5', () => {
    const ping = readMessage(utf8('d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'))!;
    expect(ping).toMatchObject({ kind: 'query', method: 'ping', readOnly: false });
    const values =
      'd1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re';
    const response = readMessage(utf8(values))!;
    expect(response.kind).toBe('response');
    if (response.kind === 'response') {
      expect(toText(response.senderId)).toBe(ID);
      expect(toText(readBytes(response.values, 'token')!)).toBe('aoeusnth');
      expect(response.seenAs).toBeNull();
    }
    expect(readMessage(utf8('d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee'))).toMatchObject({
      kind: 'error',
      code: 201,
      text: 'A Generic Error Ocurred',
    });
  });

  test.each([
    ['nothing', ''],
    ['20 bytes', 'd1:t2:aa1:y1:q1:q1:xe'.slice(0, 20)],
    ['a list', 'li1e20:aaaaaaaaaaaaaaaaaaaae'],
    ['no transaction id', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:y1:qe'],
    ['an empty transaction id', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t0:1:y1:qe'],
    ['a number as transaction id', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:ti9e1:y1:qe'],
    ['no kind', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aae'],
    ['an unknown kind', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:ze'],
    ['a response without an id', 'd1:rd5:token1:xe1:t2:aa1:y1:re'],
    ['a response with an id of 19 bytes', 'd1:rd2:id19:abcdefghij012345678e1:t2:aa1:y1:re'],
    ['bytes behind the end', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qex'],
    ['a string longer than the datagram', 'd1:ad2:id99:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'],
    ['a key that comes twice', 'd1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:t2:bb1:y1:qe'],
  ])('drops %s', (_, text) => {
    expect(readMessage(utf8(text))).toBeNull();
  });

  test('drops a transaction id of more than 32 bytes, which would only be for echoing', () => {
    const of = (length: number): Uint8Array =>
      encode({ a: { id: ID }, q: 'ping', t: new Uint8Array(length), y: 'q' });
    expect(readMessage(of(32))).not.toBeNull();
    expect(readMessage(of(33))).toBeNull();
  });

  test('drops what is too large, too deep or has too many values', () => {
    const query = (extra: Encodable): Uint8Array =>
      encode({ a: { id: ID, x: extra }, q: 'ping', t: 'aa', y: 'q' });
    expect(readMessage(query(new Uint8Array(1300)))).not.toBeNull();
    expect(readMessage(query(new Uint8Array(1500)))).toBeNull();
    const nested = (depth: number): Encodable => (depth === 0 ? 1 : [nested(depth - 1)]);
    expect(readMessage(query(nested(8)))).not.toBeNull();
    expect(readMessage(query(nested(9)))).toBeNull();
    expect(readMessage(query(Array.from({ length: 400 }, () => 1)))).not.toBeNull();
    expect(readMessage(query(Array.from({ length: 500 }, () => 1)))).toBeNull();
  });

  test.each([
    ['no arguments', { q: 'ping', t: 'aa', y: 'q' }],
    ['an id of 21 bytes', { a: { id: `${ID}x` }, q: 'ping', t: 'aa', y: 'q' }],
    ['a number as id', { a: { id: 20 }, q: 'ping', t: 'aa', y: 'q' }],
    ['no method', { a: { id: ID }, t: 'aa', y: 'q' }],
    ['a list as arguments', { a: [ID], q: 'ping', t: 'aa', y: 'q' }],
  ])('a query with %s deserves an error', (_, message) => {
    expect(readMessage(encode(message))).toMatchObject({ kind: 'bad-query', transactionId: utf8('aa') });
  });

  test.each([[[]], [5], [['x']], [[[1], 'x']], [[201, 5]], ['oops']])('an error may say %j', (e) => {
    const message = readMessage(encode({ e, t: 'aabbccddee', y: 'e' }))!;
    expect(message).toMatchObject({ kind: 'error', code: 201 });
  });

  test('reads where others see us, if it is an address', () => {
    const of = (ip: Encodable): unknown => readMessage(encode({ ip, r: { id: ID }, t: 'aa', y: 'r' }));
    expect(of(Uint8Array.of(1, 2, 3, 4, 0x1a, 0xe1))).toMatchObject({
      seenAs: { host: '1.2.3.4', port: 6881 },
    });
    for (const junk of [Uint8Array.of(1, 2, 3, 4), new Uint8Array(7), 4, [1]]) {
      expect(of(junk)).toMatchObject({ seenAs: null });
    }
  });

  test('survives any damage', () => {
    const rng = fuzzRng(7);
    const seeds = [
      utf8('d1:ad2:id20:abcdefghij01234567899:info_hash20:mnopqrstuvwxyz123456e1:q9:get_peers1:t2:aa1:y1:qe'),
      utf8('d1:rd2:id20:abcdefghij01234567895:token8:aoeusnth6:valuesl6:axje.u6:idhtnmee1:t2:aa1:y1:re'),
      utf8('d1:eli201e23:A Generic Error Ocurrede1:t2:aa1:y1:ee'),
      encode({
        a: { id: ID, k: new Uint8Array(32), seq: 2n ** 62n, v: [1, { a: 'b' }] },
        q: 'put',
        t: 'aa',
        y: 'q',
      }),
    ];
    let taken = 0;
    for (let i = 0; i < rounds(20_000); i++) {
      const message = readMessage(mutate(seeds[i % seeds.length]!, rng));
      if (message === null) continue;
      taken++;
      expect(message.transactionId.length).toBeLessThanOrEqual(32);
      if (message.kind === 'query') rawMember(message.rawArgs, 'v');
      if (message.kind === 'query' || message.kind === 'response') expect(message.senderId.length).toBe(20);
    }
    expect(taken).toBeGreaterThan(1000);
  });
});

describe('writing', () => {
  const transactionId = utf8('aa');

  test('is read back', () => {
    const args = { id: utf8(ID), target: utf8(ID) };
    const query = readMessage(
      writeQuery({ transactionId, method: 'find_node', args, version: VERSION, readOnly: true }),
    );
    expect(query).toMatchObject({ kind: 'query', method: 'find_node', readOnly: true, senderId: utf8(ID) });
    const to = { host: '2001:db8::1', port: 7 };
    const response = readMessage(writeResponse(transactionId, { id: utf8(ID) }, to, VERSION));
    expect(response).toMatchObject({ kind: 'response', senderId: utf8(ID), seenAs: to });
    expect(readMessage(writeError(transactionId, 204, 'what?', VERSION))).toMatchObject({
      kind: 'error',
      code: 204,
      text: 'what?',
    });
  });

  test('says ro only when it is so', () => {
    const query = { transactionId, method: 'ping', args: { id: ID }, version: VERSION };
    expect(toText(writeQuery({ ...query, readOnly: true }))).toContain('2:roi1e');
    expect(toText(writeQuery({ ...query, readOnly: false }))).not.toContain('2:ro');
  });
});

test('the bytes of a member are those that came, whatever their order', () => {
  const raw = utf8('d1:vd1:bi1e1:ai2ee1:xi3ee');
  expect(toText(rawMember(raw, 'v')!)).toBe('d1:bi1e1:ai2ee');
  expect(rawMember(raw, 'w')).toBeNull();
});
