import { BLOCK_LENGTH } from '../../util/block-length.ts';
import { REQUEST_QUEUE_DEFAULT } from '../../wire/extension/extended-handshake.ts';
import {
  REQUEST_WINDOW_MAX,
  REQUEST_WINDOW_START,
  SNUB_TIMEOUT_MAX_MS,
  SNUB_TIMEOUT_MIN_MS,
} from '../limits.ts';

/**
 * The requests in flight to one peer, and how many there may be.
 *
 * The window follows the rate, as TCP's does: it starts small and grows by one with each block (doubling each round
 * trip) until the rate stops growing; from then on it covers the round trip and a slack of half a second. A window
 * that is too small leaves the link idle, one that is too large hoards blocks that faster peers could give.
 *
 * Blocks nearly always come in the order they were asked for, so the queue is a ring that is matched at its head;
 * what comes out of order leaves a hole.
 */

/** What half a second of a fast link would ask for is cut here: memory, and the tail of the download, matter more. */
const SLACK_BLOCKS_MAX = 512;
const SLACK_SECONDS = 0.5;
/** The quickest answer tells how far the peer is, but not of one that has always had a queue: few paths are longer. */
const PATH_MAX_SECONDS = 0.8;
/** The window covers this many round trips, so that jitter does not drain it. */
const ROUND_TRIPS = 1.5;
/**
 * And what we ask waits behind the block that we give to the same peer: on the slowest uplinks for seconds, of which the
 * slack covers little. A window that does not cover them never grows, because its few blocks per wait are all that is
 * seen of the rate.
 */
const WORDS_WAIT_MAX_SECONDS = 3;
const WINDOW_MIN = 4;
/** Slow start ends when a second brings less than this over the one before. */
const GROWTH_MIN = 1.25;

const HOLE = -1;
/** A power of two. Idle peers have no ring at all. */
const RING_LENGTH_START = 64;
const NO_SLOTS = new Float64Array(0);

export class RequestPipeline {
  #blocks: Float64Array = NO_SLOTS;
  #sentAt: Float64Array = NO_SLOTS;
  #head = 0;
  /** Ring slots in use, holes included. */
  #used = 0;
  #outstanding = 0;

  #window = REQUEST_WINDOW_START;
  #peerLimit = REQUEST_QUEUE_DEFAULT;
  #slowStart = true;
  #secondBytes = 0;
  #lastRate = 0;
  // Never a small integer: V8 lays objects out anew when such a field gets its first fraction, a second after the start,
  // and throws away all code compiled for them. Without this and the like a download compiles a third more (221, 165 ms).
  #rate = -0;
  #serviceMeanMs = 0;
  #serviceDeviationMs = 0;
  #roundTripMs = Infinity;
  #lastBlockAt = 0;
  #snubbed = false;
  #wordsWaitSeconds = 0;

  /** Requests sent and not answered. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get snubbed(): boolean {
    return this.#snubbed;
  }

  /** Time of the last block, or of the first request after there was none. */
  get silentSince(): number {
    return this.#lastBlockAt;
  }

  /** Recent payload rate, bytes per second: the better of the last second and a five-second average. */
  get rate(): number {
    return Math.max(this.#lastRate, this.#rate);
  }

  /** Milliseconds from request to block, averaged. */
  get serviceMs(): number {
    return this.#serviceMeanMs;
  }

  /** Requests that are on their way, or whose blocks are, when none waits at the peer. */
  get pathBlocks(): number {
    const seconds = Number.isFinite(this.#roundTripMs)
      ? Math.min(PATH_MAX_SECONDS, this.#roundTripMs / 1000)
      : 0;
    return (this.rate / BLOCK_LENGTH) * (seconds * ROUND_TRIPS + this.#wordsWaitSeconds);
  }

  /** How many requests there may be. A snubbed peer keeps one, to show that it is back. */
  get window(): number {
    return this.#snubbed ? 1 : Math.min(this.#window, this.#peerLimit);
  }

  /** How many to ask for now; nothing until a quarter of the window is free, so that requests leave in batches. */
  get room(): number {
    const window = this.window;
    return this.#outstanding > window * 0.75 ? 0 : window - this.#outstanding;
  }

  /** `reqq` of the peer's extension handshake (BEP 10). */
  setPeerLimit(reqq: number): void {
    this.#peerLimit = Math.min(reqq, REQUEST_WINDOW_MAX);
  }

  add(blockIndex: number, now: number): void {
    if (this.#used === this.#blocks.length) this.#grow();
    const slot = (this.#head + this.#used) & (this.#blocks.length - 1);
    this.#blocks[slot] = blockIndex;
    this.#sentAt[slot] = now;
    this.#used++;
    this.#outstanding++;
    if (this.#outstanding === 1) this.#lastBlockAt = Math.max(this.#lastBlockAt, now);
  }

  has(blockIndex: number): boolean {
    return this.#find(blockIndex) >= 0;
  }

  /** Takes a request out because it was answered, refused or withdrawn. False if it is not here. */
  remove(blockIndex: number): boolean {
    const slot = this.#find(blockIndex);
    if (slot < 0) return false;
    this.#clearSlot(slot);
    return true;
  }

  /** A block came: takes its request out and learns from its time. False if nobody asked for it. */
  onBlock(blockIndex: number, length: number, now: number): boolean {
    const slot = this.#find(blockIndex);
    if (slot < 0) return false;
    const serviceMs = now - this.#sentAt[slot]!;
    this.#clearSlot(slot);
    this.#roundTripMs = Math.min(serviceMs, this.#roundTripMs);
    const error = serviceMs - this.#serviceMeanMs;
    this.#serviceMeanMs += error / 8;
    this.#serviceDeviationMs += (Math.abs(error) - this.#serviceDeviationMs) / 4;
    this.#secondBytes += length;
    this.#lastBlockAt = now;
    this.#snubbed = false;
    if (this.#slowStart && this.#window < this.#slowStartMax()) this.#window++;
    return true;
  }

  /** A block came whose request was given up: the peer is back. */
  onLateBlock(length: number, now: number): void {
    this.#secondBytes += length;
    this.#lastBlockAt = now;
    this.#snubbed = false;
  }

  /** Once a second. @param wordsWaitSeconds How long what we say to the peer waits for what we send it. */
  onBeat(now: number, wordsWaitSeconds = 0): void {
    this.#wordsWaitSeconds = Math.min(WORDS_WAIT_MAX_SECONDS, Math.max(0, wordsWaitSeconds - SLACK_SECONDS));
    const rate = this.#secondBytes;
    this.#secondBytes = 0;
    if (this.#slowStart && this.#lastRate > 0 && rate < this.#lastRate * GROWTH_MIN) this.#slowStart = false;
    this.#rate += (rate - this.#rate) / 5;
    this.#lastRate = rate;
    if (!this.#slowStart) this.#window = this.#idealWindow();
    if (this.#outstanding > 0 && now - this.#lastBlockAt > this.#snubTimeoutMs()) this.#snubbed = true;
  }

  /** The peer could not be heard through no fault of its own: its time begins now. */
  excuseSilence(now: number): void {
    this.#lastBlockAt = now;
  }

  /** Visits all requests, oldest first. */
  forEach(visit: (blockIndex: number) => void): void {
    for (let i = 0; i < this.#used; i++) {
      const block = this.#blocks[(this.#head + i) & (this.#blocks.length - 1)]!;
      if (block !== HOLE) visit(block);
    }
  }

  clear(): void {
    this.#head = 0;
    this.#used = 0;
    this.#outstanding = 0;
  }

  #idealWindow(): number {
    const blocksPerSecond = this.rate / BLOCK_LENGTH;
    const slack = Math.min(SLACK_BLOCKS_MAX, blocksPerSecond * SLACK_SECONDS);
    return Math.max(WINDOW_MIN, Math.min(REQUEST_WINDOW_MAX, 2 + Math.ceil(this.pathBlocks + slack)));
  }

  /** Requests that queue up at the peer for longer than the slack do not make it faster. */
  #slowStartMax(): number {
    const waiting = this.#serviceMeanMs > 0 ? this.#roundTripMs / this.#serviceMeanMs : 1;
    return Math.min(REQUEST_WINDOW_MAX, SLACK_BLOCKS_MAX + this.#window * ROUND_TRIPS * waiting);
  }

  #snubTimeoutMs(): number {
    if (this.#serviceMeanMs === 0) return SNUB_TIMEOUT_MAX_MS;
    const expected = this.#serviceMeanMs + 4 * this.#serviceDeviationMs;
    return Math.min(SNUB_TIMEOUT_MAX_MS, Math.max(SNUB_TIMEOUT_MIN_MS, expected));
  }

  #find(blockIndex: number): number {
    const mask = this.#blocks.length - 1;
    for (let i = 0; i < this.#used; i++) {
      const slot = (this.#head + i) & mask;
      if (this.#blocks[slot] === blockIndex) return slot;
    }
    return -1;
  }

  #clearSlot(slot: number): void {
    this.#blocks[slot] = HOLE;
    this.#outstanding--;
    const mask = this.#blocks.length - 1;
    while (this.#used > 0 && this.#blocks[this.#head] === HOLE) {
      this.#head = (this.#head + 1) & mask;
      this.#used--;
    }
  }

  #grow(): void {
    const length = this.#blocks.length;
    const blocks = new Float64Array(Math.max(RING_LENGTH_START, length * 2));
    const sentAt = new Float64Array(blocks.length);
    for (let i = 0; i < this.#used; i++) {
      const slot = (this.#head + i) & (length - 1);
      blocks[i] = this.#blocks[slot]!;
      sentAt[i] = this.#sentAt[slot]!;
    }
    this.#blocks = blocks;
    this.#sentAt = sentAt;
    this.#head = 0;
  }
}
