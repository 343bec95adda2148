/**
 * Text from outside (names in torrents, messages of trackers, clients of peers) is never written to a terminal as it
 * came: control characters move the cursor, set the title or fill the clipboard, and format characters such as
 * U+202E show a name backwards. What people see has them taken out; JSON has them as `\u` escapes, so its value is exact.
 */

const UNSAFE = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;
/** Half of a pair, which is no character and has no UTF-8 form. */
const LONE_SURROGATE = /\p{Cs}/gu;

/** Text that every encoder takes. */
export function wellFormed(text: string): string {
  return text.replaceAll(LONE_SURROGATE, '\ufffd');
}

/** One line of harmless text. */
export function safeText(text: string): string {
  return wellFormed(text).replaceAll(UNSAFE, '');
}

/** JSON on one line of harmless text; parsing it gives back exactly `value`. */
export function safeJson(value: unknown): string {
  // JSON.stringify has escaped what JSON demands; the rest of the unsafe characters can only be inside strings.
  return JSON.stringify(value).replaceAll(UNSAFE, escapeUnits);
}

function escapeUnits(character: string): string {
  let escaped = '';
  for (let i = 0; i < character.length; i++) {
    escaped += '\\u' + character.charCodeAt(i).toString(16).padStart(4, '0');
  }
  return escaped;
}
