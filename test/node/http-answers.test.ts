import { describe, expect, test } from 'vitest';
import { AnswerFault, AnswerReader } from '../../src/node/http-answers.ts';
import { Rng } from '../../src/util/rng.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

/** What came of a conversation, as text. */
interface Heard {
  readonly heads: string[];
  body: string;
  answers: number;
  keepsAlive: boolean;
  fault: string | null;
}

const SIZED = 'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nX-A: 1\r\nx-a: 2\r\n\r\nhello';
const CHUNKED =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;ext=1\r\nhello\r\n00B\r\n big world\n\r\n0\r\nTrailer: x\r\n\r\n';
const ENDLESS = 'HTTP/1.0 200 OK\r\n\r\nhello to the end';
const INTERIM = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${SIZED}`;
const EMPTY = 'HTTP/1.1 204 No Content\r\n\r\n';

describe('an answer', () => {
  test.each([
    ['of a length', SIZED, 'hello', true],
    ['in chunks', CHUNKED, 'hello big world\n', true],
    ['until the end', ENDLESS, 'hello to the end', false],
    ['after others that are none', INTERIM, 'hello', true],
    ['without a body', EMPTY, '', true],
  ])('%s is read, however it is cut', (_what, text, body, keepsAlive) => {
    for (const cuts of ways(text)) {
      expect(read(cuts, text === ENDLESS)).toMatchObject({ body, answers: 1, keepsAlive, fault: null });
    }
  });

  test('may come in a thousand crumbs, and in more where larger chunks make up for them', () => {
    const crumbs = (count: number, size: number): string =>
      `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`.repeat(count);
    const readChunks = (chunks: string): Heard =>
      read([`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`]);
    expect(readChunks(crumbs(1000, 1))).toMatchObject({ answers: 1, fault: null });
    expect(readChunks(crumbs(5000, 64))).toMatchObject({ answers: 1, fault: null });
    expect(readChunks(crumbs(10, 16_384) + crumbs(2000, 1))).toMatchObject({ answers: 1, fault: null });
    const { body, fault } = readChunks(crumbs(100_000, 1));
    expect({ bytes: body.length, fault }).toEqual({ bytes: 1000, fault: 'the answer comes in crumbs' });
    expect(readChunks(crumbs(10, 16_384) + crumbs(100_000, 1)).fault).toBe('the answer comes in crumbs');
  });

  test('has its fields by lower-case name, several of one name joined', () => {
    expect(read([SIZED]).heads).toEqual(['206 5 {"content-length":"5","x-a":"1, 2"}']);
    expect(read([CHUNKED]).heads[0]).toMatch(/^200 null /);
  });

  test('has its fields without the blanks around them, and with all else', () => {
    const text = 'HTTP/1.1 200 OK\r\nContent-Length:\t 0 \r\nA:\t b \t c\xc3\xa0 \t\r\nB:\r\nC: \t\r\n\r\n';
    expect(read([text]).heads).toEqual([
      `200 0 ${JSON.stringify({ 'content-length': '0', a: 'b \t c\xc3\xa0', b: '', c: '' })}`,
    ]);
  });

  test.each([
    ['that is none', '\0', 'the answer is not proper HTTP'],
    ['that ends in a letter', 'b', null],
  ])('takes no longer for a field of blanks %s', (_what, end, fault) => {
    const text = `HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA:${' \t'.repeat(8000)}${end}\r\n\r\n`;
    expect(read([text]).fault).toBe(fault);
  });

  test('says whether the connection goes on', () => {
    expect(read(['HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: Close\r\n\r\n']).keepsAlive).toBe(
      false,
    );
    expect(read(['HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n']).keepsAlive).toBe(
      false,
    );
  });

  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
    ['another version', 'HTTP/2.0 200 OK\r\n\r\n'],
    ['no status', 'HTTP/1.1 OK\r\n\r\n'],
    ['another protocol unasked', 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
    ['a field without a name', 'HTTP/1.1 200 OK\r\n: x\r\n\r\n'],
    ['a field that goes on in the next line', 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n'],
    ['a space before the colon', 'HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\nhello'],
    ['a control character', 'HTTP/1.1 200 OK\r\nA: b\0c\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello'],
    ['a negative length', 'HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n'],
    ['a length in another base', 'HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\nhello'],
    ['a length beyond all', `HTTP/1.1 200 OK\r\nContent-Length: ${'9'.repeat(20)}\r\n\r\n`],
    [
      'a length and chunks',
      'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    ['another coding', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n'],
    ['chunks of a version without', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['a chunk of no size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n'],
    ['a chunk of negative size', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n'],
    ['a chunk beyond all', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${'f'.repeat(14)}\r\n`],
    ['a chunk longer than it says', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhello\r\n'],
    ['a size line without end', `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;${'x'.repeat(300)}`],
    ['a head without end', `HTTP/1.1 200 OK\r\n${'A: b\r\n'.repeat(3000)}`],
    ['trailers without end', `${CHUNKED.slice(0, -2)}${'A: b\r\n'.repeat(3000)}`],
    ['more than its length', `${SIZED}!`],
    ['an answer nobody asked for', `${SIZED}${SIZED}`],
  ])('is refused for %s', (_what, text) => {
    for (const cuts of ways(text)) {
      const heard = read(cuts);
      expect(heard.fault, JSON.stringify(text.slice(0, 60))).not.toBeNull();
    }
  });

  test('that ends early breaks off', () => {
    for (const text of [SIZED, CHUNKED, INTERIM]) {
      for (const length of [0, 5, text.length - 1]) {
        expect(read([text.slice(0, length)], true).fault).toBe('the answer breaks off');
      }
    }
  });

  test('can be followed by the next over the same connection', () => {
    const heard = newHeard();
    const reader = readerInto(heard);
    for (const text of [SIZED, CHUNKED, EMPTY, SIZED]) {
      reader.expect();
      reader.receive(Buffer.from(text, 'latin1'));
      expect(reader.isIdle).toBe(true);
    }
    expect(heard).toMatchObject({ answers: 4, body: 'hellohello big world\nhello' });
  });

  test('of any damage is refused or read, in bounded time, and gives no more than came', () => {
    const rng = fuzzRng(7);
    const sources = [SIZED, CHUNKED, ENDLESS, INTERIM].map((text) => Buffer.from(text, 'latin1'));
    for (let round = 0; round < rounds(4000); round++) {
      const damaged = mutate(sources[rng.below(sources.length)]!, rng);
      const heard = read([Buffer.from(damaged).toString('latin1')], true);
      expect(heard.body.length).toBeLessThanOrEqual(damaged.length);
      expect(heard.answers).toBeLessThanOrEqual(1);
    }
  });
});

/** Whole, byte by byte, and cut at random. */
function ways(text: string): string[][] {
  const rng = new Rng(1);
  const random = Array.from({ length: 10 }, () => {
    const cuts: string[] = [];
    for (let at = 0; at < text.length;) {
      const length = 1 + rng.below(40);
      cuts.push(text.slice(at, at + length));
      at += length;
    }
    return cuts;
  });
  return [[text], text.split(''), ...random];
}

function newHeard(): Heard {
  return { heads: [], body: '', answers: 0, keepsAlive: false, fault: null };
}

function readerInto(heard: Heard): AnswerReader {
  const reader: AnswerReader = new AnswerReader({
    onHead: ({ status, length, headers }) => {
      heard.heads.push(`${status} ${String(length)} ${JSON.stringify(Object.fromEntries(headers))}`);
    },
    onBody: (bytes) => (heard.body += Buffer.from(bytes).toString('latin1')),
    onAnswered: () => {
      heard.answers++;
      heard.keepsAlive = reader.keepsAlive;
    },
  });
  return reader;
}

function read(cuts: readonly string[], ends = false): Heard {
  const heard = newHeard();
  const reader = readerInto(heard);
  reader.expect();
  try {
    for (const cut of cuts) reader.receive(Buffer.from(cut, 'latin1'));
    if (ends) reader.end();
  } catch (error) {
    if (!(error instanceof AnswerFault)) throw error;
    heard.fault = error.message;
  }
  return heard;
}
