import { join, resolve, sep } from 'node:path';
import { FileMap } from '../metainfo/file-map.ts';
import type { FileSlice } from '../metainfo/file-map.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import type { FileStat } from '../ports.ts';
import type { DiskSpan, SmallWrite, SurveyResult, WriteSpan } from './disk-jobs.ts';
import { PartIndex } from './part-file.ts';

const ABSENT = 0;
const ON_DISK = 1;
const TOO_LONG = 2;

/** A stretch of the part file that belongs into a file. */
export interface PartMove {
  readonly file: number;
  readonly from: DiskSpan;
  readonly to: WriteSpan;
}

/**
 * Where the bytes of a torrent belong. For each file three things are known: is it wanted, is it on disk (as of the
 * last survey, and since then by our own writes), and is it a pad file. From that follows:
 *
 * - a pad file has no place, it is zeros (BEP 47);
 * - a file that is wanted, or on disk already, holds its bytes itself. So one that someone had before is used even if it
 *   is not wanted;
 * - any other file is *outside*: it must not be made, and one that is too long to be the torrent's is not touched. A
 *   piece that has a share in it is kept whole in the part file.
 */
export class FilePlaces {
  readonly dir: string;
  readonly parts: PartIndex;
  readonly #metaInfo: MetaInfo;
  /** `dir` with a separator at its end. */
  readonly #prefix: string;
  readonly #map: FileMap;
  readonly #states: number[];
  #wanted: readonly boolean[];

  constructor(metaInfo: MetaInfo, dir: string) {
    this.dir = resolve(dir);
    this.#prefix = this.dir.endsWith(sep) ? this.dir : this.dir + sep;
    this.parts = new PartIndex(metaInfo.infoHash, metaInfo.pieceLength, metaInfo.pieceCount);
    this.#metaInfo = metaInfo;
    this.#map = new FileMap(metaInfo.files, metaInfo.geometry);
    this.#states = metaInfo.files.map(() => ABSENT);
    this.#wanted = metaInfo.files.map(() => true);
  }

  /** Made when they are asked for: thousands of torrents that seed need none of theirs most of the time. */
  get paths(): readonly string[] {
    return this.#metaInfo.files.map((_, file) => this.pathOf(file));
  }

  /** Paths of torrents are clean, so there is nothing to normalize. */
  pathOf(file: number): string {
    const { path } = this.#metaInfo.files[file]!;
    return this.#prefix + (sep === '/' ? path : path.replaceAll('/', sep));
  }

  get partPath(): string {
    return join(this.dir, this.parts.name);
  }

  setWanted(wanted: readonly boolean[]): void {
    this.#wanted = [...wanted];
  }

  isWanted(file: number): boolean {
    return this.#wanted[file] === true;
  }

  /** Our own writes made it, or the survey found it. */
  isOnDisk(file: number): boolean {
    const state = this.#states[file];
    return state === ON_DISK || (state === TOO_LONG && this.isWanted(file));
  }

  noteOnDisk(file: number): void {
    this.#states[file] = ON_DISK;
  }

  /** Takes what a survey found as the truth. */
  accept(survey: SurveyResult): void {
    for (const { index, length } of this.#metaInfo.files) {
      const size = survey.sizes[index]!;
      this.#states[index] = size < 0 ? ABSENT : size <= length ? ON_DISK : TOO_LONG;
    }
    if (survey.partHeader === null) this.parts.clear();
    else if (!this.parts.isOnDisk) this.parts.load(survey.partHeader);
  }

  /** For the engine: a missing file whose bytes may be in the part file has its time, so that a change of it shows. */
  toStats(survey: SurveyResult): FileStat[] {
    return this.#metaInfo.files.map((file, i) => {
      if (file.padding) return { size: file.length, mtimeMs: 0 };
      if (survey.sizes[i]! >= 0) return { size: survey.sizes[i]!, mtimeMs: survey.mtimesMs[i]! };
      return { size: -1, mtimeMs: survey.partMtimeMs };
    });
  }

  isOutside(file: number): boolean {
    return !this.isOnDisk(file) && !this.isWanted(file) && !this.#isPad(file);
  }

  /** Is there a place where the bytes of this file in this piece can be, as far as is known without reading? */
  isThere(piece: number, file: number): boolean {
    return this.#isPad(file) || this.isOnDisk(file) || (this.isOutside(file) && this.parts.has(piece));
  }

  slices(piece: number, begin: number, length: number): FileSlice[] {
    return this.#map.slices(piece, begin, length);
  }

  pieceSlices(piece: number): FileSlice[] {
    return this.#map.pieceSlices(piece);
  }

  /** Where a slice of the piece begins, counted from the start of the piece. */
  beginOf(piece: number, slice: FileSlice): number {
    return (
      slice.offset + this.#metaInfo.files[slice.file]!.offset - this.#metaInfo.geometry.pieceOffset(piece)
    );
  }

  /** Where to read a slice for which `isThere` holds. */
  readSpan(piece: number, slice: FileSlice): DiskSpan {
    const { file, offset, length } = slice;
    if (!this.isOutside(file)) return { path: this.pathOf(file), offset, length, zero: this.#isPad(file) };
    return { path: this.partPath, offset: this.parts.offsetOf(piece, this.beginOf(piece, slice)), length };
  }

  /** Where a piece is to be written, with `slot` for the piece as a whole if a file of it is outside. */
  writeSpans(piece: number, slot: number | null): WriteSpan[] {
    const slices = this.pieceSlices(piece);
    const spans = slices.flatMap((slice) =>
      this.isOutside(slice.file) ? [] : [this.#writeSpan(piece, slice)],
    );
    if (slot === null) return spans;
    return [
      ...spans,
      {
        path: this.partPath,
        offset: this.parts.slotOffset(slot),
        begin: 0,
        length: this.#metaInfo.geometry.pieceLengthOf(piece),
        fileLength: -1,
        mayCreate: !this.parts.isOnDisk,
      },
    ];
  }

  /** What the part file's index must get after the bytes of a slot; null for a slot that is given up. */
  partEntries(piece: number, slot: number | null): SmallWrite[] {
    const entry = { path: this.partPath, ...this.parts.entry(piece, slot) };
    if (this.parts.isOnDisk) return [entry];
    return [{ path: this.partPath, offset: 0, bytes: this.parts.preamble() }, entry];
  }

  /** What must be copied from the part file into files that are wanted and not there. */
  moves(): PartMove[] {
    return this.parts.pieces().flatMap((piece) =>
      this.pieceSlices(piece).flatMap((slice) => {
        const { file, length } = slice;
        if (this.isOnDisk(file) || this.isOutside(file) || this.#isPad(file)) return [];
        const offset = this.parts.offsetOf(piece, this.beginOf(piece, slice));
        return [{ file, from: { path: this.partPath, offset, length }, to: this.#writeSpan(piece, slice) }];
      }),
    );
  }

  /** Pieces in the part file that no file outside has a share in. */
  spareParts(): number[] {
    return this.parts
      .pieces()
      .filter((piece) => !this.pieceSlices(piece).some(({ file }) => this.isOutside(file)));
  }

  /** Wanted files of length zero, which no piece will ever make. */
  missingEmptyFiles(): number[] {
    return this.#metaInfo.files
      .filter(({ index, length, padding }) => length === 0 && !padding && !this.isOnDisk(index))
      .filter(({ index }) => this.isWanted(index))
      .map(({ index }) => index);
  }

  #writeSpan(piece: number, slice: FileSlice): WriteSpan {
    const { file, offset, length } = slice;
    return {
      path: this.pathOf(file),
      offset,
      begin: this.beginOf(piece, slice),
      length,
      fileLength: this.#metaInfo.files[file]!.length,
      mayCreate: !this.isOnDisk(file),
      zero: this.#isPad(file),
    };
  }

  #isPad(file: number): boolean {
    return this.#metaInfo.files[file]!.padding;
  }
}
