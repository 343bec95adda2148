import { mayFindPeersBy } from '../discovery/private-gate.ts';
import { MetadataServer } from '../metadata/metadata-server.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import { DontHave } from './dont-have.ts';
import { HolepunchRelay } from './holepunch-relay.ts';
import { PeerExchange } from './peer-exchange.ts';
import type { Torrent } from './torrent.ts';
import type { TorrentDeps } from './torrent-deps.ts';

/** The extended messages that a torrent speaks, in the order of the ids that we give them. */
export function extendedMessagesOf(torrent: Torrent, deps: TorrentDeps): readonly ExtendedMessage[] {
  const { pex, external } = deps;
  const messages: ExtendedMessage[] = [
    new MetadataServer(torrent.metaInfo),
    new DontHave(),
    new HolepunchRelay(torrent, external, () => deps.listenPort()),
  ];
  if (pex && mayFindPeersBy('pex', torrent.metaInfo)) messages.push(new PeerExchange(torrent));
  return messages;
}
