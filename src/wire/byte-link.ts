import { assert } from '../util/assert.ts';
import type { PeerAddress } from '../util/ip.ts';
import { Decoder } from './decoder.ts';
import {
  writeBare,
  writeBitfield,
  writeBlockName,
  writeExtended,
  writeHandshake,
  writeKeepAlive,
  writePiece,
  writePieceIndex,
  writePort,
} from './encoder.ts';
import { Feature, hasFeature } from './handshake.ts';
import {
  PeerError,
  SEND_HIGH_WATER,
  SEND_LOW_WATER,
  type BlockSource,
  type ByteStream,
  type ByteStreamSink,
  type DisconnectReason,
  type Handshake,
  type LinkEncryption,
  type LinkKind,
  type LinkSink,
  type PeerLink,
} from './link.ts';
import { MessageId } from './message.ts';
import { OutBuffer } from './out-buffer.ts';

/**
 * The byte-level link: the peer wire protocol over any stream of bytes.
 *
 *     stream ──onData──> decoder ──on…──> sink
 *     engine ──have()──> out-buffer ──onFlush──> stream
 *
 * Here is the one place where a peer's fault is caught (`onData`), as are bugs of ours that its messages bring to light,
 * and the one place that says how a link ends: a
 * reason is fixed by the first of `close`, a `PeerError` and the stream's end; what was batched goes out only if we
 * leave in peace; `onClosed` is the last call and comes from the stream, thus in a later turn.
 *
 * Encryption does not show here: an encrypted connection is a `ByteStream` around a `ByteStream` (`mse/mse-stream.ts`),
 * which deciphers chunks in place on their way in and copies what it enciphers on its way out.
 */
export class ByteLink implements PeerLink, ByteStreamSink {
  readonly kind: LinkKind;
  readonly remote: PeerAddress;
  readonly inbound: boolean;

  readonly #stream: ByteStream;
  readonly #out = new OutBuffer();
  readonly #decoder = new Decoder();
  #sink: LinkSink | null = null;
  #receivedBytes = 0;
  #writtenBytes = 0;
  /** What was said leaves with this turn; what may wait does not count as queued until then. */
  #flushAsked = false;
  /** `queuedBytes` has been above the high-water mark, and not yet down at the low one. */
  #congested = false;
  #reason: DisconnectReason | null = null;

  constructor(stream: ByteStream) {
    this.kind = stream.kind;
    this.remote = stream.remote;
    this.inbound = stream.inbound;
    this.#stream = stream;
    stream.attach(this);
  }

  get queuedBytes(): number {
    return (this.#flushAsked ? this.#out.queuedBytes : 0) + this.#stream.bufferedBytes;
  }

  get encryption(): LinkEncryption {
    return this.#stream.encryption ?? 'none';
  }

  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  get sentBytes(): number {
    return this.#writtenBytes - this.#stream.bufferedBytes;
  }

  attach(sink: LinkSink): void {
    this.#sink = sink;
    this.#decoder.attach(sink);
  }

  // What the engine says

  handshake(handshake: Handshake): void {
    if (!this.#begin()) return;
    assert(this.#writtenBytes + this.#out.queuedBytes === 0, 'the handshake must be the first thing sent');
    this.#decoder.offersFast = hasFeature(handshake.reserved, Feature.fast);
    writeHandshake(this.#out, handshake);
  }

  keepAlive(): void {
    if (this.#begin()) writeKeepAlive(this.#out);
  }

  choke(): void {
    if (this.#begin()) writeBare(this.#out, MessageId.choke);
  }

  unchoke(): void {
    if (this.#begin()) writeBare(this.#out, MessageId.unchoke);
  }

  interested(): void {
    if (this.#begin()) writeBare(this.#out, MessageId.interested);
  }

  notInterested(): void {
    if (this.#begin()) writeBare(this.#out, MessageId.notInterested);
  }

  have(piece: number, mayWait = false): void {
    if (mayWait ? this.#reason === null : this.#begin()) writePieceIndex(this.#out, MessageId.have, piece);
  }

  flush(): void {
    if (this.#out.queuedBytes > 0) this.#begin();
  }

  bitfield(bytes: Uint8Array): void {
    if (this.#begin()) writeBitfield(this.#out, bytes);
  }

  haveAll(): void {
    if (this.#begin()) writeBare(this.#out, MessageId.haveAll);
  }

  haveNone(): void {
    if (this.#begin()) writeBare(this.#out, MessageId.haveNone);
  }

  request(piece: number, begin: number, length: number): void {
    if (this.#begin()) writeBlockName(this.#out, MessageId.request, piece, begin, length);
  }

  cancel(piece: number, begin: number, length: number): void {
    if (this.#begin()) writeBlockName(this.#out, MessageId.cancel, piece, begin, length);
  }

  reject(piece: number, begin: number, length: number): void {
    if (this.#begin()) writeBlockName(this.#out, MessageId.reject, piece, begin, length);
  }

  suggest(piece: number): void {
    if (this.#begin()) writePieceIndex(this.#out, MessageId.suggest, piece);
  }

  allowedFast(piece: number): void {
    if (this.#begin()) writePieceIndex(this.#out, MessageId.allowedFast, piece);
  }

  port(port: number): void {
    if (this.#begin()) writePort(this.#out, port);
  }

  extended(id: number, payload: Uint8Array): void {
    if (this.#begin()) writeExtended(this.#out, id, payload);
  }

  piece(piece: number, begin: number, block: Uint8Array, source: BlockSource | null): void {
    if (!this.#begin()) {
      source?.release();
      return;
    }
    writePiece(this.#out, piece, begin, block, source);
    if (this.queuedBytes > SEND_HIGH_WATER) this.#congested = true;
  }

  expectBitfield(lengthBytes: number): void {
    this.#decoder.expectBitfield(lengthBytes);
  }

  discardBlock(): void {
    this.#decoder.discardBlock();
  }

  pauseReading(): void {
    this.#stream.pauseReading();
  }

  resumeReading(): void {
    this.#stream.resumeReading();
  }

  limitReads(bytesMax: number): void {
    this.#stream.limitReads?.(bytesMax);
  }

  close(reason: DisconnectReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    this.#decoder.stop();
    const saidSomething = this.#writtenBytes + this.#out.queuedBytes > 0;
    this.#stream.close(saidSomething && isPeaceful(reason));
  }

  // What the stream says

  onData(chunk: Uint8Array): void {
    if (this.#reason !== null) return;
    assert(this.#sink !== null, 'a link without a sink received data');
    this.#receivedBytes += chunk.length;
    try {
      this.#decoder.receive(chunk);
      if (!this.#decoder.isStopped) this.#sink.onBatchEnd();
    } catch (error) {
      if (error instanceof PeerError) this.close(error.reason);
      else this.#onBug(this.#sink, error);
    }
  }

  onFlush(): void {
    this.#flushAsked = false;
    this.#writtenBytes += this.#out.queuedBytes;
    this.#out.flushTo(this.#stream);
  }

  onDrained(): void {
    if (this.#stream.bufferedBytes === 0) this.#out.onAllSent();
    if (this.#reason !== null) return;
    const queuedBytes = this.queuedBytes;
    if (queuedBytes === 0 || (this.#congested && queuedBytes <= SEND_LOW_WATER)) {
      this.#congested = false;
      try {
        this.#sink?.onWritable();
      } catch (error) {
        this.#onBug(this.#sink, error);
      }
    }
  }

  onEnd(reason: DisconnectReason): void {
    this.#reason ??= reason;
    this.onClosed();
  }

  onClosed(): void {
    this.#decoder.stop();
    this.#out.clear();
    const sink = this.#sink;
    this.#sink = null;
    try {
      sink?.onClosed(this.#reason ?? 'connection-error');
    } catch (error) {
      this.#onBug(sink, error);
    }
  }

  /** Our own fault: it must end neither other connections nor the process. */
  #onBug(sink: LinkSink | null, error: unknown): void {
    this.close('torrent-stopped');
    if (!sink?.onBug) throw error;
    sink.onBug(error);
  }

  /** True if there still is a peer to speak to; what is said leaves at the end of the turn. */
  #begin(): boolean {
    if (this.#reason !== null) return false;
    this.#flushAsked = true;
    this.#stream.requestFlush();
    return true;
  }
}

/** We leave without a complaint, so what we said before still counts. */
export function isPeaceful(reason: DisconnectReason): boolean {
  switch (reason) {
    case 'both-seeds':
    case 'uninteresting':
    case 'self-connection': // The other end of the line is us, and learns from our handshake whom it dialled.
    case 'torrent-stopped':
    case 'shutdown':
      return true;
    default:
      return false;
  }
}
