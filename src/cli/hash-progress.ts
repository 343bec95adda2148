import type { Context } from './context.ts';
import { padStart } from './display-width.ts';
import { formatBytes, formatEta, formatPercent, formatRate } from './format.ts';
import type { HashProgress } from './library.ts';
import { renderTitle } from './progress-lines.ts';
import { cutLine, segment } from './style.ts';
import type { Line } from './style.ts';

const FRAME_MS = 100;
const LOG_LINE_MS = 10_000;
const COLUMNS_MAX = 120;

/** Shows how far hashing is: a bar on a terminal, a line now and then in a log. */
export class HashView {
  readonly #context: Context;
  readonly #what: string;
  readonly #startedAt: number;
  #shownAt: number;

  /** `what` is the sentence at the left, such as `hashing photos`. */
  constructor(context: Context, what: string) {
    this.#context = context;
    this.#what = what;
    this.#startedAt = context.now();
    this.#shownAt = this.#startedAt;
  }

  /** For the library to call as often as it likes. */
  readonly update = (progress: HashProgress): void => {
    const { terminal, now } = this.#context;
    const elapsed = now() - this.#shownAt;
    if (terminal.progress === 'bar' && elapsed >= FRAME_MS) {
      this.#shownAt = now();
      terminal.show(this.#render(progress));
    } else if (terminal.progress === 'plain' && elapsed >= LOG_LINE_MS) {
      this.#shownAt = now();
      terminal.note(
        `${this.#what}: ${formatPercent(progress.done / progress.total)} of ${formatBytes(progress.total)}`,
      );
    }
  };

  end(): void {
    this.#context.terminal.hide();
  }

  #render({ done, total }: HashProgress): Line[] {
    const { terminal, now } = this.#context;
    const columns = Math.max(1, Math.min(COLUMNS_MAX, terminal.stderrColumns - 1));
    const share = total === 0 ? 1 : done / total;
    const elapsedMs = Math.max(1, now() - this.#startedAt);
    const filled = Math.round(share * columns);
    const [full, empty] = terminal.unicode ? ['█', '·'] : ['#', '.'];
    const numbers = [
      padStart(formatPercent(share), 5),
      `${padStart(formatBytes(done), 9)} of ${formatBytes(total)}`,
      padStart(formatRate((1000 * done) / elapsedMs), 11),
      share > 0 && elapsedMs > 1000 ? `${formatEta((elapsedMs * (1 - share)) / share)} left` : '',
    ].join('  ');
    return [
      renderTitle(this.#what, '', 'plain', columns),
      [segment(full.repeat(filled), 'cyan'), segment(empty.repeat(columns - filled), 'dim')],
      cutLine([segment(numbers)], columns),
    ];
  }
}
