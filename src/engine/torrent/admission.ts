import { compareBytes, equalBytes } from '../../util/bytes.ts';
import { PeerError, type Handshake, type PeerLink } from '../../wire/link.ts';
import type { KnownPeer, PeerRoster } from './peer-roster.ts';
import type { Connected, Connections } from './swarm.ts';
import type { ConnectionCount } from './torrent-deps.ts';

/** What peers want to join. */
export interface Joined {
  readonly peerId: Uint8Array;
  readonly roster: PeerRoster;
  readonly swarm: Pick<Connections<Connected>, 'size' | 'byPeerId'>;
  /** Peers are welcome. */
  readonly isActive: boolean;
}

/**
 * Who may join a swarm, now that its handshake is here.
 * @throws PeerError if the peer is not welcome.
 */
export function checkAdmission(
  { isActive, peerId: ours, roster, swarm }: Joined,
  limits: {
    readonly connections: ConnectionCount;
    readonly perTorrentMax: number;
    /** Closes another connection of the torrent for the sake of this one; false if none is worth less. */
    readonly makeRoom?: () => boolean;
  },
  link: PeerLink,
  { peerId }: Handshake,
  known: KnownPeer | null,
): void {
  if (!isActive) throw new PeerError('torrent-stopped', 'not now');
  if (equalBytes(peerId, ours)) throw new PeerError('self-connection', 'our own peer id');
  if (roster.isBanned(known?.address ?? null, link.remote.host, peerId)) {
    throw new PeerError('banned', 'sent bad data before');
  }
  const other = swarm.byPeerId(peerId);
  const { free } = limits.connections;
  if (free <= 0 || swarm.size >= limits.perTorrentMax) {
    // Whoever makes way is gone a turn later: until then nobody else has to.
    const mayReplace = free >= 0 && swarm.size <= limits.perTorrentMax && !other;
    if (!mayReplace || limits.makeRoom?.() !== true) {
      throw new PeerError('too-many-connections', 'no connection left');
    }
  }
  if (!other) return;
  // Both dialled at once: both ends keep the connection that the peer with the smaller id opened.
  const keepOutbound = compareBytes(ours, peerId) < 0;
  if (other.link.inbound === link.inbound || link.inbound === keepOutbound) {
    // Now we know where it listens, and that it need not be dialled.
    other.known ??= known;
    throw new PeerError('duplicate-connection', 'connected already');
  }
  other.close('duplicate-connection');
}
