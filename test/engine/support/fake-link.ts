import type { PeerAddress } from '../../../src/util/ip.ts';
import type { BlockSource, DisconnectReason, LinkSink, PeerLink } from '../../../src/wire/link.ts';

/** A link that writes down what it is told, one text per message. Closing tells the sink when `endTurn` is called. */
export class FakeLink implements PeerLink {
  readonly kind = 'sim';
  readonly remote: PeerAddress = { host: '10.0.0.1', port: 1000 };
  readonly inbound: boolean;
  readonly said: string[] = [];
  readonly sources: (BlockSource | null)[] = [];
  /** Extended messages. */
  readonly payloads: { readonly id: number; readonly payload: Uint8Array }[] = [];
  queuedBytes = 0;
  receivedBytes = 0;
  sentBytes = 0;
  reading = true;
  sink: LinkSink | null = null;
  reason: DisconnectReason | null = null;
  #told = false;

  constructor(inbound = false) {
    this.inbound = inbound;
  }

  /** What was said since the last time somebody asked. */
  heard(): string[] {
    return this.said.splice(0);
  }

  endTurn(): void {
    if (this.reason === null || this.#told) return;
    this.#told = true;
    this.sink?.onClosed(this.reason);
  }

  attach(sink: LinkSink): void {
    this.sink = sink;
  }
  handshake(): void {
    this.said.push('handshake');
  }
  keepAlive(): void {
    this.said.push('keep-alive');
  }
  choke(): void {
    this.said.push('choke');
  }
  unchoke(): void {
    this.said.push('unchoke');
  }
  interested(): void {
    this.said.push('interested');
  }
  notInterested(): void {
    this.said.push('not interested');
  }
  have(piece: number): void {
    this.said.push(`have ${piece}`);
  }
  bitfield(bytes: Uint8Array): void {
    this.said.push(`bitfield of ${bytes.length}`);
  }
  haveAll(): void {
    this.said.push('have all');
  }
  haveNone(): void {
    this.said.push('have none');
  }
  request(piece: number, begin: number, length: number): void {
    this.said.push(`request ${piece} ${begin} ${length}`);
  }
  cancel(piece: number, begin: number, length: number): void {
    this.said.push(`cancel ${piece} ${begin} ${length}`);
  }
  reject(piece: number, begin: number, length: number): void {
    this.said.push(`reject ${piece} ${begin} ${length}`);
  }
  suggest(piece: number): void {
    this.said.push(`suggest ${piece}`);
  }
  allowedFast(piece: number): void {
    this.said.push(`allowed fast ${piece}`);
  }
  port(port: number): void {
    this.said.push(`port ${port}`);
  }
  extended(id: number, payload: Uint8Array): void {
    this.said.push(`extended ${id}`);
    this.payloads.push({ id, payload });
  }
  piece(piece: number, begin: number, block: Uint8Array, source: BlockSource | null): void {
    this.said.push(`piece ${piece} ${begin} ${block.length}`);
    this.sources.push(source);
    this.queuedBytes += block.length;
  }
  discardBlock(): void {
    this.said.push('(discard)');
  }
  pauseReading(): void {
    this.reading = false;
  }
  resumeReading(): void {
    this.reading = true;
  }
  close(reason: DisconnectReason): void {
    this.reason ??= reason;
  }
}
