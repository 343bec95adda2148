import { assert } from '../util/assert.ts';
import { readU16, readU32 } from '../util/bytes.ts';
import { copyBytes } from '../util/copy-bytes.ts';
import { Feature, hasFeature, PROTOCOL_HEADER, readHandshake } from './handshake.ts';
import { PeerError, type LinkSink } from './link.ts';
import {
  EXTENDED_LENGTH_MAX,
  HANDSHAKE_LENGTH,
  MESSAGE_LENGTH_MAX,
  MessageId,
  PIECE_COUNT_MAX,
} from './message.ts';

/**
 * Bytes from a peer, in whatever stretches the network cuts them, become calls on a sink.
 *
 *     handshake ──68 bytes──> head <──────────────┐
 *                              │  length and id   │
 *                              ├─ fixed message ──┤  at most 17 bytes, the call follows at once
 *                              ├─ piece ──> block ┤  payload is copied straight to where the sink wants it
 *                              └─ bitfield,       │
 *                                 extended ─> body┘  assembled, if it did not arrive whole
 *
 *     stopped: the link was closed, whatever else arrives is not looked at
 *
 * A chunk is used up before `receive` returns and never kept. What a chunk cuts in two is carried over: up to 16 bytes
 * of a head in a buffer of our own, a block by its target and fill, a body in a buffer that grows with what arrives
 * and never with what is claimed.
 *
 * The sink may stop the decoder or discard the block inside any call. So every call is the last thing a step does
 * with its state, and the loop looks at the state again after it.
 */

export type MessageSink = Omit<LinkSink, 'onBatchEnd' | 'onWritable' | 'onClosed'>;

const State = { handshake: 0, head: 1, block: 2, body: 3, stopped: 4 } as const;
type State = (typeof State)[keyof typeof State];

/** Length prefix and *request*, the longest message that is handled as a whole. */
const HEAD_MAX = 17;

/** The bitfield of the largest torrent there may be. */
const BITFIELD_LENGTH_MAX = Math.ceil(PIECE_COUNT_MAX / 8);

/** First size of a body buffer: most extended messages fit, and a peer that only claims a long one gets no more. */
const BODY_START = 4_096;

export class Decoder {
  #sink!: MessageSink;
  #state: State = State.handshake;

  /** Our own handshake has the fast bit (BEP 6). */
  offersFast = false;
  #peerOffersFast = false;

  readonly #head = new Uint8Array(HEAD_MAX);
  #headLength = 0;

  #piece = 0;
  #begin = 0;
  #blockLength = 0;
  #blockFilled = 0;
  #target: Uint8Array | null = null;
  #discarded = false;

  /** The handshake, then bitfields and extended messages that arrive in parts. */
  #body: Uint8Array | null = null;
  #bodyId = 0;
  #bodyLength = HANDSHAKE_LENGTH;
  #bodyFilled = 0;

  /** Exact length of the torrent's bitfield, or -1 while it is not known. */
  #bitfieldLength = -1;

  get isStopped(): boolean {
    return this.#state === State.stopped;
  }

  /** Who is called from here on: before the first `receive`, and again at any time, also from inside a call. */
  attach(sink: MessageSink): void {
    this.#sink = sink;
  }

  /** From here on a bitfield has exactly this many bytes. */
  expectBitfield(lengthBytes: number): void {
    this.#bitfieldLength = lengthBytes;
  }

  /** No further calls to the sink, and no further writes to its memory. */
  stop(): void {
    this.#state = State.stopped;
    this.#target = null;
    this.#body = null;
  }

  /** Skips the rest of the block being received; there will be no `onBlock` for it. */
  discardBlock(): void {
    if (this.#state !== State.block) return;
    this.#target = null;
    this.#discarded = true;
  }

  /**
   * Works off a chunk.
   * @throws PeerError if the peer broke the protocol; the decoder is of no use after it.
   */
  receive(chunk: Uint8Array): void {
    const end = chunk.length;
    let offset = 0;
    while (offset < end) {
      switch (this.#state) {
        case State.head:
          offset = this.#receiveHead(chunk, offset, end);
          break;
        case State.block:
          offset = this.#receiveBlock(chunk, offset, end);
          break;
        case State.body:
          offset = this.#receiveBody(chunk, offset, end);
          break;
        case State.handshake:
          offset = this.#receiveHandshake(chunk, offset, end);
          break;
        case State.stopped:
          return;
      }
    }
  }

  /**
   * Refuses at the first byte that cannot be a handshake. Encrypted handshakes are dealt with below the link
   * (`mse/mse-stream.ts`), where the link's bytes are plain again.
   */
  #receiveHandshake(chunk: Uint8Array, offset: number, end: number): number {
    const filled = this.#bodyFilled;
    const count = Math.min(end - offset, HANDSHAKE_LENGTH - filled);
    const headerCount = Math.min(count, PROTOCOL_HEADER.length - filled);
    for (let i = 0; i < headerCount; i++) {
      if (chunk[offset + i] !== PROTOCOL_HEADER[filled + i]) {
        throw new PeerError('bad-handshake', `byte ${filled + i} of the handshake is ${chunk[offset + i]!}`);
      }
    }
    this.#body ??= new Uint8Array(HANDSHAKE_LENGTH);
    this.#body.set(chunk.subarray(offset, offset + count), filled);
    this.#bodyFilled += count;
    if (this.#bodyFilled === HANDSHAKE_LENGTH) {
      const handshake = readHandshake(this.#body);
      this.#body = null;
      this.#state = State.head;
      this.#peerOffersFast = hasFeature(handshake.reserved, Feature.fast);
      this.#sink.onHandshake(handshake);
    }
    return offset + count;
  }

  /** A message whose head lies in the chunk whole is read in place, else its parts are put together first. */
  #receiveHead(chunk: Uint8Array, offset: number, end: number): number {
    if (this.#headLength === 0) {
      const used = this.#readMessage(chunk, offset, end - offset);
      if (used > 0) return offset + used;
    }
    const head = this.#head;
    while (offset < end) {
      head[this.#headLength++] = chunk[offset++]!;
      if (this.#readMessage(head, 0, this.#headLength) > 0) {
        this.#headLength = 0;
        break;
      }
    }
    return offset;
  }

  /**
   * Reads the message at `at`, or the head of a longer one. Returns the bytes used, at most `HEAD_MAX`, or 0 if more
   * are needed. Wrong lengths are refused as soon as they are known.
   */
  #readMessage(bytes: Uint8Array, at: number, available: number): number {
    if (available < 4) return 0;
    const length = readU32(bytes, at);
    if (length > MESSAGE_LENGTH_MAX) {
      throw new PeerError('message-too-long', `a message of ${length} bytes`);
    }
    if (length === 0) {
      this.#sink.onKeepAlive();
      return 4;
    }
    if (available < 5) return 0;
    const id = bytes[at + 4]!;
    switch (id) {
      case MessageId.piece:
        if (length < 9) throw wrongLength(id, length);
        if (available < 13) return 0;
        this.#beginBlock(readU32(bytes, at + 5), readU32(bytes, at + 9), length - 9);
        return 13;
      case MessageId.request:
      case MessageId.cancel:
      case MessageId.reject:
        return this.#readBlockName(id, length, bytes, at, available);
      case MessageId.have:
      case MessageId.suggest:
      case MessageId.allowedFast:
        return this.#readPieceIndex(id, length, bytes, at, available);
      case MessageId.bitfield:
        this.#checkBitfieldLength(length - 1);
        this.#beginBody(id, length - 1);
        return 5;
      case MessageId.extended:
        // BEP 10: the extended id is part of every extended message.
        if (length < 2) throw wrongLength(id, length);
        if (length > EXTENDED_LENGTH_MAX) {
          throw new PeerError('message-too-long', `an extended message of ${length} bytes`);
        }
        this.#beginBody(id, length - 1);
        return 5;
      case MessageId.port:
        if (length !== 3) throw wrongLength(id, length);
        if (available < 7) return 0;
        this.#onPort(readU16(bytes, at + 5));
        return 7;
      default:
        this.#readBare(id, length);
        return 5;
    }
  }

  /** Messages without content. */
  #readBare(id: number, length: number): void {
    const isFast = id === MessageId.haveAll || id === MessageId.haveNone;
    if (!isFast && id > MessageId.notInterested) {
      // As libtorrent and Transmission do. Additions to the protocol go by feature bits or BEP 10, so an unknown id is
      // a peer that lost its framing; the v2 hash messages (BEP 52, ids 21 to 23) need a bit that we never set.
      throw new PeerError('bad-message', `unknown message id ${id}`);
    }
    if (isFast) this.#checkFast(id);
    if (length !== 1) throw wrongLength(id, length);
    switch (id) {
      case MessageId.choke:
        this.#sink.onChoke();
        break;
      case MessageId.unchoke:
        this.#sink.onUnchoke();
        break;
      case MessageId.interested:
        this.#sink.onInterested();
        break;
      case MessageId.notInterested:
        this.#sink.onNotInterested();
        break;
      case MessageId.haveAll:
        this.#sink.onHaveAll();
        break;
      case MessageId.haveNone:
        this.#sink.onHaveNone();
        break;
    }
  }

  /** *request*, *cancel* and *reject* name a block: piece, begin, length. */
  #readBlockName(id: number, length: number, bytes: Uint8Array, at: number, available: number): number {
    if (id === MessageId.reject) this.#checkFast(id);
    if (length !== 13) throw wrongLength(id, length);
    if (available < 17) return 0;
    const piece = readU32(bytes, at + 5);
    const begin = readU32(bytes, at + 9);
    const blockLength = readU32(bytes, at + 13);
    if (id === MessageId.request) this.#sink.onRequest(piece, begin, blockLength);
    else if (id === MessageId.cancel) this.#sink.onCancel(piece, begin, blockLength);
    else this.#sink.onReject(piece, begin, blockLength);
    return 17;
  }

  /** *have*, *suggest* and *allowed fast* name a piece. */
  #readPieceIndex(id: number, length: number, bytes: Uint8Array, at: number, available: number): number {
    if (id !== MessageId.have) this.#checkFast(id);
    if (length !== 5) throw wrongLength(id, length);
    if (available < 9) return 0;
    const piece = readU32(bytes, at + 5);
    if (id === MessageId.have) this.#sink.onHave(piece);
    else if (id === MessageId.suggest) this.#sink.onSuggest(piece);
    else this.#sink.onAllowedFast(piece);
    return 9;
  }

  /** No peer can be reached at port 0, so such a message says nothing. */
  #onPort(port: number): void {
    if (port !== 0) this.#sink.onPort(port);
  }

  #checkFast(id: number): void {
    // BEP 6: "When the fast extension is disabled ... the peer MUST close the connection", for each of its messages.
    if (!this.offersFast || !this.#peerOffersFast) {
      throw new PeerError('fast-not-negotiated', `message id ${id} without the fast extension`);
    }
  }

  #checkBitfieldLength(lengthBytes: number): void {
    const exact = this.#bitfieldLength;
    if (exact >= 0 ? lengthBytes !== exact : lengthBytes === 0 || lengthBytes > BITFIELD_LENGTH_MAX) {
      throw new PeerError('bad-bitfield', `a bitfield of ${lengthBytes} bytes`);
    }
  }

  #beginBlock(piece: number, begin: number, length: number): void {
    if (length === 0) {
      // Some clients answer a request they will not serve with an empty block.
      this.#sink.onReject(piece, begin, 0);
      return;
    }
    const target = this.#sink.blockTarget(piece, begin, length);
    if (this.#state === State.stopped) return;
    assert(target === null || target.length === length, 'a target that is not as long as its block');
    this.#state = State.block;
    this.#piece = piece;
    this.#begin = begin;
    this.#blockLength = length;
    this.#blockFilled = 0;
    this.#target = target;
    this.#discarded = false;
  }

  #receiveBlock(chunk: Uint8Array, offset: number, end: number): number {
    const count = Math.min(end - offset, this.#blockLength - this.#blockFilled);
    const target = this.#target;
    if (target !== null) copyBytes(chunk.subarray(offset, offset + count), target, this.#blockFilled);
    this.#blockFilled += count;
    if (this.#blockFilled === this.#blockLength) {
      this.#state = State.head;
      this.#target = null;
      if (!this.#discarded) this.#sink.onBlock(this.#piece, this.#begin, this.#blockLength);
    }
    return offset + count;
  }

  #beginBody(id: number, length: number): void {
    this.#state = State.body;
    this.#bodyId = id;
    this.#bodyLength = length;
    this.#bodyFilled = 0;
  }

  #receiveBody(chunk: Uint8Array, offset: number, end: number): number {
    const length = this.#bodyLength;
    const count = Math.min(end - offset, length - this.#bodyFilled);
    if (count === length) {
      this.#state = State.head;
      this.#deliverBody(chunk.subarray(offset, offset + count));
      return offset + count;
    }
    const filled = this.#bodyFilled + count;
    const body = this.#growBody(filled);
    body.set(chunk.subarray(offset, offset + count), this.#bodyFilled);
    this.#bodyFilled = filled;
    if (filled === length) {
      this.#state = State.head;
      this.#body = null;
      this.#deliverBody(body.subarray(0, length));
    }
    return offset + count;
  }

  /** The body buffer with room for `needed` bytes: doubled until it has it, and never above what the message has. */
  #growBody(needed: number): Uint8Array {
    const body = this.#body;
    if (body !== null && body.length >= needed) return body;
    let capacity = body?.length ?? BODY_START;
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(Math.min(capacity, this.#bodyLength));
    if (body !== null) grown.set(body.subarray(0, this.#bodyFilled));
    this.#body = grown;
    return grown;
  }

  #deliverBody(body: Uint8Array): void {
    if (this.#bodyId === MessageId.bitfield) this.#sink.onBitfield(body);
    else this.#sink.onExtended(body[0]!, body.subarray(1));
  }
}

function wrongLength(id: number, length: number): PeerError {
  return new PeerError('bad-message', `a message of id ${id} with ${length} bytes`);
}
