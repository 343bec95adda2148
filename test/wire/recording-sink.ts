import { toHex } from '../../src/util/bytes.ts';
import type { Rng } from '../../src/util/rng.ts';
import type { DisconnectReason, Handshake, LinkSink } from '../../src/wire/link.ts';

/** Writes down every call in one line of text, so that a test can compare whole conversations. */
export class RecordingSink implements LinkSink {
  readonly calls: string[] = [];
  readonly handshakes: Handshake[] = [];
  closedWith: DisconnectReason | null = null;
  writableCount = 0;
  batchCount = 0;
  payloadBytes = 0;
  /** Looks at a call when it happens, for tests that act from inside of it. */
  onCall: (call: string) => void = () => {};
  /** Where blocks go; null skips them. */
  target: (piece: number, begin: number, length: number) => Uint8Array | null = (_piece, _begin, length) =>
    new Uint8Array(length);
  #block: Uint8Array | null = null;

  onHandshake(handshake: Handshake): void {
    this.handshakes.push(handshake);
    this.#note(
      `handshake ${toHex(handshake.infoHash)} ${toHex(handshake.peerId)} ${toHex(handshake.reserved)}`,
    );
  }
  onChoke(): void {
    this.#note('choke');
  }
  onUnchoke(): void {
    this.#note('unchoke');
  }
  onInterested(): void {
    this.#note('interested');
  }
  onNotInterested(): void {
    this.#note('not interested');
  }
  onHave(piece: number): void {
    this.#note(`have ${piece}`);
  }
  onBitfield(bytes: Uint8Array): void {
    this.#note(`bitfield ${brief(bytes)}`);
  }
  onHaveAll(): void {
    this.#note('have all');
  }
  onHaveNone(): void {
    this.#note('have none');
  }
  onRequest(piece: number, begin: number, length: number): void {
    this.#note(`request ${piece} ${begin} ${length}`);
  }
  onCancel(piece: number, begin: number, length: number): void {
    this.#note(`cancel ${piece} ${begin} ${length}`);
  }
  onReject(piece: number, begin: number, length: number): void {
    this.#note(`reject ${piece} ${begin} ${length}`);
  }
  onSuggest(piece: number): void {
    this.#note(`suggest ${piece}`);
  }
  onAllowedFast(piece: number): void {
    this.#note(`allowed fast ${piece}`);
  }
  onPort(port: number): void {
    this.#note(`port ${port}`);
  }
  onExtended(id: number, payload: Uint8Array): void {
    this.#note(`extended ${id} ${brief(payload)}`);
  }
  onKeepAlive(): void {
    this.#note('keep-alive');
  }
  blockTarget(piece: number, begin: number, length: number): Uint8Array | null {
    this.#block = this.target(piece, begin, length);
    this.#note(`target ${piece} ${begin} ${length}`);
    return this.#block;
  }
  onBlock(piece: number, begin: number, length: number): void {
    this.payloadBytes += length;
    this.#note(`block ${piece} ${begin} ${this.#block === null ? 'skipped' : brief(this.#block)}`);
  }
  onBatchEnd(): void {
    this.batchCount++;
  }
  onWritable(): void {
    this.writableCount++;
  }
  onClosed(reason: DisconnectReason): void {
    this.closedWith = reason;
    this.#note(`closed ${reason}`);
  }

  #note(call: string): void {
    this.calls.push(call);
    this.onCall(call);
  }
}

/** Short content in full, long content as length and a hash that notices any change. */
export function brief(bytes: Uint8Array): string {
  if (bytes.length <= 24) return toHex(bytes);
  let hash = 0x811c9dc5; // FNV-1a
  for (let i = 0; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i]!, 0x01000193);
  return `${bytes.length} bytes ${(hash >>> 0).toString(16)}`;
}

/** Bytes that differ from place to place. */
export function patterned(length: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = i * 31 + (i >>> 8) * 7 + seed * 101;
  return bytes;
}

/** Parts of 1 to `longest` bytes. */
export function cutAtRandom(bytes: Uint8Array, rng: Rng, longest: number): Uint8Array[] {
  const parts: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const length = 1 + rng.below(longest);
    parts.push(bytes.slice(at, at + length));
    at += length;
  }
  return parts;
}
