import { StorageError } from '../errors.ts';
import type { StorageErrorCode } from '../errors.ts';

/** What a failed call to the file system means for the user. Everything else is `ERR_DISK_IO`. */
const CODE_OF_ERRNO: Readonly<Record<string, StorageErrorCode>> = {
  ENOSPC: 'ERR_DISK_FULL',
  EDQUOT: 'ERR_DISK_FULL',
  EACCES: 'ERR_DISK_PERMISSION',
  EPERM: 'ERR_DISK_PERMISSION',
  EROFS: 'ERR_DISK_PERMISSION',
  ENOENT: 'ERR_FILE_MISSING',
  // O_NOFOLLOW on a symbolic link (ELOOP; EMLINK on FreeBSD), a folder or a socket in place of a file, a file in
  // place of a folder.
  ELOOP: 'ERR_UNSAFE_PATH',
  EMLINK: 'ERR_UNSAFE_PATH',
  EISDIR: 'ERR_UNSAFE_PATH',
  ENOTDIR: 'ERR_UNSAFE_PATH',
  ENXIO: 'ERR_UNSAFE_PATH',
};

const REASON_OF_ERRNO: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EDQUOT: 'the disk quota is used up',
  EACCES: 'permission denied',
  EPERM: 'the operation is not permitted',
  EROFS: 'the file system is read-only',
  ENOENT: 'the file does not exist',
  ELOOP: 'it is a symbolic link',
  EMLINK: 'it is a symbolic link',
  EISDIR: 'it is a folder',
  ENOTDIR: 'a part of its path is not a folder',
  ENXIO: 'it is not a regular file',
  EMFILE: 'too many open files in this process',
  ENFILE: 'too many open files in the system',
  EFBIG: 'the file would be larger than the file system allows',
  ENAMETOOLONG: 'the name is too long for the file system',
  EIO: 'the device reported an input/output error',
};

/** The plain form of a `StorageError`, for the way between threads, where classes are lost. */
export interface StorageFailure {
  readonly code: StorageErrorCode;
  readonly message: string;
  readonly path: string;
  /** Such as `ENOSPC`; empty when no system call failed. */
  readonly errno: string;
}

/** The `code` of a system error, such as `ENOENT`; empty for any other value. */
export function errnoOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** Some network and FUSE file systems cannot sync a folder and say so. */
export function isFolderSyncRefused(error: unknown): boolean {
  return ['EINVAL', 'ENOTSUP', 'EBADF'].includes(errnoOf(error));
}

/** No descriptor is left, in the process or in the system. */
export function isShortOfFiles(errno: string): boolean {
  return errno === 'EMFILE' || errno === 'ENFILE';
}

/**
 * Turns what a file system call threw into the error the user sees.
 * @param action What was tried, as a verb phrase: `write`, `create the folder`.
 */
export function toStorageError(error: unknown, action: string, path: string): StorageError {
  if (error instanceof StorageError) return error;
  const errno = errnoOf(error);
  const reason = REASON_OF_ERRNO[errno] ?? (error instanceof Error ? error.message : String(error));
  const suffix = errno !== '' && errno in REASON_OF_ERRNO ? ` (${errno})` : '';
  const code = CODE_OF_ERRNO[errno] ?? 'ERR_DISK_IO';
  return new StorageError(`cannot ${action} ${JSON.stringify(path)}: ${reason}${suffix}`, code, path, {
    cause: error,
  });
}

export function unsafePath(path: string, why: string): StorageError {
  return new StorageError(`refused ${JSON.stringify(path)}: ${why}`, 'ERR_UNSAFE_PATH', path);
}

export function fileMissing(path: string, why: string): StorageError {
  return new StorageError(`${JSON.stringify(path)} ${why}`, 'ERR_FILE_MISSING', path);
}

export function toFailure(error: unknown): StorageFailure {
  const known = toStorageError(error, 'use', '');
  return { code: known.code, message: known.message, path: known.path, errno: errnoOf(known.cause) };
}

export function fromFailure(failure: StorageFailure): StorageError {
  const options = failure.errno === '' ? undefined : { cause: { code: failure.errno } };
  return new StorageError(failure.message, failure.code, failure.path, options);
}
