/**
 * The unit of requests, 16 KiB. Every client uses it, and BEP 3 lets a peer close on larger requests. It is a fact of
 * the wire and of the geometry of pieces, so it stands below both.
 */
export const BLOCK_LENGTH = 16_384;
