import type { OutputStream, TerminalSettings } from '../../../src/cli/terminal.ts';
import { Terminal } from '../../../src/cli/terminal.ts';

/** Stands in for stdout or stderr: keeps what is written, and can be a terminal of any size. */
export class FakeStream implements OutputStream {
  readonly isTTY: boolean;
  columns: number;
  rows: number;
  text = '';
  writes = 0;
  /** When set, every write fails with it. */
  failure: Error | null = null;
  readonly #onResize = new Set<() => void>();

  constructor(options: { isTTY?: boolean; columns?: number; rows?: number } = {}) {
    this.isTTY = options.isTTY ?? false;
    this.columns = options.columns ?? 80;
    this.rows = options.rows ?? 24;
  }

  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    if (this.failure) throw this.failure;
    this.writes++;
    this.text += typeof data === 'string' ? data : Buffer.from(data).toString('latin1');
    done?.();
    return true;
  }

  on(event: 'error' | 'resize', listener: (error: Error) => void): this {
    if (event === 'resize') this.#onResize.add(listener as () => void);
    return this;
  }

  off(_event: 'resize', listener: () => void): this {
    this.#onResize.delete(listener);
    return this;
  }

  resize(columns: number, rows = this.rows): void {
    this.columns = columns;
    this.rows = rows;
    for (const listener of this.#onResize) listener();
  }

  get lines(): string[] {
    return this.text.split('\n').filter((line) => line !== '');
  }
}

export interface FakeTerminal {
  readonly terminal: Terminal;
  readonly stdout: FakeStream;
  readonly stderr: FakeStream;
}

export function fakeTerminal(
  options: Partial<TerminalSettings> & { tty?: boolean; columns?: number; rows?: number } = {},
): FakeTerminal {
  const { tty = false, columns, rows, ...settings } = options;
  const size = { ...(columns === undefined ? {} : { columns }), ...(rows === undefined ? {} : { rows }) };
  const stdout = new FakeStream({ isTTY: tty, ...size });
  const stderr = new FakeStream({ isTTY: tty, ...size });
  const terminal = new Terminal(stdout, stderr, {
    progress: 'auto',
    color: 'auto',
    json: false,
    quiet: false,
    verbose: false,
    env: { TERM: 'xterm-256color', LANG: 'C.UTF-8' },
    platform: 'linux',
    ...settings,
  });
  return { terminal, stdout, stderr };
}

/**
 * What a terminal shows after some output: as much of ECMA-48 as the command line uses, and wrapping, so that a
 * test sees what a person would.
 */
export class ScreenModel {
  readonly #columns: number;
  #lines: string[][] = [[]];
  #row = 0;
  #column = 0;
  cursorVisible = true;

  constructor(columns: number) {
    this.#columns = columns;
  }

  /** All rows from the first ever written, scrolled away or not, without blanks at their ends. */
  get rows(): string[] {
    const rows = this.#lines.map((line) => line.join('').trimEnd());
    while (rows.at(-1) === '') rows.pop();
    return rows;
  }

  feed(text: string): void {
    // eslint-disable-next-line no-control-regex -- control sequences are what this reads
    for (const [token] of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|\r|\n|[^\x1b\r\n]/gu)) this.#take(token);
  }

  #take(token: string): void {
    if (token === '\r') this.#column = 0;
    else if (token === '\n') this.#newLine();
    else if (token.startsWith('\x1b[')) this.#control(token.slice(2, -1), token.at(-1)!);
    else this.#print(token);
  }

  #newLine(): void {
    this.#row++;
    this.#column = 0;
    while (this.#lines.length <= this.#row) this.#lines.push([]);
  }

  #print(character: string): void {
    if (this.#column >= this.#columns) this.#newLine();
    const line = this.#lines[this.#row]!;
    while (line.length < this.#column) line.push(' ');
    line[this.#column++] = character;
  }

  #control(parameter: string, final: string): void {
    const count = Math.max(1, Number(parameter) || 1);
    if (final === 'A') this.#row = Math.max(0, this.#row - count);
    else if (final === 'K')
      this.#lines[this.#row]!.length = Math.min(this.#lines[this.#row]!.length, this.#column);
    else if (final === 'J') {
      this.#lines.length = this.#row + 1;
      this.#lines[this.#row]!.length = Math.min(this.#lines[this.#row]!.length, this.#column);
    } else if (parameter === '?25') this.cursorVisible = final === 'h';
    else if (final !== 'm')
      throw new Error(`the model does not know the sequence ${JSON.stringify(parameter + final)}`);
  }
}
