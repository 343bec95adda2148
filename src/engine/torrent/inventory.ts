import type { StorageError, TorrentTsError } from '../../errors.ts';
import type { TorrentStorage } from '../../ports.ts';
import type { PieceSet } from '../../util/piece-set.ts';
import { FileChecker } from './file-checker.ts';
import type { ResumeKeeper, StartingPoint } from './resume-keeper.ts';
import type { TorrentObserver } from './torrent-options.ts';

export interface InventoryEvents {
  /** What the last run remembers; pieces still to be read are not in it. */
  onRecord(start: StartingPoint): void;
  /** A piece was read, and is right. */
  onPieceFound(piece: number): void;
  /** All that can be known is known, or the disk refused to tell. `hasRead`: pieces were read, so a record is due. */
  onChecked(error: StorageError | null, hasRead: boolean): void;
}

/**
 * Finds out which pieces are on disk: what the last run remembers, then reading and hashing what that does not tell.
 * A new run ends the one before, whose late answers are not heard.
 */
export class Inventory {
  readonly #storage: TorrentStorage;
  readonly #resume: ResumeKeeper;
  readonly #observer: Pick<TorrentObserver, 'onWarning'>;
  readonly #events: InventoryEvents;
  #run = 0;
  #checker: FileChecker | null = null;
  #readsPieces = false;
  #isComplete = false;

  /** @param observer Hears of a record of an earlier run that was there and cannot be used. */
  constructor(
    storage: TorrentStorage,
    resume: ResumeKeeper,
    observer: Pick<TorrentObserver, 'onWarning'>,
    events: InventoryEvents,
  ) {
    this.#observer = observer;
    this.#storage = storage;
    this.#resume = resume;
    this.#events = events;
  }

  /** The last run came to its end: what is not known to be there is missing. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Whether the last run reads pieces, or only what an earlier one remembers. */
  get readsPieces(): boolean {
    return this.#readsPieces;
  }

  /** Share of the pieces to be read that were, 0 to 1. */
  get progress(): number {
    return this.#checker?.progress ?? 0;
  }

  /**
   * @param readsPieces False to take only what is remembered: the torrent is not to work yet.
   * @param had What this run had, of which the record may not know all.
   */
  take(trust: 'resume' | 'check', readsPieces: boolean, had: PieceSet): void {
    this.interrupt();
    this.#isComplete = false;
    this.#readsPieces = readsPieces;
    const run = this.#run;
    const warn = (error: TorrentTsError): void => this.#observer.onWarning(error);
    this.#resume.load(trust, had, warn, (start) => {
      if (run !== this.#run) return;
      if (start instanceof Error) {
        this.#events.onChecked(start, false);
        return;
      }
      this.#events.onRecord(start);
      if (readsPieces) this.#read(start);
      else this.#finish(start.toCheck.length === 0, false);
    });
  }

  /** No more events of the run under way, if there is one; then it stays incomplete. */
  interrupt(): void {
    this.#run++;
    this.#checker?.cancel();
    this.#checker = null;
  }

  /** What was found may be wrong. */
  distrust(): void {
    this.interrupt();
    this.#isComplete = false;
  }

  #read(start: StartingPoint): void {
    this.#checker = new FileChecker(this.#storage, start.toCheck, {
      onChecked: (piece, valid) => {
        if (valid) this.#events.onPieceFound(piece);
      },
      onDone: (error) => {
        this.#checker = null;
        if (error) this.#events.onChecked(error, true);
        else this.#finish(true, start.toCheck.length > 0);
      },
    });
    this.#checker.start();
  }

  #finish(isComplete: boolean, hasRead: boolean): void {
    this.#isComplete = isComplete;
    this.#events.onChecked(null, hasRead);
  }
}
