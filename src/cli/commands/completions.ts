import type { Command } from 'commander';
import { completionScript, describeProgram } from '../completion-scripts.ts';
import type { Context } from '../context.ts';
import { EXIT } from '../exit-codes.ts';
import type { Shell } from '../shells.ts';

/** `torrent-ts completions`: the exit code. */
export function completions(context: Context, program: Command, shell: Shell): number {
  context.terminal.result(completionScript(shell, describeProgram(program)).trimEnd());
  return EXIT.done;
}
