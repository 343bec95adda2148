/**
 * A running digest of what happened and when: two runs with the same digest went the same way, event by event.
 *
 * Not for secrets: two 32-bit multiplicative hashes, which tell runs apart by accident only once in 2^64.
 */
export class Trace {
  #a = 0x811c9dc5;
  #b = 0x9e3779b9;
  #count = 0;
  readonly #float = new Float64Array(1);
  readonly #words = new Uint32Array(this.#float.buffer);
  readonly #watch: ((event: TraceEvent) => void) | null;

  /** @param watch Sees every event, to write a run down; it makes the run slower. */
  constructor(watch: ((event: TraceEvent) => void) | null = null) {
    this.#watch = watch;
  }

  /** Events noted so far. */
  get count(): number {
    return this.#count;
  }

  /** 16 hexadecimal digits. */
  get digest(): string {
    return hex(this.#a) + hex(this.#b);
  }

  /** `time` in milliseconds to the last bit; the numbers are taken as 32 bits. */
  note(time: number, kind: number, subject: number, x: number, y: number, z: number): void {
    this.#count++;
    this.#float[0] = time;
    this.#mix(this.#words[0]!);
    this.#mix(this.#words[1]!);
    this.#mix(kind);
    this.#mix(subject);
    this.#mix(x);
    this.#mix(y);
    this.#mix(z);
    if (this.#watch !== null) this.#watch({ time, kind, subject, x, y, z });
  }

  #mix(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x01000193) ^ (word >>> 15);
    this.#b = Math.imul((this.#b << 13) ^ (this.#b >>> 19) ^ word, 0x85ebca6b);
  }
}

export interface TraceEvent {
  readonly time: number;
  readonly kind: number;
  readonly subject: number;
  readonly x: number;
  readonly y: number;
  readonly z: number;
}

function hex(word: number): string {
  return (word >>> 0).toString(16).padStart(8, '0');
}
