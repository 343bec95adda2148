import { StorageError } from '../errors.ts';
import { equalBytes } from '../util/bytes.ts';
import type { DiskSpan } from './disk-jobs.ts';
import type { DiskPool } from './disk-pool.ts';
import { addSpan, HASH_STRETCH_BYTES, HASH_STRETCH_SPANS } from './hash-stretch.ts';
import type { DiskRoot } from './open-files.ts';

const SHA1_BYTES = 20;

/** What is known of a torrent and where it lies. */
export interface CheckedContent {
  readonly pieceLength: number;
  /** 20 bytes per piece. */
  readonly pieceHashes: Uint8Array;
  root(): DiskRoot;
  spansOf(piece: number): readonly DiskSpan[];
}

interface Check {
  readonly piece: number;
  readonly done: (result: boolean | StorageError) => void;
}

/** Hashes pieces that are on disk. Pieces in a row that are asked for in one turn go to a thread together. */
export class PieceChecks {
  readonly #pool: DiskPool;
  readonly #content: CheckedContent;
  #waiting: Check[] = [];

  constructor(pool: DiskPool, content: CheckedContent) {
    this.#pool = pool;
    this.#content = content;
  }

  /** `done` hears whether the bytes are the right ones; a file that is missing or too short has the wrong ones. */
  check(piece: number, done: (result: boolean | StorageError) => void): void {
    this.#waiting.push({ piece, done });
    if (this.#waiting.length === 1) queueMicrotask(() => this.#start());
  }

  #start(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    const most = Math.max(1, Math.floor(HASH_STRETCH_BYTES / this.#content.pieceLength));
    for (let from = 0; from < waiting.length;) {
      let end = from;
      const spans: DiskSpan[] = [];
      do {
        for (const span of this.#content.spansOf(waiting[end]!.piece)) addSpan(spans, span);
        end++;
      } while (
        end < waiting.length &&
        end - from < most &&
        spans.length < HASH_STRETCH_SPANS &&
        waiting[end]!.piece === waiting[end - 1]!.piece + 1
      );
      this.#hash(waiting.slice(from, end), spans);
      from = end;
    }
  }

  #hash(checks: readonly Check[], spans: readonly DiskSpan[]): void {
    const { pieceLength } = this.#content;
    this.#pool.run({ kind: 'hash', root: this.#content.root(), spans, pieceLength }, (result) => {
      if (!(result instanceof StorageError)) {
        checks.forEach(({ piece, done }, i) => {
          done(equalBytes(digestAt(result, i), digestAt(this.#content.pieceHashes, piece)));
        });
      } else if (checks.length > 1) {
        // Which of them it was is found out one by one.
        for (const check of checks) this.#hash([check], this.#content.spansOf(check.piece));
      } else {
        checks[0]!.done(result.code === 'ERR_FILE_MISSING' ? false : result);
      }
    });
  }
}

function digestAt(digests: Uint8Array, index: number): Uint8Array {
  return digests.subarray(index * SHA1_BYTES, (index + 1) * SHA1_BYTES);
}
