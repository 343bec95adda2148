import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { Child } from '../../support/child.ts';
import type { Host } from '../network.ts';

/** What a client is asked to do with one torrent. */
export interface Job {
  readonly host: Host;
  /** A file; for a download it may be a magnet link. */
  readonly torrentFile: string;
  /** The folder that holds, or will hold, the torrent's top-level file or folder. */
  readonly dir: string;
  /** A folder for the client's own files, fresh for this job. */
  readonly scratch: string;
  /** Bytes per second; unlimited if not given. */
  readonly upLimit?: number;
  /** Dialled besides what trackers name, as HOST:PORT, where the client can. */
  readonly peer?: string;
  /** Nodes of the DHT to begin from, as HOST:PORT, where the client can. Without it, it stays out of the DHT. */
  readonly dht?: readonly string[];
}

/** A client at work. It goes on seeding when it is complete, until it is stopped. */
export interface Running {
  readonly child: Child;
  /** Resolves when the client itself says that it has everything. */
  complete(timeoutMs: number): Promise<void>;
}

/** A BitTorrent client as the tests see it. */
export interface Client {
  readonly name: string;
  /** Files of its own that it keeps beside the data. */
  readonly ownFiles?: RegExp;
  /** It makes no files of length zero. */
  readonly omitsEmptyFiles?: boolean;
  /** Fails with the command that installs it, if it is not there. */
  check(): void;
  /** Serves complete data found in `dir`. */
  seed(job: Job): Promise<Running>;
  /** Downloads into `dir`. */
  download(job: Job): Promise<Running>;
}

/** Every client listens here, each on a host of its own. */
export const PEER_PORT = 50_000;

/** Fails with `install` unless `command` is in the search path. */
export function needsCommand(command: string, install: string): void {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const found = folders.some((folder) => isExecutable(join(folder, command)));
  if (!found) throw new Error(`${command} is not installed; install it with: ${install}`);
}

/** Fails with `install` unless the file is there. */
export function needsFile(path: string, install: string): void {
  if (!isExecutable(path, constants.R_OK)) throw new Error(`${path} is missing; install it with: ${install}`);
}

function isExecutable(path: string, mode: number = constants.X_OK): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    // Absent or not ours to run: both mean that it cannot be used.
    return false;
  }
}
