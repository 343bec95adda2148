import type { StorageError } from '../../errors.ts';
import type { TorrentStorage } from '../../ports.ts';
import { Completion } from './completion.ts';
import { Inventory, type InventoryEvents } from './inventory.ts';
import type { PieceFlow } from './piece-flow.ts';
import { ResumeKeeper, resumeFactsOf, type StartingPoint } from './resume-keeper.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentObserver } from './torrent-options.ts';

/**
 * What a torrent has: found out by a look at the disk, remembered between runs, and complete once all of it is flushed.
 */
export class Holdings implements InventoryEvents {
  readonly completion = new Completion();
  readonly #torrent: Torrent;
  readonly #pieces: PieceFlow;
  readonly #observer: TorrentObserver;
  readonly #resume: ResumeKeeper;
  readonly #inventory: Inventory;
  /** Wishes and totals of an earlier run count once, not after each pause. */
  #isFirstRecord = true;

  constructor(torrent: Torrent, storage: TorrentStorage, pieces: PieceFlow, observer: TorrentObserver) {
    const { metaInfo, options, world } = torrent;
    this.#torrent = torrent;
    this.#pieces = pieces;
    this.#observer = observer;
    const now = world.clock.now();
    this.#resume = new ResumeKeeper(metaInfo, storage, world.resume, options.resumeKey, now, observer);
    this.#inventory = new Inventory(storage, this.#resume, observer, this);
  }

  /** All wanted pieces are known to be on disk and flushed. */
  get isComplete(): boolean {
    return this.completion.isComplete && this.#inventory.isComplete;
  }

  /** Whether the look at the disk reads pieces, or takes only what is remembered. */
  get readsPieces(): boolean {
    return this.#inventory.readsPieces;
  }

  /** Share of the pieces to be read that were, 0 to 1. */
  get progress(): number {
    return this.#inventory.progress;
  }

  /** Finds out anew what is there; `onChecked` of the torrent hears when that is done. */
  check(trust: 'resume' | 'check', readsPieces: boolean): void {
    const had = this.#torrent.picker.have.clone();
    had.forEach((piece) => this.#pieces.lose(piece));
    this.#inventory.take(trust, readsPieces, had);
  }

  /** No more is heard of the look under way, if there is one; then it stays incomplete. */
  interrupt(): void {
    this.#inventory.interrupt();
  }

  /** What was found may be wrong, and is not remembered. */
  distrust(): void {
    this.#inventory.distrust();
  }

  /** Something changed that is to be remembered. */
  touch(): void {
    this.#resume.touch();
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (this.#resume.isDue(now)) this.save();
  }

  /** Flushes and remembers where it stands; what is complete and flushed is said to be so. */
  save(done?: () => void): void {
    // Also a later save than the first may be the one whose flush succeeds.
    const completes = this.completion.isFlushing;
    this.#resume.save(
      // While it is not known what is there, the record of before is worth more.
      () => (this.#inventory.isComplete ? resumeFactsOf(this.#torrent) : null),
      this.#torrent.now(),
      (flushed) => {
        if (flushed && completes && this.completion.onFlushed()) {
          this.#torrent.files.emptyWanted().forEach((file) => this.#observer.onFile(file));
          this.#observer.onComplete();
        }
        done?.();
      },
    );
  }

  onRecord({ record, trusted }: StartingPoint): void {
    const { counters, files, roster } = this.#torrent;
    if (record && this.#isFirstRecord) {
      if (!files.isChosen) files.setPriorities(record.priorities);
      counters.before.uploaded = record.uploaded;
      counters.before.downloaded = record.downloaded;
    }
    this.#isFirstRecord = false;
    this.#pieces.applySelection();
    trusted.forEach((piece) => this.#pieces.gain(piece));
    for (const address of record?.peers ?? []) roster.add(address, 'resume');
  }

  onPieceFound(piece: number): void {
    this.#pieces.gain(piece);
  }

  onChecked(error: StorageError | null, hasRead: boolean): void {
    this.#torrent.onChecked(error, hasRead);
  }
}
