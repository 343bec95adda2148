import type { FileMap } from '../../metainfo/file-map.ts';
import type { MetaInfo } from '../../metainfo/metainfo.ts';
import type { FilePriority } from '../../options.ts';

/** The picker's numbers for what users say. */
export const PICK_PRIORITY: Readonly<Record<FilePriority, number>> = { skip: 0, low: 1, normal: 4, high: 7 };

/** Which files are wanted, how much of each is verified, and what that means for pieces and for the whole. */
export class FileProgress {
  readonly #metaInfo: MetaInfo;
  /** Which pieces lie in which files. */
  readonly map: FileMap;
  readonly #priorities: FilePriority[];
  readonly #doneBytes: number[];
  #wantedBytes = 0;
  #wantedDoneBytes = 0;
  /** All files have the same priority, as in most torrents. */
  #isUniform = true;
  #isChosen = false;

  constructor(metaInfo: MetaInfo, map: FileMap) {
    this.#metaInfo = metaInfo;
    this.map = map;
    this.#priorities = metaInfo.files.map(() => 'normal' as const);
    this.#doneBytes = metaInfo.files.map(() => 0);
    this.#recount();
  }

  /** Bytes of wanted files, pad files left out. */
  get wantedBytes(): number {
    return this.#wantedBytes;
  }

  get wantedDoneBytes(): number {
    return this.#wantedDoneBytes;
  }

  /** Somebody said what is wanted. */
  get isChosen(): boolean {
    return this.#isChosen;
  }

  get priorities(): readonly FilePriority[] {
    return this.#priorities;
  }

  doneBytes(file: number): number {
    return this.#doneBytes[file]!;
  }

  isDone(file: number): boolean {
    return this.#doneBytes[file] === this.#metaInfo.files[file]!.length;
  }

  /** Wanted files of length zero: no piece tells when they are there. */
  emptyWanted(): number[] {
    return this.#metaInfo.files
      .filter(({ index, length, padding }) => length === 0 && !padding && this.#priorities[index] !== 'skip')
      .map(({ index }) => index);
  }

  wanted(): boolean[] {
    return this.#metaInfo.files.map((file, index) => !file.padding && this.#priorities[index] !== 'skip');
  }

  setPriority(files: readonly number[], priority: FilePriority): void {
    for (const file of files) this.#priorities[file] = priority;
    this.#isChosen = true;
    this.#recount();
  }

  /** One for each file. */
  setPriorities(priorities: readonly FilePriority[]): void {
    priorities.forEach((priority, file) => (this.#priorities[file] = priority));
    this.#isChosen = true;
    this.#recount();
  }

  /** What the picker is told of a piece: the highest wish of the files in it. */
  piecePriority(piece: number): number {
    if (this.#isUniform) return PICK_PRIORITY[this.#priorities[0]!];
    let priority = 0;
    for (const { file } of this.map.pieceSlices(piece)) {
      if (this.#metaInfo.files[file]!.padding) continue;
      priority = Math.max(priority, PICK_PRIORITY[this.#priorities[file]!]);
    }
    return priority;
  }

  /** A piece became ours, or was lost again. Returns the wanted files that became whole by it. */
  onPiece(piece: number, gained: boolean): number[] {
    const whole: number[] = [];
    for (const { file, length } of this.map.pieceSlices(piece)) {
      const bytes = gained ? length : -length;
      this.#doneBytes[file]! += bytes;
      if (this.#metaInfo.files[file]!.padding || this.#priorities[file] === 'skip') continue;
      this.#wantedDoneBytes += bytes;
      if (gained && this.isDone(file)) whole.push(file);
    }
    return whole;
  }

  #recount(): void {
    this.#isUniform = this.#priorities.every((priority) => priority === this.#priorities[0]);
    this.#wantedBytes = 0;
    this.#wantedDoneBytes = 0;
    this.#metaInfo.files.forEach((file, index) => {
      if (file.padding || this.#priorities[index] === 'skip') return;
      this.#wantedBytes += file.length;
      this.#wantedDoneBytes += this.#doneBytes[index]!;
    });
  }
}
