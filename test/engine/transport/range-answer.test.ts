import { describe, expect, test } from 'vitest';
import { checkAnswer, SKIP_MAX, type SeedFault } from '../../../src/engine/transport/range-answer.ts';

const WISH = { offset: 5_000_000, length: 1000, fileLength: 10_000_000 };
const RANGE = 'bytes 5000000-5000999/10000000';

describe('a part (206)', () => {
  test('is taken if it is the range that was asked for', () => {
    expect(answer(206, { 'content-range': RANGE }, 1000)).toEqual({ skip: 0 });
    expect(answer(206, { 'content-range': RANGE }, null)).toEqual({ skip: 0 });
    expect(answer(206, { 'content-range': 'bytes 5000000-5000999/*' }, 1000)).toEqual({ skip: 0 });
    expect(answer(206, { 'content-range': RANGE, 'content-encoding': 'identity' }, 1000)).toEqual({
      skip: 0,
    });
  });

  test.each([
    ['no range', {}],
    ['parts', { 'content-type': 'multipart/byteranges; boundary=x' }],
    ['another start', { 'content-range': 'bytes 0-5000999/10000000' }],
    ['another end', { 'content-range': 'bytes 5000000-5001000/10000000' }],
    ['a shorter end', { 'content-range': 'bytes 5000000-5000998/10000000' }],
    ['another file', { 'content-range': 'bytes 5000000-5000999/10000001' }],
    ['another unit', { 'content-range': 'pages 5000000-5000999/10000000' }],
    ['a negative start', { 'content-range': 'bytes -5000000-5000999/10000000' }],
    ['a number beyond all', { 'content-range': `bytes 5000000-5000999/${'9'.repeat(400)}` }],
    ['gzip', { 'content-range': RANGE, 'content-encoding': 'gzip' }],
  ])('is refused with %s', (_what, headers) => {
    expect(answer(206, headers, 1000)).toMatchObject({ kind: 'unfit' });
  });

  test('is refused if its length is not that of the range', () => {
    expect(answer(206, { 'content-range': RANGE }, 999)).toMatchObject({ kind: 'unfit' });
    expect(answer(206, { 'content-range': RANGE }, 10_000_000)).toMatchObject({ kind: 'unfit' });
  });
});

describe('a whole file (200)', () => {
  const near = { ...WISH, offset: SKIP_MAX };

  test('is taken if what is wanted comes soon', () => {
    expect(checkAnswer(head(200, {}, 10_000_000), near)).toEqual({ skip: SKIP_MAX });
    expect(checkAnswer(head(200, {}, null), near)).toEqual({ skip: SKIP_MAX });
    expect(checkAnswer(head(200, {}, 7), { offset: 0, length: 7, fileLength: 7 })).toEqual({ skip: 0 });
  });

  test('is refused if it does not, or is of another length, or packed', () => {
    const further = { ...WISH, offset: SKIP_MAX + 1 };
    expect(checkAnswer(head(200, {}, 10_000_000), further)).toMatchObject({ kind: 'unfit' });
    expect(checkAnswer(head(200, {}, 1000), near)).toMatchObject({ kind: 'unfit' });
    expect(checkAnswer(head(200, { 'content-encoding': 'br' }, null), near)).toMatchObject({ kind: 'unfit' });
  });
});

test.each([
  [404, 'missing'],
  [410, 'missing'],
  [416, 'unfit'],
  [204, 'unfit'],
  [304, 'unfit'],
  [401, 'refused'],
  [403, 'refused'],
  [451, 'refused'],
  [429, 'busy'],
  [503, 'busy'],
  [500, 'broken'],
  [502, 'broken'],
])('%i means %s', (status, kind) => {
  expect(answer(status, {}, 0)).toMatchObject({ kind });
});

describe('Retry-After', () => {
  const wait = (headers: Record<string, string>): number | null =>
    (answer(503, headers, 0) as SeedFault).waitMs;

  test('is kept between half a minute and an hour', () => {
    expect(wait({ 'retry-after': '120' })).toBe(120_000);
    expect(wait({ 'retry-after': '1' })).toBe(30_000);
    expect(wait({ 'retry-after': '1000000000' })).toBe(3_600_000);
    expect(wait({ 'retry-after': '9'.repeat(400) })).toBe(3_600_000);
  });

  test('may be a date, by the clock of the server', () => {
    const date = 'Wed, 21 Oct 2015 07:28:00 GMT';
    expect(wait({ 'retry-after': 'Wed, 21 Oct 2015 07:33:00 GMT', date })).toBe(300_000);
    expect(wait({ 'retry-after': 'Wed, 21 Oct 2015 07:00:00 GMT', date })).toBe(30_000);
  });

  test('that says nothing means half a minute', () => {
    expect(wait({})).toBe(30_000);
    expect(wait({ 'retry-after': '-5' })).toBe(30_000);
    expect(wait({ 'retry-after': 'soon', date: 'today' })).toBe(30_000);
    expect(wait({ 'retry-after': 'Wed, 21 Oct 2015 07:33:00 GMT' })).toBe(30_000);
  });
});

function head(status: number, headers: Record<string, string>, length: number | null) {
  return { status, headers: new Map(Object.entries(headers)), length };
}

function answer(status: number, headers: Record<string, string>, length: number | null) {
  return checkAnswer(head(status, headers, length), WISH);
}
