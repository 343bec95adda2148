import type { StorageError, TorrentTsError } from '../../errors.ts';
import { FileMap } from '../../metainfo/file-map.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import { decodeResume, encodeResume, trustedPieces, type ResumeRecord } from '../../metainfo/resume.ts';
import type { FileStat, ResumeStore, TorrentStorage } from '../../ports.ts';
import { PieceSet } from '../../util/piece-set.ts';
import { RESUME_SAVE_INTERVAL_MS } from '../limits.ts';

/** What is known about the pieces before any is read. */
export interface StartingPoint {
  readonly record: ResumeRecord | null;
  /** Taken without reading. */
  readonly trusted: PieceSet;
  /** To be read and hashed, in rising order. */
  readonly toCheck: readonly number[];
}

/** What goes into the next record besides the files. */
export type ResumeFacts = Omit<ResumeRecord, 'files' | 'infoHash'>;

/**
 * Remembers a torrent between runs. A record is written only after everything it claims was flushed, and believed only
 * as far as size and time of the files still agree; what changed since is read and hashed again.
 */
export class ResumeKeeper {
  readonly #metaInfo: MetaInfo;
  readonly #storage: TorrentStorage;
  readonly #store: ResumeStore | null;
  readonly #key: string;
  #dirty = false;
  #saving = false;
  #again: ((error: StorageError | null) => void)[] | null = null;
  #savedAt: number;

  constructor(
    metaInfo: MetaInfo,
    storage: TorrentStorage,
    store: ResumeStore | null,
    key: string,
    now: number,
  ) {
    this.#metaInfo = metaInfo;
    this.#storage = storage;
    this.#store = store;
    this.#key = key;
    this.#savedAt = now;
  }

  /** Finds out what has to be read. `onWarning` hears of a record that was there but cannot be used. */
  load(
    trust: 'resume' | 'check',
    onWarning: (error: TorrentTsError) => void,
    done: (start: StartingPoint | StorageError) => void,
  ): void {
    const stat = (record: ResumeRecord | null): void => {
      this.#storage.stat((stats) => {
        if (stats instanceof Error) done(stats);
        else done(this.#startingPoint(trust === 'check' ? null : record, stats));
      });
    };
    if (!this.#store || trust === 'check') {
      stat(null);
      return;
    }
    this.#store.load(this.#key, (bytes) => {
      const reading = bytes && decodeResume(bytes, this.#metaInfo);
      if (reading && !reading.ok) onWarning(reading.error);
      // A record of a newer release stays where it is; that release will want it again.
      if (reading && !reading.ok && reading.reason === 'damaged') {
        this.#store!.setAside(this.#key, () => stat(null));
      } else {
        stat(reading?.ok ? reading.record : null);
      }
    });
  }

  /** Something changed that the record should tell. */
  touch(): void {
    this.#dirty = true;
  }

  /** Is it time to save? */
  isDue(now: number): boolean {
    return this.#dirty && !this.#saving && now - this.#savedAt >= RESUME_SAVE_INTERVAL_MS;
  }

  /** Flushes, then saves. A call while one is under way is served by one more after it. */
  save(facts: () => ResumeFacts, now: number, done: (error: StorageError | null) => void): void {
    if (this.#saving) {
      (this.#again ??= []).push(done);
      return;
    }
    this.#saving = true;
    this.#dirty = false;
    this.#savedAt = now;
    const claim = facts();
    this.#storage.flush((flushError) => {
      if (flushError) this.#onSaved(facts, now, flushError, done);
      else this.#write(claim, (error) => this.#onSaved(facts, now, error, done));
    });
  }

  #write(claim: ResumeFacts, done: (error: StorageError | null) => void): void {
    const store = this.#store;
    if (!store) {
      done(null);
      return;
    }
    this.#storage.stat((stats) => {
      if (stats instanceof Error) done(stats);
      else {
        const record = { ...claim, infoHash: this.#metaInfo.infoHash, files: stats };
        store.save(this.#key, encodeResume(record), done);
      }
    });
  }

  #onSaved(
    facts: () => ResumeFacts,
    now: number,
    error: StorageError | null,
    done: (error: StorageError | null) => void,
  ): void {
    this.#saving = false;
    if (error) this.#dirty = true;
    const again = this.#again;
    this.#again = null;
    done(error);
    if (again) {
      this.save(facts, now, (laterError) => {
        for (const waiting of again) waiting(laterError);
      });
    }
  }

  #startingPoint(record: ResumeRecord | null, stats: readonly FileStat[]): StartingPoint {
    const { pieceCount, files } = this.#metaInfo;
    const trusted = record ? trustedPieces(record, stats, this.#metaInfo) : new PieceSet(pieceCount);
    // Pieces of files that changed, or that nothing is known of, and that have bytes on disk.
    const suspect = new PieceSet(pieceCount);
    const map = new FileMap(files, this.#metaInfo.geometry);
    for (const file of files) {
      const now = stats[file.index]!;
      const then = record?.files[file.index];
      const same = then?.size === now.size && Math.abs(then.mtimeMs - now.mtimeMs) < 0.001;
      if (file.padding || now.size <= 0 || same) continue;
      const { first, end } = map.piecesOf(file.index);
      for (let piece = first; piece < end; piece++) suspect.add(piece);
    }
    const toCheck: number[] = [];
    suspect.forEach((piece) => {
      if (!trusted.has(piece)) toCheck.push(piece);
    });
    return { record, trusted, toCheck };
  }
}
