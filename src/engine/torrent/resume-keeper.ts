import type { StorageError, TorrentTsError } from '../../errors.ts';
import { FileMap } from '../../metainfo/file-map.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import {
  decodeResume,
  encodeResume,
  isSameStat,
  trustedPieces,
  type ResumeRecord,
} from '../../metainfo/resume.ts';
import type { FileStat, ResumeStore, TorrentStorage } from '../../ports.ts';
import { PieceSet } from '../../util/piece-set.ts';
import { RESUME_SAVE_INTERVAL_MS } from '../limits.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentObserver } from './torrent-options.ts';

/** What is known about the pieces before any is read. */
export interface StartingPoint {
  readonly record: ResumeRecord | null;
  /** Taken without reading. */
  readonly trusted: PieceSet;
  /** To be read and hashed, in rising order. */
  readonly toCheck: readonly number[];
}

/** What goes into the next record besides the files. */
export type ResumeFacts = Omit<ResumeRecord, 'files' | 'infoHash' | 'late'>;

/** Peers kept in the record. */
const PEERS_MAX = 100;

export function resumeFactsOf({ options, picker, files, counters, roster }: Torrent): ResumeFacts {
  return {
    dir: options.dir,
    have: picker.have.clone(),
    priorities: files.priorities,
    uploaded: counters.before.uploaded + counters.uploaded,
    downloaded: counters.before.downloaded + counters.downloaded,
    peers: roster.worthKeeping(PEERS_MAX),
  };
}

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
  #isFailing = false;
  /** Loads that wait for a save to end. */
  readonly #loads: (() => void)[] = [];
  #again: ((flushed: boolean) => void)[] | null = null;
  #savedAt: number;
  /** What the record in the store says, as far as it can change without `touch`; null if that is not known. */
  #recorded: Omit<ResumeFacts, 'dir' | 'have'> | null = null;
  readonly #observer: Pick<TorrentObserver, 'onWarning'>;

  constructor(
    metaInfo: MetaInfo,
    storage: TorrentStorage,
    store: ResumeStore | null,
    key: string,
    now: number,
    observer: Pick<TorrentObserver, 'onWarning'>,
  ) {
    this.#metaInfo = metaInfo;
    this.#storage = storage;
    this.#store = store;
    this.#key = key;
    this.#savedAt = now;
    this.#observer = observer;
  }

  /**
   * Finds out what has to be read.
   * @param had Pieces worth reading even if the record does not name them: a pause writes one while the last are on
   * their way to the disk.
   * @param onWarning Hears of a record that was there but cannot be used.
   */
  load(
    trust: 'resume' | 'check',
    had: PieceSet,
    onWarning: (error: TorrentTsError) => void,
    done: (start: StartingPoint | StorageError) => void,
  ): void {
    const stat = (record: ResumeRecord | null): void => {
      this.#storage.stat((stats) => {
        if (stats instanceof Error) done(stats);
        else done(this.#startingPoint(trust === 'check' ? null : record, stats, had));
      });
    };
    const store = this.#store;
    if (!store || trust === 'check') {
      stat(null);
      return;
    }
    // What is being saved is newer than what could be read.
    if (this.#saving) {
      this.#loads.push(() => this.load(trust, had, onWarning, done));
      return;
    }
    store.load(this.#key, (bytes) => {
      const reading = bytes && decodeResume(bytes, this.#metaInfo);
      if (reading && !reading.ok) onWarning(reading.error);
      // A record of a newer release stays where it is; that release will want it again.
      if (reading && !reading.ok && reading.reason === 'damaged') {
        store.setAside(this.#key, () => stat(null));
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

  /**
   * Flushes, then saves what `facts` tells, unless that is null. `done` hears whether all that was written before is
   * flushed. A call while one is under way is served by one more after it.
   */
  save(facts: () => ResumeFacts | null, now: number, done: (flushed: boolean) => void): void {
    if (this.#saving) {
      (this.#again ??= []).push(done);
      return;
    }
    const claim = facts();
    if (!claim) {
      done(false);
      return;
    }
    // Thousands of seeding torrents start and end with a record each, and most of them say what they said before.
    const isRecorded = !this.#dirty && this.#isRecorded(claim);
    this.#saving = true;
    this.#dirty = false;
    this.#savedAt = now;
    const finish = (flushed: boolean, error: StorageError | null): void => {
      this.#onSaved(error);
      const again = this.#again;
      this.#again = null;
      done(flushed);
      for (const load of this.#loads.splice(0)) load();
      if (!again) return;
      this.save(facts, now, (flushedLater) => {
        for (const waiting of again) waiting(flushedLater);
      });
    };
    this.#storage.flush((flushError) => {
      if (flushError) finish(false, flushError);
      else if (isRecorded) finish(true, null);
      else this.#write(claim, facts, (error) => finish(true, error));
    });
  }

  #write(
    claim: ResumeFacts,
    facts: () => ResumeFacts | null,
    done: (error: StorageError | null) => void,
  ): void {
    const store = this.#store;
    if (!store) {
      done(null);
      return;
    }
    this.#storage.stat((stats) => {
      if (stats instanceof Error) done(stats);
      else {
        // What came since the claim was made: the files would bear witness that it is missing.
        const late = (this.#dirty ? facts() : null)?.have ?? null;
        claim.have.forEach((piece) => late?.delete(piece));
        const record = { ...claim, late, infoHash: this.#metaInfo.infoHash, files: stats };
        this.#recorded = null;
        store.save(this.#key, encodeResume(record), (error) => {
          if (!error) this.#note(claim);
          done(error);
        });
      }
    });
  }

  #note({ uploaded, downloaded, peers, priorities }: ResumeFacts): void {
    this.#recorded = { uploaded, downloaded, peers, priorities: [...priorities] };
  }

  #isRecorded({ uploaded, downloaded, peers, priorities }: ResumeFacts): boolean {
    const was = this.#recorded;
    return (
      was?.uploaded === uploaded &&
      was.downloaded === downloaded &&
      was.priorities.every((priority, file) => priority === priorities[file]) &&
      was.peers.length === peers.length &&
      peers.every(({ host, port }, i) => host === was.peers[i]!.host && port === was.peers[i]!.port)
    );
  }

  /** Trouble is told once, not once a minute, until a save succeeds again. */
  #onSaved(error: StorageError | null): void {
    this.#saving = false;
    if (error) this.#dirty = true;
    if (error && !this.#isFailing) this.#observer.onWarning(error);
    this.#isFailing = error !== null;
  }

  #startingPoint(record: ResumeRecord | null, stats: readonly FileStat[], had: PieceSet): StartingPoint {
    const { pieceCount, files } = this.#metaInfo;
    const trusted = record ? trustedPieces(record, stats, this.#metaInfo) : new PieceSet(pieceCount);
    // Pieces of files that changed, or that nothing is known of, and that have bytes on disk.
    const suspect = new PieceSet(pieceCount);
    const map = new FileMap(files, this.#metaInfo.geometry);
    for (const file of files) {
      const now = stats[file.index]!;
      if (file.padding || now.size <= 0 || isSameStat(record?.files[file.index], now)) continue;
      const { first, end } = map.piecesOf(file.index);
      for (let piece = first; piece < end; piece++) suspect.add(piece);
    }
    for (const pieces of [had, record?.late]) {
      pieces?.forEach((piece) => {
        if (trusted.has(piece)) return;
        if (map.pieceSlices(piece).every(({ file }) => stats[file]!.size > 0)) suspect.add(piece);
      });
    }
    const toCheck: number[] = [];
    suspect.forEach((piece) => {
      if (!trusted.has(piece)) toCheck.push(piece);
    });
    this.#recorded = null;
    if (record?.have.count === trusted.count) this.#note(record);
    return { record, trusted, toCheck };
  }
}
