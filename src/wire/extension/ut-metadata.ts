import { encode, tryDecode } from '../../bencode/codec.ts';
import { isDict, readInt } from '../../bencode/fields.ts';
import { PEER_LIMITS } from '../../bencode/scan.ts';
import { concatBytes } from '../../util/bytes.ts';
import { PeerError } from '../link.ts';

/** The name of this extension in the extended handshake (BEP 9). */
export const UT_METADATA = 'ut_metadata';

/** The info dictionary travels in pieces of this length, the last one shorter. */
export const METADATA_PIECE_LENGTH = 16_384;

/** A piece, and room for its small dictionary. */
const MESSAGE_LENGTH_MAX = METADATA_PIECE_LENGTH + 1_024;

/** Pieces are numbered up to the largest metadata that anyone takes, 32 MiB. */
const PIECE_MAX = 2_047;

export type MetadataMessage =
  | { readonly type: 'request'; readonly piece: number }
  /** `bytes` is a view of the payload. `totalSize` is what the sender says the whole has, null if it does not. */
  | {
      readonly type: 'data';
      readonly piece: number;
      readonly totalSize: number | null;
      readonly bytes: Uint8Array;
    }
  | { readonly type: 'reject'; readonly piece: number };

const TYPES = ['request', 'data', 'reject'] as const;

/**
 * Reads a message (BEP 9). Null for what is to be ignored: types of the future, and what is no message at all.
 *
 * The bytes of a piece follow the dictionary without any mark, so where it ends is found by parsing it; a search for
 * `ee` would find one inside a string.
 * @throws PeerError if it is longer than any honest message.
 */
export function readMetadataMessage(payload: Uint8Array): MetadataMessage | null {
  if (payload.length > MESSAGE_LENGTH_MAX) {
    throw new PeerError('message-too-long', `${payload.length} bytes of metadata in one message`);
  }
  const decoded = tryDecode(payload, PEER_LIMITS, { prefix: true });
  if (!decoded.ok || !isDict(decoded.value)) return null;
  const type = readInt(decoded.value, 'msg_type', 0, TYPES.length - 1);
  const piece = readInt(decoded.value, 'piece', 0, PIECE_MAX);
  if (type === null || piece === null) return null;
  if (TYPES[type] !== 'data') return { type: TYPES[type]!, piece };
  const totalSize = readInt(decoded.value, 'total_size', 1, Number.MAX_SAFE_INTEGER);
  return { type: 'data', piece, totalSize, bytes: payload.subarray(decoded.end) };
}

export function writeMetadataRequest(piece: number): Uint8Array {
  return encode({ msg_type: 0, piece });
}

export function writeMetadataPiece(piece: number, metadata: Uint8Array): Uint8Array {
  const begin = piece * METADATA_PIECE_LENGTH;
  return concatBytes([
    encode({ msg_type: 1, piece, total_size: metadata.length }),
    metadata.subarray(begin, begin + METADATA_PIECE_LENGTH),
  ]);
}

export function writeMetadataReject(piece: number): Uint8Array {
  return encode({ msg_type: 2, piece });
}

/** How many pieces metadata of so many bytes has. */
export function metadataPieceCount(size: number): number {
  return Math.ceil(size / METADATA_PIECE_LENGTH);
}
