import type { Cancel } from '../ports.ts';
import { Fifo } from './fifo.ts';
import type { AnyFlow, UnitSource } from './flow.ts';
import type { VirtualClock } from './virtual-clock.ts';

/**
 * The sending side of a host's connection to the network: its flows share it in turns, a block at a time.
 *
 * Small parcels leave at the end of the turn they were sent in, one after the other, without waiting for the block
 * that is leaving. Their bytes are charged to the blocks after them, so the rate holds over any longer time.
 */
export class Uplink implements UnitSource {
  readonly #clock: VirtualClock;
  #bytesPerSec: number;
  /** Flows with a small parcel next, and with a bulk one next. */
  readonly #small = new Fifo<AnyFlow>();
  readonly #bulk = new Fifo<AnyFlow>();
  /** Flows whose path is closed. */
  readonly #stalled = new Set<AnyFlow>();
  /** When the bytes sent so far have all left. */
  #freeAt = 0;
  /** When the small parcels sent so far have left. */
  #smallFreeAt = 0;
  #wake: Cancel | null = null;
  #wakeAt = Infinity;
  #isDown = false;
  #sentBytes = 0;

  constructor(clock: VirtualClock, bytesPerSec: number) {
    this.#clock = clock;
    this.#bytesPerSec = bytesPerSec;
  }

  get bytesPerSec(): number {
    return this.#bytesPerSec;
  }

  /** Holds from the next unit on. */
  set bytesPerSec(value: number) {
    this.#bytesPerSec = value;
  }

  /** All bytes that left this host. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  offer(flow: AnyFlow): void {
    if (this.#isDown) return;
    flow.isOffered = true;
    this.#enqueue(flow);
    this.#plan();
  }

  /** Paths have opened again. */
  retryStalled(): void {
    const stalled = [...this.#stalled];
    this.#stalled.clear();
    for (const flow of stalled) this.offer(flow);
  }

  /** The host is gone: nothing leaves it any more. */
  shutDown(): void {
    this.#isDown = true;
    this.#wake?.cancel();
    this.#small.clear();
    this.#bulk.clear();
    this.#stalled.clear();
  }

  #enqueue(flow: AnyFlow): void {
    (flow.isBulkNext ? this.#bulk : this.#small).push(flow);
  }

  #plan(): void {
    const now = this.#clock.now();
    const at = this.#small.size > 0 ? now : this.#bulk.size > 0 ? Math.max(now, this.#freeAt) : Infinity;
    if (at >= this.#wakeAt) return;
    this.#wake?.cancel();
    this.#wakeAt = at;
    this.#wake = this.#clock.at(at, this.#run);
  }

  readonly #run = (): void => {
    this.#wakeAt = Infinity;
    this.#wake = null;
    const now = this.#clock.now();
    for (let count = this.#small.size; count > 0; count--) this.#serve(this.#small.shift()!, now);
    if (this.#freeAt <= now) {
      const flow = this.#bulk.shift();
      if (flow !== undefined) this.#serve(flow, now);
    }
    this.#plan();
  };

  /** Sends one unit of the flow and puts it to the end of its queue. */
  #serve(flow: AnyFlow, now: number): void {
    flow.isOffered = false;
    if (flow.isEmpty || flow.isWindowFull) return; // The flow comes back by itself.
    if (!flow.path.isOpen()) {
      flow.isOffered = true;
      this.#stalled.add(flow);
      return;
    }
    const unit = flow.take();
    const takesMs = (unit.bytes / this.#bytesPerSec) * 1000;
    const startMs = unit.isBulk ? now : Math.max(now, this.#smallFreeAt);
    if (!unit.isBulk) this.#smallFreeAt = startMs + takesMs;
    this.#freeAt = Math.max(this.#freeAt, now) + takesMs;
    this.#sentBytes += unit.bytes;
    unit.firstByteMs = startMs + flow.path.latencyMs;
    unit.lastByteMs = flow.lastByteMs = Math.max(flow.lastByteMs, unit.firstByteMs + takesMs);
    if (!flow.isEmpty) {
      flow.isOffered = true;
      this.#enqueue(flow);
    }
    flow.target.push(unit);
    flow.notifyTaken();
  }
}
