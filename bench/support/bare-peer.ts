import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';

const BLOCK = 16_384;
const HANDSHAKE_LENGTH = 68;
const UNCHOKE = 1;
const INTERESTED = 2;
const REQUEST = 6;
const PIECE = 7;
const HEADER_LENGTH = 13;

/**
 * A peer that asks for pieces at random and throws them away: what it measures is the seeder, not itself. It keeps `window`
 * requests out and notes how long each took from its sending to its last byte.
 */
export class BarePeer {
  received = 0;
  /** Milliseconds per block. */
  readonly times: number[] = [];
  readonly #socket: Socket;
  readonly #pieceCount: number;
  readonly #blocksPerPiece: number;
  readonly #sentAt: number[] = [];
  readonly #window: number;
  #piece = 0;
  #block: number;
  #left = HANDSHAKE_LENGTH;
  #isHeader = false;
  readonly #header = Buffer.alloc(HEADER_LENGTH);
  #headerAt = 0;
  #message = -1;
  #isMeasuring = false;

  constructor(
    to: { host: string; port: number },
    torrent: { infoHash: Uint8Array; pieceCount: number; pieceLength: number },
    window: number,
  ) {
    this.#pieceCount = torrent.pieceCount - 1; // The last one may be short.
    this.#blocksPerPiece = torrent.pieceLength / BLOCK;
    this.#window = window;
    this.#block = this.#blocksPerPiece;
    this.#socket = connect({ ...to, noDelay: true });
    this.#socket.on('data', (data) => this.#read(data));
    this.#socket.on('error', () => undefined); // The figures show it: nothing more is received.
    const name = Buffer.concat([Buffer.from('-BB0000-'), randomBytes(12)]);
    this.#socket.write(
      Buffer.concat([
        Buffer.from('\x13BitTorrent protocol\0\0\0\0\0\0\0\0', 'latin1'),
        torrent.infoHash,
        name,
      ]),
    );
    this.#socket.write(Buffer.from([0, 0, 0, 1, INTERESTED]));
  }

  /** From here on times are noted. */
  begin(): void {
    this.#isMeasuring = true;
    this.received = 0;
  }

  end(): void {
    this.#socket.destroy();
  }

  #read(data: Buffer): void {
    let asks = 0;
    for (let at = 0; at < data.length;) {
      if (this.#left > 0) {
        const count = Math.min(this.#left, data.length - at);
        this.#left -= count;
        at += count;
        if (this.#left === 0 && this.#message === PIECE) asks += this.#onBlock();
        continue;
      }
      if (!this.#isHeader) {
        this.#isHeader = true;
        this.#headerAt = 0;
      }
      this.#header[this.#headerAt++] = data[at++]!;
      if (this.#headerAt < 4) continue;
      const length = this.#header.readUInt32BE(0);
      if (length > 0 && this.#headerAt < 5) continue;
      this.#isHeader = false;
      this.#message = length > 0 ? this.#header[4]! : -1;
      this.#left = Math.max(0, length - 1);
      if (this.#message === UNCHOKE) asks += this.#window - this.#sentAt.length;
    }
    if (asks > 0) this.#ask(asks);
  }

  #onBlock(): number {
    const sentAt = this.#sentAt.shift()!;
    if (this.#isMeasuring) this.times.push(performance.now() - sentAt);
    this.received += BLOCK;
    return 1;
  }

  /** The blocks of a piece in a row, and then of another one at random, as clients ask for them. */
  #ask(count: number): void {
    const bytes = Buffer.alloc(17 * count);
    const now = performance.now();
    for (let i = 0; i < count; i++) {
      if (this.#block === this.#blocksPerPiece) {
        this.#piece = Math.floor(Math.random() * this.#pieceCount);
        this.#block = 0;
      }
      bytes.writeUInt32BE(13, 17 * i);
      bytes[17 * i + 4] = REQUEST;
      bytes.writeUInt32BE(this.#piece, 17 * i + 5);
      bytes.writeUInt32BE(this.#block++ * BLOCK, 17 * i + 9);
      bytes.writeUInt32BE(BLOCK, 17 * i + 13);
      this.#sentAt.push(now);
    }
    this.#socket.write(bytes);
  }
}
