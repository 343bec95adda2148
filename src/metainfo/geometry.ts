import { BLOCK_LENGTH } from '../util/block-length.ts';

/**
 * The arithmetic of pieces, blocks and byte offsets of one torrent, and nothing else.
 *
 * A number from outside becomes a trusted index by passing `isPiece` or `isBlock` here; past that point nobody checks
 * it again.
 */
export class PieceGeometry {
  /** Bytes of content. */
  readonly length: number;
  /** Bytes of every piece but the last. */
  readonly pieceLength: number;
  readonly pieceCount: number;
  /** Blocks of every piece but the last. */
  readonly blocksPerPiece: number;
  /** Bytes of the last piece, 1 to `pieceLength`. */
  readonly lastPieceLength: number;

  constructor(length: number, pieceLength: number) {
    this.length = length;
    this.pieceLength = pieceLength;
    this.pieceCount = Math.ceil(length / pieceLength);
    this.blocksPerPiece = Math.ceil(pieceLength / BLOCK_LENGTH);
    this.lastPieceLength = length - (this.pieceCount - 1) * pieceLength;
    Object.freeze(this);
  }

  isPiece(piece: number): boolean {
    return piece >= 0 && piece < this.pieceCount;
  }

  /** Is it a stretch of bytes inside one piece, no longer than `maxLength`? For requests from a peer. */
  isRange(piece: number, begin: number, length: number, maxLength: number): boolean {
    return (
      this.isPiece(piece) &&
      begin >= 0 &&
      length > 0 &&
      length <= maxLength &&
      begin + length <= this.pieceLengthOf(piece)
    );
  }

  /** Is it exactly one of our blocks? For blocks and rejects from a peer, which answer our requests. */
  isBlock(piece: number, begin: number, length: number): boolean {
    return (
      this.isPiece(piece) &&
      begin >= 0 &&
      begin % BLOCK_LENGTH === 0 &&
      begin < this.pieceLengthOf(piece) &&
      length === this.blockLength(piece, begin / BLOCK_LENGTH)
    );
  }

  pieceLengthOf(piece: number): number {
    // Both are read for every piece: compiled code that never saw the last one would be thrown away there.
    const { pieceLength, lastPieceLength } = this;
    return piece === this.pieceCount - 1 ? lastPieceLength : pieceLength;
  }

  /** Offset of a piece's first byte in the content. */
  pieceOffset(piece: number): number {
    return piece * this.pieceLength;
  }

  blockCount(piece: number): number {
    return Math.ceil(this.pieceLengthOf(piece) / BLOCK_LENGTH);
  }

  /** Bytes of block `block` of a piece. */
  blockLength(piece: number, block: number): number {
    return Math.min(BLOCK_LENGTH, this.pieceLengthOf(piece) - block * BLOCK_LENGTH);
  }
}
