import { StorageError } from '../errors.ts';
import type { DiskPool, DiskSpan } from './disk-pool.ts';

/** Per thread: enough to work on, to go on with, and to be on the way. In bytes, and in calls for small pieces. */
const AHEAD_BYTES = 4 * 1_048_576;
const AHEAD_CALLS = 256;
/** A piece that is larger than that still finds the next one waiting. */
const AHEAD_CALLS_LEAST = 3;

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
  const pieceCount = Math.ceil(total / pieceLength);
  const hashes = new Uint8Array(pieceCount * SHA1_BYTES);
  const ahead = Math.min(AHEAD_CALLS, Math.max(AHEAD_CALLS_LEAST, AHEAD_BYTES / pieceLength));
  const cursor = new SpanCursor(files);
  return new Promise((resolve, reject) => {
    let next = 0;
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
      while (failure === null && next < pieceCount && underWay < ahead * pool.threads) start(next++);
      if (underWay > 0) return;
      if (failure === null) resolve(hashes);
      // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a signal's reason is the caller's.
      else reject(failure);
    };

    const start = (piece: number): void => {
      const length = Math.min(pieceLength, total - piece * pieceLength);
      underWay++;
      pool.hashSpans(cursor.take(length), (result) => {
        underWay--;
        if (result instanceof StorageError) {
          failure ??= result;
        } else {
          hashes.set(result, piece * SHA1_BYTES);
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

  /** The next `length` bytes, of which there are enough. */
  take(length: number): DiskSpan[] {
    const spans: DiskSpan[] = [];
    for (let left = length; left > 0;) {
      const file = this.#files[this.#file]!;
      const count = Math.min(left, file.length - this.#offset);
      if (count > 0) spans.push({ path: file.path, offset: this.#offset, length: count });
      left -= count;
      this.#offset += count;
      if (this.#offset === file.length) {
        this.#file++;
        this.#offset = 0;
      }
    }
    return spans;
  }
}
