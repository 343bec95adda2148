import { describe, expect, test } from 'vitest';
import { fromByteString } from '../../src/bencode/value.ts';
import type { MetaInfo } from '../../src/metainfo/metainfo.ts';
import { parseTorrent } from '../../src/metainfo/parse-torrent.ts';
import type { Members } from './torrent-bytes.ts';
import { fileOf, folderOf, torrentOf } from './torrent-bytes.ts';

describe('places', () => {
  test('files stand one after the other, empty ones included', () => {
    const { files, length } = parse([fileOf('a', 5), fileOf('empty', 0), fileOf('d/b', 7)]);
    expect(files.map(({ index, offset, length }) => [index, offset, length])).toEqual([
      [0, 0, 5],
      [1, 5, 0],
      [2, 5, 7],
    ]);
    expect(length).toBe(12);
  });

  test('paths begin with the name of the torrent', () => {
    expect(paths([fileOf('a'), fileOf('d/e/b')])).toEqual(['name/a', 'name/d/e/b']);
  });

  test('a list of one file is still a folder', () => {
    const metaInfo = parse([fileOf('only')]);
    expect(metaInfo).toMatchObject({ isSingleFile: false, name: 'name' });
    expect(metaInfo.files[0]!.path).toBe('name/only');
  });
});

describe('paths that try to leave the folder', () => {
  test.each([
    [['..', '..', 'etc', 'passwd'], 'name/_/_/etc/passwd'],
    [['a', '..', '..', 'b'], 'name/a/_/_/b'],
    [['', 'a'], 'name/_/a'],
    [['/etc/x'], 'name/_etc_x'],
    [['..\\..\\x'], 'name/.._.._x'],
    [['a\0b'], 'name/a_b'],
  ])('%j becomes %j', (path, expected) => {
    expect(paths([fileOf(path)])).toEqual([expected]);
  });

  test('overlong dots do not become dots', () => {
    expect(paths([fileOf([fromByteString('\xc0\xae\xc0\xae'), 'x'])])).toEqual(['name/_/x']);
  });

  test('a path of no elements is refused, and so is one that is missing or holds something else', () => {
    expectError([fileOf([])], 'info.files.0.path');
    expectError([{ length: 1 }], 'info.files.0.path');
    expectError([fileOf('a'), { length: 1, path: ['a', 1] }], 'info.files.1.path.1');
  });

  test('100 folders inside each other are accepted and 101 refused', () => {
    const path = Array.from({ length: 100 }, () => 'd');
    expect(paths([fileOf(path)])[0]).toHaveLength('name'.length + 200);
    expectError([fileOf([...path, 'x'])], 'info.files.0.path');
  });

  test('a path longer than any disk takes is refused', () => {
    expectError([fileOf(Array.from({ length: 20 }, () => 'x'.repeat(240)))], 'info.files.0.path');
  });
});

describe('paths that are taken', () => {
  test('the second of two files with one path gets a number before its extension', () => {
    expect(paths([fileOf('x.txt'), fileOf('x.txt'), fileOf('x.txt')])).toEqual([
      'name/x.txt',
      'name/x.1.txt',
      'name/x.2.txt',
    ]);
  });

  test('a number that is taken is left out', () => {
    expect(paths([fileOf('x'), fileOf('x.1'), fileOf('x')])).toEqual(['name/x', 'name/x.1', 'name/x.2']);
  });

  test('names that become one when made safe stay two files', () => {
    const files = [fileOf([fromByteString('a\xff')]), fileOf([fromByteString('a\xfe')])];
    expect(paths(files)).toEqual(['name/a_', 'name/a_.1']);
  });

  test('names that differ in case or in normal form do not share a file on any disk', () => {
    expect(paths([fileOf('A/x'), fileOf('a/x')])).toEqual(['name/A/x', 'name/a/x.1']);
    expect(paths([fileOf('A/x'), fileOf('a/y')])).toEqual(['name/A/x', 'name/a/y']);
    expect(paths([fileOf('caf\u00e9'), fileOf('cafe\u0301')])).toEqual([
      'name/caf\u00e9',
      'name/cafe\u0301.1',
    ]);
  });

  test('a folder where a file lies gets another name, the same for all its files', () => {
    expect(paths([fileOf('a'), fileOf('a/b'), fileOf('a/c'), fileOf('a/c/d')])).toEqual([
      'name/a',
      'name/a.1/b',
      'name/a.1/c',
      'name/a.1/c.1/d',
    ]);
  });

  test('a file where a folder lies gets another name', () => {
    expect(paths([fileOf('a/b'), fileOf('a')])).toEqual(['name/a/b', 'name/a.1']);
  });

  test('long names that are cut to the same stay within 240 bytes', () => {
    const long = 'y'.repeat(300);
    const [first, second] = paths([fileOf(`${long}1.mkv`), fileOf(`${long}2.mkv`)]);
    expect(first).toBe(`name/${'y'.repeat(236)}.mkv`);
    expect(second).toBe(`name/${'y'.repeat(234)}.1.mkv`);
  });

  test('500 renamed files are accepted and one more is refused, however many there are', () => {
    const same = (count: number) => Array.from({ length: count }, () => fileOf('x'));
    expect(paths(same(501))[500]).toBe('name/x.500');
    expectError(same(502), 'info.files.501.path');
    expectError(same(100_000), 'info.files.501.path');
  });
});

describe('pad files (BEP 47)', () => {
  test('are marked by their attribute and need no path', () => {
    const { files } = parse([fileOf('a', 10), { length: 90, attr: 'p' }, fileOf('b', 5)]);
    expect(files.map((file) => file.padding)).toEqual([false, true, false]);
    expect(files[1]).toMatchObject({ index: 1, offset: 10, length: 90 });
  });

  test('are known by the names that programs give them', () => {
    const { files } = parse([
      fileOf('.pad/123', 123),
      fileOf('d/_____padding_file_0_if you see this file', 9),
      fileOf('.pad/notes', 5),
      fileOf('d/.pad/123', 5),
      fileOf('.pad', 5),
    ]);
    expect(files.map((file) => file.padding)).toEqual([true, true, false, false, false]);
  });

  test('take no path from a file', () => {
    expect(paths([{ length: 9, attr: 'xp', path: ['x'] }, fileOf('x')])[1]).toBe('name/x');
  });
});

describe('symbolic links (BEP 47)', () => {
  const link = (target: string[]): Members => ({ attr: 'l', path: ['link'], 'symlink path': target });

  test.each([[['..', '..', 'etc']], [['/etc']], [[]], [['missing']], [['link']]])(
    'to %j are never made',
    (target) => {
      const { files } = parse([link(target), fileOf('real', 5)]);
      expect(files[0]).toMatchObject({ length: 0, padding: true });
      expect(files[1]).toMatchObject({ index: 1, offset: 0, path: 'name/real' });
    },
  );

  test('a file below one lies in a folder of its own', () => {
    expect(paths([{ ...link(['..']), length: 0 }, fileOf('link/x', 5)])[1]).toBe('name/link/x');
  });

  test('with content are files like others', () => {
    const { files } = parse([{ ...link(['x']), length: 5 }]);
    expect(files[0]).toMatchObject({ length: 5, padding: false, path: 'name/link' });
  });
});

test('names from programs of the time before UTF-8 are taken from their UTF-8 twin', () => {
  const file = fileOf([fromByteString('\xd6\xd0')], 5, { 'path.utf-8': ['中', '文'] });
  expect(paths([file])).toEqual(['name/中/文']);
});

test('names that only Windows refuses are changed on request', () => {
  const bytes = torrentOf(
    folderOf([fileOf('aux.c', 5), fileOf('a:b', 5), fileOf('a?b', 5)], { name: 'con' }),
  );
  expect(parseTorrent(bytes).files.map((file) => file.path)).toEqual(['con/aux.c', 'con/a:b', 'con/a?b']);
  expect(parseTorrent(bytes, { windows: true }).files.map((file) => file.path)).toEqual([
    'con_/aux_.c',
    'con_/a_b',
    'con_/a_b.1',
  ]);
});

test('20,000 empty files are no burden', () => {
  const files = Array.from({ length: 20_000 }, (_, i) => fileOf(`${i}`, 0));
  expect(parse([...files, fileOf('content', 5)]).files).toHaveLength(20_001);
});

function parse(files: Members[]): MetaInfo {
  return parseTorrent(torrentOf(folderOf(files)));
}

function paths(files: Members[]): string[] {
  return parse(files).files.map((file) => file.path);
}

function expectError(files: Members[], field: string): void {
  expect(() => parse(files)).toThrow(expect.objectContaining({ code: 'ERR_METAINFO', field }));
}
