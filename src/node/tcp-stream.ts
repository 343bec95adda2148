import type { Socket } from 'node:net';
import type { Cancel, Clock } from '../ports.ts';
import { assert } from '../util/assert.ts';
import type { PeerAddress } from '../util/ip.ts';
import { HANDSHAKE_LENGTH } from '../wire/message.ts';
import type { BlockSource, ByteStream, ByteStreamSink } from '../wire/link.ts';

/**
 * A TCP socket as a `ByteStream`.
 *
 * In: one receive buffer serves all sockets of the thread, since a sink uses a chunk up before it returns. Node fills it
 * without allocating (`onread`); where that cannot be had, chunks come as 'data' events.
 *
 * Out: everything written in a turn is corked, so that it leaves in one gathered write, small messages and blocks side
 * by side and not copied. Node has one write under way per socket and gathers what comes meanwhile.
 *
 *     open ──close(false)──────────────────────> destroyed ──'close'──> sources released, onClosed or onEnd
 *       ├──close(true)──> lingering ──flushed and ended, or LINGER_MS──┘
 *       └──'end', 'error' ─────────────────────────┘
 */

/** How long what was written may still take to leave after a graceful close. Ctrl-C must be done within 3 s. */
const LINGER_MS = 2_000;

/** Sockets that may linger at once: all connections of a client with default limits, and no more for a flood. */
export const LINGERING_MAX = 256;

/**
 * After so much in one turn of the event loop, sockets are read once each. libuv would go on with a socket up to 32 times
 * while reads fill their buffer, and then with the next: one turn in a hundred took 20 ms, with four seeders 47, now 6 and 18.
 */
const TURN_BYTES_MAX = 1_048_576;

const NO_BUFFER = new Uint8Array(0);

/** What all streams of a transport share. */
export class TcpCommons {
  readonly clock: Clock;
  #lingering = 0;
  /** Read in this turn by reads that filled their buffer. */
  #turnBytes = 0;
  /** Sockets that go on in the next turn. */
  #resting: TcpStream[] = [];

  constructor(clock: Clock) {
    this.clock = clock;
  }

  /** False if too many linger already. */
  beginLinger(): boolean {
    if (this.#lingering >= LINGERING_MAX) return false;
    this.#lingering++;
    return true;
  }

  endLinger(): void {
    this.#lingering--;
  }

  /** A read filled its buffer. May the socket be read on in this turn? If not, it is woken in the next. */
  mayReadOn(stream: TcpStream, bytes: number): boolean {
    if (this.#turnBytes === 0) setImmediate(this.#onTurnEnd);
    this.#turnBytes += bytes;
    if (this.#turnBytes < TURN_BYTES_MAX) return true;
    this.#resting.push(stream);
    return false;
  }

  readonly #onTurnEnd = (): void => {
    this.#turnBytes = 0;
    for (const stream of this.#resting.splice(0)) stream.endRest();
  };
}

/** What Node wants to fill a buffer of ours. It asks for the buffer of the next read after each read. */
export interface OnRead {
  readonly buffer: () => Uint8Array;
  readonly callback: (length: number, buffer: Uint8Array) => boolean;
}

/** What one flush gave to the socket. */
interface Batch {
  readonly bytes: number;
  readonly sources: readonly BlockSource[];
}

export class TcpStream implements ByteStream {
  readonly kind = 'tcp';
  readonly remote: PeerAddress;
  readonly inbound: boolean;
  /** Called once, when an inbound peer has sent as much as a handshake, or is gone. */
  onSettled: (() => void) | null = null;
  /** Called once, when the socket is closed. */
  onGone: (() => void) | null = null;

  readonly #commons: TcpCommons;
  #socket: Socket | null = null;
  #sink: ByteStreamSink | null = null;
  #unsettledBytes = HANDSHAKE_LENGTH;
  #flushAsked = false;
  /** Closed by us. */
  #closed = false;
  #endReason: 'closed-by-peer' | 'connection-error' = 'connection-error';
  #linger: Cancel | null = null;

  #buffer: Uint8Array = NO_BUFFER;
  /** What is filled next. */
  #nextRead: Uint8Array = NO_BUFFER;
  /** By the engine. */
  #isPaused = false;
  #parts: Uint8Array[] = [];
  #partSources: BlockSource[] = [];
  #partBytes = 0;
  #batches: Batch[] = [];
  #bufferedBytes = 0;

  constructor(remote: PeerAddress, inbound: boolean, commons: TcpCommons) {
    this.remote = remote;
    this.inbound = inbound;
    this.#commons = commons;
  }

  get bufferedBytes(): number {
    return this.#bufferedBytes;
  }

  /** What to give a new socket as `onread`, so that it reads into `buffer`. */
  onRead(buffer: Uint8Array): OnRead {
    this.#buffer = buffer;
    this.#nextRead = buffer;
    return {
      buffer: () => this.#nextRead,
      callback: (length, filled) => {
        const isFull = length === filled.length;
        this.#receive(isFull ? filled : filled.subarray(0, length));
        return !isFull || this.#closed || this.#commons.mayReadOn(this, length);
      },
    };
  }

  /** The socket, connected or on its way. From here on no event of it goes unheard. */
  adopt(socket: Socket, readsIntoBuffer: boolean): void {
    this.#socket = socket;
    socket.on('error', (error: NodeJS.ErrnoException) => this.#onError(error));
    socket.on('end', () => this.#onEnd());
    socket.on('close', () => this.#onClose());
    if (!readsIntoBuffer) {
      // As a plain Uint8Array, so that the decoder meets one kind of array only.
      socket.on('data', (data: Buffer) =>
        this.#receive(new Uint8Array(data.buffer, data.byteOffset, data.length)),
      );
    }
  }

  attach(sink: ByteStreamSink): void {
    this.#sink = sink;
  }

  requestFlush(): void {
    if (this.#flushAsked || this.#closed) return;
    this.#flushAsked = true;
    process.nextTick(flush, this);
  }

  write(bytes: Uint8Array, source: BlockSource | null): void {
    assert(this.#socket!.writableCorked > 0, 'a write outside of onFlush');
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
    this.#bufferedBytes += bytes.length;
    if (source !== null) this.#partSources.push(source);
  }

  pauseReading(): void {
    this.#isPaused = true;
    if (!this.#closed) this.#socket?.pause();
  }

  resumeReading(): void {
    this.#isPaused = false;
    if (!this.#closed) this.#socket?.resume();
  }

  /** @internal The next turn has come. */
  endRest(): void {
    if (!this.#isPaused && !this.#closed) this.#socket!.resume();
  }

  /** Sockets that do not read into our buffer read 64 KiB at a time whatever we say. */
  limitReads(bytesMax: number): void {
    this.#nextRead = this.#buffer.subarray(0, Math.min(bytesMax, this.#buffer.length));
  }

  close(graceful: boolean): void {
    if (this.#closed) return;
    this.#closed = true;
    const socket = this.#socket!;
    if (!graceful || socket.destroyed || !this.#commons.beginLinger()) {
      socket.destroy();
      return;
    }
    // What was batched is flushed at the end of the turn as always, then the socket is ended. Bytes that still come in
    // are read and dropped: closing on unread bytes would make the system throw away what it has yet to send.
    socket.resume();
    if (!this.#flushAsked) process.nextTick(flush, this);
    this.#flushAsked = true;
    const { clock } = this.#commons;
    this.#linger = clock.at(clock.now() + LINGER_MS, () => socket.destroy());
  }

  /** Closes the socket at once, whatever its state. */
  destroy(): void {
    this.#socket?.destroy();
  }

  /** @internal Hands what was batched in this turn to the socket. */
  flush(): void {
    const socket = this.#socket!;
    this.#flushAsked = false;
    if (socket.destroyed) return;
    socket.cork();
    this.#sink?.onFlush();
    this.#writeParts(socket);
    socket.uncork();
    if (this.#closed) socket.end();
  }

  #writeParts(socket: Socket): void {
    const parts = this.#parts;
    if (parts.length === 0) return;
    this.#batches.push({ bytes: this.#partBytes, sources: this.#partSources });
    const last = parts.length - 1;
    for (let i = 0; i < last; i++) socket.write(parts[i]!);
    socket.write(parts[last]!, this.#onWritten);
    parts.length = 0;
    this.#partBytes = 0;
    if (this.#partSources.length > 0) this.#partSources = [];
  }

  readonly #onWritten = (error?: Error | null): void => {
    const batch = error ? undefined : this.#batches.shift();
    if (batch === undefined) return; // The socket is closing, and 'close' releases what is left.
    this.#release(batch);
    this.#sink?.onDrained();
  };

  #release(batch: Batch): void {
    this.#bufferedBytes -= batch.bytes;
    for (const source of batch.sources) source.release();
  }

  #receive(chunk: Uint8Array): void {
    if (this.#closed) return;
    if (this.#unsettledBytes > 0) {
      this.#unsettledBytes -= chunk.length;
      if (this.#unsettledBytes <= 0) this.#settle();
    }
    this.#sink?.onData(chunk);
  }

  #settle(): void {
    const onSettled = this.onSettled;
    this.onSettled = null;
    onSettled?.();
  }

  #onEnd(): void {
    this.#endReason = 'closed-by-peer';
    // Nobody in this protocol closes one direction only. Once we linger, the other end having closed completes it.
    this.#socket!.destroy();
  }

  #onError(error: NodeJS.ErrnoException): void {
    // A peer that closes with our bytes unread shows as a reset.
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') this.#endReason = 'closed-by-peer';
  }

  #onClose(): void {
    if (this.#linger !== null) {
      this.#linger.cancel();
      this.#commons.endLinger();
    }
    this.#settle();
    for (const batch of this.#batches) this.#release(batch);
    this.#batches = [];
    const sink = this.#sink;
    this.#sink = null;
    if (this.#closed) sink?.onClosed();
    else sink?.onEnd(this.#endReason);
    this.#closed = true;
    this.onGone?.();
  }
}

function flush(stream: TcpStream): void {
  stream.flush();
}
