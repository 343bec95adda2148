import { concatBytes } from '../../util/bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { PROTOCOL_HEADER } from '../handshake.ts';
import {
  PeerError,
  type BlockSource,
  type ByteStream,
  type ByteStreamSink,
  type DisconnectReason,
  type LinkEncryption,
  type LinkKind,
} from '../link.ts';
import {
  INITIAL_MAX,
  Initiator,
  Responder,
  type Agreement,
  type InboundEncryption,
  type MseTools,
  type OutboundEncryption,
} from './negotiation.ts';
import type { Rc4 } from './rc4.ts';

/**
 * A stream around a stream, which may be enciphered: what is on top hears and says plain bytes in any case. A peer that
 * dialled us begins with a plain handshake or an encrypted one; one that we dial gets an encrypted one.
 *
 *     dialled us: opening ──the name of the protocol──────────────────────────────> plain
 *                    └──anything else──┐
 *     we dial: ───────────────────> negotiating ──agreed──> answering ──sent──> plain
 *                                      │                        └──────sent──> enciphered
 *                                      └──cannot be a handshake──> refused
 *
 * A plain stream costs nothing: the sink is handed to the stream below, which from then on calls it directly. An
 * enciphered one is deciphered in place on its way in, and copied on its way out, since blocks are shared memory.
 *
 * Any byte may begin a key, so a stray HTTP request is not told from one by its look. It ends with the deadline of the
 * handshake, or as soon as it is longer than a key and its padding can be.
 *
 * To a peer that we dial the sink's own handshake goes inside of the encrypted one, which saves a round trip.
 */
const State = { opening: 0, negotiating: 1, answering: 2, plain: 3, enciphered: 4, refused: 5 } as const;
type State = (typeof State)[keyof typeof State];

const NONE = new Uint8Array(0);

/** A part of our handshake. */
interface Answer {
  readonly bytes: Uint8Array;
  /** How many of them are the sink's own. */
  readonly ofSink: number;
}

export class MseStream implements ByteStream, ByteStreamSink {
  readonly kind: LinkKind;
  readonly remote: PeerAddress;
  readonly inbound: boolean;

  readonly #inner: ByteStream;
  readonly #tools: MseTools;
  /** Null for a peer that we dial. */
  readonly #policy: InboundEncryption | null;
  #sink!: ByteStreamSink;
  #state: State;
  #closed = false;
  /** How many bytes have come that are the beginning of `PROTOCOL_HEADER`. */
  #matched = 0;
  #machine: Responder | Initiator | null = null;
  #agreement: Agreement | null = null;
  #outgoing: Rc4 | null = null;
  /** The sink may have something to say that must wait for the first bytes of the peer. */
  #flushHeld = false;
  /** What the sink of a peer that we dial says before we agreed; the beginning goes with the handshake. */
  #early: Uint8Array = NONE;
  #takesEarly: boolean;
  /** Bytes of the sink that the stream below does not have yet. */
  #heldBytes = 0;
  /** Parts of our handshake that wait for the flush. */
  #answers: Answer[] = [];
  /** Bytes of our handshake that the stream below holds: not the sink's, so not counted to it. */
  #answerBytes = 0;
  #refusal: DisconnectReason = 'bad-handshake';

  private constructor(inner: ByteStream, tools: MseTools, policy: InboundEncryption | null) {
    this.kind = inner.kind;
    this.remote = inner.remote;
    this.inbound = inner.inbound;
    this.#inner = inner;
    this.#tools = tools;
    this.#policy = policy;
    this.#state = policy === null ? State.negotiating : State.opening;
    this.#takesEarly = policy === null;
    inner.attach(this);
  }

  /** For a peer that dialled us. */
  static accept(inner: ByteStream, tools: MseTools, policy: InboundEncryption): MseStream {
    return new MseStream(inner, tools, policy);
  }

  /** For a peer that we dialled: begins the encrypted handshake. */
  static dial(inner: ByteStream, tools: MseTools, offer: OutboundEncryption): MseStream {
    const stream = new MseStream(inner, tools, null);
    const initial = (): Uint8Array => stream.#takeInitial();
    stream.#attempt(() => {
      stream.#machine = new Initiator(tools, offer, initial, (bytes, ofInitial) =>
        stream.#answer(bytes, ofInitial),
      );
    });
    return stream;
  }

  // What the link says

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes - this.#answerBytes + this.#heldBytes;
  }

  get encryption(): LinkEncryption {
    if (this.#agreement === null) return 'none';
    return this.#agreement.outgoing === null ? 'handshake' : 'rc4';
  }

  attach(sink: ByteStreamSink): void {
    this.#sink = sink;
    if (this.#state === State.plain) this.#inner.attach(sink);
  }

  requestFlush(): void {
    this.#inner.requestFlush();
  }

  write(bytes: Uint8Array, source: BlockSource | null): void {
    if (this.#outgoing === null && !this.#takesEarly) {
      this.#inner.write(bytes, source);
      return;
    }
    const copy = bytes.slice();
    source?.release();
    if (this.#outgoing === null) {
      this.#early = concatBytes([this.#early, copy]);
      this.#heldBytes += copy.length;
    } else {
      this.#outgoing.apply(copy);
      this.#inner.write(copy, null);
    }
  }

  pauseReading(): void {
    this.#inner.pauseReading();
  }

  resumeReading(): void {
    this.#inner.resumeReading();
  }

  limitReads(bytesMax: number): void {
    this.#inner.limitReads?.(bytesMax);
  }

  close(graceful: boolean): void {
    this.#closed = true;
    this.#leave();
    this.#inner.close(graceful);
  }

  // What the stream below says

  onData(chunk: Uint8Array): void {
    if (this.#closed) return;
    switch (this.#state) {
      case State.opening:
        this.#onOpening(chunk);
        break;
      case State.negotiating:
        this.#negotiate(chunk);
        break;
      case State.answering:
      case State.plain:
      case State.enciphered:
        this.#agreement?.incoming?.apply(chunk);
        this.#sink.onData(chunk);
        break;
      case State.refused:
        break;
    }
  }

  onFlush(): void {
    for (const { bytes, ofSink } of this.#answers.splice(0)) {
      const own = bytes.length - ofSink;
      this.#answerBytes += own;
      this.#heldBytes -= ofSink;
      this.#inner.write(bytes, { release: () => (this.#answerBytes -= own) });
    }
    if (this.#state === State.answering) this.#onAnswered();
    if (this.#state === State.plain || this.#state === State.enciphered || this.#takesEarly)
      this.#sink.onFlush();
    else this.#flushHeld = true;
  }

  onDrained(): void {
    this.#sink.onDrained();
  }

  onEnd(reason: DisconnectReason): void {
    this.#leave();
    this.#sink.onEnd(reason);
  }

  onClosed(): void {
    if (this.#state === State.refused) this.#sink.onEnd(this.#refusal);
    else this.#sink.onClosed();
  }

  #onOpening(chunk: Uint8Array): void {
    const before = this.#matched;
    const count = Math.min(chunk.length, PROTOCOL_HEADER.length - before);
    let i = 0;
    while (i < count && chunk[i] === PROTOCOL_HEADER[before + i]) i++;
    this.#matched += i;
    if (i < count) {
      this.#state = State.negotiating;
      // The turn of the key exchange is one of its own.
      const pace: MseTools['pace'] = (exchange) => this.#tools.pace(() => this.#attempt(exchange) ?? true);
      const tools = { ...this.#tools, pace };
      this.#machine = new Responder(tools, this.#policy!, (bytes) => this.#answer(bytes, 0));
      this.#negotiate(PROTOCOL_HEADER.subarray(0, before));
      this.#negotiate(chunk);
    } else if (this.#matched === PROTOCOL_HEADER.length) {
      if (this.#policy!.required) this.#refuse('bad-handshake');
      else this.#goOnInPlain(chunk, before);
    }
  }

  #goOnInPlain(chunk: Uint8Array, before: number): void {
    this.#state = State.plain;
    this.#inner.attach(this.#sink);
    if (this.#flushHeld) this.#inner.requestFlush();
    // What came before was held back, and is known by heart.
    if (before > 0) this.#sink.onData(PROTOCOL_HEADER.subarray(0, before));
    this.#sink.onData(chunk);
  }

  #negotiate(chunk: Uint8Array): void {
    const machine = this.#machine;
    // Refused before.
    if (machine === null) return;
    const used = this.#attempt(() => machine.receive(chunk));
    const { agreement } = machine;
    if (used === null || agreement === null) return;
    this.#machine = null;
    this.#agreement = agreement;
    this.#state = State.answering;
    this.#inner.requestFlush();
    if (agreement.initial.length > 0) this.#sink.onData(agreement.initial);
    if (used < chunk.length) this.onData(chunk.subarray(used));
  }

  /**
   * A step of the handshake. What the peer does wrong ends the connection, and so does a bug of ours: nobody else has to do
   * with it. Null after either.
   */
  #attempt<T>(step: () => T): T | null {
    try {
      return step();
    } catch (error) {
      if (error instanceof PeerError) {
        this.#refuse(error.reason);
        return null;
      }
      this.#refuse('connection-error');
      if (!this.#tools.onBug) throw error;
      this.#tools.onBug(error);
      return null;
    }
  }

  /** What the sink says from here on has to wait until we know whether to encipher it. */
  #takeInitial(): Uint8Array {
    const initial = this.#early.subarray(0, INITIAL_MAX);
    this.#early = this.#early.subarray(INITIAL_MAX);
    this.#takesEarly = false;
    return initial;
  }

  #answer(bytes: Uint8Array, ofSink: number): void {
    this.#answers.push({ bytes, ofSink });
    this.#inner.requestFlush();
  }

  /** Our half of the handshake is with the stream below, so what the sink says may follow. */
  #onAnswered(): void {
    this.#outgoing = this.#agreement!.outgoing;
    this.#state = this.#outgoing === null ? State.plain : State.enciphered;
    const early = this.#early;
    this.#early = NONE;
    this.#heldBytes -= early.length;
    if (early.length > 0) this.write(early, null);
    if (this.#outgoing === null) this.#inner.attach(this.#sink);
  }

  #refuse(reason: DisconnectReason): void {
    this.#state = State.refused;
    this.#refusal = reason;
    this.#leave();
    this.#inner.close(false);
  }

  /** Nobody is to be answered any more. */
  #leave(): void {
    if (this.#machine instanceof Responder) this.#machine.cancel();
    this.#machine = null;
    this.#answers = [];
    this.#takesEarly = false;
  }
}
