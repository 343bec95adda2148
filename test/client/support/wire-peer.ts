import { createServer, connect, type AddressInfo, type Server, type Socket } from 'node:net';
import { randomBytes } from 'node:crypto';

/** Ids of messages (BEP 3, 6, 10). Written out here, so that a mistake of ours cannot agree with itself. */
export const Id = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  port: 9,
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  extended: 20,
  hashRequest: 21,
} as const;

export interface WireMessage {
  readonly id: number;
  readonly payload: Buffer;
}

export interface WireBlock {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
}

export interface WirePeerOptions {
  readonly infoHash: string;
  readonly peerId?: Uint8Array;
  /** 8 feature bytes. Default: BEP 6 and BEP 10. */
  readonly reserved?: Buffer;
}

const FAST_AND_EXTENDED = Buffer.from([0, 0, 0, 0, 0, 0x10, 0, 0x04]);

/** A peer that speaks the wire by hand over a real socket, and may say anything. */
export class WirePeer {
  readonly socket: Socket;
  readonly peerId: Uint8Array;
  /** Our end of the connection, also when it is gone. */
  port = 0;
  /** 68 bytes, empty until they are here. */
  handshake: Buffer = Buffer.alloc(0);
  readonly messages: WireMessage[] = [];
  /** Bytes received in all. */
  receivedBytes = 0;
  /** They let us fetch. */
  isUnchoked = false;
  /** Called for each message. */
  onMessage: ((message: WireMessage) => void) | null = null;
  readonly closed: Promise<void>;
  isClosed = false;
  #pending: Buffer = Buffer.alloc(0);
  #wake: () => void = () => undefined;

  constructor(
    socket: Socket,
    peerId: Uint8Array = Buffer.concat([Buffer.from('-XX0000-'), randomBytes(12)]),
  ) {
    this.socket = socket;
    this.peerId = peerId;
    socket.setNoDelay(true);
    socket.on('data', (data: Buffer) => this.#receive(data));
    // Being cut off is what most of these peers are for.
    socket.on('error', () => socket.destroy());
    this.closed = new Promise((resolve) => {
      socket.on('close', () => {
        this.isClosed = true;
        this.#wake();
        resolve();
      });
    });
  }

  /** Connects; says nothing yet. */
  static async connect(port: number, peerId?: Uint8Array): Promise<WirePeer> {
    const socket = connect({ port, host: '127.0.0.1' });
    const peer = new WirePeer(socket, peerId);
    await new Promise<void>((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    peer.port = socket.localPort ?? 0;
    return peer;
  }

  /** Connects and shakes hands. */
  static async join(port: number, options: WirePeerOptions): Promise<WirePeer> {
    const peer = await WirePeer.connect(port, options.peerId);
    peer.shakeHands(options);
    await peer.until(() => peer.handshake.length === 68);
    return peer;
  }

  shakeHands({ infoHash, reserved = FAST_AND_EXTENDED }: WirePeerOptions): void {
    this.raw(
      Buffer.concat([
        Buffer.from('\x13BitTorrent protocol', 'latin1'),
        reserved,
        Buffer.from(infoHash, 'hex'),
        this.peerId,
      ]),
    );
  }

  raw(bytes: Uint8Array): this {
    if (!this.socket.destroyed) this.socket.write(bytes);
    return this;
  }

  /** A message of numbers of 4 bytes. */
  say(id: number, ...numbers: number[]): this {
    return this.raw(wire(id, ...numbers));
  }

  sayBytes(id: number, payload: Uint8Array): this {
    return this.raw(wireBytes(id, payload));
  }

  block(piece: number, begin: number, bytes: Uint8Array): this {
    const head = Buffer.alloc(8);
    head.writeUInt32BE(piece >>> 0, 0);
    head.writeUInt32BE(begin >>> 0, 4);
    return this.sayBytes(Id.piece, Buffer.concat([head, bytes]));
  }

  heard(id: number): WireMessage[] {
    return this.messages.filter((message) => message.id === id);
  }

  /** Waits for a message of this id that begins with these numbers, and takes it. */
  async take(id: number, ...numbers: number[]): Promise<Buffer> {
    const head = wire(id, ...numbers).subarray(5);
    const fits = (message: WireMessage): boolean =>
      message.id === id && message.payload.subarray(0, head.length).equals(head);
    await this.until(() => this.messages.some(fits));
    const at = this.messages.findIndex(fits);
    if (at < 0) throw new Error(`closed before a message of id ${id}`);
    return this.messages.splice(at, 1)[0]!.payload;
  }

  /** Says that it is interested and waits until it may fetch. */
  async unchoked(): Promise<void> {
    this.say(Id.interested);
    await this.until(() => this.isUnchoked);
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.isClosed) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  /** Waits until all that was sent has been worked off: asks for what is always refused, and waits for the refusal. */
  async settled(): Promise<void> {
    const before = this.messages.length;
    const isRefusal = ({ id, payload }: WireMessage): boolean =>
      id === Id.reject && payload.readUInt32BE(0) === 0xffff_fff1;
    this.say(Id.request, 0xffff_fff1, 0, 16_384);
    await this.until(() => this.messages.slice(before).some(isRefusal));
  }

  /** Answers requests with content, true or as `mend` makes of it. */
  serve(
    content: Buffer,
    pieceLength: number,
    mend: (block: Buffer, at: WireBlock) => Buffer | null = (block) => block,
  ): void {
    this.onMessage = ({ id, payload }) => {
      if (id !== Id.request) return;
      const asked = blockOf(payload);
      const from = asked.piece * pieceLength + asked.begin;
      const block = mend(Buffer.from(content.subarray(from, from + asked.length)), asked);
      if (block) this.block(asked.piece, asked.begin, block);
    };
  }

  end(): void {
    this.socket.destroy();
  }

  #receive(data: Buffer): void {
    this.receivedBytes += data.length;
    this.#pending = this.#pending.length === 0 ? data : Buffer.concat([this.#pending, data]);
    if (this.handshake.length === 0) {
      if (this.#pending.length < 68) return;
      this.handshake = this.#pending.subarray(0, 68);
      this.#pending = this.#pending.subarray(68);
    }
    let at = 0;
    while (this.#pending.length - at >= 4) {
      const length = this.#pending.readUInt32BE(at);
      if (this.#pending.length - at < 4 + length) break;
      if (length > 0) {
        const message = {
          id: this.#pending[at + 4]!,
          payload: Buffer.from(this.#pending.subarray(at + 5, at + 4 + length)),
        };
        this.messages.push(message);
        if (message.id === Id.unchoke || message.id === Id.choke) this.isUnchoked = message.id === Id.unchoke;
        this.onMessage?.(message);
      }
      at += 4 + length;
    }
    this.#pending = this.#pending.subarray(at);
    this.#wake();
  }
}

/** Listens for a client that dials, and makes a peer of each connection. */
export class WireListener {
  readonly peers: WirePeer[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(onPeer: (peer: WirePeer) => void): Promise<WireListener> {
    const server = createServer();
    const listener = new WireListener(server);
    server.on('connection', (socket) => {
      const peer = new WirePeer(socket);
      listener.peers.push(peer);
      onPeer(peer);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return listener;
  }

  get address(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as AddressInfo).port };
  }

  async close(): Promise<void> {
    for (const peer of this.peers) peer.end();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

export function wire(id: number, ...numbers: number[]): Buffer {
  const bytes = Buffer.alloc(5 + 4 * numbers.length);
  bytes.writeUInt32BE(1 + 4 * numbers.length, 0);
  bytes[4] = id;
  numbers.forEach((number, i) => bytes.writeUInt32BE(number >>> 0, 5 + 4 * i));
  return bytes;
}

export function wireBytes(id: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(1 + payload.length, 0);
  head[4] = id;
  return Buffer.concat([head, payload]);
}

/** Piece, begin and length of a request, cancel or reject. */
export function blockOf(payload: Buffer): WireBlock {
  return { piece: payload.readUInt32BE(0), begin: payload.readUInt32BE(4), length: payload.readUInt32BE(8) };
}
