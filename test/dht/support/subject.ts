import type { FollowSubject } from '../../../src/engine/discovery/peer-finder.ts';
import type { PeerAddress } from '../../../src/util/ip.ts';

/** A torrent that follows, with what it was told. */
export function subject(
  options: Partial<{ port: number; seed: boolean; hungry: boolean }> = {},
): FollowSubject & {
  readonly peers: PeerAddress[];
} {
  const peers: PeerAddress[] = [];
  return {
    peers,
    port: () => options.port ?? 0,
    isSeed: () => options.seed ?? false,
    isHungry: () => options.hungry ?? true,
    onPeers: (found) => peers.push(...found),
  };
}
