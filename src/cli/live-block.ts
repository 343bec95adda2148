import { cutLine, paintLine } from './style.ts';
import type { Line } from './style.ts';

const ESC = '\x1b[';
const HIDE_CURSOR = `${ESC}?25l`;
const SHOW_CURSOR = `${ESC}?25h`;
const ERASE_LINE_END = `${ESC}K`;
const ERASE_BELOW = `${ESC}J`;

/** The part of a terminal that a block needs. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly color: boolean;
  write(text: string): void;
}

/**
 * Some lines at the bottom of a terminal that are rewritten in place. Only these lines are touched: the cursor goes up
 * as many rows as they take and writes over them; what scrolled away stays as it was. Between frames the cursor
 * rests at the start of the row below the block, so that whatever else is printed comes after it.
 */
export class LiveBlock {
  readonly #screen: Screen;
  /**
   * Lines on the screen. A terminal made narrower may have wrapped them into more rows or cut them; going up by lines
   * then leaves a rest of ours, while going up by guessed rows could take lines of others.
   */
  #shown = 0;
  #frame = '';
  #cursorHidden = false;

  constructor(screen: Screen) {
    this.#screen = screen;
  }

  get visible(): boolean {
    return this.#shown > 0;
  }

  /** Shows `lines` in place of the last ones; writes nothing if they look the same. */
  draw(lines: readonly Line[]): void {
    // One column and one row stay free: a full last column makes terminals wrap, a full screen makes them scroll.
    const cut = lines
      .slice(0, Math.max(1, this.#screen.rows - 1))
      .map((line) => cutLine(line, this.#screen.columns - 1));
    const frame = cut.map((line) => paintLine(line, this.#screen.color) + ERASE_LINE_END + '\n').join('');
    if (frame === this.#frame && this.visible) return;
    const hide = this.#cursorHidden ? '' : HIDE_CURSOR;
    this.#screen.write(hide + this.#toTop() + frame + ERASE_BELOW);
    this.#cursorHidden = true;
    this.#frame = frame;
    this.#shown = cut.length;
  }

  /** Takes the block off the screen; the next frame begins where the cursor is then. */
  erase(): void {
    if (this.visible) this.#screen.write(this.#toTop() + ERASE_BELOW);
    this.#forget();
  }

  /** Leaves the last frame on the screen and gives the cursor back. */
  release(): void {
    if (this.#cursorHidden) this.#screen.write(SHOW_CURSOR);
    this.#cursorHidden = false;
    this.#forget();
  }

  #forget(): void {
    this.#shown = 0;
    this.#frame = '';
  }

  #toTop(): string {
    return this.visible ? `\r${ESC}${this.#shown}A` : '';
  }
}
