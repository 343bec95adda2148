import { readSavedState } from '../dht/saved-state.ts';
import { StorageError } from '../errors.ts';
import type { Cancel, Clock, ResumeStore } from '../ports.ts';
import { logger } from '../util/log.ts';
import { takeStateLock, type StateLock } from './state-lock.ts';

const log = logger('dht');

/** Name of the record in the state folder. */
const KEY = 'dht';
/** Losing a few minutes of acquaintances costs nothing. */
const SAVE_EVERY_MS = 10 * 60_000;

/** Who knows what is to be kept. */
export interface DhtMemory {
  /** Null if there is nothing worth keeping. */
  savedState(): Uint8Array | null;
}

/**
 * What the DHT keeps between runs. Node ids are of one process at a time, the first that opens or writes the record;
 * others take the nodes alone and leave the record to it.
 */
export class DhtState {
  /** What an earlier run kept; null if nothing. */
  readonly saved: Uint8Array | null;
  readonly #stateDir: string;
  readonly #store: ResumeStore;
  #lock: StateLock | null = null;
  #isOthers = false;
  #timer: Cancel | null = null;

  private constructor(stateDir: string, store: ResumeStore, saved: Uint8Array | null) {
    this.#stateDir = stateDir;
    this.#store = store;
    this.saved = saved;
  }

  /** Reads the record. A damaged one is set aside. */
  static async open(stateDir: string, store: ResumeStore): Promise<DhtState> {
    const record = await new Promise<Uint8Array | null>((done) => store.load(KEY, done));
    if (record !== null && readSavedState(record).size === 0) {
      await new Promise<void>((done) => store.setAside(KEY, done));
      return new DhtState(stateDir, store, null);
    }
    const state = new DhtState(stateDir, store, record);
    if (record !== null) state.#takeLock();
    return state;
  }

  /** Another process has the ids of `saved`. */
  get isOthers(): boolean {
    return this.#isOthers;
  }

  /** Saves now and then from now on. */
  keep(dht: DhtMemory, clock: Clock): void {
    this.#timer = clock.at(clock.now() + SAVE_EVERY_MS, () => {
      void this.save(dht);
      this.keep(dht, clock);
    });
  }

  /** Never rejects: the next run begins with what there is. */
  async save(dht: DhtMemory): Promise<void> {
    const record = dht.savedState();
    if (record === null || !this.#takeLock()) return;
    await new Promise<void>((done) => {
      this.#store.save(KEY, record, (error) => {
        if (error) log('not saved: %s', error.message);
        done();
      });
    });
  }

  close(): void {
    this.#timer?.cancel();
    this.#lock?.release();
    this.#lock = null;
  }

  #takeLock(): boolean {
    if (this.#lock !== null) return true;
    if (this.#isOthers) return false;
    try {
      const lock = takeStateLock(this.#stateDir, KEY);
      if ('release' in lock) this.#lock = lock;
      else this.#isOthers = true;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      log('the state folder is not to be written: %s', error.message);
      this.#isOthers = true;
    }
    return this.#lock !== null;
  }
}
