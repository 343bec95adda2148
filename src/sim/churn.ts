import type { Rng } from '../util/rng.ts';
import type { SimPeer } from './sim-peer.ts';
import type { VirtualClock } from './virtual-clock.ts';

const MINUTE_MS = 60_000;

/**
 * Lets peers vanish without a word, as machines do that lose their power or their network: each of them at a time of
 * its own, such that in every minute this share of those still there is lost.
 *
 * @param sharePerMinute From 0 to, not including, 1.
 */
export function loseNodes(
  clock: VirtualClock,
  peers: readonly SimPeer[],
  sharePerMinute: number,
  chance: Rng,
): void {
  if (sharePerMinute <= 0) return;
  // The time to the first loss of a process without memory is distributed exponentially.
  const meanMs = -MINUTE_MS / Math.log(1 - sharePerMinute);
  for (const peer of peers) {
    const lifeMs = -meanMs * Math.log(1 - chance.float());
    clock.at((peer.options.joinsAtMs ?? clock.now()) + lifeMs, () => {
      if (peer.isRunning) peer.vanish();
    });
  }
}

/** Times for peers to join: evenly spread by chance over `withinMs`. */
export function arrival(chance: Rng, withinMs: number): number {
  return withinMs > 0 ? chance.float() * withinMs : 0;
}
