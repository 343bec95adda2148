import { safeText } from './escape.ts';
import { errorCode, isForeseen } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** Where to tell about what nobody foresaw. */
const ISSUES = 'please report it, with the output of DEBUG=torrent-ts:*';

/** One line that names the subject and what to do; never a stack, except for who asks with DEBUG. */
export function tellError(terminal: Terminal, error: unknown, infoHash?: string): void {
  const text = error instanceof Error ? error.message : String(error);
  if (terminal.json) {
    terminal.event({
      event: 'error',
      ...(infoHash === undefined ? {} : { infoHash }),
      code: errorCode(error) || 'ERR_UNEXPECTED',
      message: text,
    });
  }
  const line = safeText(text.replaceAll(/\s*\n\s*/g, '; '));
  terminal.error(isForeseen(error) ? line : `unexpected error: ${line} (${ISSUES})`);
}
