import { BLOCK_LENGTH } from '../util/block-length.ts';
import type { Rng } from '../util/rng.ts';
import type { SimPeerOptions } from './sim-peer.ts';

/**
 * Ways to behave in a swarm, as options of a peer: `swarm.add({ ...home, ...freeRider() })`. All of them run the real
 * engine; what differs is what they let it do.
 */

/** Takes and never gives. */
export function freeRider(): SimPeerOptions {
  return { engine: { uploadSlots: 0 } };
}

/** Unchokes peers as all do and then gives them next to nothing: one block in this many seconds. */
export function snubber(secondsPerBlock = 300): SimPeerOptions {
  return { engine: { upLimit: BLOCK_LENGTH / secondsPerBlock } };
}

/** Gives wrong bytes in this share of its blocks, and claims to have everything. */
export function liar(chance: Rng, share = 0.2): SimPeerOptions {
  return { pieces: 'all', flawOf: () => (chance.float() < share ? 1 + chance.below(1000) : 0) };
}

/** Has everything, and tells each peer of one piece at a time, so that it sends none twice (BEP 16). */
export function superSeeder(): SimPeerOptions {
  return { pieces: 'all', superSeed: true };
}

/** Leaves as soon as it is complete. */
export function leavesWhenComplete(): SimPeerOptions {
  return { seedsForMs: 0 };
}

/** Behind a slow line: this part of the rates of others. */
export function slow(of: SimPeerOptions, part = 0.1): SimPeerOptions {
  const { upBytesPerSec = Infinity, downBytesPerSec = Infinity } = of;
  return { ...of, upBytesPerSec: upBytesPerSec * part, downBytesPerSec: downBytesPerSec * part };
}
