import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { errnoOf, toStorageError } from './storage-errors.ts';

/** Held until `release`, or until the process ends in any way. */
export interface StateLock {
  release(): void;
}

/** The process that holds a lock. */
export interface LockHolder {
  readonly pid: number;
}

/**
 * Takes the lock `<key>.lock` of a state folder, so that two processes do not write the same torrent to the same
 * files. The file names its process; one whose process is gone is taken over. Synchronous and for the start of a
 * torrent only.
 * @returns the lock, or the process that has it.
 * @throws StorageError if the folder cannot be written.
 */
export function takeStateLock(stateDir: string, key: string): StateLock | LockHolder {
  const path = join(stateDir, `${key}.lock`);
  const mine = join(stateDir, `${key}.${randomBytes(8).toString('hex')}.tmp`);
  const text = describe(process.pid);
  try {
    mkdirSync(stateDir, { recursive: true, mode: 0o700 });
    writeFileSync(mine, text, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    throw toStorageError(error, 'create', mine);
  }
  try {
    for (;;) {
      if (tryLink(mine, path)) return { release: () => releaseIfOurs(path, text) };
      const holder = readLock(path);
      if (holder === null) continue; // Released in this moment.
      if (isAlive(holder)) return { pid: pidOf(holder) };
      discard(path, holder);
    }
  } finally {
    rmSync(mine, { force: true });
  }
}

/** A link is made with its content, unlike a file, and fails if the name is taken. */
function tryLink(from: string, path: string): boolean {
  try {
    linkSync(from, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw toStorageError(error, 'lock', path);
  }
}

/** Takes a dead lock away. If another process was quicker and locked anew, its lock goes back in its place. */
function discard(path: string, dead: string): void {
  const aside = `${path}.${randomBytes(8).toString('hex')}.tmp`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw toStorageError(error, 'unlock', path);
  }
  if (readLock(aside) !== dead) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function releaseIfOurs(path: string, text: string): void {
  if (readLock(path) === text) rmSync(path, { force: true });
}

function readLock(path: string): string | null {
  try {
    return readFileSync(path, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw toStorageError(error, 'read', path);
  }
}

/** `PID START`: the same number in use by a later process must not keep a lock. */
function describe(pid: number): string {
  return `${pid} ${startOf(pid)}\n`;
}

function pidOf(text: string): number {
  return Number.parseInt(text, 10);
}

function isAlive(text: string): boolean {
  const pid = pidOf(text);
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (errnoOf(error) === 'ESRCH') return false; // EPERM: it lives and is another user's.
  }
  return text === describe(pid);
}

/** When a process started, in the kernel's count; empty where /proc does not tell. */
function startOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): the name in brackets may hold anything; after it, field 22 is the start time.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return ''; // Not Linux.
  }
}
