import { safeJson } from './escape.ts';
import type { JsonEvent } from './json-events.ts';
import { LiveBlock } from './live-block.ts';
import { paint } from './style.ts';
import type { Line, Style } from './style.ts';

/** As much of `process.stdout` as is used, so that tests can stand in for it. */
export interface OutputStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean;
  on(event: 'error', listener: (error: Error) => void): unknown;
  on(event: 'resize', listener: () => void): unknown;
  off(event: 'resize', listener: () => void): unknown;
}

export type ProgressMode = 'auto' | 'bar' | 'plain' | 'none';
export type ColorMode = 'auto' | 'always' | 'never';

export interface TerminalSettings {
  readonly progress: ProgressMode;
  readonly color: ColorMode;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly platform: string;
}

const DEFAULT_COLUMNS = 80;
const DEFAULT_ROWS = 24;

/**
 * All that the command line writes. Results go to stdout, everything for people to stderr, and the live block gives
 * way to both. A reader that went away or a log on a full disk never ends a transfer: what cannot be written is
 * dropped.
 */
export class Terminal {
  readonly json: boolean;
  readonly quiet: boolean;
  readonly verbose: boolean;
  /** How progress is shown: rewritten in place, as lines of a log, or not at all. */
  readonly progress: 'bar' | 'plain' | 'none';
  readonly unicode: boolean;
  readonly stdoutIsTerminal: boolean;
  readonly stdoutColor: boolean;
  readonly stderrColor: boolean;
  readonly #stdout: Writer;
  readonly #stderr: Writer;
  readonly #block: LiveBlock;

  constructor(stdout: OutputStream, stderr: OutputStream, settings: TerminalSettings) {
    this.json = settings.json;
    this.quiet = settings.quiet;
    this.verbose = settings.verbose;
    this.progress = chooseProgress(stderr, settings);
    this.unicode = hasBlockCharacters(settings);
    this.stdoutIsTerminal = stdout.isTTY === true;
    this.stdoutColor = chooseColor(stdout, settings);
    this.stderrColor = chooseColor(stderr, settings);
    this.#stdout = new Writer(stdout);
    this.#stderr = new Writer(stderr);
    const stderrWriter = this.#stderr;
    this.#block = new LiveBlock({
      get columns() {
        return sizeOr(stderr.columns, DEFAULT_COLUMNS);
      },
      get rows() {
        return sizeOr(stderr.rows, DEFAULT_ROWS);
      },
      color: this.stderrColor,
      write: (text) => stderrWriter.write(text),
    });
    if (this.progress === 'bar') stderr.on('resize', () => this.#block.erase());
  }

  get stdoutColumns(): number {
    return sizeOr(this.#stdout.stream.columns, DEFAULT_COLUMNS);
  }

  get stderrColumns(): number {
    return sizeOr(this.#stderr.stream.columns, DEFAULT_COLUMNS);
  }

  get stderrRows(): number {
    return sizeOr(this.#stderr.stream.rows, DEFAULT_ROWS);
  }

  /** A line of results. The text must be harmless already. */
  result(line: string): void {
    if (this.stdoutIsTerminal) this.#block.erase();
    this.#stdout.write(line + '\n');
  }

  /** One JSON value on a line of its own. */
  resultJson(value: unknown): void {
    this.result(safeJson(value));
  }

  /** One event of `--json`. */
  event(event: JsonEvent): void {
    this.resultJson(event);
  }

  /** Bytes as they are, such as a .torrent. Resolves when they are written or the reader is gone. */
  resultBytes(bytes: Uint8Array): Promise<void> {
    return this.#stdout.writeAll(bytes);
  }

  /** What is going on, unless `--quiet`. */
  note(line: string, style: Style = 'plain'): void {
    if (!this.quiet) this.#toStderr(paint(line, style, this.stderrColor));
  }

  /** More about it, with `--verbose`. */
  detail(line: string): void {
    if (this.verbose && !this.quiet) this.#toStderr(paint(line, 'dim', this.stderrColor));
  }

  /** Something is not as it should be, and it goes on. */
  warn(line: string): void {
    if (!this.quiet) this.#toStderr(paint('warning: ', 'yellow', this.stderrColor) + line);
  }

  /** The last word before a failed end. */
  error(line: string): void {
    this.#toStderr(paint('torrent-ts: ', 'red', this.stderrColor) + line);
  }

  /** Shows lines in place of those shown before. Only for `progress === 'bar'`. */
  show(lines: readonly Line[]): void {
    this.#block.draw(lines);
  }

  /** Takes the live lines off the screen. */
  hide(): void {
    this.#block.erase();
  }

  /** Gives the terminal back: the cursor is shown, the live lines are gone. Safe to call at any time, twice too. */
  restore(): void {
    this.#block.erase();
    this.#block.release();
  }

  /** Leaves the live lines where they are and begins below them. */
  keep(): void {
    this.#block.release();
  }

  /** Resolves when all that was written has left the process. */
  async flush(): Promise<void> {
    await Promise.all([this.#stdout.writeAll(''), this.#stderr.writeAll('')]);
  }

  #toStderr(line: string): void {
    this.#block.erase();
    this.#stderr.write(line + '\n');
  }
}

/** Writes until the first error; after it, drops. */
class Writer {
  readonly stream: OutputStream;
  #broken = false;

  constructor(stream: OutputStream) {
    this.stream = stream;
    stream.on('error', () => (this.#broken = true));
  }

  write(data: string | Uint8Array): void {
    if (this.#broken) return;
    try {
      this.stream.write(data);
    } catch {
      // A synchronous write to a file on a full disk throws. There is nobody left to tell.
      this.#broken = true;
    }
  }

  writeAll(data: string | Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      try {
        if (this.#broken) resolve();
        else this.stream.write(data, () => resolve());
      } catch {
        this.#broken = true; // As in `write`.
        resolve();
      }
    });
  }
}

function chooseProgress(stderr: OutputStream, settings: TerminalSettings): 'bar' | 'plain' | 'none' {
  if (settings.progress === 'none' || settings.quiet) return 'none';
  const canRewrite = stderr.isTTY === true && settings.env.TERM !== 'dumb';
  // A log never gets escape sequences, not even when a bar was asked for.
  if (settings.progress === 'bar') return canRewrite ? 'bar' : 'plain';
  if (settings.progress === 'plain') return 'plain';
  if (settings.json) return 'none';
  return canRewrite && !isSet(settings.env.CI) ? 'bar' : 'plain';
}

/** `--color` beats FORCE_COLOR beats NO_COLOR beats what the stream is. */
function chooseColor(stream: OutputStream, settings: TerminalSettings): boolean {
  if (settings.color !== 'auto') return settings.color === 'always';
  const { FORCE_COLOR, NO_COLOR, TERM } = settings.env;
  if (FORCE_COLOR !== undefined && FORCE_COLOR !== '') return isSet(FORCE_COLOR);
  if (NO_COLOR !== undefined && NO_COLOR !== '') return false;
  return stream.isTTY === true && TERM !== 'dumb';
}

/** Terminals that do not know their size say 0. */
function sizeOr(size: number | undefined, unknown: number): number {
  return size !== undefined && size > 0 ? size : unknown;
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0' && value !== 'false';
}

/** The console of Linux has no eighth blocks, and other encodings than UTF-8 have none at all. */
function hasBlockCharacters({ env, platform }: TerminalSettings): boolean {
  if (platform === 'win32') return isSet(env.WT_SESSION) || isSet(env.TERM_PROGRAM);
  if (env.TERM === 'linux') return false;
  const locale =
    [env.LC_ALL, env.LC_CTYPE, env.LANG].find((value) => value !== undefined && value !== '') ?? '';
  // Without a locale, as in most containers, the terminal outside is UTF-8 all the same.
  return locale === '' || locale === 'C' || locale === 'POSIX' || /utf-?8/i.test(locale);
}
