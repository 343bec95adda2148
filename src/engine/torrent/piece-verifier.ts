import type { StorageError } from '../../errors.ts';
import type { Clock, PieceVerdict, TorrentStorage } from '../../ports.ts';
import { assert } from '../../util/assert.ts';
import { DISK_RETRY_MAX_MS, DISK_RETRY_MIN_MS } from '../limits.ts';
import type { Blame } from './blame.ts';
import type { Contributor, PieceAssembler } from './piece-assembler.ts';

export interface VerifierEvents {
  /** The piece is right and on disk. `guilty` gave wrong blocks of it in earlier tries. */
  onVerified(piece: number, from: readonly Contributor[], guilty: readonly Contributor[]): void;
  /** The piece is wrong; its blocks are free again. `guilty` is known when there was one sender only. */
  onRejected(piece: number, from: readonly Contributor[], guilty: Contributor | null): void;
  /** The disk refused a good piece. It stays in memory and is tried again. */
  onDiskError(error: StorageError): void;
  /** Files vanished before: are those that we rely on back, so that writing may go on? */
  findFiles(done: (found: boolean) => void): void;
  /** The first write that succeeds after errors. */
  onDiskRecovered(): void;
}

/** Whole pieces on their way to be hashed and written; a piece is not ours before it has passed here. */
export class PieceVerifier {
  readonly #storage: TorrentStorage;
  readonly #assembler: PieceAssembler;
  readonly #blame: Blame;
  readonly #clock: Clock;
  readonly #events: VerifierEvents;
  /** Good pieces that the disk refused. */
  readonly #held: number[] = [];
  #inFlight = 0;
  /** Why the disk refuses; null while it does not. */
  #failure: StorageError | null = null;
  #retryAt = Infinity;
  #retryDelayMs = DISK_RETRY_MIN_MS;
  #idle: (() => void)[] = [];
  #stopped = false;

  constructor(
    storage: TorrentStorage,
    assembler: PieceAssembler,
    blame: Blame,
    clock: Clock,
    events: VerifierEvents,
  ) {
    this.#storage = storage;
    this.#assembler = assembler;
    this.#blame = blame;
    this.#clock = clock;
    this.#events = events;
  }

  /** The disk refuses writes at present. */
  get isFailing(): boolean {
    return this.#failure !== null;
  }

  /** Pieces being hashed or written. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Takes a piece whose blocks are all here. */
  verify(piece: number): void {
    const partial = this.#assembler.seal(piece);
    this.#inFlight++;
    this.#storage.writePiece(piece, partial.slab, this.#blame.isSuspect(piece), (verdict) => {
      this.#inFlight--;
      this.#onVerdict(piece, verdict);
      if (this.#inFlight === 0) for (const done of this.#idle.splice(0)) done();
    });
  }

  /** Once a second: tries one held piece again when its time has come; the others follow if it succeeds. */
  onBeat(now: number): void {
    if (now < this.#retryAt) return;
    this.#retryAt = Infinity;
    if (this.#failure?.code === 'ERR_FILE_MISSING') {
      this.#events.findFiles((found) => {
        if (found) this.#retryOne();
        else this.#retryLater();
      });
    } else {
      this.#retryOne();
    }
  }

  /** Tries again at once: the user says that the disk is well. */
  retryNow(now: number): void {
    this.#retryAt = now;
    this.onBeat(now);
  }

  /** Calls back when nothing is under way; in this turn if that is so already. */
  whenIdle(done: () => void): void {
    if (this.#inFlight === 0) done();
    else this.#idle.push(done);
  }

  /** What is under way is still written, but nothing more is said of it. */
  stop(): void {
    this.#stopped = true;
    this.#held.length = 0;
  }

  #onVerdict(piece: number, verdict: PieceVerdict): void {
    if (this.#stopped) {
      this.#assembler.release(piece);
      return;
    }
    const partial = this.#assembler.get(piece);
    assert(partial !== undefined, `verdict on piece ${piece}, which is not being assembled`);
    switch (verdict.status) {
      case 'written': {
        const from = distinct(partial.contributors);
        const guilty = this.#blame.onPassed(piece, verdict.blockDigests);
        this.#assembler.release(piece);
        this.#events.onVerified(piece, from, guilty);
        if (this.#failure) this.#onRecovered();
        break;
      }
      case 'mismatch': {
        const contributors = [...partial.contributors];
        const guilty = this.#blame.onFailed(piece, verdict.blockDigests, contributors);
        this.#assembler.release(piece);
        this.#events.onRejected(piece, distinct(contributors), guilty);
        break;
      }
      case 'failed':
        this.#held.push(piece);
        this.#onDiskError(verdict.error);
        break;
    }
  }

  #onDiskError(error: StorageError): void {
    const first = this.#failure === null;
    this.#failure = error;
    if (this.#retryAt === Infinity) this.#retryLater();
    // One alert for one cause, however many pieces it hits.
    if (first) this.#events.onDiskError(error);
  }

  #retryOne(): void {
    const piece = this.#held.shift();
    if (piece !== undefined) this.verify(piece);
  }

  #retryLater(): void {
    this.#retryAt = this.#clock.now() + this.#retryDelayMs;
    this.#retryDelayMs = Math.min(DISK_RETRY_MAX_MS, this.#retryDelayMs * 2);
  }

  #onRecovered(): void {
    this.#failure = null;
    this.#retryAt = Infinity;
    this.#retryDelayMs = DISK_RETRY_MIN_MS;
    for (const held of this.#held.splice(0)) this.verify(held);
    this.#events.onDiskRecovered();
  }
}

function distinct(contributors: readonly (Contributor | null)[]): Contributor[] {
  return [...new Set(contributors)].filter((contributor) => contributor !== null);
}
