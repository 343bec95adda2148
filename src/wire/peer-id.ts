import { assert } from '../util/assert.ts';

/**
 * Peer ids (BEP 20): 20 bytes that tell peers of one torrent apart, and by convention name the client.
 *
 *     Azureus style   "-qB4620-" then 12 of chance
 *     Shadow style    "S58B-----" then 11 of chance
 *     Mainline style  "M4-3-6--" then 12 of chance
 */
export const PEER_ID_LENGTH = 20;

const DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/**
 * A peer id that begins with `prefix` (printable ASCII, at most 19 characters).
 * @param random At least 20 unguessable bytes. They become letters and digits, which stay short in tracker URLs.
 */
export function makePeerId(prefix: string, random: Uint8Array): Uint8Array {
  assert(prefix.length < PEER_ID_LENGTH, `a peer id prefix of ${prefix.length} characters`);
  assert(random.length >= PEER_ID_LENGTH, `${random.length} random bytes for a peer id`);
  const id = new Uint8Array(PEER_ID_LENGTH);
  for (let i = 0; i < PEER_ID_LENGTH; i++) {
    id[i] = i < prefix.length ? prefix.charCodeAt(i) : DIGITS.charCodeAt(random[i]! % DIGITS.length);
  }
  return id;
}

/** How a client writes its version into the four characters of Azureus style. */
type VersionStyle = (version: string) => string;

/** One number per character, `A` is 10. Zeros at the end are left out down to `major.minor`. */
const perCharacter: VersionStyle = (version) => {
  // A letter below the digits of base 36 marks a build (µTorrent's `W`, Deluge's `s`), never a number this high.
  const numbers = Array.from(version.replace(/[G-Zg-z]/g, ''), (c) => DIGITS.indexOf(c.toUpperCase()));
  while (numbers.length > 2 && numbers.at(-1) === 0) numbers.pop();
  return numbers.join('.');
};

/** Two characters each for major and minor. */
const perPair: VersionStyle = (version) =>
  `${Number.parseInt(version.slice(0, 2), 10)}.${Number.parseInt(version.slice(2), 10)}`;

/** `2940` is 2.94, and from version 4 on `4050` is 4.0.5. */
const transmission: VersionStyle = (version) =>
  version < '4' ? `${version[0]!}.${version.slice(1, 3)}` : version.slice(0, 3).split('').join('.');

const AZUREUS_STYLE = new Map<string, readonly [name: string, style: VersionStyle]>([
  ['7T', ['aTorrent', perCharacter]],
  ['AG', ['Ares', perCharacter]],
  ['AZ', ['Vuze', perCharacter]],
  ['BC', ['BitComet', perPair]],
  ['BG', ['BTG', perCharacter]],
  ['BI', ['BiglyBT', perCharacter]],
  ['BT', ['BitTorrent', perCharacter]],
  ['BW', ['BitWombat', perCharacter]],
  ['CD', ['Enhanced CTorrent', perCharacter]],
  ['CT', ['CTorrent', perCharacter]],
  ['DE', ['Deluge', perCharacter]],
  ['FD', ['Free Download Manager', perCharacter]],
  ['FG', ['FlashGet', perCharacter]],
  ['FW', ['FrostWire', perCharacter]],
  ['FX', ['Freebox', perCharacter]],
  ['GT', ['anacrolix/torrent', perCharacter]],
  ['HL', ['Halite', perCharacter]],
  ['JT', ['JavaTorrent', perCharacter]],
  ['KG', ['KGet', perCharacter]],
  ['KT', ['KTorrent', perCharacter]],
  ['LP', ['Lphant', perCharacter]],
  ['LT', ['libtorrent', perCharacter]],
  ['LW', ['LimeWire', perCharacter]],
  ['MG', ['MediaGet', perCharacter]],
  ['MO', ['MonoTorrent', perCharacter]],
  ['MR', ['Miro', perCharacter]],
  ['NE', ['BT Next Evolution', perCharacter]],
  ['PI', ['PicoTorrent', perCharacter]],
  ['QD', ['QQDownload', perCharacter]],
  ['RT', ['Retriever', perCharacter]],
  ['SD', ['Xunlei', perCharacter]],
  ['SZ', ['Shareaza', perCharacter]],
  ['TL', ['Tribler', perCharacter]],
  ['TR', ['Transmission', transmission]],
  // BEP 20 gives these letters to TuoTu, which has not been seen for many years.
  ['TT', ['torrent-ts', perCharacter]],
  ['TX', ['Tixati', perCharacter]],
  ['UE', ['µTorrent Embedded', perCharacter]],
  ['UM', ['µTorrent for Mac', perCharacter]],
  ['UT', ['µTorrent', perCharacter]],
  ['UW', ['µTorrent Web', perCharacter]],
  ['WD', ['WebTorrent Desktop', perPair]],
  ['WW', ['WebTorrent', perPair]],
  ['WY', ['FireTorrent', perCharacter]],
  ['XF', ['Xfplay', perCharacter]],
  ['XL', ['Xunlei', perCharacter]],
  ['lt', ['libTorrent (rTorrent)', perCharacter]],
  ['qB', ['qBittorrent', perCharacter]],
  ['rQ', ['rqbit', perCharacter]],
  ['st', ['sharktorrent', perCharacter]],
]);

const SHADOW_STYLE = new Map<string, string>([
  ['A', 'ABC'],
  ['O', 'Osprey Permaseed'],
  ['Q', 'BTQueue'],
  ['R', 'Tribler'],
  ['S', "Shadow's client"],
  ['T', 'BitTornado'],
  ['U', 'UPnP NAT Bit Torrent'],
]);

const MAINLINE_STYLE = new Map<string, string>([
  ['A2', 'aria2'],
  ['M', 'BitTorrent'],
  ['Q', 'Queen Bee'],
]);

/** Name and version of the client behind a peer id, such as `qBittorrent 4.6.2`; null if it follows no known style. */
export function clientOfPeerId(peerId: Uint8Array): string | null {
  let text = '';
  for (let i = 0; i < peerId.length; i++) text += String.fromCharCode(peerId[i]!);
  return azureusStyle(text) ?? mainlineStyle(text) ?? shadowStyle(text);
}

function azureusStyle(text: string): string | null {
  // The character after the version is a dash by convention; FlashGet and some builds put a letter there.
  const match = /^-([A-Za-z0-9~]{2})([0-9A-Za-z]{4})/.exec(text);
  const known = match && AZUREUS_STYLE.get(match[1]!);
  return known ? `${known[0]} ${known[1](match[2]!)}`.trimEnd() : null;
}

function mainlineStyle(text: string): string | null {
  const match = /^(A2-|[MQ])(\d{1,2})-(\d{1,2})-(\d{1,2})-/.exec(text);
  if (!match) return null;
  const name = MAINLINE_STYLE.get(match[1]!.replace('-', ''))!;
  return `${name} ${match[2]!}.${match[3]!}.${match[4]!}`;
}

function shadowStyle(text: string): string | null {
  // Up to five characters of version, padded with dashes, then three dashes.
  const match = /^([AOQRSTU])([0-9A-Za-z.]{1,5})-*---/.exec(text);
  if (!match || match[0].length > 9) return null;
  const numbers = Array.from(match[2]!, (c) => (c === '.' ? 62 : DIGITS.indexOf(c)));
  return `${SHADOW_STYLE.get(match[1]!)!} ${numbers.join('.')}`;
}
