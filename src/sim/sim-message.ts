import { assert } from '../util/assert.ts';
import type { BlockSource, Handshake, LinkSink } from '../wire/link.ts';
import { HANDSHAKE_LENGTH, MessageId } from '../wire/message.ts';
import { putStamp } from './content.ts';
import type { Parcel } from './flow.ts';

/** What a simulated link carries besides the messages that have an id on the wire. */
export const SimId = {
  handshake: 32,
  keepAlive: 33,
  /** The first part of a block that arrives in two, and the second. */
  pieceStart: 34,
  pieceEnd: 35,
  /** The sender has closed. */
  end: 36,
} as const;

/** The end of a link that a message reaches. */
export interface MessageReceiver {
  readonly sink: LinkSink;
  beginBlock(block: BlockMessage): void;
  endBlock(block: BlockMessage): void;
  /** The other end has closed. */
  onEnd(): void;
}

/** Length prefix and id. */
const BARE_BYTES = 5;
/** One piece index after it. */
const INDEX_BYTES = 9;
/** Piece, begin and length after it. */
const BLOCK_NAME_BYTES = 17;
/** Piece and begin after it, before the block itself. */
const BLOCK_HEAD_BYTES = 13;

/** One message, as what its bytes would mean, and their number. */
export class SimMessage implements Parcel<SimMessage> {
  readonly id: number;
  readonly bytes: number;
  readonly a: number;
  readonly b: number;
  readonly c: number;
  next: SimMessage | null = null;

  constructor(id: number, bytes: number, a = 0, b = 0, c = 0) {
    this.id = id;
    this.bytes = bytes;
    this.a = a;
    this.b = b;
    this.c = c;
  }

  /** Choke, unchoke, interested, not interested, have all, have none. */
  static bare(id: number): SimMessage {
    return new SimMessage(id, BARE_BYTES);
  }

  /** Have, suggest, allowed fast. */
  static index(id: number, piece: number): SimMessage {
    return new SimMessage(id, INDEX_BYTES, piece);
  }

  /** Request, cancel, reject. */
  static blockName(id: number, piece: number, begin: number, length: number): SimMessage {
    return new SimMessage(id, BLOCK_NAME_BYTES, piece, begin, length);
  }

  static port(port: number): SimMessage {
    return new SimMessage(MessageId.port, BARE_BYTES + 2, port);
  }

  static keepAlive(): SimMessage {
    return new SimMessage(SimId.keepAlive, BARE_BYTES - 1);
  }

  static end(): SimMessage {
    return new SimMessage(SimId.end, 0);
  }

  deliverTo(receiver: MessageReceiver): void {
    const { a, b, c } = this;
    switch (this.id) {
      case MessageId.choke:
        receiver.sink.onChoke();
        break;
      case MessageId.unchoke:
        receiver.sink.onUnchoke();
        break;
      case MessageId.interested:
        receiver.sink.onInterested();
        break;
      case MessageId.notInterested:
        receiver.sink.onNotInterested();
        break;
      case MessageId.have:
        receiver.sink.onHave(a);
        break;
      case MessageId.request:
        receiver.sink.onRequest(a, b, c);
        break;
      case MessageId.cancel:
        receiver.sink.onCancel(a, b, c);
        break;
      case MessageId.port:
        receiver.sink.onPort(a);
        break;
      case MessageId.suggest:
        receiver.sink.onSuggest(a);
        break;
      case MessageId.haveAll:
        receiver.sink.onHaveAll();
        break;
      case MessageId.haveNone:
        receiver.sink.onHaveNone();
        break;
      case MessageId.reject:
        receiver.sink.onReject(a, b, c);
        break;
      case MessageId.allowedFast:
        receiver.sink.onAllowedFast(a);
        break;
      case SimId.keepAlive:
        receiver.sink.onKeepAlive();
        break;
      case SimId.end:
        receiver.onEnd();
        break;
      default:
        assert(false, `no message has the id ${this.id}`);
    }
  }
}

export class HandshakeMessage extends SimMessage {
  readonly #handshake: Handshake;

  constructor(handshake: Handshake) {
    super(SimId.handshake, HANDSHAKE_LENGTH);
    this.#handshake = handshake;
  }

  override deliverTo(receiver: MessageReceiver): void {
    receiver.sink.onHandshake(this.#handshake);
  }
}

export class BitfieldMessage extends SimMessage {
  readonly #bits: Uint8Array;

  constructor(bits: Uint8Array) {
    super(MessageId.bitfield, BARE_BYTES + bits.length);
    this.#bits = bits.slice();
  }

  override deliverTo(receiver: MessageReceiver): void {
    receiver.sink.onBitfield(this.#bits);
  }
}

export class ExtendedMessage extends SimMessage {
  readonly #payload: Uint8Array;

  constructor(id: number, payload: Uint8Array) {
    super(MessageId.extended, BARE_BYTES + 1 + payload.length, id);
    this.#payload = payload.slice();
  }

  override deliverTo(receiver: MessageReceiver): void {
    receiver.sink.onExtended(this.a, this.#payload);
  }
}

/** What is sent of a block: its name, the stamp that stands for its bytes, and those too if they are to be carried. */
export interface SentBlock {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
  readonly x: number;
  readonly y: number;
  readonly content: Uint8Array | null;
}

/** A block, or one part of two. */
export class BlockMessage extends SimMessage {
  readonly #x: number;
  readonly #y: number;
  readonly #content: Uint8Array | null;
  #source: BlockSource | null;

  private constructor(id: number, bytes: number, block: SentBlock, source: BlockSource | null) {
    super(id, bytes, block.piece, block.begin, block.length);
    this.#x = block.x;
    this.#y = block.y;
    this.#content = block.content;
    this.#source = source;
  }

  static whole(block: SentBlock, source: BlockSource | null): BlockMessage[] {
    return [new BlockMessage(MessageId.piece, BLOCK_HEAD_BYTES + block.length, block, source)];
  }

  static inTwo(block: SentBlock, source: BlockSource | null): BlockMessage[] {
    const rest = block.length >> 1;
    return [
      new BlockMessage(SimId.pieceStart, BLOCK_HEAD_BYTES + block.length - rest, block, null),
      new BlockMessage(SimId.pieceEnd, rest, block, source),
    ];
  }

  /** Puts the block where it belongs. */
  writeTo(target: Uint8Array): void {
    if (this.#content !== null) target.set(this.#content);
    else putStamp(target, 0, this.#x, this.#y);
  }

  /** The network has the bytes, or nobody wants them any more. */
  release(): void {
    const source = this.#source;
    this.#source = null;
    source?.release();
  }

  override deliverTo(receiver: MessageReceiver): void {
    if (this.id !== SimId.pieceEnd) receiver.beginBlock(this);
    if (this.id !== SimId.pieceStart) receiver.endBlock(this);
  }
}
