import { assert } from '../util/assert.ts';
import type { PeerAddress } from '../util/ip.ts';
import { isPeaceful } from '../wire/byte-link.ts';
import {
  PeerError,
  SEND_HIGH_WATER,
  SEND_LOW_WATER,
  type BlockSource,
  type DisconnectReason,
  type Handshake,
  type LinkSink,
  type PeerLink,
} from '../wire/link.ts';
import { MessageId } from '../wire/message.ts';
import { readStamp } from './content.ts';
import { Flow, type FlowReceiver, type FlowSender } from './flow.ts';
import type { SimNetwork } from './network.ts';
import type { OpenHandle, SimProcess } from './sim-host.ts';
import {
  BitfieldMessage,
  BlockMessage,
  ExtendedMessage,
  HandshakeMessage,
  SimMessage,
  type MessageReceiver,
} from './sim-message.ts';

/**
 * One end of a simulated connection, at the level of messages: calls on one end become calls on the other end's sink
 * after the time their bytes would take. Nothing is encoded, and of a block only its stamp travels.
 */
export class SimLink
  implements PeerLink, FlowSender<SimMessage>, FlowReceiver<SimMessage>, MessageReceiver, OpenHandle
{
  readonly kind = 'sim';
  readonly id: number;
  readonly remote: PeerAddress;
  readonly inbound: boolean;
  readonly #network: SimNetwork;
  readonly #process: SimProcess;
  #out!: Flow<SimMessage>;
  #in!: Flow<SimMessage>;
  #other!: SimLink;
  #sink: LinkSink | null = null;
  /** open → closing (our `close`, the sink is told in the next turn) → closed (nothing is called any more). */
  #state: 'open' | 'closing' | 'closed' = 'open';
  #hasShakenHands = false;
  #isCongested = false;
  /** The block that arrives in parts: its target, and whether it is still wanted. */
  #target: Uint8Array | null = null;
  #isBlockWanted = false;
  /** What leaves with the next message. */
  #waiting: SimMessage[] = [];

  private constructor(network: SimNetwork, process: SimProcess, remote: PeerAddress, inbound: boolean) {
    this.#network = network;
    this.#process = process;
    this.id = network.nextLinkId();
    this.remote = remote;
    this.inbound = inbound;
    process.opened(this);
  }

  /** Both ends of a new connection. */
  static connect(network: SimNetwork, from: SimProcess, to: SimProcess): { near: SimLink; far: SimLink } {
    const near = new SimLink(network, from, to.host.address, false);
    const far = new SimLink(network, to, from.host.nextSource(), true);
    near.#out = far.#in = flow(network, near, far);
    near.#in = far.#out = flow(network, far, near);
    near.#other = far;
    far.#other = near;
    // The caller's end exists once the answer is back, whatever becomes of the path in between.
    far.#out.lastByteMs = network.clock.now() + far.#out.path.latencyMs;
    return { near, far };

    function flow(net: SimNetwork, sender: SimLink, receiver: SimLink): Flow<SimMessage> {
      const a = sender.#process.host;
      const b = receiver.#process.host;
      return new Flow<SimMessage>(a.uplink, b.downlink, a.pathTo(b), { sender, receiver }, net.windowBytes);
    }
  }

  get queuedBytes(): number {
    return this.#out.queuedBytes;
  }

  get receivedBytes(): number {
    return this.#in.receivedBytes;
  }

  get sentBytes(): number {
    return this.#out.sentBytes;
  }

  /** Bytes that left here and have not reached the other end. */
  get inFlightBytes(): number {
    return this.#out.inFlightBytes;
  }

  get isOpen(): boolean {
    return this.#state === 'open';
  }

  /** The other end. */
  get other(): SimLink {
    return this.#other;
  }

  /** Who listens here, if anybody does. */
  get listener(): LinkSink | null {
    return this.#sink;
  }

  /** How many messages of some kinds were sent here and have not been received at the other end. */
  countUnderWay(ids: readonly number[]): number {
    let count = 0;
    this.#out.forEachUnderWay(({ id }) => {
      if (ids.includes(id)) count++;
    });
    return count;
  }

  attach(sink: LinkSink): void {
    this.#sink = sink;
  }

  // What the engine says

  handshake(handshake: Handshake): void {
    if (this.#state !== 'open') return;
    assert(!this.#hasShakenHands, 'the handshake must be the first thing sent');
    this.#hasShakenHands = true;
    this.#send(new HandshakeMessage(handshake));
  }

  keepAlive(): void {
    this.#send(SimMessage.keepAlive());
  }

  choke(): void {
    this.#send(SimMessage.bare(MessageId.choke));
  }

  unchoke(): void {
    this.#send(SimMessage.bare(MessageId.unchoke));
  }

  interested(): void {
    this.#send(SimMessage.bare(MessageId.interested));
  }

  notInterested(): void {
    this.#send(SimMessage.bare(MessageId.notInterested));
  }

  have(piece: number, mayWait = false): void {
    const message = SimMessage.index(MessageId.have, piece);
    if (mayWait) this.#waiting.push(message);
    else this.#send(message);
  }

  flush(): void {
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const message of waiting) this.#send(message);
  }

  bitfield(bytes: Uint8Array): void {
    this.#send(new BitfieldMessage(bytes));
  }

  haveAll(): void {
    this.#send(SimMessage.bare(MessageId.haveAll));
  }

  haveNone(): void {
    this.#send(SimMessage.bare(MessageId.haveNone));
  }

  request(piece: number, begin: number, length: number): void {
    this.#send(SimMessage.blockName(MessageId.request, piece, begin, length));
  }

  cancel(piece: number, begin: number, length: number): void {
    this.#send(SimMessage.blockName(MessageId.cancel, piece, begin, length));
  }

  reject(piece: number, begin: number, length: number): void {
    this.#send(SimMessage.blockName(MessageId.reject, piece, begin, length));
  }

  suggest(piece: number): void {
    this.#send(SimMessage.index(MessageId.suggest, piece));
  }

  allowedFast(piece: number): void {
    this.#send(SimMessage.index(MessageId.allowedFast, piece));
  }

  port(port: number): void {
    this.#send(SimMessage.port(port));
  }

  extended(id: number, payload: Uint8Array): void {
    this.#send(new ExtendedMessage(id, payload));
  }

  piece(piece: number, begin: number, block: Uint8Array, source: BlockSource | null): void {
    if (this.#state !== 'open') {
      source?.release();
      return;
    }
    assert(this.#hasShakenHands, 'the handshake must be the first thing sent');
    const stamp = { x: 0, y: 0 };
    readStamp(block, stamp);
    const content = this.#network.carryContent ? block.slice() : null;
    const sent = { piece, begin, length: block.length, x: stamp.x, y: stamp.y, content };
    const parts = this.#network.splitBlocks
      ? BlockMessage.inTwo(sent, source)
      : BlockMessage.whole(sent, source);
    this.flush();
    for (const part of parts) this.#out.send(part);
    if (this.queuedBytes > SEND_HIGH_WATER) this.#isCongested = true;
  }

  discardBlock(): void {
    this.#isBlockWanted = false;
    this.#target = null;
  }

  pauseReading(): void {
    this.#in.pause();
  }

  resumeReading(): void {
    this.#network.clock.soon(() => this.#in.resume());
  }

  close(reason: DisconnectReason): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#hangUp(isPeaceful(reason));
    this.#network.clock.soon(() => this.#finish(reason));
  }

  /** The process is gone. The other end hears that the connection was closed. */
  abandon(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'open') this.#hangUp(false);
    this.#state = 'closed';
    this.#sink = null;
  }

  // What the network says

  onTaken(first: SimMessage): void {
    for (let message: SimMessage | null = first; message !== null; message = message.next) {
      this.#release(message);
    }
    if (this.#state !== 'open' || !this.#process.isRunning) return;
    const queuedBytes = this.queuedBytes;
    if (queuedBytes === 0 || (this.#isCongested && queuedBytes <= SEND_LOW_WATER)) {
      this.#isCongested = false;
      this.#sink?.onWritable();
    }
  }

  onParcels(first: SimMessage): void {
    if (!this.#process.isRunning) return;
    try {
      for (let message: SimMessage | null = first; message !== null; message = message.next) {
        if (this.#state !== 'open') return;
        this.#note(message);
        message.deliverTo(this);
      }
      if (this.#state === 'open') this.sink.onBatchEnd();
    } catch (error) {
      if (!(error instanceof PeerError)) throw error;
      this.close(error.reason);
    }
  }

  // What messages say on their arrival

  get sink(): LinkSink {
    assert(this.#sink !== null, `link ${this.id} got a message and nobody listens`);
    return this.#sink;
  }

  beginBlock(block: BlockMessage): void {
    this.#isBlockWanted = true;
    const target = this.sink.blockTarget(block.a, block.b, block.c);
    if (!this.#isBlockWanted || this.#state !== 'open') return;
    assert(target === null || target.length === block.c, `a target of ${target?.length ?? 0} bytes`);
    this.#target = target;
  }

  endBlock(block: BlockMessage): void {
    if (!this.#isBlockWanted || this.#state !== 'open') return;
    if (this.#target !== null) block.writeTo(this.#target);
    this.#target = null;
    this.#isBlockWanted = false;
    this.sink.onBlock(block.a, block.b, block.c);
  }

  onEnd(): void {
    this.#hangUp(false);
    this.#finish('closed-by-peer');
  }

  #note(message: SimMessage): void {
    const { id, a, b, c } = message;
    this.#network.trace.note(this.#network.clock.now(), id, this.id, a, b, c);
  }

  #send(message: SimMessage): void {
    if (this.#state !== 'open') return;
    assert(this.#hasShakenHands, 'the handshake must be the first thing sent');
    this.flush();
    this.#out.sendSmall(message);
  }

  /** Says the last word. What waits to be sent goes out before it only if we leave in peace. */
  #hangUp(isInPeace: boolean): void {
    this.#target = null;
    this.#isBlockWanted = false;
    if (!isInPeace) this.#out.clear((message) => this.#release(message));
    this.#out.send(SimMessage.end());
  }

  #release(message: SimMessage): void {
    if (message instanceof BlockMessage && this.#process.isRunning) message.release();
  }

  #finish(reason: DisconnectReason): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#process.closed(this);
    const sink = this.#sink;
    this.#sink = null;
    this.#in.resume(); // Nobody reads any more, so nothing need wait.
    if (this.#process.isRunning) sink?.onClosed(reason);
  }
}
