import { writeU16, writeU32 } from '../util/bytes.ts';
import { putHandshake } from './handshake.ts';
import type { BlockSource, Handshake } from './link.ts';
import { HANDSHAKE_LENGTH, MessageId } from './message.ts';
import type { OutBuffer } from './out-buffer.ts';

/**
 * Messages to a peer, appended to a batch. Layouts are `<length prefix> <id> <content>`, all numbers big-endian
 * (BEP 3); the length counts id and content.
 */

/** The 68 bytes of `handshake.ts`, the only message without a length prefix. */
export function writeHandshake(out: OutBuffer, handshake: Handshake): void {
  const offset = out.reserve(HANDSHAKE_LENGTH);
  putHandshake(out.arena, offset, handshake);
}

/** `<0000>` */
export function writeKeepAlive(out: OutBuffer): void {
  const offset = out.reserve(4);
  writeU32(out.arena, offset, 0);
}

/** `<0001> <id>`: choke, unchoke, interested, not interested, have all, have none. */
export function writeBare(out: OutBuffer, id: number): void {
  const offset = out.reserve(5);
  const bytes = out.arena;
  writeU32(bytes, offset, 1);
  bytes[offset + 4] = id;
}

/** `<0005> <id> <piece: 4>`: have, suggest, allowed fast. */
export function writePieceIndex(out: OutBuffer, id: number, piece: number): void {
  const offset = out.reserve(9);
  const bytes = out.arena;
  writeU32(bytes, offset, 5);
  bytes[offset + 4] = id;
  writeU32(bytes, offset + 5, piece);
}

/** `<000D> <id> <piece: 4> <begin: 4> <length: 4>`: request, cancel, reject. */
export function writeBlockName(
  out: OutBuffer,
  id: number,
  piece: number,
  begin: number,
  length: number,
): void {
  const offset = out.reserve(17);
  const bytes = out.arena;
  writeU32(bytes, offset, 13);
  bytes[offset + 4] = id;
  writeU32(bytes, offset + 5, piece);
  writeU32(bytes, offset + 9, begin);
  writeU32(bytes, offset + 13, length);
}

/** `<0009+n> <7> <piece: 4> <begin: 4> <block: n>`. The block is not copied. */
export function writePiece(
  out: OutBuffer,
  piece: number,
  begin: number,
  block: Uint8Array,
  source: BlockSource | null,
): void {
  const offset = out.reserve(13);
  const bytes = out.arena;
  writeU32(bytes, offset, 9 + block.length);
  bytes[offset + 4] = MessageId.piece;
  writeU32(bytes, offset + 5, piece);
  writeU32(bytes, offset + 9, begin);
  out.appendBlock(block, source);
}

/** `<0001+n> <5> <bits: n>`, the high bit of the first byte is piece 0. */
export function writeBitfield(out: OutBuffer, bits: Uint8Array): void {
  const offset = out.reserve(5);
  writeU32(out.arena, offset, 1 + bits.length);
  out.arena[offset + 4] = MessageId.bitfield;
  out.appendCopy(bits);
}

/** `<0003> <9> <port: 2>` (BEP 5). */
export function writePort(out: OutBuffer, port: number): void {
  const offset = out.reserve(7);
  const bytes = out.arena;
  writeU32(bytes, offset, 3);
  bytes[offset + 4] = MessageId.port;
  writeU16(bytes, offset + 5, port);
}

/** `<0002+n> <20> <extended id: 1> <payload: n>` (BEP 10). */
export function writeExtended(out: OutBuffer, extendedId: number, payload: Uint8Array): void {
  const offset = out.reserve(6);
  const bytes = out.arena;
  writeU32(bytes, offset, 2 + payload.length);
  bytes[offset + 4] = MessageId.extended;
  bytes[offset + 5] = extendedId;
  out.appendCopy(payload);
}
