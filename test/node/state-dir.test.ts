import { homedir } from 'node:os';
import { expect, test } from 'vitest';
import { defaultStateDir } from '../../src/node/state-dir.ts';

test('the XDG state folder is used wherever it is set', () => {
  for (const platform of ['linux', 'darwin', 'freebsd'] as const) {
    expect(defaultStateDir({ XDG_STATE_HOME: '/s', HOME: '/h' }, platform)).toBe('/s/torrent-ts');
  }
});

test('without it, the place is the one the system has for such files', () => {
  expect(defaultStateDir({ HOME: '/h' }, 'linux')).toBe('/h/.local/state/torrent-ts');
  expect(defaultStateDir({ HOME: '/h' }, 'darwin')).toBe('/h/Library/Application Support/torrent-ts');
  expect(defaultStateDir({ USERPROFILE: 'C:\\U', LOCALAPPDATA: 'D:\\L' }, 'win32')).toBe('D:\\L\\torrent-ts');
  expect(defaultStateDir({ USERPROFILE: 'C:\\U' }, 'win32')).toBe('C:\\U\\AppData\\Local\\torrent-ts');
});

test('empty and relative settings are ignored', () => {
  for (const value of ['', 'relative/path']) {
    expect(defaultStateDir({ XDG_STATE_HOME: value, HOME: '/h' }, 'linux')).toBe(
      '/h/.local/state/torrent-ts',
    );
  }
  expect(defaultStateDir({ HOME: 'x' }, 'linux')).toBe(`${homedir()}/.local/state/torrent-ts`);
});
