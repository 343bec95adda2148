import { readFileSync } from 'node:fs';
import type { Context } from './context.ts';
import { EXIT, SIGNAL_EXIT, exitCodeOf } from './exit-codes.ts';
import { Interrupt } from './interrupt.ts';
import { loadLibrary } from './library.ts';
import { createProgram } from './program.ts';
import type { OutputFlags } from './program.ts';
import { tellError } from './report.ts';
import { Terminal } from './terminal.ts';
import { usageOutcome } from './usage-error.ts';

/** The process of the command line, from its arguments to its exit code. */
export async function main(args: readonly string[]): Promise<void> {
  const process_ = new CliProcess(args);
  const exitCode = await process_.run();
  await process_.leave(exitCode);
}

class CliProcess {
  readonly #args: readonly string[];
  /** Replaced as soon as the options that shape it are known. */
  #terminal: Terminal;
  #interrupt: Interrupt | null = null;
  #exitCode: number = EXIT.done;

  constructor(args: readonly string[]) {
    this.#args = args;
    const json = args.includes('--json');
    this.#terminal = openTerminal({ json, progress: 'auto', color: 'auto' });
    process.on('exit', () => this.#terminal.restore());
    process.on('uncaughtException', (error) => this.#crash(error));
    process.on('unhandledRejection', (error) => this.#crash(error));
  }

  async run(): Promise<number> {
    const program = createProgram(packageVersion(), {
      context: (flags) => this.#createContext(flags),
      done: (exitCode) => (this.#exitCode = exitCode),
      write: (text) => process.stdout.write(text),
      writeError: (text) => process.stderr.write(text),
    });
    // A command may wait for something that does not hold the process by itself.
    const keepAlive = setInterval(() => undefined, 0x7fff_ffff);
    try {
      await program.parseAsync(this.#args, { from: 'user' });
      return this.#exitCode;
    } catch (error) {
      return this.#explain(error);
    } finally {
      clearInterval(keepAlive);
    }
  }

  /** Ends the process once everything written has left it. */
  async leave(exitCode: number): Promise<void> {
    this.#terminal.restore();
    await this.#terminal.flush();
    process.exit(exitCode);
  }

  #createContext(flags: OutputFlags): Context {
    this.#terminal = openTerminal(flags);
    this.#interrupt = new Interrupt(process, (code) => process.exit(code));
    if (this.#terminal.progress === 'bar') giveBackWhenSuspended(this.#terminal);
    return {
      terminal: this.#terminal,
      interrupt: this.#interrupt,
      library: loadLibrary,
      // Made when asked for: it takes some milliseconds, and is seldom read.
      get stdin() {
        return process.stdin;
      },
      commandLine: this.#args,
      now: () => performance.now(),
    };
  }

  #explain(error: unknown): number {
    const usage = usageOutcome(error, this.#args);
    if (usage) {
      if (usage.message !== null) this.#terminal.error(usage.message);
      return usage.exitCode;
    }
    const received = this.#interrupt?.received ?? null;
    // Whatever failed after a signal failed because of it.
    if (received !== null) return SIGNAL_EXIT[received];
    this.#tell(error);
    return exitCodeOf(error);
  }

  #crash(error: unknown): void {
    this.#tell(error);
    this.#terminal.restore();
    process.exit(EXIT.bug);
  }

  #tell(error: unknown): void {
    tellError(this.#terminal, error);
    if (process.env.DEBUG && error instanceof Error) process.stderr.write(`${error.stack ?? ''}\n`);
  }
}

function openTerminal(flags: OutputFlags): Terminal {
  return new Terminal(process.stdout, process.stderr, {
    json: flags.json === true,
    progress: flags.progress,
    color: flags.color,
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
    env: process.env,
    platform: process.platform,
  });
}

/** Ctrl-Z gives the terminal back before the process stops; the next frame after `fg` takes it again. */
function giveBackWhenSuspended(terminal: Terminal): void {
  if (process.platform === 'win32') return;
  process.on('SIGTSTP', () => {
    terminal.restore();
    process.kill(process.pid, 'SIGSTOP');
  });
}

function packageVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
