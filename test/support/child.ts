import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

export interface ChildOptions {
  readonly cwd?: string;
  /** Added to this process's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface ChildExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** Children that still run, so that none outlives this process, however it ends. */
const running = new Set<Child>();
process.on('exit', () => {
  for (const child of running) child.signal('SIGKILL');
});

/**
 * A program run by a test: its output line by line, its end as a promise, and a process group of its own, so that
 * stopping it also stops what it started.
 */
export class Child {
  readonly #process: ChildProcess;
  readonly #command: string;
  readonly #watchers = new Set<() => void>();
  readonly exit: Promise<ChildExit>;
  readonly stdout: string[] = [];
  readonly stderr: string[] = [];
  #ended: ChildExit | null = null;

  constructor(command: string, args: readonly string[], options: ChildOptions = {}) {
    this.#command = [command, ...args].join(' ');
    const child = spawn(command, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    this.#process = child;
    running.add(this);
    this.#collect(child.stdout, this.stdout);
    this.#collect(child.stderr, this.stderr);
    this.exit = new Promise((resolve) => {
      const end = (exit: ChildExit): void => {
        running.delete(this);
        this.#ended = exit;
        this.#wake();
        resolve(exit);
      };
      child.on('close', (code, signal) => end({ code, signal }));
      child.on('error', (error) => {
        this.stderr.push(error.message);
        end({ code: 127, signal: null });
      });
    });
  }

  get pid(): number {
    return this.#process.pid ?? 0;
  }

  /** Everything it wrote so far, for the message of a failure. */
  get output(): string {
    return [...this.stdout, ...this.stderr].join('\n');
  }

  /** The first line of either output that matches, once there is one. Fails when it ends or time is up before that. */
  line(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray> {
    const find = (line: string): RegExpExecArray | null => pattern.exec(line);
    return this.firstLine(find, `a line like ${String(pattern)}`, timeoutMs);
  }

  /** What `find` makes of the first line that it finds something in, as `line` does. */
  firstLine<T>(find: (line: string) => T | null, what: string, timeoutMs = 20_000): Promise<T> {
    const findAny = (): T | null => {
      for (const line of [...this.stdout, ...this.stderr]) {
        const found = find(line);
        if (found !== null) return found;
      }
      return null;
    };
    return this.#until(findAny, timeoutMs, what);
  }

  /** Its exit, or a failure with everything it wrote when time is up. */
  async exited(timeoutMs = 20_000): Promise<ChildExit> {
    await this.#until(() => this.#ended, timeoutMs, 'its end');
    return this.exit;
  }

  /** To the whole process group. */
  signal(signal: NodeJS.Signals): void {
    if (this.#ended || this.pid === 0) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      // It ended in this very moment.
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Asks it to leave and makes sure of it. */
  async stop(graceMs = 3_000): Promise<void> {
    if (this.#ended) return;
    this.signal('SIGTERM');
    const kill = setTimeout(() => this.signal('SIGKILL'), graceMs);
    await this.exit;
    clearTimeout(kill);
  }

  #collect(stream: Readable, lines: string[]): void {
    createInterface({ input: stream }).on('line', (line) => {
      lines.push(line);
      this.#wake();
    });
  }

  #wake(): void {
    for (const watcher of this.#watchers) watcher();
  }

  #until<T>(find: () => T | null, timeoutMs: number, what: string): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        clearTimeout(timer);
        this.#watchers.delete(look);
        act();
      };
      const fail = (why: string): void =>
        settle(() => reject(new Error(`${this.#command}\n${why} ${what}; it wrote:\n${this.output}`)));
      const look = (): void => {
        const found = find();
        if (found !== null) settle(() => resolve(found));
        else if (this.#ended) fail(`ended (${String(this.#ended.code ?? this.#ended.signal)}) before`);
      };
      const timer = setTimeout(() => fail(`was given ${timeoutMs} ms for`), timeoutMs);
      this.#watchers.add(look);
      look();
    });
  }
}

/** Runs a program to its end and returns what it wrote to stdout. Any exit code but zero is an error. */
export async function run(
  command: string,
  args: readonly string[],
  options: ChildOptions & { readonly timeoutMs?: number } = {},
): Promise<string> {
  const child = new Child(command, args, options);
  try {
    const { code, signal } = await child.exited(options.timeoutMs ?? 60_000);
    if (code !== 0) {
      throw new Error(`${command} ${args.join(' ')} ended with ${String(code ?? signal)}:\n${child.output}`);
    }
    return child.stdout.join('\n');
  } finally {
    await child.stop(0);
  }
}
