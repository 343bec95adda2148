import type { BlockSource, ByteStream, ByteStreamSink } from '../../src/wire/link.ts';
import type { PeerAddress } from '../../src/util/ip.ts';

/** Work that waits for its turn. Nothing runs until the test says so. */
export class Turns {
  #waiting: (() => void)[] = [];
  #next = 0;

  later(task: () => void): void {
    this.#waiting.push(task);
  }

  /** Runs one turn; false if there was nothing to do. */
  step(): boolean {
    const task = this.#waiting[this.#next++];
    task?.();
    if (this.#next >= this.#waiting.length) {
      this.#waiting = [];
      this.#next = 0;
    }
    return task !== undefined;
  }

  /** Runs until nobody wants anything more. */
  settle(): void {
    for (let turns = 0; this.step(); turns++) if (turns > 1_000_000) throw new Error('the turns do not end');
  }
}

/** Cuts what was sent into the chunks that arrive. */
export type Cut = (bytes: Uint8Array) => Uint8Array[];

export interface PairOptions {
  readonly cut?: Cut;
  /** Bytes are taken only when the test calls `take`. */
  readonly holdWrites?: boolean;
}

/** One end of a connection in memory. */
export class MemoryStream implements ByteStream {
  readonly kind = 'sim';
  readonly remote: PeerAddress;
  readonly inbound: boolean;
  readonly #turns: Turns;
  readonly #options: PairOptions;
  peer!: MemoryStream;
  readonly written: Uint8Array[] = [];
  readonly #held: { bytes: Uint8Array; source: BlockSource | null }[] = [];
  #sink: ByteStreamSink | null = null;
  #flushAsked = false;
  #flushing = false;
  #paused = false;
  readonly #arrived: Uint8Array[] = [];
  #closed = false;
  bufferedBytes = 0;

  constructor(turns: Turns, remote: PeerAddress, inbound: boolean, options: PairOptions) {
    this.#turns = turns;
    this.remote = remote;
    this.inbound = inbound;
    this.#options = options;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  attach(sink: ByteStreamSink): void {
    this.#sink = sink;
  }

  requestFlush(): void {
    if (this.#flushAsked || this.#closed) return;
    this.#flushAsked = true;
    this.#turns.later(() => this.#flush());
  }

  write(bytes: Uint8Array, source: BlockSource | null): void {
    if (!this.#flushing) throw new Error('a write outside of onFlush');
    this.bufferedBytes += bytes.length;
    this.#held.push({ bytes, source });
    if (this.#options.holdWrites !== true) this.#turns.later(() => this.take(1));
  }

  /** The network takes the oldest writes. */
  take(count: number): void {
    const taken = this.#held.splice(0, count);
    if (taken.length === 0) return;
    for (const { bytes, source } of taken) {
      this.bufferedBytes -= bytes.length;
      const copy = bytes.slice();
      this.written.push(copy.slice());
      source?.release();
      // The network has the bytes: whoever reuses their memory too early would show here.
      for (const chunk of this.#options.cut?.(copy) ?? [copy])
        this.#turns.later(() => this.peer.#arrive(chunk));
    }
    this.#sink?.onDrained();
  }

  pauseReading(): void {
    this.#paused = true;
  }

  resumeReading(): void {
    this.#paused = false;
    this.#turns.later(() => this.#deliver());
  }

  /** Bytes from nowhere, for tests that play the other end by hand. */
  inject(bytes: Uint8Array): void {
    this.#sink?.onData(bytes);
  }

  close(graceful: boolean): void {
    if (this.#closed) return;
    if (graceful) this.#flush();
    this.#closed = true;
    this.#turns.later(() => {
      const held = this.#held.splice(0);
      for (const { bytes, source } of held) {
        if (graceful) this.#turns.later(() => this.peer.#arrive(bytes.slice()));
        source?.release();
      }
      this.bufferedBytes = 0;
      this.#turns.later(() => this.peer.#end());
      this.#sink?.onClosed();
      this.#sink = null;
    });
  }

  #flush(): void {
    if (this.#closed) return;
    this.#flushAsked = false;
    this.#flushing = true;
    this.#sink?.onFlush();
    this.#flushing = false;
  }

  #arrive(chunk: Uint8Array): void {
    this.#arrived.push(chunk);
    this.#deliver();
  }

  #deliver(): void {
    while (!this.#paused && !this.#closed && this.#arrived.length > 0) {
      const chunk = this.#arrived.shift()!;
      this.#sink?.onData(chunk);
      chunk.fill(0xee); // The stream reuses its chunks: whoever keeps one sees this.
    }
  }

  #end(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const { source } of this.#held.splice(0)) source?.release();
    this.bufferedBytes = 0;
    this.#sink?.onEnd('closed-by-peer');
    this.#sink = null;
  }
}

export interface MemoryPair {
  readonly turns: Turns;
  readonly dialer: MemoryStream;
  readonly listener: MemoryStream;
}

export function memoryPair(options: PairOptions = {}): MemoryPair {
  const turns = new Turns();
  const dialer = new MemoryStream(turns, { host: '10.0.0.2', port: 6881 }, false, options);
  const listener = new MemoryStream(turns, { host: '10.0.0.1', port: 50_000 }, true, options);
  dialer.peer = listener;
  listener.peer = dialer;
  return { turns, dialer, listener };
}
