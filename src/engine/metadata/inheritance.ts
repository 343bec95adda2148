import type { TorrentState } from '../../events.ts';
import type { Discovery } from '../discovery/discovery.ts';
import type { PeerRoster } from '../torrent/peer-roster.ts';
import type { PeerSupply } from '../torrent/peer-supply.ts';
import type { PendingSession } from './pending-session.ts';

/** What a torrent takes over from the time before its metadata was here: nobody is dialled or asked a second time. */
export interface Inheritance {
  readonly state: TorrentState;
  readonly peerId: Uint8Array;
  readonly roster: PeerRoster;
  readonly supply: PeerSupply;
  readonly discovery: Discovery;
  readonly sessions: readonly PendingSession[];
}
