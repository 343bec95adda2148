import { concatBytes } from '../../src/util/bytes.ts';
import { reservedOf } from '../../src/wire/handshake.ts';
import type { ByteStream, LinkSink } from '../../src/wire/link.ts';
import { OutBuffer } from '../../src/wire/out-buffer.ts';

const SLAB = 1_048_576;
export const HELLO = { infoHash: new Uint8Array(20), peerId: new Uint8Array(20), reserved: reservedOf([]) };

/** Takes blocks into slabs and does nothing else. */
export class BlockSink implements LinkSink {
  blocks = 0;
  smallMessages = 0;
  onWritable: () => void = () => {};
  onClosed: () => void = () => {};
  onBlocks: (blocks: number) => void = () => {};
  readonly #slabs = Array.from({ length: 16 }, () => new Uint8Array(SLAB));

  blockTarget(piece: number, begin: number, length: number): Uint8Array {
    return this.#slabs[piece & 15]!.subarray(begin, begin + length);
  }
  onBlock(): void {
    this.blocks++;
  }
  onBatchEnd(): void {
    this.onBlocks(this.blocks);
  }
  onHave(): void {
    this.smallMessages++;
  }
  onRequest(): void {
    this.smallMessages++;
  }
  onHandshake(): void {}
  onChoke(): void {}
  onUnchoke(): void {}
  onInterested(): void {}
  onNotInterested(): void {}
  onBitfield(): void {}
  onHaveAll(): void {}
  onHaveNone(): void {}
  onCancel(): void {}
  onReject(): void {}
  onSuggest(): void {}
  onAllowedFast(): void {}
  onPort(): void {}
  onExtended(): void {}
  onKeepAlive(): void {}
}

/** A stream whose network takes everything at once. */
function collector(parts: Uint8Array[]): ByteStream {
  return { write: (bytes: Uint8Array) => parts.push(bytes.slice()) } as unknown as ByteStream;
}

/** What the encoder writes. */
export function bytesOf(write: (out: OutBuffer) => void): Uint8Array {
  const out = new OutBuffer();
  const parts: Uint8Array[] = [];
  write(out);
  out.flushTo(collector(parts));
  return concatBytes(parts);
}
