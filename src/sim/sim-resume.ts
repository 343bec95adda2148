import type { StorageError } from '../errors.ts';
import type { Clock, ResumeStore } from '../ports.ts';

/** Resume records in memory; like a disk, `records` outlives the client that uses it. */
export class SimResumeStore implements ResumeStore {
  readonly #clock: Clock;
  readonly #records: Map<string, Uint8Array>;

  constructor(clock: Clock, records: Map<string, Uint8Array>) {
    this.#clock = clock;
    this.#records = records;
  }

  load(key: string, done: (record: Uint8Array | null) => void): void {
    this.#soon(() => done(this.#records.get(key) ?? null));
  }

  save(key: string, record: Uint8Array, done: (error: StorageError | null) => void): void {
    const copy = record.slice();
    this.#soon(() => {
      this.#records.set(key, copy);
      done(null);
    });
  }

  remove(key: string, done: () => void): void {
    this.#soon(() => {
      this.#records.delete(key);
      done();
    });
  }

  setAside(key: string, done: () => void): void {
    this.#soon(() => {
      const record = this.#records.get(key);
      this.#records.delete(key);
      if (record !== undefined) this.#records.set(`${key}.damaged`, record);
      done();
    });
  }

  #soon(fn: () => void): void {
    this.#clock.at(this.#clock.now(), fn);
  }
}
