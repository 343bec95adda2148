import { expect, test } from 'vitest';
import { StorageError } from '../../src/errors.ts';
import { errnoOf, fromFailure, toFailure, toStorageError } from '../../src/node/storage-errors.ts';

test.each([
  ['ENOSPC', 'ERR_DISK_FULL'],
  ['EDQUOT', 'ERR_DISK_FULL'],
  ['EACCES', 'ERR_DISK_PERMISSION'],
  ['EPERM', 'ERR_DISK_PERMISSION'],
  ['EROFS', 'ERR_DISK_PERMISSION'],
  ['ENOENT', 'ERR_FILE_MISSING'],
  ['ELOOP', 'ERR_UNSAFE_PATH'],
  ['EISDIR', 'ERR_UNSAFE_PATH'],
  ['ENOTDIR', 'ERR_UNSAFE_PATH'],
  ['EIO', 'ERR_DISK_IO'],
  ['ENAMETOOLONG', 'ERR_DISK_IO'],
  ['EMFILE', 'ERR_DISK_IO'],
  ['EWHATEVER', 'ERR_DISK_IO'],
])('%s is %s and the message names what was tried, the path and the cause', (errno, code) => {
  const cause = Object.assign(new Error(`${errno}: something`), { code: errno });
  const error = toStorageError(cause, 'write to', '/some/file');
  expect(error).toMatchObject({ code, path: '/some/file', cause });
  expect(error.message).toMatch(/^cannot write to "\/some\/file": .*/);
  expect(error.message).toContain(errno);
});

test('names with control characters are escaped in messages', () => {
  const error = toStorageError(new Error('x'), 'open', '/a\u001b[2Jb\n');
  expect(error.message).toBe('cannot open "/a\\u001b[2Jb\\n": x');
});

test('an error that is known already stays the same', () => {
  const error = new StorageError('m', 'ERR_DISK_FULL', '/p');
  expect(toStorageError(error, 'open', '/other')).toBe(error);
});

test('an error survives the way between threads', () => {
  const cause = Object.assign(new Error('x'), { code: 'ENOSPC' });
  const error = toStorageError(cause, 'write to', '/p');
  const back = fromFailure(structuredClone(toFailure(error)));
  expect(back).toBeInstanceOf(StorageError);
  expect(back).toMatchObject({ message: error.message, code: 'ERR_DISK_FULL', path: '/p' });
  expect(back.cause).toEqual({ code: 'ENOSPC' });
});

test('what is no system error has no number', () => {
  for (const value of [null, undefined, 'ENOENT', {}, { code: 'ENOENT' }, new Error('x')]) {
    expect(errnoOf(value)).toBe('');
  }
  expect(errnoOf(Object.assign(new Error('x'), { code: 5 }))).toBe('');
});
