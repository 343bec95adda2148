/** What a .torrent may ask for. */

/** 2,097,152 pieces are 42 MB of hashes; the rest is room for file names. libtorrent's older limit was 80 MB. */
export const TORRENT_BYTES_MAX = 64 * 1_048_576;
/** libtorrent's limit; it keeps bitfields (BEP 3) at 256 KiB. */
export const PIECES_MAX = 2_097_152;
/** libtorrent's limit: 32,767 blocks of 16 KiB. */
export const PIECE_LENGTH_MAX = 32_767 * 16_384;
/** libtorrent's limit. */
export const FILE_LENGTH_MAX = 2 ** 48 - 1;
/** As many pieces as allowed, each as long as allowed: 2^50, so all offsets are exact. */
export const CONTENT_LENGTH_MAX = PIECES_MAX * PIECE_LENGTH_MAX;
/** Folders inside each other, libtorrent's limit. */
export const PATH_DEPTH_MAX = 100;
/** File systems allow 255 bytes; libtorrent leaves the same room for suffixes. */
export const NAME_BYTES_MAX = 240;
/** Linux and macOS allow 4,096 and 1,024 bytes for a whole path; the download folder needs its share. */
export const PATH_BYTES_MAX = 3_072;
/** Files renamed because their path was taken; libtorrent's limit. No honest torrent comes near. */
export const RENAMES_MAX = 500;
/** Trackers and web seeds; the longest public tracker lists have some hundred. */
export const TRACKERS_MAX = 500;
export const WEB_SEEDS_MAX = 500;
/** Nodes of the DHT; BEP 5 speaks of the 8 closest ones. */
export const NODES_MAX = 32;
/** Characters; passkeys and tokens included, real ones stay below a few hundred. */
export const URL_LENGTH_MAX = 2_048;
/** Characters of a comment or of the name of the creating program. */
export const TEXT_LENGTH_MAX = 65_536;
/** The last second that a Date can hold. */
export const CREATED_AT_MAX = 8_640_000_000_000;
