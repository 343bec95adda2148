import { Queue } from '../util/queue.ts';
import type { AnyFlow, UnitSource } from './flow.ts';
import { Line } from './line.ts';
import type { VirtualClock } from './virtual-clock.ts';

/**
 * The sending side of a host's connection to the network: its flows share it in turns, a block at a time.
 *
 * Small parcels leave at the end of the turn they were sent in, one after the other, without waiting for the block
 * that is leaving. Their bytes are charged to the blocks after them, so the rate holds over any longer time.
 */
export class Uplink extends Line implements UnitSource {
  readonly #grainMs: number;
  /** Flows with a small parcel next, and with a bulk one next. */
  readonly #small = new Queue<AnyFlow>();
  readonly #bulk = new Queue<AnyFlow>();
  /** Flows whose path is closed. */
  readonly #stalled = new Set<AnyFlow>();
  /** When the bytes sent so far have all left. */
  #freeAt = 0;
  /** When the small parcels sent so far have left. */
  #smallFreeAt = 0;
  #sentBytes = 0;

  /** @param grainMs Small parcels arrive at multiples of it: see `NetworkOptions`. */
  constructor(clock: VirtualClock, bytesPerSec: number, grainMs = 0) {
    super(clock, bytesPerSec);
    this.#grainMs = grainMs;
  }

  /** All bytes that left this host. */
  get sentBytes(): number {
    return this.#sentBytes;
  }

  offer(flow: AnyFlow): void {
    if (this.isDown) return;
    flow.isOffered = true;
    this.#enqueue(flow);
    this.#plan();
  }

  sendAtOnce(flow: AnyFlow, bytes: number): number | null {
    if (this.#grainMs === 0 || this.isDown || !flow.path.isOpen()) return null;
    const now = this.clock.now();
    const takesMs = this.takesMs(bytes);
    const startMs = this.#chargeSmall(now, bytes, takesMs);
    flow.lastByteMs = this.#coarse(Math.max(flow.lastByteMs, startMs + flow.path.latencyMs + takesMs));
    return flow.lastByteMs;
  }

  /** Paths have opened again. */
  retryStalled(): void {
    const stalled = [...this.#stalled];
    this.#stalled.clear();
    for (const flow of stalled) this.offer(flow);
  }

  override shutDown(): void {
    super.shutDown();
    this.#small.clear();
    this.#bulk.clear();
    this.#stalled.clear();
  }

  #enqueue(flow: AnyFlow): void {
    (flow.isBulkNext ? this.#bulk : this.#small).push(flow);
  }

  #plan(): void {
    const now = this.clock.now();
    if (this.#small.size > 0) this.wakeBy(now);
    else if (this.#bulk.size > 0) this.wakeBy(Math.max(now, this.#freeAt));
  }

  protected override run(): void {
    const now = this.clock.now();
    for (let count = this.#small.size; count > 0; count--) this.#serve(this.#small.shift()!, now);
    if (this.#freeAt <= now) {
      const flow = this.#bulk.shift();
      if (flow !== undefined) this.#serve(flow, now);
    }
    this.#plan();
  }

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
    const takesMs = this.takesMs(unit.bytes);
    const startMs = unit.isBulk
      ? this.#charge(now, unit.bytes, takesMs)
      : this.#chargeSmall(now, unit.bytes, takesMs);
    unit.firstByteMs = startMs + flow.path.latencyMs;
    const arrivalMs = Math.max(flow.lastByteMs, unit.firstByteMs + takesMs);
    unit.lastByteMs = flow.lastByteMs = unit.isBulk ? arrivalMs : this.#coarse(arrivalMs);
    if (!flow.isEmpty) {
      flow.isOffered = true;
      this.#enqueue(flow);
    }
    flow.target.push(unit);
    flow.notifyTaken();
  }

  /** Takes the bytes off the rate. Returns when they begin to leave. */
  #charge(now: number, bytes: number, takesMs: number): number {
    this.#freeAt = Math.max(this.#freeAt, now) + takesMs;
    this.#sentBytes += bytes;
    return now;
  }

  #chargeSmall(now: number, bytes: number, takesMs: number): number {
    this.#charge(now, bytes, takesMs);
    const startMs = Math.max(now, this.#smallFreeAt);
    this.#smallFreeAt = startMs + takesMs;
    return startMs;
  }

  #coarse(timeMs: number): number {
    return this.#grainMs === 0 ? timeMs : Math.ceil(timeMs / this.#grainMs) * this.#grainMs;
  }
}
