import { InvalidArgumentError } from 'commander';

/** Values of options, from text. Each throws `InvalidArgumentError` saying what it expects. */

const UNIT_POWERS = new Map([
  ['', 0],
  ['k', 1],
  ['m', 2],
  ['g', 3],
  ['t', 4],
]);
const DURATION_MS = new Map([
  ['ms', 1],
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
  ['d', 86_400_000],
]);

/** Bytes: `512`, `64K`, `1.5 GiB`. Units of 1024. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  const power = match && UNIT_POWERS.get(match[2]!.toLowerCase());
  const bytes = match ? Math.round(Number(match[1]) * 1024 ** power!) : NaN;
  if (!Number.isSafeInteger(bytes)) {
    throw new InvalidArgumentError('Expected a size such as 512K, 64M or 1.5G.');
  }
  return bytes;
}

/** Bytes per second: `5M`, `500K/s`; `0` and `unlimited` mean no limit. */
export function parseRate(text: string): number {
  if (text === 'unlimited') return Infinity;
  let rate: number;
  try {
    rate = parseSize(text.replace(/\/s$/i, ''));
  } catch {
    throw new InvalidArgumentError('Expected a rate per second such as 500K or 5M, or 0 for no limit.');
  }
  return rate === 0 ? Infinity : rate;
}

/** Milliseconds: `90` (seconds), `500ms`, `90s`, `5m`, `1h30m`, `2d`. */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|[smhd])?/gi)];
  const whole = parts.length > 0 && parts.map((part) => part[0]).join('') === text.replaceAll(' ', '');
  // A number without a unit is only clear when it stands alone.
  const clear = whole && (parts.length === 1 || parts.every((part) => part[2] !== undefined));
  const ms = parts.reduce(
    (sum, part) => sum + Number(part[1]) * DURATION_MS.get((part[2] ?? 's').toLowerCase())!,
    0,
  );
  if (!clear || !Number.isFinite(ms)) {
    throw new InvalidArgumentError('Expected a duration such as 90s, 5m or 1h30m.');
  }
  return ms;
}

export function parsePort(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) {
    throw new InvalidArgumentError('Expected a whole number from 0 to 65535.');
  }
  return Number(text);
}

/** A whole number of at least one. */
export function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) === 0) {
    throw new InvalidArgumentError('Expected a whole number from 1.');
  }
  return Number(text);
}

export function parseRatio(text: string): number {
  if (!/^\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('Expected a number such as 1 or 2.5.');
  return Number(text);
}

/** A host, which may be a name, and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** `HOST:PORT` or `[IPV6]:PORT`. */
export function parseHostPort(text: string): HostPort {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/i.exec(text);
  const port = Number(match?.[3]);
  if (!match || port < 1 || port > 65_535) {
    throw new InvalidArgumentError('Expected HOST:PORT or [IPV6]:PORT, with a port from 1 to 65535.');
  }
  return { host: match[1] ?? match[2]!, port };
}

/** One `--select`: file numbers as `--list` shows them (`3`, `5-8`, `1,4-6`), or a glob over the path. */
export type Selection = number | readonly [number, number] | string;

export function parseSelect(text: string): Selection[] {
  if (text === '') throw new InvalidArgumentError('Expected file numbers (3, 5-8) or a glob (*.srt).');
  if (!/^[\d,-]+$/.test(text)) return [text];
  return text.split(',').map((part) => {
    const match = /^(\d{1,9})(?:-(\d{1,9}))?$/.exec(part);
    const first = Number(match?.[1]);
    const last = match?.[2] === undefined ? first : Number(match[2]);
    if (!match || last < first)
      throw new InvalidArgumentError('Expected file numbers such as 3, 5-8 or 1,4-6.');
    return match[2] === undefined ? first : ([first, last] as const);
  });
}

/** One `--tracker` is one tier (BEP 12); commas part the trackers of the same tier. */
export function parseTier(text: string): string[] {
  const urls = text.split(',').map((url) => url.trim());
  for (const url of urls) {
    if (!isUrlOf(url, ['http:', 'https:', 'udp:'])) {
      throw new InvalidArgumentError(
        'Expected http://, https:// or udp:// URLs, with commas between those of one tier.',
      );
    }
  }
  return urls;
}

export function parseWebSeed(text: string): string {
  if (!isUrlOf(text, ['http:', 'https:']))
    throw new InvalidArgumentError('Expected an http:// or https:// URL.');
  return text;
}

function isUrlOf(text: string, protocols: readonly string[]): boolean {
  return URL.canParse(text) && protocols.includes(new URL(text).protocol) && new URL(text).hostname !== '';
}

/** Memory for buffers: two large pieces must fit. */
export function parseMemory(text: string): number {
  const bytes = parseSize(text);
  const MEMORY_MIN = 16 * 1_048_576;
  if (bytes < MEMORY_MIN) throw new InvalidArgumentError('Expected at least 16M, such as 64M or 1G.');
  return bytes;
}

/** A piece length: a power of two of at least 16 KiB (BEP 3 and all clients). */
export function parsePieceLength(text: string): number {
  const bytes = parseSize(text);
  const PIECE_MIN = 16_384;
  const PIECE_MAX = 64 * 1_048_576;
  if (bytes < PIECE_MIN || bytes > PIECE_MAX || (bytes & (bytes - 1)) !== 0) {
    throw new InvalidArgumentError('Expected a power of two from 16K to 64M, such as 256K or 1M.');
  }
  return bytes;
}

/** Whole numbers from 1 to a million, parted by commas: `1,10,100`. */
export function parseCounts(text: string): number[] {
  return text.split(',').map((part) => {
    const count = /^\d{1,7}$/.test(part.trim()) ? Number(part) : 0;
    if (count < 1 || count > 1_000_000) {
      throw new InvalidArgumentError('Expected whole numbers of at least 1, such as 1,10,100.');
    }
    return count;
  });
}

/** Rates in units of another, parted by colons: `1:5:25`. */
export function parseMultiples(text: string): number[] {
  return text.split(':').map(parseMultiple);
}

/** How many times as much: more than 0. */
export function parseMultiple(text: string): number {
  const value = /^\d+(?:\.\d+)?$/.test(text.trim()) ? Number(text) : 0;
  if (value <= 0 || value > 1e6)
    throw new InvalidArgumentError('Expected a number above 0, such as 10 or 0.5.');
  return value;
}

/** 0 to 100, with or without the sign: `5`, `5%`. The upper bound itself only where `all` is possible. */
export function parsePercent(text: string, all = true): number {
  const value = /^\d+(?:\.\d+)?%?$/.test(text.trim()) ? Number.parseFloat(text) : NaN;
  if (!(value >= 0 && (all ? value <= 100 : value < 100))) {
    throw new InvalidArgumentError(
      `Expected a percentage from 0 to ${all ? '100' : 'below 100'}, such as 5.`,
    );
  }
  return value;
}

/** Some of these words, parted by commas. */
export function parseWords<Word extends string>(words: readonly Word[]): (text: string) => Word[] {
  return (text) =>
    text.split(',').map((part) => {
      const found = words.find((word) => word === part.trim());
      if (found === undefined) throw new InvalidArgumentError(`Expected some of ${words.join(', ')}.`);
      return found;
    });
}

/** A seed of chance: a whole number of 32 bits. */
export function parseSeed(text: string): number {
  const seed = /^\d{1,10}$/.test(text) ? Number(text) : NaN;
  if (!(seed <= 0xffff_ffff)) throw new InvalidArgumentError('Expected a whole number from 0 to 4294967295.');
  return seed;
}
