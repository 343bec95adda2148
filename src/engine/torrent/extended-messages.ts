import type { ExtendedMessage } from '../peer/extended-message.ts';

/** The extended messages that a torrent speaks, in the order of the ids that we give them. */
export function extendedMessagesOf(): readonly ExtendedMessage[] {
  return [];
}
