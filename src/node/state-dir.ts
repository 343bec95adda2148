import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

const NAME = 'torrent-ts';

/**
 * The folder for what is remembered between runs: `$XDG_STATE_HOME/torrent-ts` (XDG Base Directory Specification, on all
 * systems if that is set), else the place that the system's users expect.
 */
export function defaultStateDir(
  env: Readonly<Record<string, string | undefined>> = process.env,
  platform: NodeJS.Platform = process.platform,
): string {
  const path = platform === 'win32' ? win32 : posix;
  // The specification: relative paths in these variables are to be ignored.
  const absolute = (value: string | undefined): string | null =>
    value !== undefined && path.isAbsolute(value) ? value : null;

  const xdg = absolute(env.XDG_STATE_HOME);
  if (xdg !== null) return path.join(xdg, NAME);
  const home = absolute(env[platform === 'win32' ? 'USERPROFILE' : 'HOME']) ?? homedir();
  if (platform === 'win32') {
    return path.join(absolute(env.LOCALAPPDATA) ?? path.join(home, 'AppData', 'Local'), NAME);
  }
  if (platform === 'darwin') return path.join(home, 'Library', 'Application Support', NAME);
  return path.join(home, '.local', 'state', NAME);
}
