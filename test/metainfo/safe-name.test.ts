import { describe, expect, test } from 'vitest';
import { foldName, safeName, suffixedName } from '../../src/metainfo/safe-name.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { fromByteString } from '../../src/bencode/value.ts';

describe('names stay as they are', () => {
  test.each([
    'file.txt',
    '.hidden',
    '_',
    'a b',
    '-rf',
    'a:b',
    'aux.c',
    'two..dots',
    'ends.',
    '日本語.mkv',
    'Ünïcödé',
    'нет',
    'می‌خواهم',
    'क्‍ष',
    '👨‍👩‍👧.png',
    '$(touch x).mp4',
    ' ; rm',
  ])('%j', (name) => {
    expect(safe(name)).toBe(name);
  });
});

describe('what could leave the folder or name nothing', () => {
  test.each(['', '.', '..', '...', '/', '//\\', ' ', '. .', '\u200b', '\u202e', '/..', '..\\'])(
    '%j names nothing',
    (name) => {
      expect(safe(name)).toBeNull();
    },
  );

  test.each([
    ['a/../../x', 'a_.._.._x'],
    ['..\\..\\x', '.._.._x'],
    ['/etc/x', '_etc_x'],
    ['C:\\x', 'C:_x'],
    ['\\\\srv\\s\\x', '__srv_s_x'],
    ['../', null],
    ['../_', '..__'],
  ])('%j becomes %j', (name, expected) => {
    expect(safe(name)).toBe(expected);
  });

  test.each([
    ['overlong dots', '\xc0\xae\xc0\xae'],
    ['an overlong separator', 'a\xe0\x80\xafb'],
    ['five bytes', '\xf8\x88\x80\x80\x80'],
    ['a half of a pair', 'x\xed\xa0\x80'],
    ['a lone byte', 'a\xff'],
  ])('%s never becomes a dot or a separator', (_, bytes) => {
    const name = safeName(fromByteString(bytes));
    expect(name ?? '_').toMatch(/^[ab_x]+$/);
  });
});

describe('what deceives the reader', () => {
  test('control characters and line separators become underscores', () => {
    expect(safe('a\0b\x01c\x1fd\x7fe\x80f\x9fg\u2028h\u2029i')).toBe('a_b_c_d_e_f_g_h_i');
    expect(safe('\x1b]0;pwn\x07')).toBe('_]0;pwn_');
  });

  test('marks that reorder or hide text are removed', () => {
    expect(safe('report\u202efdp.exe')).toBe('reportfdp.exe');
    for (const code of [
      0x061c, 0x200b, 0x200e, 0x200f, 0x202a, 0x202e, 0x2060, 0x2064, 0x2066, 0x2069, 0xfeff,
    ]) {
      expect(safe(`a${String.fromCodePoint(code)}b`)).toBe('ab');
    }
  });

  test('joiners are removed where no script needs them', () => {
    expect(safe('pay\u200dpal')).toBe('paypal');
    expect(safe('pay\u200cpal')).toBe('paypal');
    expect(safe('\u200dм')).toBe('м');
    expect(safe('м\u200c')).toBe('м');
  });
});

describe('length', () => {
  test('a name of 240 bytes fits', () => {
    expect(safe('a'.repeat(240))).toBe('a'.repeat(240));
  });

  test('a longer one is cut and keeps its extension', () => {
    const name = safe(`${'a'.repeat(5_000)}.mkv`);
    expect(name).toBe(`${'a'.repeat(236)}.mkv`);
  });

  test('the cut is between characters', () => {
    expect(safe('é'.repeat(200))).toBe('é'.repeat(120));
    expect(safe(`x${'😀'.repeat(100)}.txt`)).toBe(`x${'😀'.repeat(58)}.txt`);
  });

  test('a long end after a dot is no extension, and neither is a leading dot', () => {
    expect(safe(`a.${'b'.repeat(500)}`)).toHaveLength(240);
    expect(safe(`.${'b'.repeat(500)}`)).toHaveLength(240);
  });
});

describe('on Windows', () => {
  test.each([
    ['CON', 'CON_'],
    ['nul.txt', 'nul_.txt'],
    ['com1', 'com1_'],
    ['LPT9.x.y', 'LPT9_.x.y'],
    ['COM¹', 'COM¹_'],
    ['aux .c', 'aux_ .c'],
    ['console', 'console'],
    ['com10', 'com10'],
    ['foo.', 'foo_'],
    ['foo ', 'foo_'],
    ['foo. .', 'foo___'],
    ['a:b', 'a_b'],
    ['<>:"|?*x', '_______x'],
  ])('%j becomes %j', (name, expected) => {
    expect(safeName(utf8(name), true)).toBe(expected);
  });
});

test('a suffix stands before the extension, and within the limit', () => {
  expect(suffixedName('song.mp3', '.1')).toBe('song.1.mp3');
  expect(suffixedName('README', '.2')).toBe('README.2');
  expect(suffixedName('.profile', '.1')).toBe('.profile.1');
  expect(suffixedName('a'.repeat(240), '.12')).toBe(`${'a'.repeat(237)}.12`);
});

test('names that some disk takes for the same have the same fold', () => {
  expect(foldName('Ax')).toBe(foldName('aX'));
  expect(foldName('caf\u00e9')).toBe(foldName('CAFE\u0301'));
  expect(foldName('ΟΔΟΣ')).toBe(foldName('οδος'));
  expect(foldName('K')).toBe(foldName('k'));
  expect(foldName('a b')).not.toBe(foldName('a_b'));
});

function safe(name: string): string | null {
  return safeName(utf8(name));
}
