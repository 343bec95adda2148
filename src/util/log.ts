import createDebug from 'debug';

/**
 * A logger of the namespace `torrent-ts:<name>`, shown with `DEBUG=torrent-ts:*`. Printf style only, and guarded with
 * `.enabled` on hot paths: arguments of a disabled call are still evaluated.
 */
export function logger(name: string): createDebug.Debugger {
  return createDebug(`torrent-ts:${name}`);
}
