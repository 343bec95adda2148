import type { CreateOptions } from './library.ts';

/** Options of `create` and `seed` that say what a new torrent is like. */
export interface CreateFlags {
  readonly tracker?: readonly (readonly string[])[];
  readonly webSeed?: readonly string[];
  readonly private?: boolean;
  readonly source?: string;
  readonly comment?: string;
  readonly pieceSize?: number;
  readonly exclude?: readonly string[];
  /** False for `--no-date`. */
  readonly date?: boolean;
  readonly name?: string;
}

export function createOptions(flags: CreateFlags): CreateOptions {
  const options: CreateOptions = {};
  if (flags.tracker) options.trackers = flags.tracker;
  if (flags.webSeed) options.webSeeds = flags.webSeed;
  if (flags.private) options.private = true;
  if (flags.source !== undefined) options.source = flags.source;
  if (flags.comment !== undefined) options.comment = flags.comment;
  if (flags.pieceSize !== undefined) options.pieceLength = flags.pieceSize;
  if (flags.exclude) options.exclude = flags.exclude;
  if (flags.date === false) options.createdAt = null;
  if (flags.name !== undefined) options.name = flags.name;
  return options;
}
