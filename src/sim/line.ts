import type { Cancel } from '../ports.ts';
import type { VirtualClock } from './virtual-clock.ts';

/** One direction of a host's connection to the network: its rate, and the one event that it waits for. */
export abstract class Line {
  /** A change holds from the next unit on. */
  bytesPerSec: number;
  protected readonly clock: VirtualClock;
  #wake: Cancel | null = null;
  #wakeAt = Infinity;
  #isDown = false;

  constructor(clock: VirtualClock, bytesPerSec: number) {
    this.clock = clock;
    this.bytesPerSec = bytesPerSec;
  }

  /** The host is gone: nothing leaves it or reaches it any more. */
  get isDown(): boolean {
    return this.#isDown;
  }

  shutDown(): void {
    this.#isDown = true;
    this.#wake?.cancel();
  }

  /** What `wakeBy` asked for: the time has come. */
  protected abstract run(): void;

  /** Runs at this time, unless it is to run before it anyway. */
  protected wakeBy(time: number): void {
    if (time >= this.#wakeAt) return;
    this.#wake?.cancel();
    this.#wakeAt = time;
    this.#wake = this.clock.at(time, this.#onWake);
  }

  protected takesMs(bytes: number): number {
    return (bytes / this.bytesPerSec) * 1000;
  }

  readonly #onWake = (): void => {
    this.#wakeAt = Infinity;
    this.#wake = null;
    this.run();
  };
}
