import { encode, tryDecode } from '../../bencode/codec.ts';
import { entriesOf, isDict, readBytes, readDict, readInt, readValue } from '../../bencode/fields.ts';
import { PEER_LIMITS } from '../../bencode/scan.ts';
import type { BencodeDict } from '../../bencode/value.ts';
import { concatBytes, toText, utf8 } from '../../util/bytes.ts';
import { ipFromBytes, ipToBytes } from '../../util/ip.ts';

/** The extended message that carries this handshake (BEP 10). */
export const EXTENDED_HANDSHAKE_ID = 0;

/** Requests a peer takes at once if it does not say: libtorrent's default, named by BEP 10. */
export const REQUEST_QUEUE_DEFAULT = 250;

/** More than this is never used: 32 MiB of blocks under way to one peer. libtorrent advertises 2000. */
const REQUEST_QUEUE_MAX = 2_000;

/** Metadata claims above this are ignored; the largest honest one seen has 14 MB. rqbit 32 MiB. */
const METADATA_SIZE_MAX = 33_554_432;

/** Extensions one peer may name. The widest clients name a dozen. */
const MESSAGES_MAX = 64;

/** Bytes of the name of one; longer ones are not kept. The longest in use have 15. */
const NAME_LENGTH_MAX = 64;

/** Characters kept of a client's name. */
const CLIENT_LENGTH_MAX = 64;

/** What a peer says about itself after the handshake (BEP 10); every part is optional there. */
export interface ExtendedHandshake {
  /** `m`: the ids the peer wants its extended messages sent with, by name. Those it switched off are not in it. */
  readonly messages: ReadonlyMap<string, number>;
  /** `v`: name and version of the client. Text from outside: escape it before it is shown. */
  readonly client: string | null;
  /** `p`: the TCP port it listens on. */
  readonly port: number | null;
  /** `reqq`: how many requests it keeps without dropping any. */
  readonly requestQueue: number;
  /** `yourip`: the address it sees us at. One voice, no proof. */
  readonly yourIp: string | null;
  /** `upload_only` (BEP 21): it downloads nothing any more, though it may lack pieces. */
  readonly uploadOnly: boolean;
  /** `metadata_size` (BEP 9): claimed bytes of the info dictionary. */
  readonly metadataSize: number | null;
}

/** What holds of a peer that has said nothing. */
export const NO_EXTENSIONS: ExtendedHandshake = Object.freeze({
  messages: new Map<string, number>(),
  client: null,
  port: null,
  requestQueue: REQUEST_QUEUE_DEFAULT,
  yourIp: null,
  uploadOnly: false,
  metadataSize: null,
});

/**
 * Reads a handshake on top of what the peer said before: BEP 10 lets it come again and name only what changed. Parts
 * that are out of range are as if absent. Null if the payload is no dictionary; other clients ignore such a message.
 */
export function readExtendedHandshake(
  payload: Uint8Array,
  before: ExtendedHandshake = NO_EXTENSIONS,
): ExtendedHandshake | null {
  const decoded = tryDecode(payload, PEER_LIMITS);
  if (!decoded.ok || !isDict(decoded.value)) return null;
  const dict = decoded.value;
  const uploadOnly = readInt(dict, 'upload_only', 0, Number.MAX_SAFE_INTEGER);
  return {
    messages: readMessages(readDict(dict, 'm'), before.messages),
    client: readClient(dict) ?? before.client,
    port: readInt(dict, 'p', 1, 65_535) ?? before.port,
    requestQueue: readRequestQueue(dict) ?? before.requestQueue,
    yourIp: readYourIp(dict) ?? before.yourIp,
    uploadOnly: uploadOnly === null ? before.uploadOnly : uploadOnly !== 0,
    metadataSize: readInt(dict, 'metadata_size', 1, METADATA_SIZE_MAX) ?? before.metadataSize,
  };
}

/**
 * The payload of our handshake. Absent parts are left out.
 * @param saidUploadOnly Whether an earlier handshake said `upload_only`: what a later one leaves out still holds (BEP 10).
 */
export function writeExtendedHandshake(handshake: ExtendedHandshake, saidUploadOnly = false): Uint8Array {
  const start = startOf(handshake, saidUploadOnly);
  const ip = handshake.yourIp === null ? null : ipToBytes(handshake.yourIp);
  // The keys of a dictionary are sorted, and this is the last of ours.
  return concatBytes(ip === null ? [start, END] : [start, utf8(`6:yourip${ip.length}:`), ip, END]);
}

const END = utf8('e');

/**
 * All but `yourip` is the same for each peer of a torrent: encoding it anew for each was a tenth of what it takes to
 * connect simulated clients.
 */
const STARTS_MAX = 64;
const starts = new Map<string, Uint8Array>();

/** The payload up to where `yourip` goes. */
function startOf(handshake: ExtendedHandshake, saidUploadOnly: boolean): Uint8Array {
  const { messages, client, port, requestQueue, uploadOnly, metadataSize } = handshake;
  const upload = uploadOnly ? 1 : saidUploadOnly ? 0 : undefined;
  const key = JSON.stringify([[...messages], client, port, requestQueue, upload, metadataSize]);
  const before = starts.get(key);
  if (before) return before;
  const whole = encode({
    m: Object.fromEntries(messages),
    v: client ?? undefined,
    p: port ?? undefined,
    reqq: requestQueue,
    upload_only: upload,
    metadata_size: metadataSize ?? undefined,
  });
  const start = whole.subarray(0, -END.length);
  if (starts.size >= STARTS_MAX) starts.clear();
  starts.set(key, start);
  return start;
}

/** BEP 10: the dictionary is additive, 0 switches an extension off, and no two extensions share an id. */
function readMessages(
  dict: BencodeDict | null,
  before: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> {
  if (dict === null) return before;
  const messages = new Map(before);
  for (const [name] of entriesOf(dict)) {
    const id = name.length <= NAME_LENGTH_MAX ? readInt(dict, name, 0, 255) : null;
    if (id === null) continue;
    messages.delete(name);
    const taken = [...messages.values()].includes(id);
    if (id !== 0 && !taken && messages.size < MESSAGES_MAX) messages.set(name, id);
  }
  return messages;
}

function readClient(dict: BencodeDict): string | null {
  const bytes = readBytes(dict, 'v');
  if (bytes === null || bytes.length === 0) return null;
  // Cut before decoding: the text of a hostile peer may be 64 KiB. UTF-8 takes at most 4 bytes for a character.
  const text = toText(bytes.subarray(0, 4 * CLIENT_LENGTH_MAX));
  return Array.from(text).slice(0, CLIENT_LENGTH_MAX).join('');
}

function readRequestQueue(dict: BencodeDict): number | null {
  const value = readValue(dict, 'reqq');
  if (typeof value !== 'number' && typeof value !== 'bigint') return null;
  return Math.min(Math.max(Number(value), 1), REQUEST_QUEUE_MAX);
}

function readYourIp(dict: BencodeDict): string | null {
  const bytes = readBytes(dict, 'yourip');
  return bytes && ipFromBytes(bytes);
}
