/** Is what a web server sends what was asked for (RFC 9110, 14 and 15)? Decided before the first byte of it is used. */
import type { RangeHead } from '../../ports.ts';

/**
 * Why a web seed cannot be used: the file is `missing`; it `refuses` us; it is `busy`; the exchange `broke`; or what
 * it has is `unfit`, another file or no ranges of it.
 */
export type SeedFaultKind = 'missing' | 'refused' | 'busy' | 'broken' | 'unfit';

export interface SeedFault {
  readonly kind: SeedFaultKind;
  readonly why: string;
  /** How long to leave it alone, if it said so and within bounds. */
  readonly waitMs: number | null;
}

export interface RangeWish {
  readonly offset: number;
  readonly length: number;
  /** Of the whole file. */
  readonly fileLength: number;
}

/**
 * A server without ranges sends the file from its start. So much of it is read over to get to the bytes that are wanted;
 * it takes less time than most requests.
 */
export const SKIP_MAX = 1_048_576;
/** Whatever a busy server says. */
export const WAIT_MIN_MS = 30_000;
export const WAIT_MAX_MS = 3_600_000;

const CONTENT_RANGE = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15}|\*)$/i;

/** How many bytes of the body come before those that are wanted, or what is wrong. */
export function checkAnswer(head: RangeHead, wish: RangeWish): { readonly skip: number } | SeedFault {
  const { status, headers } = head;
  if (status !== 200 && status !== 206) return faultOfStatus(head);
  const coding = headers.get('content-encoding') ?? 'identity';
  if (coding.toLowerCase() !== 'identity') return fault('unfit', 'sends the file packed');
  return status === 206 ? checkPart(head, wish) : checkWhole(head, wish);
}

export function fault(kind: SeedFaultKind, why: string, waitMs: number | null = null): SeedFault {
  return { kind, why, waitMs };
}

function checkPart({ headers, length }: RangeHead, wish: RangeWish): { skip: number } | SeedFault {
  const [, first, last, total] = CONTENT_RANGE.exec(headers.get('content-range') ?? '') ?? [];
  const end = wish.offset + wish.length;
  if (Number(first) !== wish.offset || Number(last) !== end - 1) {
    return fault('unfit', 'sends another range than it was asked for');
  }
  if (total !== '*' && Number(total) !== wish.fileLength) return wrongLength(Number(total), wish);
  if (length !== null && length !== wish.length)
    return fault('unfit', 'sends another length than its range has');
  return { skip: 0 };
}

/** The server knows no ranges, or had no need of one. */
function checkWhole({ length }: RangeHead, wish: RangeWish): { skip: number } | SeedFault {
  if (length !== null && length !== wish.fileLength) return wrongLength(length, wish);
  if (wish.offset > SKIP_MAX) return fault('unfit', 'cannot send parts of files');
  return { skip: wish.offset };
}

function wrongLength(length: number, { fileLength }: RangeWish): SeedFault {
  return fault('unfit', `has a file of ${length} bytes instead of ${fileLength}`);
}

function faultOfStatus({ status, headers }: RangeHead): SeedFault {
  const why = `answers ${status}`;
  if (status === 404 || status === 410) return fault('missing', why);
  if (status === 429 || status === 503) return fault('busy', why, waitOf(headers));
  if (status >= 500) return fault('broken', why);
  return fault(status === 416 || status < 400 ? 'unfit' : 'refused', why);
}

/** `Retry-After` (RFC 9110, 10.2.3), in seconds or as a date, which is compared with the server's own. */
function waitOf(headers: ReadonlyMap<string, string>): number {
  const after = headers.get('retry-after') ?? '';
  const seconds = /^\d+$/.test(after)
    ? Number(after)
    : (Date.parse(after) - Date.parse(headers.get('date') ?? '')) / 1000;
  if (Number.isNaN(seconds)) return WAIT_MIN_MS;
  return Math.min(WAIT_MAX_MS, Math.max(WAIT_MIN_MS, seconds * 1000));
}
