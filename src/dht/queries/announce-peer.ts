import { readBytes, readInt } from '../../bencode/fields.ts';
import { isDialable } from '../../util/ip.ts';
import { ID_LENGTH } from '../node-id.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';

/** BEP 5: the peer is the sender's address with the port it names, or with `implied_port` the one it sent from. */
export function answerAnnouncePeer({ node, args, from, now }: QueryContext): Answer | Refusal {
  const infoHash = readBytes(args, 'info_hash', ID_LENGTH);
  if (infoHash === null) return new Refusal('no info_hash of 20 bytes');
  const token = readBytes(args, 'token');
  if (token === null || !node.tokens.isValid(token, from.host, infoHash, now)) {
    return new Refusal('bad token');
  }
  const isImplied = (readInt(args, 'implied_port', 0, Number.MAX_SAFE_INTEGER) ?? 0) !== 0;
  const port = isImplied ? from.port : readInt(args, 'port', 1, 65_535);
  if (port === null) return new Refusal('no port of 1 to 65535');
  const peer = { host: from.host, port };
  if (!isDialable(peer)) return new Refusal('nobody could dial that address');
  node.peers.announce(infoHash, peer, readInt(args, 'seed', 1, 1) === 1, now);
  node.onAnnounced(infoHash, peer);
  return {};
}
