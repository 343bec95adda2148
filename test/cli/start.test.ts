import { expect, test } from 'vitest';
import { createProgram } from '../../src/cli/program.ts';
import { COMMANDS } from '../../src/cli/start.ts';

test('the commands that compiled code is kept for are those that there are', () => {
  const program = createProgram('0', {
    context: () => {
      throw new Error('nothing is run');
    },
    done: () => undefined,
    write: () => undefined,
    writeError: () => undefined,
  });
  expect([...COMMANDS].sort()).toEqual(program.commands.map((command) => command.name()).sort());
});
