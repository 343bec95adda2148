/** Numbers as people read them. One system everywhere: units of 1024, named as such. */

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** Bytes with three or four digits: `0 B`, `1023 B`, `1.0 KiB`, `738.0 MiB`, `1023 MiB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  // Not at 1024: what would be rounded up to 1024 belongs to the next unit.
  while (unit < UNITS.length - 1 && Math.round(value) >= 1024) {
    value /= 1024;
    unit++;
  }
  if (unit === 0) return `${Math.round(value)} B`;
  return `${value < 999.95 ? value.toFixed(1) : value.toFixed(0)} ${UNITS[unit]!}`;
}

export function formatRate(bytesPerSec: number): string {
  return `${formatBytes(bytesPerSec)}/s`;
}

/** Down, never up: only what is whole is 100 %. */
export function formatPercent(share: number): string {
  if (share >= 1) return '100%';
  return `${(Math.floor(Math.max(0, share) * 1000) / 10).toFixed(1)}%`;
}

/** `0.4s`, `9s`, `1m 05s`, `2h 03m`, `3d 04h`. */
export function formatDuration(ms: number): string {
  if (ms < 9_950) return `${(Math.max(0, ms) / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${two(seconds % 60)}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours}h ${two(minutes % 60)}m`;
  return `${Math.floor(hours / 24)}d ${two(hours % 24)}h`;
}

/** Time left, in whole seconds so that it does not flicker. */
export function formatEta(ms: number): string {
  return ms < 9_950 ? `${Math.max(1, Math.round(ms / 1000))}s` : formatDuration(ms);
}

/** `1 peer`, `2 peers`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
