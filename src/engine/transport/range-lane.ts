/**
 * One connection's worth of a web seed: fetches a run of blocks, file by file, and cuts what comes into blocks again.
 *
 * A block is handed on when it is whole. Most lie whole in the chunk that came off the network and are copied from
 * there to their place; one that is cut by the end of a chunk is gathered first.
 */
import type { TrackerError } from '../../errors.ts';
import type { FileMap, FileSlice } from '../../metainfo/file-map.ts';
import type { RangeHead, RangePort, RangeSink, RangeStream } from '../../ports.ts';
import { BLOCK_LENGTH } from '../../util/block-length.ts';
import { checkAnswer, fault, type SeedFault } from './range-answer.ts';
import type { WebSeedUrls } from './web-seed-urls.ts';

/** A server that says nothing for this long is given up. libtorrent 20 s. */
const SILENCE_MS = 20_000;
/** What pad files (BEP 47) hold, and nobody need send. */
const ZEROS = new Uint8Array(BLOCK_LENGTH);

/** A block that was asked for. */
export interface AskedBlock {
  readonly piece: number;
  readonly begin: number;
  readonly length: number;
  /** Nobody gave it meanwhile. */
  isWanted: boolean;
}

export interface LaneHost {
  readonly web: RangePort;
  readonly urls: WebSeedUrls;
  readonly fileMap: FileMap;
  readonly refuseLocal: boolean;
  /** Bytes came, useful or not. */
  onReceived(bytes: number): void;
  /** `bytes` is reused as soon as the call returns. */
  onBlock(block: AskedBlock, bytes: Uint8Array): void;
  /** What came has been worked off. */
  onBatchEnd(): void;
  /** The run is done: the lane is free. */
  onRunDone(lane: RangeLane): void;
  onFault(lane: RangeLane, fault: SeedFault): void;
  /** Calls back in a turn of its own. */
  soon(fn: () => void): void;
}

export class RangeLane implements RangeSink {
  readonly #host: LaneHost;
  readonly #blocks: readonly AskedBlock[];
  readonly #slices: readonly FileSlice[];
  /** Blocks handed on. */
  #done = 0;
  /** The block that is cut by the end of a chunk, and how much of it is here. */
  #cut: Uint8Array | null = null;
  #cutLength = 0;
  #slice = 0;
  /** Bytes of the answer before those that are wanted, and of those, that are still to come. */
  #skip = 0;
  #left = 0;
  #leftInRun = 0;
  #stream: RangeStream | null = null;
  #isPaused = false;
  #isStopped = false;

  /** @param blocks At least one, each beginning where the one before ends. */
  constructor(host: LaneHost, blocks: readonly AskedBlock[]) {
    this.#host = host;
    this.#blocks = blocks;
    for (const { length } of blocks) this.#leftInRun += length;
    const { piece, begin } = blocks[0]!;
    this.#slices = host.fileMap.slices(piece, begin, this.#leftInRun);
  }

  /** Bytes still to come. */
  get remaining(): number {
    return this.#leftInRun;
  }

  /** Some block of it was given. */
  get hasGiven(): boolean {
    return this.#done > 0;
  }

  /** The file that is being fetched. */
  get file(): number {
    return this.#slices[this.#slice]!.file;
  }

  /** Blocks not given yet. */
  get undone(): readonly AskedBlock[] {
    return this.#blocks.slice(this.#done);
  }

  get isOfUse(): boolean {
    return this.#blocks.some(({ isWanted }, index) => isWanted && index >= this.#done);
  }

  start(): void {
    const slice = this.#slices[this.#slice]!;
    const { web, urls, fileMap, refuseLocal } = this.#host;
    this.#left = slice.length;
    this.#skip = 0;
    if (fileMap.files[slice.file]!.padding) {
      this.#host.soon(() => this.#pad());
      return;
    }
    const url = urls.of(slice.file);
    if (url === null) {
      this.#host.soon(() => this.#fail(fault('missing', 'a name that no server can have')));
      return;
    }
    const { offset, length } = slice;
    this.#stream = web.stream({ url, offset, length, silenceMs: SILENCE_MS, refuseLocal }, this);
    if (this.#isPaused) this.#stream.pauseReading();
  }

  /** Ends it without a word. */
  stop(): void {
    this.#isStopped = true;
    this.#stream?.cancel();
    this.#stream = null;
  }

  pauseReading(): void {
    this.#isPaused = true;
    this.#stream?.pauseReading();
  }

  resumeReading(): void {
    this.#isPaused = false;
    this.#stream?.resumeReading();
  }

  // — RangeSink

  onHead(head: RangeHead): boolean {
    if (this.#isStopped) return false;
    const { file, offset, length } = this.#slices[this.#slice]!;
    const fileLength = this.#host.fileMap.files[file]!.length;
    const verdict = checkAnswer(head, { offset, length, fileLength });
    if ('kind' in verdict) {
      this.#fail(verdict);
      return false;
    }
    this.#skip = verdict.skip;
    return true;
  }

  onData(chunk: Uint8Array): void {
    if (this.#isStopped) return;
    this.#host.onReceived(chunk.length);
    const doneBefore = this.#done;
    const skipped = Math.min(this.#skip, chunk.length);
    this.#skip -= skipped;
    const end = Math.min(chunk.length, skipped + this.#left);
    this.#take(skipped === 0 && end === chunk.length ? chunk : chunk.subarray(skipped, end));
    if (this.#isStopped) return;
    if (end < chunk.length) {
      // More than its range: the rest of the file, from a server that does not know ranges.
      this.#stream?.cancel();
      this.#endSlice();
    }
    // A server may send its bytes one by one.
    if (this.#done > doneBefore) this.#host.onBatchEnd();
  }

  onEnd(): void {
    if (this.#isStopped) return;
    this.#stream = null;
    if (this.#left > 0) this.#fail(fault('unfit', 'sends less than it promises'));
    else this.#endSlice();
  }

  onFail(error: TrackerError): void {
    if (!this.#isStopped) this.#fail(fault('broken', error.message));
  }

  #pad(): void {
    if (this.#isStopped) return;
    while (this.#left > 0 && !this.#isStopped)
      this.#take(ZEROS.subarray(0, Math.min(this.#left, BLOCK_LENGTH)));
    if (this.#isStopped) return;
    this.#host.onBatchEnd();
    if (!this.#isStopped) this.#endSlice();
  }

  #endSlice(): void {
    this.#stream = null;
    this.#slice++;
    if (this.#slice < this.#slices.length) this.start();
    else {
      this.#isStopped = true;
      this.#host.onRunDone(this);
    }
  }

  #fail(what: SeedFault): void {
    this.stop();
    this.#host.onFault(this, what);
  }

  /** The next bytes of the run. */
  #take(bytes: Uint8Array): void {
    this.#left -= bytes.length;
    this.#leftInRun -= bytes.length;
    let at = this.#cut ? this.#mend(bytes) : 0;
    while (at < bytes.length && !this.#isStopped) {
      const block = this.#blocks[this.#done]!;
      const end = at + block.length;
      if (end > bytes.length) {
        this.#cut = new Uint8Array(block.length);
        this.#cut.set(bytes.subarray(at));
        this.#cutLength = bytes.length - at;
        return;
      }
      this.#done++;
      this.#host.onBlock(block, bytes.subarray(at, end));
      at = end;
    }
  }

  /** Goes on with the block that was cut. Returns how many bytes that took. */
  #mend(bytes: Uint8Array): number {
    const cut = this.#cut!;
    const count = Math.min(bytes.length, cut.length - this.#cutLength);
    cut.set(count === bytes.length ? bytes : bytes.subarray(0, count), this.#cutLength);
    this.#cutLength += count;
    if (this.#cutLength < cut.length) return count;
    this.#cut = null;
    this.#done++;
    this.#host.onBlock(this.#blocks[this.#done - 1]!, cut);
    return count;
  }
}
