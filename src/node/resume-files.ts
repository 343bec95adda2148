import { randomBytes } from 'node:crypto';
import { close, constants, fstat, open as openFile, read } from 'node:fs';
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { StorageError } from '../errors.ts';
import type { ResumeStore } from '../ports.ts';
import { assert } from '../util/assert.ts';
import { logger } from '../util/log.ts';
import { Queue } from '../util/queue.ts';
import { errnoOf, toStorageError, unsafePath } from './storage-errors.ts';

/** The record of the largest torrent anyone makes (200,000 files, a million pieces) has 4 MiB. */
const RECORD_BYTES_MAX = 67_108_864;
/** A save takes seconds at most, so a temporary file of that age is left over from a crash. */
const LEFTOVER_AGE_MS = 3_600_000;
/** Thousands of torrents start and end at once; their records must not take all descriptors, nor all of libuv's threads. */
const WORKS_AT_ONCE = 16;
const KEY = /^[0-9a-z]{1,128}$/;

const log = logger('resume');

/** Records as files `<key>.resume`. Keys are digits and lower-case letters: those of torrents hexadecimal, and `dht`. */
export interface ResumeFiles extends ResumeStore {
  /** Renames a record that turned out to be damaged to `<key>.bad`, so that it can be looked at. */
  setAside(key: string, done: () => void): void;
}

/**
 * A save writes a new file, makes it last, and puts it in the place of the old one in a single step, so any crash leaves
 * the old record or the new one. The folder and the files are readable for their owner only: they tell what was fetched.
 * @param readRecord Reads records, any number at a time. Default: a few at a time in libuv's pool.
 */
export function resumeFiles(stateDir: string, readRecord: ReadRecord | null = null): ResumeFiles {
  return new ResumeFolder(stateDir, readRecord);
}

/** Reads a record as a whole; null if there is none. */
export type ReadRecord = (
  path: string,
  bytesMax: number,
  done: (error: Error | null, record: Uint8Array | null) => void,
) => void;

type SaveDone = (error: StorageError | null) => void;

/** Saves of one key run one after the other; of those that wait only the newest is worth writing. */
interface SaveQueue {
  waiting: { record: Uint8Array; done: SaveDone[] } | null;
}

class ResumeFolder implements ResumeFiles {
  readonly #dir: string;
  readonly #readRecord: ReadRecord;
  readonly #saves = new Map<string, SaveQueue>();
  readonly #turns = new Queue<() => void>();
  #running = 0;
  #wasSwept = false;

  constructor(dir: string, readRecord: ReadRecord | null) {
    this.#dir = dir;
    this.#readRecord = readRecord ?? ((path, bytesMax, done) => this.#readInTurn(path, bytesMax, done));
  }

  load(key: string, done: (record: Uint8Array | null) => void): void {
    const path = this.#path(key);
    this.#readRecord(path, RECORD_BYTES_MAX, (error, record) => {
      // Without a readable record the torrent is checked anew, which is always right.
      if (error && errnoOf(error) !== 'ENOENT') log('cannot read %s: %s', path, error);
      done(record);
    });
  }

  save(key: string, record: Uint8Array, done: SaveDone): void {
    const path = this.#path(key);
    const queue = this.#saves.get(key);
    if (queue) {
      queue.waiting = { record, done: [...(queue.waiting?.done ?? []), done] };
      return;
    }
    this.#saves.set(key, { waiting: null });
    this.#inTurn(() => void this.#saveInTurn(key, path, record, [done]));
  }

  remove(key: string, done: () => void): void {
    this.#change(this.#path(key), rm(this.#path(key), { force: true }), done);
  }

  setAside(key: string, done: () => void): void {
    this.#change(this.#path(key), rename(this.#path(key), join(this.#dir, `${key}.bad`)), done);
  }

  #path(key: string): string {
    assert(KEY.test(key), `a key is digits and lower-case letters, got ${JSON.stringify(key)}`);
    return join(this.#dir, `${key}.resume`);
  }

  #change(path: string, work: Promise<void>, done: () => void): void {
    work.then(done, (error: unknown) => {
      // The next save replaces the record, and a reader checks it anyway.
      log('cannot move or delete %s: %s', path, error);
      done();
    });
  }

  async #saveInTurn(key: string, path: string, record: Uint8Array, done: readonly SaveDone[]): Promise<void> {
    let error: StorageError | null = null;
    try {
      await this.#replace(key, path, record);
    } catch (cause) {
      error = toStorageError(cause, 'save', path);
    }
    const queue = this.#saves.get(key)!;
    const { waiting } = queue;
    queue.waiting = null;
    this.#endTurn();
    if (waiting) this.#inTurn(() => void this.#saveInTurn(key, path, waiting.record, waiting.done));
    else this.#saves.delete(key);
    for (const tell of done) tell(error);
  }

  #readInTurn(path: string, bytesMax: number, done: Parameters<ReadRecord>[2]): void {
    this.#inTurn(() => {
      readCapped(path, bytesMax, (error, record) => {
        this.#endTurn();
        done(error, record);
      });
    });
  }

  #inTurn(work: () => void): void {
    if (this.#running < WORKS_AT_ONCE) {
      this.#running++;
      work();
    } else {
      this.#turns.push(work);
    }
  }

  #endTurn(): void {
    const next = this.#turns.shift();
    if (next) next();
    else this.#running--;
  }

  async #replace(key: string, path: string, record: Uint8Array): Promise<void> {
    await this.#prepare();
    const temporary = join(this.#dir, `${key}.${randomBytes(8).toString('hex')}.tmp`);
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await file.writeFile(record);
        await file.sync();
      } finally {
        await file.close();
      }
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
    await this.#syncFolder();
  }

  async #prepare(): Promise<void> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    if (process.getuid) {
      const { uid, mode } = await stat(this.#dir);
      const us = process.getuid();
      if (uid !== us && us !== 0) throw unsafePath(this.#dir, 'the folder for state belongs to another user');
      if ((mode & 0o077) !== 0 && uid === us) await chmod(this.#dir, 0o700);
    }
    if (this.#wasSwept) return;
    this.#wasSwept = true;
    for (const name of await readdir(this.#dir)) {
      if (!/^[0-9a-z]+\.[0-9a-f]{16}\.tmp$/.test(name)) continue;
      const path = join(this.#dir, name);
      const { mtimeMs } = await stat(path);
      if (Date.now() - mtimeMs > LEFTOVER_AGE_MS) await rm(path, { force: true });
    }
  }

  async #syncFolder(): Promise<void> {
    if (process.platform === 'win32') return; // Cannot open a folder, and keeps its entries by itself.
    const folder = await open(this.#dir, constants.O_RDONLY);
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  }
}

function readCapped(path: string, bytesMax: number, done: Parameters<ReadRecord>[2]): void {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  openFile(path, flags, (openError, fd) => {
    if (openError) {
      done(openError, null);
      return;
    }
    // A close that fails does not matter: nothing was written.
    const finish = (error: Error | null, record: Uint8Array | null): void =>
      close(fd, () => done(error, record));
    fstat(fd, (statError, found) => {
      if (statError) finish(statError, null);
      else if (!found.isFile()) finish(unsafePath(path, 'it is not a regular file'), null);
      else if (found.size > bytesMax) {
        finish(unsafePath(path, `it has more than ${bytesMax} bytes`), null);
      } else {
        // Renamed into place as a whole, so it has its size for as long as it is open.
        const record = new Uint8Array(found.size);
        read(fd, record, 0, record.length, 0, (error, count) =>
          finish(error, error ? null : record.subarray(0, count)),
        );
      }
    });
  });
}
