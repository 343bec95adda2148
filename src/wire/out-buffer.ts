import type { BlockSource, ByteStream } from './link.ts';

/**
 * What waits to be sent on one link, in order: small messages, written into an arena, and blocks, kept by reference.
 *
 *     arena   [ sent, perhaps still in flight | stretch: the messages of this turn | free ]
 *                                             start                               end
 *     parts   stretch, block, stretch, block ...   handed to the stream at the flush
 *
 * The network reads the arena after the flush, so nothing before `end` is written again until all of it has been sent;
 * an arena that is full before that is left to the network, and a fresh one begins.
 */

/** 240 requests or 315 block headers: as much as a turn usually says, and little enough for a link at rest. */
const ARENA_LENGTH = 4_096;

/** Messages above this are given memory of their own. */
const SMALL_MAX = 512;

export class OutBuffer {
  #arena: Uint8Array | null = null;
  #start = 0;
  #end = 0;
  #parts: Uint8Array[] = [];
  #sources: (BlockSource | null)[] = [];
  #queuedBytes = 0;

  /** Bytes not yet handed to a stream. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** Where `reserve` made room. */
  get arena(): Uint8Array {
    return this.#arena!;
  }

  /** Makes room for a small message and returns its offset in `arena`; the caller fills all of it at once. */
  reserve(length: number): number {
    if (this.#arena === null || this.#end + length > ARENA_LENGTH) {
      this.#seal();
      this.#arena = new Uint8Array(ARENA_LENGTH);
      this.#start = 0;
      this.#end = 0;
    }
    const offset = this.#end;
    this.#end += length;
    this.#queuedBytes += length;
    return offset;
  }

  /** Appends a copy of `bytes`, of any length. */
  appendCopy(bytes: Uint8Array): void {
    if (bytes.length <= SMALL_MAX) {
      const offset = this.reserve(bytes.length);
      this.arena.set(bytes, offset);
    } else {
      this.appendBlock(bytes.slice(), null);
    }
  }

  /** Appends memory of someone else, which stays as it is until `source` is released. */
  appendBlock(block: Uint8Array, source: BlockSource | null): void {
    this.#seal();
    this.#parts.push(block);
    this.#sources.push(source);
    this.#queuedBytes += block.length;
  }

  /** Hands everything to the stream. */
  flushTo(stream: ByteStream): void {
    this.#seal();
    const parts = this.#parts;
    const sources = this.#sources;
    for (let i = 0; i < parts.length; i++) stream.write(parts[i]!, sources[i]!);
    parts.length = 0;
    sources.length = 0;
    this.#queuedBytes = 0;
  }

  /** All that was flushed has been sent: the arena may begin anew, unless it holds unsent messages. */
  onAllSent(): void {
    if (this.#queuedBytes > 0) return;
    this.#start = 0;
    this.#end = 0;
  }

  /** Forgets what was not flushed. */
  clear(): void {
    const sources = this.#sources;
    this.#parts = [];
    this.#sources = [];
    this.#start = this.#end;
    this.#queuedBytes = 0;
    for (const source of sources) source?.release();
  }

  /** Turns the messages since the last part into a part. */
  #seal(): void {
    if (this.#start === this.#end) return;
    this.#parts.push(this.#arena!.subarray(this.#start, this.#end));
    this.#sources.push(null);
    this.#start = this.#end;
  }
}
