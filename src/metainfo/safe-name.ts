/**
 * Names of files and folders from outside, made safe to use on any disk and to show to people.
 *
 * A name becomes one path element: no separators, no `.` or `..`, no control characters, nothing that changes how the
 * rest is displayed, at most 240 bytes. What is not UTF-8 (overlong forms of a separator or a dot included) becomes `_`.
 * The same input gives the same name everywhere, since names decide where data is looked for.
 */
import { toText, utf8 } from '../util/bytes.ts';
import { NAME_BYTES_MAX } from './limits.ts';

/** Nearly all names, which need no change: printable ASCII but for separators. */
const HARMLESS = /^[ -.0-[\]-~]+$/;
/** C0, DEL and C1 controls, line and paragraph separators, path separators, and the sign for bytes that are no text. */
// eslint-disable-next-line no-control-regex
const FORBIDDEN = /[\0-\x1f\x7f-\x9f\u2028\u2029/\\\ufffd]/gu;
/** Invisible marks that reorder what follows (`exe.fdp` for `pdf.exe`) or make two names look alike. */
const INVISIBLE = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu;
/** Persian, Indic scripts and emoji are spelled with joiners between their characters; elsewhere they only deceive. */
const STRAY_JOINER = /(?<![^\0-\x7f\u200c\u200d])[\u200c\u200d]+|[\u200c\u200d]+(?![^\0-\x7f\u200c\u200d])/gu;
/** Nothing that would name a file is left. */
const NAMELESS = /^[._\s]*$/u;
/** Longer ones are no extensions. */
const EXTENSION = /[^.](\.[^.\s]{1,15})$/u;

/** Names of devices in every folder of Windows, also with an extension. */
const WINDOWS_DEVICE =
  /^(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9\u00b9\u00b2\u00b3])(?=\s*(?:\.|$))/iu;
const WINDOWS_FORBIDDEN = /[<>:"|?*]/gu;
const WINDOWS_TRAILING = /[. ]+$/u;

/**
 * One path element, or null if nothing that names a file is in it, such as `..` or `/`.
 * @param windows Also avoid what only Windows forbids. Elsewhere `aux.c` and `a:b` are names people use.
 */
export function safeName(bytes: Uint8Array, windows = false): string | null {
  const text = toText(bytes);
  let name = HARMLESS.test(text)
    ? text
    : text.replace(FORBIDDEN, '_').replace(INVISIBLE, '').replace(STRAY_JOINER, '');
  if (NAMELESS.test(name) && !text.includes('_')) return null;
  if (name === '' || name === '.' || name === '..') return null;
  if (windows) name = windowsName(name);
  return name.length * 3 > NAME_BYTES_MAX ? cutName(name, '') : name;
}

/** The name with a suffix before its extension, `song.1.mp3`, still within the limit of bytes. */
export function suffixedName(name: string, suffix: string): string {
  return cutName(name, suffix);
}

/**
 * What a name becomes on a file system that tells neither case nor normal form apart: names with the same fold may be
 * one file there. Upper case, because it has one form of each letter (Greek has two small sigmas).
 */
export function foldName(name: string): string {
  return HARMLESS.test(name) ? name.toUpperCase() : name.normalize('NFC').toUpperCase().normalize('NFC');
}

/** Puts in the suffix and cuts between characters, keeping the extension, so that at most 240 bytes are left. */
function cutName(name: string, suffix: string): string {
  const extension = EXTENSION.exec(name)?.[1] ?? '';
  let stem = name.slice(0, name.length - extension.length);
  const room = NAME_BYTES_MAX - utf8(suffix + extension).length;
  if (utf8(stem).length > room) {
    let bytes = 0;
    let end = 0;
    for (const character of stem) {
      bytes += utf8(character).length;
      if (bytes > room) break;
      end += character.length;
    }
    stem = stem.slice(0, end);
  }
  return stem + suffix + extension;
}

function windowsName(name: string): string {
  return name
    .replace(WINDOWS_FORBIDDEN, '_')
    .replace(WINDOWS_TRAILING, (end) => '_'.repeat(end.length))
    .replace(WINDOWS_DEVICE, (device) => `${device}_`);
}
