/** The facts of the peer wire protocol: message ids, fixed lengths and maximum sizes. */

/** `<0x13>"BitTorrent protocol"`, 8 reserved bytes, 20 of info hash, 20 of peer id (BEP 3). */
export const HANDSHAKE_LENGTH = 68;

export const MessageId = {
  choke: 0,
  unchoke: 1,
  interested: 2,
  notInterested: 3,
  have: 4,
  bitfield: 5,
  request: 6,
  piece: 7,
  cancel: 8,
  /** BEP 5 */
  port: 9,
  /** BEP 6 */
  suggest: 13,
  haveAll: 14,
  haveNone: 15,
  reject: 16,
  allowedFast: 17,
  /** BEP 10 */
  extended: 20,
} as const;

/** Upper bound of any message. libtorrent 1 MiB; the largest honest one is the bitfield of 2,097,152 pieces. */
export const MESSAGE_LENGTH_MAX = 1_048_576;

/** Upper bound of an extended message (BEP 10); metadata pieces need 16 KiB and a small dictionary. */
export const EXTENDED_LENGTH_MAX = 65_536;

/** Pieces that a torrent may have; as libtorrent. Its bitfield is 256 KiB. */
export const PIECE_COUNT_MAX = 2_097_152;
