import { describe, expect, test } from 'vitest';
import { segment } from '../../src/cli/style.ts';
import { fakeTerminal } from './support/fake-terminal.ts';
import type { TerminalSettings } from '../../src/cli/terminal.ts';

const BASE = { TERM: 'xterm', LANG: 'C.UTF-8' };

describe('progress', () => {
  test.each<[Partial<TerminalSettings> & { tty?: boolean }, string]>([
    [{ tty: true }, 'bar'],
    [{ tty: false }, 'plain'],
    [{ tty: true, env: { ...BASE, CI: 'true' } }, 'plain'],
    [{ tty: true, env: { ...BASE, TERM: 'dumb' } }, 'plain'],
    [{ tty: true, json: true }, 'none'],
    [{ tty: true, quiet: true }, 'none'],
    [{ tty: false, progress: 'bar' }, 'plain'],
    [{ tty: true, progress: 'bar', json: true }, 'bar'],
    [{ tty: true, progress: 'bar', env: { ...BASE, CI: '1' } }, 'bar'],
    [{ tty: true, progress: 'plain' }, 'plain'],
    [{ tty: true, progress: 'none' }, 'none'],
  ])('with %j is %s', (options, expected) => {
    expect(fakeTerminal(options).terminal.progress).toBe(expected);
  });
});

describe('colour', () => {
  test.each<[Partial<TerminalSettings> & { tty?: boolean }, boolean]>([
    [{ tty: true }, true],
    [{ tty: false }, false],
    [{ tty: true, env: { ...BASE, TERM: 'dumb' } }, false],
    [{ tty: true, env: { ...BASE, NO_COLOR: '1' } }, false],
    [{ tty: true, env: { ...BASE, NO_COLOR: '' } }, true],
    [{ tty: false, env: { ...BASE, FORCE_COLOR: '1' } }, true],
    [{ tty: true, env: { ...BASE, FORCE_COLOR: '0' } }, false],
    [{ tty: false, env: { ...BASE, FORCE_COLOR: '1', NO_COLOR: '1' } }, true],
    [{ tty: true, color: 'never', env: { ...BASE, FORCE_COLOR: '1' } }, false],
    [{ tty: false, color: 'always', env: { ...BASE, NO_COLOR: '1' } }, true],
  ])('with %j is %s', (options, expected) => {
    const { terminal } = fakeTerminal(options);
    expect(terminal.stderrColor).toBe(expected);
    expect(terminal.stdoutColor).toBe(expected);
  });
});

describe('block characters', () => {
  test.each<[Partial<TerminalSettings>, boolean]>([
    [{ env: { LANG: 'de_DE.UTF-8' } }, true],
    [{ env: { LANG: 'en_US.utf8' } }, true],
    [{ env: {} }, true],
    [{ env: { LANG: 'C' } }, true],
    [{ env: { LANG: 'de_DE.ISO-8859-1' } }, false],
    [{ env: { LANG: 'de_DE.UTF-8', LC_ALL: 'ja_JP.eucJP' } }, false],
    [{ env: { LANG: 'C.UTF-8', TERM: 'linux' } }, false],
    [{ env: {}, platform: 'win32' }, false],
    [{ env: { WT_SESSION: 'x' }, platform: 'win32' }, true],
  ])('with %j are used: %s', (options, expected) => {
    expect(fakeTerminal(options).terminal.unicode).toBe(expected);
  });
});

test('results go to stdout, everything for people to stderr', () => {
  const { terminal, stdout, stderr } = fakeTerminal({ verbose: true });
  terminal.result('result');
  terminal.note('note');
  terminal.detail('detail');
  terminal.warn('careful');
  terminal.error('broken');
  expect(stdout.lines).toEqual(['result']);
  expect(stderr.lines).toEqual(['note', 'detail', 'warning: careful', 'torrent-ts: broken']);
});

test('quiet leaves results and errors', () => {
  const { terminal, stdout, stderr } = fakeTerminal({ quiet: true, verbose: true });
  terminal.result('result');
  terminal.note('note');
  terminal.detail('detail');
  terminal.warn('careful');
  terminal.error('broken');
  expect(stdout.lines).toEqual(['result']);
  expect(stderr.lines).toEqual(['torrent-ts: broken']);
});

test('a result on the same terminal is not written into the live lines', () => {
  const { terminal, stdout, stderr } = fakeTerminal({ tty: true });
  terminal.show([[segment('live')]]);
  stderr.text = '';
  terminal.result('result');
  expect(stderr.text).toBe('\r\x1b[1A\x1b[J');
  expect(stdout.text).toBe('result\n');
});

test('a full disk under the log or a reader that went away is nobody`s problem', async () => {
  const { terminal, stdout, stderr } = fakeTerminal();
  stdout.failure = Object.assign(new Error('no space'), { code: 'ENOSPC' });
  stderr.failure = Object.assign(new Error('gone'), { code: 'EPIPE' });
  terminal.result('lost');
  terminal.warn('lost');
  await terminal.resultBytes(new Uint8Array(10));
  await terminal.flush();
  stdout.failure = null;
  terminal.result('dropped too');
  expect(stdout.text).toBe('');
});

test('restoring the terminal shows the cursor once and does nothing the second time', () => {
  const { terminal, stderr } = fakeTerminal({ tty: true });
  terminal.show([[segment('live')]]);
  terminal.restore();
  const { text } = stderr;
  expect(text.endsWith('\x1b[?25h')).toBe(true);
  terminal.restore();
  expect(stderr.text).toBe(text);
});
