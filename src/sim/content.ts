import { BLOCK_LENGTH } from '../util/block-length.ts';
import { readU32, writeU32 } from '../util/bytes.ts';
import { STAMP_LENGTH, stampIndex, StampMemory } from './stamp-memory.ts';

/**
 * Content without content.
 *
 * The simulator carries and keeps no data. What stands for the 16 KiB of a block is a **stamp** in its first eight
 * bytes, made from the torrent, the piece and the offset: it goes wherever the block goes, from the sender's storage
 * over the link into the receiver's slab, and the receiver's storage looks for it when it "hashes" the piece. A block
 * that was damaged, put in the wrong place, or never written is noticed as a real hash would notice it.
 */

/** Two numbers that stand for the bytes of a block. */
export interface Stamp {
  x: number;
  y: number;
}

/**
 * Writes the stamp of a block to where it begins, as far as there is room.
 * @param torrent 32 bits that tell torrents apart.
 * @param flaw 0 for the true content, otherwise one of 2^24 ways to get it wrong.
 */
export function stampBlock(
  target: Uint8Array,
  offset: number,
  torrent: number,
  piece: number,
  begin: number,
  flaw: number,
): void {
  const wrong = flaw === 0 ? 0 : 0xa500_0000 | (flaw & 0xff_ffff); // Even a block of one byte is wrong then.
  putStamp(target, offset, (torrent ^ ~piece ^ wrong) >>> 0, (~begin ^ wrong) >>> 0);
}

/** Writes a stamp as it was read elsewhere, as far as there is room. */
export function putStamp(target: Uint8Array, offset: number, x: number, y: number): void {
  if (target instanceof StampMemory || target.length - offset >= STAMP_LENGTH) {
    const index = stampIndex(target, offset);
    writeU32(target, index, x);
    writeU32(target, index + 4, y);
    return;
  }
  const whole = new Uint8Array(STAMP_LENGTH);
  putStamp(whole, 0, x, y);
  target.set(whole.subarray(0, target.length - offset), offset);
}

/** Reads the stamp of a block of this length that begins at `offset`; what it has no room for counts as zero. */
export function readStamp(memory: Uint8Array, stamp: Stamp, offset = 0, length = memory.length): void {
  if (length < STAMP_LENGTH && !(memory instanceof StampMemory)) {
    const whole = new Uint8Array(STAMP_LENGTH);
    whole.set(memory.subarray(offset, offset + length));
    readStamp(whole, stamp);
    return;
  }
  const index = stampIndex(memory, offset);
  stamp.x = readU32(memory, index);
  stamp.y = readU32(memory, index + 4);
}

/**
 * Fills in what stands for the content of a stretch of a piece: the stamp of every block that begins in it, and of
 * its own first byte, for those who ask for stretches of their own making.
 */
export function stampRange(
  target: Uint8Array,
  torrent: number,
  piece: number,
  begin: number,
  flawOf: (begin: number) => number,
): void {
  let at = begin;
  while (at < begin + target.length) {
    stampBlock(target, at - begin, torrent, piece, at, flawOf(at));
    at += BLOCK_LENGTH - (at % BLOCK_LENGTH);
  }
}
