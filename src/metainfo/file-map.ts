import type { PieceGeometry } from './geometry.ts';
import type { FileEntry } from './metainfo.ts';

/** A stretch of bytes in one file. */
export interface FileSlice {
  /** Index into `metaInfo.files`. */
  readonly file: number;
  /** First byte, counted from the start of the file. */
  readonly offset: number;
  readonly length: number;
}

/**
 * Which files a piece lies in. BEP 3: the pieces cut the files as if they were one after the other in the order of
 * the list, so a piece may begin in one file and end several files later. Files of length zero lie in no piece.
 */
export class FileMap {
  readonly files: readonly FileEntry[];
  readonly #geometry: PieceGeometry;

  constructor(files: readonly FileEntry[], geometry: PieceGeometry) {
    this.files = files;
    this.#geometry = geometry;
  }

  /** The stretches that hold `length` bytes of a piece from `begin` on, in order. */
  slices(piece: number, begin: number, length: number): FileSlice[] {
    const slices: FileSlice[] = [];
    let at = this.#geometry.pieceOffset(piece) + begin;
    const end = at + length;
    for (let i = this.#fileAt(at); at < end; i++) {
      const file = this.files[i]!;
      const stop = Math.min(end, file.offset + file.length);
      if (stop > at) slices.push({ file: i, offset: at - file.offset, length: stop - at });
      at = Math.max(at, stop);
    }
    return slices;
  }

  pieceSlices(piece: number): FileSlice[] {
    return this.slices(piece, 0, this.#geometry.pieceLengthOf(piece));
  }

  /** The pieces from `first` up to but not `end` that hold bytes of a file; none for a file of length zero. */
  piecesOf(file: number): { first: number; end: number } {
    const { offset, length } = this.files[file]!;
    const first = Math.floor(offset / this.#geometry.pieceLength);
    const end = length === 0 ? first : Math.ceil((offset + length) / this.#geometry.pieceLength);
    return { first, end };
  }

  /** The last file that begins at or before a byte of the content, by halving. */
  #fileAt(offset: number): number {
    let low = 0;
    let high = this.files.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.files[middle]!.offset <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
