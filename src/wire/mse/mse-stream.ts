import type { PeerAddress } from '../../util/ip.ts';
import { PROTOCOL_HEADER } from '../handshake.ts';
import {
  PeerError,
  type BlockSource,
  type ByteStream,
  type ByteStreamSink,
  type DisconnectReason,
  type LinkKind,
} from '../link.ts';
import { Responder, type Agreement, type MseTools, type ObfuscatedLookup } from './negotiation.ts';
import type { Rc4 } from './rc4.ts';

/**
 * A stream from a peer that dialled us, who may begin with a plain handshake or an encrypted one. What is on top of it
 * hears plain bytes in any case.
 *
 *     opening ──the name of the protocol──────────────────────────────> plain
 *        └──anything else──> negotiating ──agreed──> answering ──sent──> plain
 *                                 │                      └──────sent──> enciphered
 *                                 └──cannot be a handshake──> refused
 *
 * A plain stream costs nothing: the sink is handed to the stream below, which from then on calls it directly. An
 * enciphered one is deciphered in place on its way in, and copied on its way out, since blocks are shared memory.
 *
 * Any byte may begin a key, so a stray HTTP request is not told from one by its look. It ends with the deadline of the
 * handshake, or as soon as it is longer than a key and its padding can be.
 */
const State = { opening: 0, negotiating: 1, answering: 2, plain: 3, enciphered: 4, refused: 5 } as const;
type State = (typeof State)[keyof typeof State];

export class MseStream implements ByteStream, ByteStreamSink {
  readonly kind: LinkKind;
  readonly remote: PeerAddress;
  readonly inbound: boolean;

  readonly #inner: ByteStream;
  readonly #tools: MseTools;
  readonly #lookup: ObfuscatedLookup;
  #sink!: ByteStreamSink;
  #state: State = State.opening;
  #closed = false;
  /** How many bytes have come that are the beginning of `PROTOCOL_HEADER`. */
  #matched = 0;
  #responder: Responder | null = null;
  #agreement: Agreement | null = null;
  #outgoing: Rc4 | null = null;
  /** The sink may have something to say that must wait for the first bytes of the peer. */
  #flushHeld = false;
  /** Parts of our handshake that wait for the flush. */
  #answers: Uint8Array[] = [];
  /** Bytes of our handshake that the stream below holds: not the sink's, so not counted to it. */
  #answerBytes = 0;
  #refusal: DisconnectReason = 'bad-handshake';

  constructor(inner: ByteStream, tools: MseTools, lookup: ObfuscatedLookup) {
    this.kind = inner.kind;
    this.remote = inner.remote;
    this.inbound = inner.inbound;
    this.#inner = inner;
    this.#tools = tools;
    this.#lookup = lookup;
    inner.attach(this);
  }

  // What the link says

  get bufferedBytes(): number {
    return this.#inner.bufferedBytes - this.#answerBytes;
  }

  attach(sink: ByteStreamSink): void {
    this.#sink = sink;
    if (this.#state === State.plain) this.#inner.attach(sink);
  }

  requestFlush(): void {
    this.#inner.requestFlush();
  }

  write(bytes: Uint8Array, source: BlockSource | null): void {
    if (this.#outgoing === null) {
      this.#inner.write(bytes, source);
      return;
    }
    const copy = bytes.slice();
    source?.release();
    this.#outgoing.apply(copy);
    this.#inner.write(copy, null);
  }

  pauseReading(): void {
    this.#inner.pauseReading();
  }

  resumeReading(): void {
    this.#inner.resumeReading();
  }

  close(graceful: boolean): void {
    this.#closed = true;
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
    for (const answer of this.#answers) {
      this.#answerBytes += answer.length;
      this.#inner.write(answer, { release: () => (this.#answerBytes -= answer.length) });
    }
    this.#answers = [];
    if (this.#state === State.answering) this.#onAnswered();
    if (this.#state === State.plain || this.#state === State.enciphered) this.#sink.onFlush();
    else this.#flushHeld = true;
  }

  onDrained(): void {
    this.#sink.onDrained();
  }

  onEnd(reason: DisconnectReason): void {
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
      this.#responder = new Responder(this.#tools, this.#lookup, (bytes) => this.#answer(bytes));
      this.#negotiate(PROTOCOL_HEADER.subarray(0, before));
      this.#negotiate(chunk);
    } else if (this.#matched === PROTOCOL_HEADER.length) {
      this.#state = State.plain;
      this.#inner.attach(this.#sink);
      if (this.#flushHeld) this.#inner.requestFlush();
      // What came before was held back, and is known by heart.
      if (before > 0) this.#sink.onData(PROTOCOL_HEADER.subarray(0, before));
      this.#sink.onData(chunk);
    }
  }

  #negotiate(chunk: Uint8Array): void {
    const responder = this.#responder!;
    let used: number;
    try {
      used = responder.receive(chunk);
    } catch (error) {
      this.#refuse(error);
      return;
    }
    const { agreement } = responder;
    if (agreement === null) return;
    this.#responder = null;
    this.#agreement = agreement;
    this.#state = State.answering;
    if (agreement.initial.length > 0) this.#sink.onData(agreement.initial);
    if (used < chunk.length) this.onData(chunk.subarray(used));
  }

  #answer(bytes: Uint8Array): void {
    this.#answers.push(bytes);
    this.#inner.requestFlush();
  }

  /** Our half of the handshake is with the stream below, so what the sink says may follow. */
  #onAnswered(): void {
    this.#outgoing = this.#agreement!.outgoing;
    if (this.#outgoing !== null) {
      this.#state = State.enciphered;
    } else {
      this.#state = State.plain;
      this.#inner.attach(this.#sink);
    }
  }

  #refuse(error: unknown): void {
    if (!(error instanceof PeerError)) throw error;
    this.#state = State.refused;
    this.#responder = null;
    this.#answers = [];
    this.#refusal = error.reason;
    this.#inner.close(false);
  }
}
