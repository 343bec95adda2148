import { expect, test } from 'vitest';
import { OperationGate } from '../../src/node/operation-gate.ts';

test('operations start at once and side by side', () => {
  const { gate, started, enter } = watched();
  enter('a');
  enter('b');
  expect(started).toEqual(['a', 'b']);
  gate.leave();
  gate.leave();
});

test('one that runs alone waits for those before it and holds up those after it', () => {
  const { gate, started, enter, enterAlone } = watched();
  enter('a');
  enter('b');
  enterAlone('alone');
  enter('c');
  expect(started).toEqual(['a', 'b']);
  gate.leave();
  expect(started).toEqual(['a', 'b']);
  gate.leave();
  expect(started).toEqual(['a', 'b', 'alone']);
  gate.leave();
  expect(started).toEqual(['a', 'b', 'alone', 'c']);
});

test('several that run alone run one after the other', () => {
  const { gate, started, enterAlone } = watched();
  for (const name of ['a', 'b', 'c']) enterAlone(name);
  expect(started).toEqual(['a']);
  gate.leave();
  expect(started).toEqual(['a', 'b']);
  gate.leave();
  expect(started).toEqual(['a', 'b', 'c']);
});

test('operations that end in the call that starts them keep the order', () => {
  const gate = new OperationGate();
  const started: string[] = [];
  gate.enter(() => started.push('first'));
  for (const name of ['a', 'b', 'c']) {
    gate.enterAlone(() => {
      started.push(name);
      gate.leave();
    });
  }
  gate.leave();
  expect(started).toEqual(['first', 'a', 'b', 'c']);
});

function watched(): {
  gate: OperationGate;
  started: string[];
  enter: (name: string) => void;
  enterAlone: (name: string) => void;
} {
  const gate = new OperationGate();
  const started: string[] = [];
  return {
    gate,
    started,
    enter: (name) => gate.enter(() => started.push(name)),
    enterAlone: (name) => gate.enterAlone(() => started.push(name)),
  };
}
