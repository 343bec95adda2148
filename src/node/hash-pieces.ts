import { StorageError } from '../errors.ts';
import type { DiskPool, DiskSpan } from './disk-pool.ts';
import {
  addSpan,
  HASH_STRETCH_BYTES,
  HASH_STRETCHES_PER_THREAD,
  HASH_STRETCH_SPANS,
} from './hash-stretch.ts';

const SHA1_BYTES = 20;

interface HashedFile {
  /** Path on disk. */
  readonly path: string;
  readonly length: number;
}

/**
 * The SHA-1 of every piece of some files taken as one stretch of bytes (BEP 3), 20 bytes each, hashed by all threads
 * of the pool.
 * @param onHashed Is told how many bytes are done.
 * @throws StorageError; the reason of `signal`
 */
export function hashPieces(
  pool: DiskPool,
  files: readonly HashedFile[],
  pieceLength: number,
  onHashed: (bytes: number) => void,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const total = files.reduce((sum, file) => sum + file.length, 0);
  const hashes = new Uint8Array(Math.ceil(total / pieceLength) * SHA1_BYTES);
  const cursor = new SpanCursor(files);
  return new Promise((resolve, reject) => {
    let taken = 0;
    let underWay = 0;
    let hashed = 0;
    let failure: unknown = null;

    const report = (): void => {
      try {
        onHashed(hashed);
      } catch (error) {
        failure ??= error; // The caller's own mistake goes back to the caller.
      }
    };

    const feed = (): void => {
      if (signal?.aborted) failure ??= signal.reason;
      const most = HASH_STRETCHES_PER_THREAD * pool.threads;
      while (failure === null && taken < total && underWay < most) start();
      if (underWay > 0) return;
      if (failure === null) resolve(hashes);
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is the caller's.
      else reject(failure);
    };

    const start = (): void => {
      const begin = taken;
      const spans: DiskSpan[] = [];
      do {
        const length = Math.min(pieceLength, total - taken);
        cursor.take(length, spans);
        taken += length;
      } while (taken < total && taken - begin < HASH_STRETCH_BYTES && spans.length < HASH_STRETCH_SPANS);
      const length = taken - begin;
      underWay++;
      pool.hashSpans(spans, pieceLength, (result) => {
        underWay--;
        if (result instanceof StorageError) {
          failure ??= result;
        } else {
          hashes.set(result, (begin / pieceLength) * SHA1_BYTES);
          hashed += length;
          report();
        }
        feed();
      });
    };

    feed();
  });
}

/** Cuts files into stretches, one after the other. */
class SpanCursor {
  readonly #files: readonly HashedFile[];
  #file = 0;
  #offset = 0;

  constructor(files: readonly HashedFile[]) {
    this.#files = files;
  }

  /** Adds the next `length` bytes, of which there are enough, to `spans`. */
  take(length: number, spans: DiskSpan[]): void {
    for (let left = length; left > 0;) {
      const file = this.#files[this.#file]!;
      const count = Math.min(left, file.length - this.#offset);
      if (count > 0) addSpan(spans, { path: file.path, offset: this.#offset, length: count });
      left -= count;
      this.#offset += count;
      if (this.#offset === file.length) {
        this.#file++;
        this.#offset = 0;
      }
    }
  }
}
