import type { TorrentTsError } from './library.ts';

/** What the process says to the shell. Stable: scripts depend on it. */
export const EXIT = {
  /** Done and verified, or a clean stop while only seeding. */
  done: 0,
  /** Something nobody foresaw. */
  bug: 1,
  /** A wrong option or argument. */
  usage: 2,
  /** Not a torrent, or it could not be read or fetched. */
  badInput: 3,
  /** Data on disk is not what the torrent says. */
  damaged: 4,
  /** Nothing reachable in the given time. */
  unreachable: 5,
  /** Disk full, permission denied, unsafe path, a file in the way. */
  disk: 6,
  /** Some of several torrents failed. */
  partial: 7,
} as const;

/** Signals that ask the process to leave. The exit code is 128 plus the signal's number, as shells have it. */
export const SIGNAL_EXIT = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
export type StopSignal = keyof typeof SIGNAL_EXIT;

/** An end with a message for people: what failed, named by its subject, and what to do about it. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  /** For the `error` event of `--json`. */
  readonly code: string;

  constructor(message: string, exitCode: number, options: ErrorOptions & { code?: string } = {}) {
    super(message, options);
    this.exitCode = exitCode;
    this.code = options.code ?? NAMES.get(exitCode) ?? 'ERR_FAILED';
  }
}

const NAMES = new Map<number, string>([
  [EXIT.usage, 'ERR_USAGE'],
  [EXIT.badInput, 'ERR_BAD_INPUT'],
  [EXIT.damaged, 'ERR_DAMAGED'],
  [EXIT.unreachable, 'ERR_NO_PEERS'],
  [EXIT.disk, 'ERR_DISK'],
  [EXIT.partial, 'ERR_PARTIAL'],
]);

const BY_LIBRARY_CODE: Record<TorrentTsError['code'], number> = {
  ERR_INVALID_OPTION: EXIT.usage,
  ERR_CLOSED: EXIT.bug,
  ERR_LOCKED: EXIT.disk,
  ERR_BENCODE: EXIT.badInput,
  ERR_METAINFO: EXIT.badInput,
  ERR_UNSUPPORTED: EXIT.badInput,
  ERR_MAGNET: EXIT.badInput,
  ERR_TRACKER: EXIT.unreachable,
  ERR_WEB_SEED: EXIT.unreachable,
  ERR_DISK_FULL: EXIT.disk,
  ERR_DISK_PERMISSION: EXIT.disk,
  ERR_FILE_MISSING: EXIT.disk,
  ERR_UNSAFE_PATH: EXIT.disk,
  ERR_DISK_IO: EXIT.disk,
  ERR_LISTEN: EXIT.bug,
  ERR_RESUME: EXIT.disk,
  ERR_NO_PEERS: EXIT.unreachable,
  ERR_INTERNAL: EXIT.bug,
};

/** The `code` of an error of the library or of Node, or an empty text. */
export function errorCode(error: unknown): string {
  if (typeof error !== 'object' || error === null || !('code' in error)) return '';
  return typeof error.code === 'string' ? error.code : '';
}

/** The exit code of anything thrown; `EXIT.bug` for what nobody foresaw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  const code = errorCode(error);
  // By code and not by class: looking at it must not load the library.
  return Object.hasOwn(BY_LIBRARY_CODE, code) ? BY_LIBRARY_CODE[code as TorrentTsError['code']] : EXIT.bug;
}

/** True for errors that are explained by their message; false for bugs, which want a report. */
export function isForeseen(error: unknown): boolean {
  if (error instanceof CliError) return true;
  const code = errorCode(error);
  return code !== 'ERR_INTERNAL' && Object.hasOwn(BY_LIBRARY_CODE, code);
}

/** Words for what Node's file system calls answer. */
const FILE_ERRORS = new Map([
  ['ENOENT', 'no such file or folder'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'not permitted'],
  ['EISDIR', 'it is a folder'],
  ['ENOTDIR', 'part of the path is a file, not a folder'],
  ['EEXIST', 'it exists already'],
  ['ENOSPC', 'no space left on the disk'],
  ['EDQUOT', 'the disk quota is used up'],
  ['EROFS', 'the file system is read-only'],
  ['ENAMETOOLONG', 'the name is too long'],
  ['EMFILE', 'too many open files'],
  ['ELOOP', 'too many symbolic links'],
  ['ENOTEMPTY', 'the folder is not empty'],
  ['EIO', 'the disk reports an input/output error'],
]);

/** Why a file system call failed, in words. */
export function reasonOf(error: unknown): string {
  const words = FILE_ERRORS.get(errorCode(error));
  if (words !== undefined) return words;
  return error instanceof Error ? error.message : String(error);
}
