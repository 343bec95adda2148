/** Bodies out of their packing, within bounds: 1 KB of gzip can hold 1 MB. */
import { promisify } from 'node:util';
import { gunzip, inflate, inflateRaw } from 'node:zlib';
import { TrackerError } from '../errors.ts';
import { tooLong } from './http-errors.ts';

/** What `unpack` understands, to be told to servers. */
export const ACCEPT_ENCODING = 'gzip, deflate';

/**
 * @param encoding The Content-Encoding, a list (RFC 9110, 8.4).
 * @param maxBytes Of the result.
 * @throws TrackerError
 */
export async function unpack(
  raw: Buffer,
  encoding: string | undefined,
  maxBytes: number,
  url: string,
): Promise<Uint8Array> {
  const packings = (encoding ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase())
    .filter((name) => name !== '' && name !== 'identity');
  // Answers without a body (204, 304) may still name the packing it would have had.
  if (packings.length === 0 || raw.length === 0) return raw;
  const name = packings[0]!;
  const inflater = packings.length === 1 ? inflaterFor(name, raw) : null;
  if (inflater === null) throw new TrackerError('the answer is packed in a way we did not ask for', url);
  try {
    return await promisify(inflater)(raw, { maxOutputLength: maxBytes });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') throw tooLong(maxBytes, url);
    throw new TrackerError(`the ${name} answer is damaged`, url, { cause: error });
  }
}

function inflaterFor(packing: string, raw: Buffer): typeof gunzip | null {
  switch (packing) {
    case 'gzip':
    case 'x-gzip':
      return gunzip;
    case 'deflate':
      // RFC 9110 means zlib's format, some servers send the bare one. Zlib's first byte has 8 in its low half.
      return (raw[0]! & 0x0f) === 8 ? inflate : inflateRaw;
    default:
      return null;
  }
}
