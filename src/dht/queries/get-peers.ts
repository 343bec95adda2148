import { readBytes, readInt } from '../../bencode/fields.ts';
import { writeEndpoint } from '../contact.ts';
import { PACKET_WRITE_MAX } from '../krpc.ts';
import { ID_LENGTH } from '../node-id.ts';
import { closestNodes, wantedFamilies } from './closest-nodes.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';

/** More are of no use to anybody at once, and of much use to who has us answer to somebody else's address. */
const VALUES_MAX = 50;
/** Everything in an answer that is neither nodes, values nor filters, with the longest transaction id. */
const FRAME_LENGTH = 180;
/** A Bloom filter with its key. */
const FILTER_ROOM = 256 + 10;

/** BEP 5, BEP 32, BEP 33. Nodes are named in any case: without them a lookup would end at the first that has peers. */
export function answerGetPeers({ node, args, from, now }: QueryContext): Answer | Refusal {
  const infoHash = readBytes(args, 'info_hash', ID_LENGTH);
  if (infoHash === null) return new Refusal('no info_hash of 20 bytes');
  const filters = readInt(args, 'scrape', 1, 1) === 1 ? node.peers.filters(infoHash) : null;
  // BEP 33: with filters there is room for the mandatory node list alone.
  const families = filters === null ? wantedFamilies(args, node.family) : [node.family];
  const nodes = closestNodes(node, infoHash, families, from);
  const taken =
    FRAME_LENGTH +
    (nodes.nodes?.length ?? 0) +
    (nodes.nodes6?.length ?? 0) +
    (filters === null ? 0 : 2 * FILTER_ROOM);
  const valueLength = node.family === 4 ? 8 : 21;
  const count = Math.max(0, Math.min(VALUES_MAX, Math.floor((PACKET_WRITE_MAX - taken) / valueLength)));
  const noSeeds = readInt(args, 'noseed', 1, 1) === 1;
  const own = node.ownPeer(infoHash, from);
  const others = node.peers.sample(infoHash, own === null ? count : count - 1, from.host, noSeeds);
  const peers = own === null ? others : [own, ...others];
  return {
    ...nodes,
    token: node.tokens.make(from.host, infoHash, now),
    values: peers.length > 0 ? peers.map(writeEndpoint) : undefined,
    BFsd: filters?.seeds,
    BFpe: filters?.peers,
  };
}
