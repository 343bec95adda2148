import type { StorageError } from '../../errors.ts';
import type { TorrentStorage } from '../../ports.ts';

/** A piece that could not be read is tried again this often. */
const READ_RETRY_MS = 10_000;

export interface DiskHealthEvents {
  now(): number;
  /** The disk began to refuse. Said once for one cause. */
  onDiskStalled(error: StorageError): void;
  /** It takes reads and writes again. */
  goOn(): void;
}

/** Does the disk do its work? Failed writes are tried again by the verifier, failed reads here. */
export class DiskHealth {
  readonly #storage: TorrentStorage;
  readonly #events: DiskHealthEvents;
  #writeFailing = false;
  /** The piece whose reading failed, -1 if none. */
  #unreadable = -1;
  #retryAt = Infinity;

  constructor(storage: TorrentStorage, events: DiskHealthEvents) {
    this.#storage = storage;
    this.#events = events;
  }

  get isFailing(): boolean {
    return this.#writeFailing || this.isReadFailing;
  }

  get isReadFailing(): boolean {
    return this.#unreadable >= 0;
  }

  onWriteError(error: StorageError): void {
    const first = !this.isFailing;
    this.#writeFailing = true;
    if (first) this.#events.onDiskStalled(error);
  }

  onWriteRecovered(): void {
    this.#writeFailing = false;
    if (!this.isFailing) this.#events.goOn();
  }

  onReadError(error: StorageError, piece: number): void {
    if (this.isReadFailing) return;
    const first = !this.isFailing;
    this.#unreadable = piece;
    this.#retryAt = this.#events.now() + READ_RETRY_MS;
    if (first) this.#events.onDiskStalled(error);
  }

  /** All is read anew, so what could not be read then says nothing any more. */
  forgetReadError(): void {
    this.#unreadable = -1;
    this.#retryAt = Infinity;
  }

  /** Looks again at once: the user says that the disk is well. */
  retryNow(now: number): void {
    if (this.isReadFailing) this.#retryAt = now;
    this.onBeat(now);
  }

  /** Once a second: is the piece back, unchanged? Until then nothing is served. */
  onBeat(now: number): void {
    if (now < this.#retryAt) return;
    this.#retryAt = Infinity;
    const piece = this.#unreadable;
    this.#storage.checkPiece(piece, (result) => {
      if (this.#unreadable !== piece) return;
      if (result === true) {
        this.#unreadable = -1;
        if (!this.isFailing) this.#events.goOn();
      } else {
        this.#retryAt = now + READ_RETRY_MS;
      }
    });
  }
}
