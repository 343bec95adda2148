import { Queue } from '../util/queue.ts';
import { Arrivals } from './arrivals.ts';
import type { AnyFlow, Unit, UnitTarget } from './flow.ts';
import { Line } from './line.ts';

/**
 * The receiving side of a host's connection to the network: flows whose blocks have arrived share it in turns.
 *
 * To spend one event per block, the downlink plans which block it will finish next and wakes only then. While it has
 * nothing that arrived, it plans for the block that arrives first, and changes the plan if one overtakes it.
 */
export class Downlink extends Line implements UnitTarget {
  readonly #smallInFlight = new Arrivals();
  readonly #bulkInFlight = new Arrivals();
  /** Flows with blocks that have arrived and wait to be received. */
  readonly #waiting = new Queue<AnyFlow>();
  /** The block to finish next. */
  #planned: Unit | null = null;
  #plannedAt = Infinity;
  /** When the bytes received so far have all passed. */
  #freeAt = 0;
  /** What small units took of the rate while a block was being received: the next block starts that much later. */
  #owedMs = 0;
  #receivedBytes = 0;
  #inFlightBytes = 0;
  #lostBytes = 0;

  /** All bytes that reached this host. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Bytes on their way here. */
  get inFlightBytes(): number {
    return this.#inFlightBytes;
  }

  /** Bytes that were on their way here when the host went away. */
  get lostBytes(): number {
    return this.#lostBytes;
  }

  push(unit: Unit): void {
    if (this.isDown) {
      this.#lostBytes += unit.bytes;
      return;
    }
    this.#inFlightBytes += unit.bytes;
    if (!unit.isBulk) this.#smallInFlight.push(unit);
    else if (this.#planned === null) this.#planFor(unit);
    else if (this.#overtakesPlan(unit)) {
      this.#bulkInFlight.push(this.#planned);
      this.#planFor(unit);
    } else this.#bulkInFlight.push(unit);
    this.#wakeInTime();
  }

  grow(bytes: number): void {
    if (this.isDown) this.#lostBytes += bytes;
    else this.#inFlightBytes += bytes;
  }

  override shutDown(): void {
    super.shutDown();
    this.#lostBytes += this.#inFlightBytes;
    this.#inFlightBytes = 0;
    this.#planned = null;
    this.#waiting.clear();
  }

  #overtakesPlan(unit: Unit): boolean {
    const planned = this.#planned!;
    return unit.lastByteMs < planned.lastByteMs && planned.lastByteMs > this.clock.now();
  }

  #planFor(unit: Unit): void {
    const startMs = Math.max(this.#freeAt, unit.firstByteMs);
    this.#planned = unit;
    this.#plannedAt = Math.max(unit.lastByteMs, startMs + this.takesMs(unit.bytes));
  }

  #wakeInTime(): void {
    this.wakeBy(Math.min(this.#smallInFlight.nextMs, this.#plannedAt));
  }

  protected override run(): void {
    const now = this.clock.now();
    this.#landSmall(now);
    if (this.#plannedAt <= now) this.#landPlanned();
    if (this.isDown) return; // A receiver took its host off the network.
    this.#queueArrived(now);
    if (this.#planned === null) this.#planNext();
    this.#wakeInTime();
  }

  #landSmall(now: number): void {
    while (this.#smallInFlight.nextMs <= now && !this.isDown) {
      const unit = this.#smallInFlight.shift()!;
      if (this.#planned !== null) this.#owedMs += this.takesMs(unit.bytes);
      else this.#freeAt = Math.max(this.#freeAt, unit.firstByteMs) + this.takesMs(unit.bytes);
      this.#land(unit);
    }
  }

  #landPlanned(): void {
    const unit = this.#planned;
    if (unit === null) return;
    this.#freeAt = this.#plannedAt + this.#owedMs;
    this.#owedMs = 0;
    this.#planned = null;
    this.#plannedAt = Infinity;
    this.#land(unit);
  }

  #land(unit: Unit): void {
    this.#receivedBytes += unit.bytes;
    this.#inFlightBytes -= unit.bytes;
    unit.flow.land(unit);
  }

  #queueArrived(now: number): void {
    while (this.#bulkInFlight.nextMs <= now) {
      const unit = this.#bulkInFlight.shift()!;
      unit.flow.arrived.push(unit);
      if (unit.flow.arrived.length === 1) this.#waiting.push(unit.flow);
    }
  }

  #planNext(): void {
    const flow = this.#waiting.shift();
    if (flow === undefined) {
      const unit = this.#bulkInFlight.shift();
      if (unit !== undefined) this.#planFor(unit);
      return;
    }
    this.#planFor(flow.arrived.shift()!);
    if (flow.arrived.length > 0) this.#waiting.push(flow);
  }
}
