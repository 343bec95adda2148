import type { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { completionScript, describeProgram } from '../../src/cli/completion-scripts.ts';
import { createProgram } from '../../src/cli/program.ts';
import { SHELLS } from '../../src/cli/shells.ts';
import { usageOutcome } from '../../src/cli/usage-error.ts';
import { stage } from './support/fake-library.ts';

describe('wrong arguments', () => {
  test.each<[string, string[], string]>([
    ['an unknown command', ['downlod', 'x'], "unknown command 'downlod' (did you mean download?)"],
    ['an unknown option', ['download', 'x', '--prot', '5'], "unknown option '--prot' (did you mean --port?)"],
    ['a missing argument', ['download'], "missing required argument 'torrent'"],
    ['a missing value', ['download', 'x', '--port'], "option '-p, --port <port>' argument missing"],
    [
      'too many arguments',
      ['info', 'a', 'b'],
      "too many arguments for 'info'. Expected 1 argument but got 2.",
    ],
    [
      'a torrent without a command',
      ['x.torrent'],
      "unknown command 'x.torrent' (did you mean: torrent-ts download x.torrent?)",
    ],
    [
      'an option before its command',
      ['--port', '5', 'download', 'x'],
      "unknown option '--port' (options of a command go after it)",
    ],
    [
      'an unknown choice',
      ['info', 'x', '--color', 'blue'],
      "option '--color <when>' argument 'blue' is invalid. Allowed choices are auto, always, never.",
    ],
    ['control characters', ['\x1b[2Jdownload'], "unknown command '[2Jdownload'"],
  ])('%s: one line that says what is wrong, and code 2', async (_, args, message) => {
    const outcome = await parse(args);
    expect(outcome).toEqual({ exitCode: 2, message });
  });

  test.each([
    ['--port', 'abc'],
    ['--port', '65536'],
    ['--port', '-1'],
    ['--down-limit', 'NaN'],
    ['--up-limit', ''],
    ['--memory', 'lots'],
    ['--max-peers', '0'],
    ['--peer', 'nowhere'],
    ['--timeout', 'soon'],
    ['--seed-ratio', '-1'],
    ['--select', '5-3'],
  ])('%s %j is refused, saying what is expected', async (flag, value) => {
    const outcome = await parse(['download', 'x', flag, value]);
    expect(outcome?.exitCode).toBe(2);
    expect(outcome?.message).toMatch(/is invalid\. Expected |argument missing/);
    expect(outcome?.message).not.toContain('\n');
  });

  test.each([['--help'], ['-h'], ['help'], ['download', '--help'], ['help', 'seed'], ['--version'], ['-V']])(
    'asking for %s %s is no mistake',
    async (...args) => {
      expect(await parse(args.filter((arg) => typeof arg === 'string'))).toEqual({
        exitCode: 0,
        message: null,
      });
    },
  );

  test('no arguments at all are answered with the help and code 2', async () => {
    expect(await parse([])).toEqual({ exitCode: 2, message: null });
  });

  test('other errors are none of it', () => {
    expect(usageOutcome(new Error('x'), [])).toBeNull();
  });
});

describe('help', () => {
  const commands = program().commands.map((command) => command.name());

  const inner = program().commands.flatMap((command) =>
    command.commands.map((each) => `${command.name()} ${each.name()}`),
  );

  test.each([...commands, ...inner])('of %s names every option with a description', (path) => {
    const command = path
      .split(' ')
      .reduce((outer, name) => outer.commands.find((each) => each.name() === name)!, program());
    const help = command.helpInformation();
    for (const option of command.options.filter(({ hidden }) => !hidden)) {
      expect(help).toContain(option.long);
      expect(option.description).not.toBe('');
    }
    // Only the other half of a switch whose one half is shown may hide.
    for (const { long } of command.options.filter(({ hidden }) => hidden)) {
      expect(help).toContain(long!.startsWith('--no-') ? `--${long!.slice(5)}` : `--no-${long!.slice(2)}`);
    }
    for (const line of help.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('shows every command and how to begin', () => {
    const help = program().helpInformation();
    for (const name of commands) expect(help).toContain(name);
  });
});

describe('completions', () => {
  const commands = describeProgram(program());

  test.each(SHELLS)('for %s know every command and every option', (shell) => {
    const script = completionScript(shell, commands);
    for (const { name, options } of commands) {
      expect(script).toContain(name);
      for (const { flags } of options) {
        const long = flags.find((flag) => flag.startsWith('--'))!;
        expect(script).toContain(shell === 'fish' ? `-l ${long.slice(2)}` : long);
      }
    }
  });

  test.each(SHELLS)('for %s offer the choices of options and arguments', (shell) => {
    const script = completionScript(shell, commands);
    for (const word of ['always', 'plain', 'powershell']) expect(script).toContain(word);
  });
});

function program(): Command {
  return createProgram('1.2.3', {
    context: () => stage().context,
    done: () => undefined,
    write: () => undefined,
    writeError: () => undefined,
  });
}

async function parse(args: string[]): Promise<ReturnType<typeof usageOutcome>> {
  try {
    await program().parseAsync(args, { from: 'user' });
  } catch (error) {
    return usageOutcome(error, args);
  }
  throw new Error('a command ran');
}
