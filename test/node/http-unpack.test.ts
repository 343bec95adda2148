import { deflateSync, gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { TrackerError } from '../../src/errors.ts';
import { unpack } from '../../src/node/http-unpack.ts';

const URL_TEXT = 'http://tracker.example/announce';
const text = Buffer.from('d8:intervali1800ee');

describe('a Content-Encoding', () => {
  test.each([
    [undefined, text],
    ['', text],
    ['identity, Identity', text],
    ['identity, gzip', gzipSync(text)],
    [' GZip ,', gzipSync(text)],
    ['deflate, identity', deflateSync(text)],
  ])('is a list in which only packings count: %j', async (encoding, raw) => {
    expect(Buffer.from(await unpack(raw, encoding, 100, URL_TEXT))).toEqual(text);
  });

  test.each(['gzip, gzip', 'gzip, deflate', 'br', 'identity, zstd', 'gzip;q=1'])(
    'that we did not offer is an error: %j',
    async (encoding) => {
      const error = await unpack(gzipSync(text), encoding, 100, URL_TEXT).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(TrackerError);
      expect((error as TrackerError).message).toBe('the answer is packed in a way we did not ask for');
    },
  );

  test.each(['gzip', 'deflate', 'br'])('%s of an empty body is an empty body', async (encoding) => {
    expect(await unpack(Buffer.alloc(0), encoding, 100, URL_TEXT)).toHaveLength(0);
  });
});

test('a body may unpack to the limit, but not a byte further', async () => {
  const raw = gzipSync(Buffer.alloc(1000));
  expect(await unpack(raw, 'gzip', 1000, URL_TEXT)).toHaveLength(1000);
  await expect(unpack(raw, 'gzip', 999, URL_TEXT)).rejects.toThrow('the answer is longer than 999 bytes');
});
