/**
 * How many upload slots an uplink is worth.
 *
 * Few slots pass pieces on sooner: a piece takes slots x length / rate to a peer, which can give it to others only then,
 * and what a swarm loses at its start and its end is a handful of such times. Many slots keep a fast uplink busy
 * whatever the other ends and the paths to them can take, and serve everybody alike. So the number grows with the square
 * root of the rate, as the first client had it, but never so far that a piece takes too long.
 */

import { BLOCK_LENGTH } from '../../util/block-length.ts';

/** Fewer give tit-for-tat nothing to choose from (BEP 3). */
export const SLOTS_MIN = 4;
/** But on the slowest uplinks it has to do with one, beside the optimistic one, */
const SLOTS_LEAST = 1;
/**
 * because a block should not take longer than this through a slot: what we ask of the same peer, and what we tell it,
 * waits behind the block. Simulated, ten peers of which four upload 16 KiB/s: all are done after 1.11 times the bound,
 * with four slots in any case 1.25.
 */
const BLOCK_SECONDS = 1;
/** More only share the same uplink more finely. */
export const SLOTS_MAX = 30;
/** Slots squared for each kB/s. The first client's figure. */
const SLOTS_SQUARED_PER_KBPS = 0.6;
/** So long may a piece take through a slot. */
const PIECE_SECONDS = 1.25;

/** @param upRate Bytes per second that the torrent uploads now. */
export function slotsFor(upRate: number, pieceLength: number): number {
  const worth = Math.sqrt((upRate / 1000) * SLOTS_SQUARED_PER_KBPS);
  const prompt = (PIECE_SECONDS * upRate) / pieceLength;
  return Math.min(SLOTS_MAX, Math.max(leastFor(upRate), Math.floor(Math.min(worth, prompt))));
}

function leastFor(upRate: number): number {
  if (upRate === 0) return SLOTS_MIN; // Nothing is known.
  const prompt = Math.floor((BLOCK_SECONDS * upRate) / BLOCK_LENGTH);
  return Math.min(SLOTS_MIN, Math.max(SLOTS_LEAST, prompt));
}
