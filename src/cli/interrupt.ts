import { SIGNAL_EXIT } from './exit-codes.ts';
import type { StopSignal } from './exit-codes.ts';

/** How long a clean end may take after the first signal before the process just ends. */
const WATCHDOG_MS = 5000;

/** As much of `process` as is used. */
export interface SignalSource {
  on(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(signal: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

/**
 * The first SIGINT, SIGTERM or SIGHUP asks for a clean end through `signal`; a second one, or five seconds, ends the
 * process at once with the exit code that shells have for the signal.
 */
export class Interrupt {
  readonly #controller = new AbortController();
  readonly #source: SignalSource;
  readonly #exitNow: (code: number) => void;
  #received: StopSignal | null = null;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(source: SignalSource, exitNow: (code: number) => void) {
    this.#source = source;
    this.#exitNow = exitNow;
    for (const name of Object.keys(SIGNAL_EXIT) as StopSignal[]) source.on(name, this.#onSignal);
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** The signal that was received, or null. */
  get received(): StopSignal | null {
    return this.#received;
  }

  /** Stops listening; signals do again what they do by default. */
  dispose(): void {
    clearTimeout(this.#watchdog);
    for (const name of Object.keys(SIGNAL_EXIT) as StopSignal[]) this.#source.off(name, this.#onSignal);
  }

  readonly #onSignal = (name: StopSignal): void => {
    if (this.#received !== null) {
      this.#exitNow(SIGNAL_EXIT[name]);
      return;
    }
    this.#received = name;
    this.#watchdog = setTimeout(() => this.#exitNow(SIGNAL_EXIT[name]), WATCHDOG_MS);
    this.#watchdog.unref();
    this.#controller.abort();
  };
}
