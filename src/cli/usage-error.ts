import { CommanderError } from 'commander';
import { safeText } from './escape.ts';
import { EXIT } from './exit-codes.ts';

/** How a parse of the command line ended that ran no command. */
export interface UsageOutcome {
  readonly exitCode: number;
  /** What is wrong, on one line; null after help or the version. */
  readonly message: string | null;
}

/** The outcome of an error of commander, or null for any other error. */
export function usageOutcome(error: unknown, args: readonly string[]): UsageOutcome | null {
  if (!(error instanceof CommanderError)) return null;
  if (error.exitCode === 0) return { exitCode: EXIT.done, message: null };
  // Without a command commander shows the help, which says it all.
  if (error.code === 'commander.help') return { exitCode: EXIT.usage, message: null };
  const [first = '', ...rest] = error.message.replace(/^error: /, '').split('\n');
  // "(Did you mean --port?)" comes on a line of its own.
  const message = [first, ...rest.map((line) => line.replace('(Did', '(did'))].join(' ').trim();
  return { exitCode: EXIT.usage, message: safeText(message + hint(error, args)) };
}

/** For mistakes that have an obvious cure. */
function hint(error: CommanderError, args: readonly string[]): string {
  const first = args.find((arg) => !arg.startsWith('-'));
  if (
    error.code === 'commander.unknownCommand' &&
    first !== undefined &&
    /(\.torrent$|^magnet:|^https?:)/i.test(first)
  ) {
    return ` (did you mean: torrent-ts download ${first}?)`;
  }
  if (error.code === 'commander.unknownOption' && first !== undefined && args[0]!.startsWith('-')) {
    return ` (options of a command go after it)`;
  }
  return '';
}
