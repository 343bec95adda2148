import type { StorageError } from '../../errors.ts';
import type { TorrentStorage } from '../../ports.ts';
import { CHECKS_IN_FLIGHT } from '../limits.ts';

export interface CheckerEvents {
  /** A piece was read and hashed. */
  onChecked(piece: number, valid: boolean): void;
  /** All are done; with an error, the first one that was not about a missing file. */
  onDone(error: StorageError | null): void;
}

/** Reads and hashes pieces that are on disk, several at a time. */
export class FileChecker {
  readonly #storage: TorrentStorage;
  readonly #events: CheckerEvents;
  readonly #pieces: readonly number[];
  #next = 0;
  #inFlight = 0;
  #error: StorageError | null = null;
  #cancelled = false;

  constructor(storage: TorrentStorage, pieces: readonly number[], events: CheckerEvents) {
    this.#storage = storage;
    this.#pieces = pieces;
    this.#events = events;
  }

  /** Share of the pieces that are done, 0 to 1. */
  get progress(): number {
    return this.#pieces.length === 0 ? 1 : (this.#next - this.#inFlight) / this.#pieces.length;
  }

  start(): void {
    this.#fill();
  }

  /** No more events. */
  cancel(): void {
    this.#cancelled = true;
  }

  #fill(): void {
    while (this.#inFlight < CHECKS_IN_FLIGHT && this.#next < this.#pieces.length && !this.#error) {
      const piece = this.#pieces[this.#next++]!;
      this.#inFlight++;
      this.#storage.checkPiece(piece, (result) => this.#onResult(piece, result));
    }
    if (this.#inFlight === 0) this.#events.onDone(this.#error);
  }

  #onResult(piece: number, result: boolean | StorageError): void {
    this.#inFlight--;
    if (this.#cancelled) return;
    if (typeof result === 'boolean') this.#events.onChecked(piece, result);
    else this.#error ??= result;
    this.#fill();
  }
}
