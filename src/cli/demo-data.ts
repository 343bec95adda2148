import { createCipheriv, createHash } from 'node:crypto';
import type { Cipher } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';

const CHUNK_BYTES = 1_048_576;

/** Bytes that look random and are the same in every run: a key stream of AES in counter mode. */
function keyStream(): Cipher {
  return createCipheriv('aes-128-ctr', 'torrent-ts demo!', Buffer.alloc(16));
}

/** Writes a file of such bytes and returns its SHA-256. */
export async function writeDemoData(path: string, length: number): Promise<string> {
  const stream = keyStream();
  const hash = createHash('sha256');
  const file = await open(path, 'w');
  try {
    for (let left = length; left > 0; left -= CHUNK_BYTES) {
      const chunk = stream.update(Buffer.alloc(Math.min(CHUNK_BYTES, left)));
      hash.update(chunk);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

export async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: CHUNK_BYTES }), hash);
  return hash.digest('hex');
}

/** Makes every block of a file wrong, in place, as a disk that went bad would. */
export async function damage(path: string, length: number): Promise<void> {
  const BLOCK_BYTES = 16_384;
  const file = await open(path, 'r+');
  try {
    for (let offset = 0; offset < length; offset += BLOCK_BYTES) await file.write('damaged', offset);
  } finally {
    await file.close();
  }
}
