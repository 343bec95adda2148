/**
 * Failures on demand, for tests: a rule names an operation and the error it must meet. The counters lie in shared
 * memory, so one `DiskFaults` governs the workers and the main thread alike and can be switched while they run.
 */

export type DiskOperation =
  'open' | 'stat' | 'mkdir' | 'truncate' | 'read' | 'write' | 'fsync' | 'rename' | 'unlink';

export interface FaultRule {
  readonly operation: DiskOperation;
  /** Only for paths that contain this text. Default: all. */
  readonly path?: string;
  /**
   * `{ errno }` fails with this code; `{ shortTo }` lets a read or write move only so many bytes; `'die'` ends the
   * worker thread.
   */
  readonly effect: { readonly errno: string } | { readonly shortTo: number } | 'die';
}

/** What goes to a worker; shared memory stays shared. */
export interface SharedFaults {
  readonly rules: readonly FaultRule[];
  readonly counters: Int32Array<SharedArrayBuffer>;
}

/** For `arm`: until disarmed. */
export const ALWAYS = 0x3fff_ffff;

export class DiskFaults {
  readonly shared: SharedFaults;

  /** All rules start disarmed. */
  constructor(rules: readonly FaultRule[] | SharedFaults) {
    this.shared =
      'counters' in rules
        ? rules
        : { rules, counters: new Int32Array(new SharedArrayBuffer(8 * rules.length)) };
  }

  /** Rule number `rule` lets `skip` matching calls pass and then hits `times` of them. */
  arm(rule: number, times: number = ALWAYS, skip = 0): void {
    Atomics.store(this.shared.counters, 2 * rule, skip);
    Atomics.store(this.shared.counters, 2 * rule + 1, times);
  }

  disarm(rule: number): void {
    this.arm(rule, 0);
  }

  /**
   * Called before each operation.
   * @returns how many bytes the operation may move.
   * @throws the system error of the first rule that hits.
   */
  check(operation: DiskOperation, path: string): number {
    const { rules, counters } = this.shared;
    for (let i = 0; i < rules.length; i++) {
      const rule = rules[i]!;
      if (rule.operation !== operation || !path.includes(rule.path ?? '')) continue;
      if (Atomics.load(counters, 2 * i + 1) <= 0) continue;
      if (Atomics.load(counters, 2 * i) > 0) {
        Atomics.sub(counters, 2 * i, 1);
        continue;
      }
      Atomics.sub(counters, 2 * i + 1, 1);
      if (rule.effect === 'die') process.exit(1); // In a worker this ends the thread, not the process.
      if ('shortTo' in rule.effect) return rule.effect.shortTo;
      throw Object.assign(new Error(`${rule.effect.errno}: made to fail, ${operation}`), {
        code: rule.effect.errno,
      });
    }
    return Infinity;
  }
}
