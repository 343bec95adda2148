/**
 * KRPC (BEP 5): one bencoded dictionary per datagram, a query, its response or an error.
 *
 *     {t: "aa", y: "q", q: "ping", a: {id: …}}    {t: "aa", y: "r", r: {id: …}}    {t: "aa", y: "e", e: [203, "…"]}
 *
 * Whatever is not one of these is dropped without a word, because an answer to junk only serves those who send junk
 * under somebody else's address. The one exception is a query that names its transaction and is wrong otherwise.
 */
import type { Encodable } from '../bencode/codec.ts';
import { encode, tryDecode } from '../bencode/codec.ts';
import { readBytes, readDict, readInt, readList, readText } from '../bencode/fields.ts';
import { DHT_LIMITS, scan } from '../bencode/scan.ts';
import type { BencodeDict } from '../bencode/value.ts';
import { readU16, toText } from '../util/bytes.ts';
import type { PeerAddress } from '../util/ip.ts';
import { ipFromBytes } from '../util/ip.ts';
import { writeEndpoint } from './contact.ts';
import { ID_LENGTH } from './node-id.ts';

/** A datagram that crosses any Ethernet whole. BEP 32 asks to read 1,024 bytes and, in the interest of robustness, more. */
export const PACKET_READ_MAX = 1500;
/** BEP 32: no datagram of ours is larger. */
export const PACKET_WRITE_MAX = 1024;
/** The smallest message there is has more than this. */
const PACKET_READ_MIN = 20;
/** BEP 5 speaks of two bytes; longer ones are echoed up to what any client uses. */
const TRANSACTION_ID_MAX = 32;
/** Enough for the words of any client; they go to logs only. */
const ERROR_TEXT_MAX = 200;

const DICTIONARY = 0x64; // d
const END = 0x65; // e

/** Codes of errors (BEP 5, BEP 44). */
export const ERROR_GENERIC = 201;
export const ERROR_PROTOCOL = 203;
export const ERROR_METHOD_UNKNOWN = 204;
export const ERROR_VALUE_TOO_BIG = 205;
export const ERROR_SIGNATURE = 206;
export const ERROR_SALT_TOO_BIG = 207;
export const ERROR_CAS = 301;
export const ERROR_SEQUENCE = 302;

export interface KrpcQuery {
  readonly kind: 'query';
  readonly transactionId: Uint8Array;
  readonly senderId: Uint8Array;
  readonly method: string;
  readonly args: BencodeDict;
  /** The bytes of `args` as they came. */
  readonly rawArgs: Uint8Array;
  /** The sender answers no queries itself (BEP 43). */
  readonly readOnly: boolean;
}

export interface KrpcResponse {
  readonly kind: 'response';
  readonly transactionId: Uint8Array;
  readonly senderId: Uint8Array;
  readonly values: BencodeDict;
  /** The bytes of `values` as they came. */
  readonly rawValues: Uint8Array;
  /** Our address as the sender sees it (BEP 42). */
  readonly seenAs: PeerAddress | null;
}

export interface KrpcError {
  readonly kind: 'error';
  readonly transactionId: Uint8Array;
  readonly code: number;
  readonly text: string;
}

/** A query that deserves an error and nothing more. */
export interface KrpcBadQuery {
  readonly kind: 'bad-query';
  readonly transactionId: Uint8Array;
}

export type KrpcMessage = KrpcQuery | KrpcResponse | KrpcError | KrpcBadQuery;

/** Could this be ours? Trackers (BEP 15) and uTP (BEP 29) share the socket, and none of theirs begins with a `d`. */
export function looksLikeKrpc(bytes: Uint8Array): boolean {
  return bytes[0] === DICTIONARY && bytes[bytes.length - 1] === END;
}

/** A message, or null for what is none. Byte strings in it may be views of `bytes`. */
export function readMessage(bytes: Uint8Array): KrpcMessage | null {
  if (bytes.length <= PACKET_READ_MIN || bytes.length > PACKET_READ_MAX || !looksLikeKrpc(bytes)) return null;
  const decoded = tryDecode(bytes, DHT_LIMITS, { spansOf: ['a', 'r'] });
  if (!decoded.ok) return null;
  const message = decoded.value as BencodeDict;
  const transactionId = readBytes(message, 't');
  if (transactionId === null || transactionId.length === 0 || transactionId.length > TRANSACTION_ID_MAX) {
    return null;
  }
  const raw = (key: string): Uint8Array => {
    const span = decoded.spans.get(key)!;
    return bytes.subarray(span.start, span.end);
  };
  switch (readText(message, 'y')) {
    case 'q': {
      const args = readDict(message, 'a');
      const method = readText(message, 'q');
      const senderId = args && readBytes(args, 'id', ID_LENGTH);
      if (args === null || method === null || senderId === null) return { kind: 'bad-query', transactionId };
      const readOnly = readInt(message, 'ro', 1, 1) === 1;
      return { kind: 'query', transactionId, senderId, method, args, rawArgs: raw('a'), readOnly };
    }
    case 'r': {
      const values = readDict(message, 'r');
      const senderId = values && readBytes(values, 'id', ID_LENGTH);
      if (values === null || senderId === null) return null;
      const seenAs = readSeenAs(readBytes(message, 'ip'));
      return { kind: 'response', transactionId, senderId, values, rawValues: raw('r'), seenAs };
    }
    case 'e':
      return { kind: 'error', transactionId, ...readErrorBody(message) };
    default:
      return null;
  }
}

export interface QueryFields {
  readonly transactionId: Uint8Array;
  readonly method: string;
  readonly args: Readonly<Record<string, Encodable | undefined>>;
  readonly version: Uint8Array;
  readonly readOnly: boolean;
}

export function writeQuery(query: QueryFields): Uint8Array {
  const { transactionId: t, method: q, args: a, version: v } = query;
  return encode({ a, q, ro: query.readOnly ? 1 : undefined, t, v, y: 'q' });
}

/** @param to Told to the receiver as its address (BEP 42). */
export function writeResponse(
  transactionId: Uint8Array,
  values: Readonly<Record<string, Encodable | undefined>>,
  to: PeerAddress,
  version: Uint8Array,
): Uint8Array {
  return encode({ ip: writeEndpoint(to), r: values, t: transactionId, v: version, y: 'r' });
}

export function writeError(
  transactionId: Uint8Array,
  code: number,
  text: string,
  version: Uint8Array,
): Uint8Array {
  return encode({ e: [code, text], t: transactionId, v: version, y: 'e' });
}

/** The bytes of a member of a dictionary exactly as they came, for what is hashed or signed; null if it is not there. */
export function rawMember(dictionary: Uint8Array, key: string): Uint8Array | null {
  const found = scan(dictionary, DHT_LIMITS, { spansOf: [key] });
  const span = found.ok ? found.spans.get(key) : undefined;
  return span === undefined ? null : dictionary.subarray(span.start, span.end);
}

function readErrorBody(message: BencodeDict): { code: number; text: string } {
  const [code, text] = readList(message, 'e') ?? [];
  return {
    code: typeof code === 'number' ? code : ERROR_GENERIC,
    text: text instanceof Uint8Array ? toText(text.subarray(0, ERROR_TEXT_MAX)) : '',
  };
}

function readSeenAs(bytes: Uint8Array | null): PeerAddress | null {
  if (bytes?.length !== 6 && bytes?.length !== 18) return null;
  const host = ipFromBytes(bytes.subarray(0, -2));
  return host === null ? null : { host, port: readU16(bytes, bytes.length - 2) };
}
