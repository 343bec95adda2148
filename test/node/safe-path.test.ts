import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  checkContained,
  ensureParent,
  folderIdentity,
  isInside,
  isSameFolder,
} from '../../src/node/safe-path.ts';

let root: string;

beforeEach(() => (root = realpathSync(mkdtempSync(join(tmpdir(), 'torrent-ts-safe-path-')))));
afterEach(() => rmSync(root, { recursive: true }));

test('inside is below, at any depth, and the folder itself', () => {
  expect(isInside('/a', '/a')).toBe(true);
  expect(isInside('/a', '/a/b/c')).toBe(true);
  expect(isInside('/', '/a')).toBe(true);
  expect(isInside('/a', '/ab')).toBe(false);
  expect(isInside('/a/b', '/a')).toBe(false);
});

test('a link to a folder inside is fine, one that leads out and back in too', () => {
  mkdirSync(join(root, 'real'));
  symlinkSync('real', join(root, 'link'));
  symlinkSync(`../${root.split('/').at(-1)!}/real`, join(root, 'around'));
  for (const name of ['real', 'link', 'around']) checkContained(root, join(root, name, 'file'));
});

test('a link that leads out is refused at any depth', () => {
  mkdirSync(join(root, 'in/deep'), { recursive: true });
  mkdirSync(join(root, 'out'));
  symlinkSync(join(root, 'out'), join(root, 'in/deep/link'));
  expect(() => checkContained(join(root, 'in'), join(root, 'in/deep/link/file'))).toThrow(/leads out/);
  expect(() => checkContained(join(root, 'in'), join(root, 'in/deep/../../out/file'))).toThrow(/leads out/);
});

test('a folder on the way that was moved out is refused, though a link leads to it as before', () => {
  mkdirSync(join(root, 'in/album/disc'), { recursive: true });
  mkdirSync(join(root, 'out'));
  const file = join(root, 'in/album/disc/file');
  checkContained(join(root, 'in'), file);
  renameSync(join(root, 'in/album'), join(root, 'out/album'));
  symlinkSync(join(root, 'out/album'), join(root, 'in/album'));
  expect(() => checkContained(join(root, 'in'), file)).toThrow(/leads out/);
  expect(() => ensureParent(join(root, 'in'), null, file, null)).toThrow(/leads out/);
});

test('a file in place of a folder on the way, and a path beside the folder, are refused', () => {
  writeFileSync(join(root, 'file'), '');
  mkdirSync(join(root, 'in'));
  expect(() => checkContained(root, join(root, 'file/deep/f'))).toThrow(/not a folder/);
  expect(() => checkContained(join(root, 'in'), join(root, 'file'))).toThrow(/leads out/);
  expect(() => checkContained(join(root, 'in'), join(root, 'into/f'))).toThrow(/does not exist/);
});

test('a folder keeps its identity under another name and another folder has another', () => {
  mkdirSync(join(root, 'a'));
  mkdirSync(join(root, 'b'));
  symlinkSync('a', join(root, 'link'));
  const a = folderIdentity(join(root, 'a'))!;
  expect(isSameFolder(a, folderIdentity(join(root, 'link'))!)).toBe(true);
  expect(isSameFolder(a, folderIdentity(join(root, 'b'))!)).toBe(false);
  expect(folderIdentity(join(root, 'c'))).toBe(null);
});
