import type { Answer } from './query-context.ts';

/** BEP 5: "the appropriate response to a ping has a single key". */
export function answerPing(): Answer {
  return {};
}
