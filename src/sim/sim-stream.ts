import type { Cancel } from '../ports.ts';
import type { PeerAddress } from '../util/ip.ts';
import { Rng } from '../util/rng.ts';
import type { BlockSource, ByteStream, ByteStreamSink } from '../wire/link.ts';
import { Flow, type FlowReceiver, type FlowSender, type Parcel } from './flow.ts';
import type { SimNetwork } from './network.ts';
import type { OpenHandle, SimProcess } from './sim-host.ts';

/** What was written may still take so long to leave after a graceful close; as with real sockets. */
const LINGER_MS = 2000;
/** Chunks are of any size up to this, which is more than a block with its header. */
const CHUNK_BYTES_MAX = 20_000;
/** Every so many chunks one of a few bytes, which cuts through the head of a message. */
const TINY_EVERY = 4;
const TINY_BYTES_MAX = 20;
/** What a chunk is overwritten with once it was read: whoever kept it finds this. */
const STALE = 0xdb;
/** In the trace, beside the ids of messages. */
const CHUNK = 40;

/** Some bytes on their way, or the end of the stream. */
class Chunk implements Parcel<Chunk> {
  readonly bytes: number;
  readonly data: Uint8Array | null;
  /** What the bytes up to here were taken from. */
  sources: readonly BlockSource[] = [];
  next: Chunk | null = null;

  /** @param data Null for the end. */
  constructor(data: Uint8Array | null) {
    this.data = data;
    this.bytes = data?.length ?? 0;
  }
}

/**
 * One end of a simulated connection, at the level of bytes: what the real encoder writes reaches the real decoder after
 * the time it takes, cut into chunks where chance wants it.
 */
export class SimStream implements ByteStream, FlowSender<Chunk>, FlowReceiver<Chunk>, OpenHandle {
  readonly kind = 'sim';
  readonly remote: PeerAddress;
  readonly inbound: boolean;
  readonly #network: SimNetwork;
  readonly #process: SimProcess;
  readonly #id: number;
  readonly #rng: Rng;
  #out!: Flow<Chunk>;
  #in!: Flow<Chunk>;
  #sink: ByteStreamSink | null = null;
  /** open → closed (by us; what was written may still leave) → gone (nothing is called any more). */
  #state: 'open' | 'closed' | 'gone' = 'open';
  #isFlushAsked = false;
  #parts: Uint8Array[] = [];
  #sources: BlockSource[] = [];
  #isPaused = false;
  /** Chunks that came while reading was paused. */
  #held: Chunk[] = [];
  #linger: Cancel | null = null;

  private constructor(network: SimNetwork, process: SimProcess, remote: PeerAddress, inbound: boolean) {
    this.#network = network;
    this.#process = process;
    this.#id = network.nextLinkId();
    this.#rng = new Rng(this.#id).fork('chunks');
    this.remote = remote;
    this.inbound = inbound;
    process.opened(this);
  }

  /** Both ends of a new connection. */
  static connect(network: SimNetwork, from: SimProcess, to: SimProcess): { near: SimStream; far: SimStream } {
    const near = new SimStream(network, from, to.host.address, false);
    const far = new SimStream(network, to, from.host.nextSource(), true);
    near.#out = far.#in = flow(near, far);
    near.#in = far.#out = flow(far, near);
    // The caller's end exists once the answer is back, whatever becomes of the path in between.
    far.#out.lastByteMs = network.clock.now() + far.#out.path.latencyMs;
    return { near, far };

    function flow(sender: SimStream, receiver: SimStream): Flow<Chunk> {
      const a = sender.#process.host;
      const b = receiver.#process.host;
      return new Flow<Chunk>(a.uplink, b.downlink, a.pathTo(b), { sender, receiver }, network.windowBytes);
    }
  }

  get bufferedBytes(): number {
    return this.#out.queuedBytes;
  }

  attach(sink: ByteStreamSink): void {
    this.#sink = sink;
  }

  requestFlush(): void {
    if (this.#isFlushAsked || this.#state !== 'open') return;
    this.#isFlushAsked = true;
    this.#network.clock.soon(() => this.#flush());
  }

  write(bytes: Uint8Array, source: BlockSource | null): void {
    this.#parts.push(bytes);
    if (source !== null) this.#sources.push(source);
  }

  pauseReading(): void {
    if (this.#state === 'open') this.#isPaused = true;
  }

  resumeReading(): void {
    this.#network.clock.soon(() => {
      if (this.#state !== 'open') return;
      this.#isPaused = false;
      const held = this.#held;
      this.#held = [];
      for (const chunk of held) this.#take(chunk);
      if (!this.#isPaused) this.#in.resume();
    });
  }

  close(graceful: boolean): void {
    if (this.#state !== 'open') return;
    this.#state = 'closed';
    this.#in.resume(); // What still comes is dropped, so nothing need wait.
    const { clock } = this.#network;
    if (graceful) {
      clock.soon(() => {
        if (this.#isFlushAsked) this.#flush();
        this.#out.send(new Chunk(null));
      });
      this.#linger = clock.at(clock.now() + LINGER_MS, () => this.#end());
    } else {
      clock.soon(() => this.#end());
    }
  }

  /** The process is gone. The other end hears that the connection was closed. */
  abandon(): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#sink = null;
    this.#out.clear(() => undefined);
    this.#out.send(new Chunk(null));
  }

  // What the network says

  onTaken(first: Chunk): void {
    if (!this.#process.isRunning || this.#state === 'gone') return;
    let isLast = false;
    for (let chunk: Chunk | null = first; chunk !== null; chunk = chunk.next) {
      for (const source of chunk.sources) source.release();
      if (chunk.data === null) isLast = true;
    }
    if (isLast) this.#network.clock.soon(() => this.#finish());
    else this.#sink?.onDrained();
  }

  onParcels(first: Chunk): void {
    if (!this.#process.isRunning) return;
    for (let chunk: Chunk | null = first; chunk !== null; chunk = chunk.next) this.#take(chunk);
    if (this.#isPaused) this.#in.pause();
  }

  #take(chunk: Chunk): void {
    if (this.#isPaused && this.#state === 'open') {
      this.#held.push(chunk);
      return;
    }
    const { data } = chunk;
    if (data === null) {
      this.#onEnd();
      return;
    }
    if (this.#state !== 'open') return;
    this.#network.trace.note(this.#network.clock.now(), CHUNK, this.#id, data.length, data[0]!, data.at(-1)!);
    this.#sink?.onData(data);
    data.fill(STALE);
  }

  #flush(): void {
    this.#isFlushAsked = false;
    if (this.#state === 'gone' || !this.#process.isRunning) return;
    this.#sink?.onFlush();
    const bytes = joined(this.#parts);
    const sources = this.#sources;
    this.#parts = [];
    this.#sources = [];
    for (let begin = 0; begin < bytes.length;) {
      const end = Math.min(bytes.length, begin + this.#chunkBytes());
      const chunk = new Chunk(bytes.subarray(begin, end));
      if (end === bytes.length) chunk.sources = sources;
      this.#out.send(chunk);
      begin = end;
    }
  }

  #chunkBytes(): number {
    const max = this.#rng.below(TINY_EVERY) === 0 ? TINY_BYTES_MAX : CHUNK_BYTES_MAX;
    return 1 + this.#rng.below(max);
  }

  /** The other end has closed. Nobody in this protocol closes one direction only. */
  #onEnd(): void {
    const wasOpen = this.#state === 'open';
    this.#state = this.#state === 'gone' ? 'gone' : 'closed';
    this.#release();
    if (wasOpen) this.#finish('closed-by-peer');
    else this.#finish();
  }

  /** What has not left does not leave any more. */
  #end(): void {
    if (this.#state === 'gone') return;
    this.#release();
    this.#out.send(new Chunk(null));
    this.#finish();
  }

  #release(): void {
    const { isRunning } = this.#process;
    this.#out.clear(({ sources }) => {
      if (isRunning) for (const source of sources) source.release();
    });
  }

  #finish(endReason: 'closed-by-peer' | null = null): void {
    if (this.#state === 'gone') return;
    this.#state = 'gone';
    this.#linger?.cancel();
    this.#process.closed(this);
    const sink = this.#sink;
    this.#sink = null;
    this.#held = [];
    this.#in.resume();
    if (!this.#process.isRunning) return;
    if (endReason === null) sink?.onClosed();
    else sink?.onEnd(endReason);
  }
}

/** A copy: what was written may be used again as soon as it is gone. */
function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}
