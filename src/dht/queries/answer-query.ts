import { readBytes } from '../../bencode/fields.ts';
import { ERROR_METHOD_UNKNOWN } from '../krpc.ts';
import { ID_LENGTH } from '../node-id.ts';
import { answerAnnouncePeer } from './announce-peer.ts';
import { answerFindNode } from './find-node.ts';
import { answerGetPeers } from './get-peers.ts';
import { answerGet } from './get.ts';
import { answerPing } from './ping.ts';
import { answerPut } from './put.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';
import { answerSampleInfoHashes } from './sample-infohashes.ts';

const ANSWERS: ReadonlyMap<string, (context: QueryContext) => Answer | Refusal> = new Map([
  ['ping', answerPing],
  ['find_node', answerFindNode],
  ['get_peers', answerGetPeers],
  ['announce_peer', answerAnnouncePeer],
  ['get', answerGet],
  ['put', answerPut],
  ['sample_infohashes', answerSampleInfoHashes],
]);

/** What to say to a query. One we do not know, but that looks for something, is answered as `find_node` (BEP 51). */
export function answerQuery(method: string, context: QueryContext): Answer | Refusal {
  const answer = ANSWERS.get(method);
  if (answer !== undefined) return answer(context);
  const { args } = context;
  const isSearch =
    readBytes(args, 'target', ID_LENGTH) !== null || readBytes(args, 'info_hash', ID_LENGTH) !== null;
  return isSearch ? answerFindNode(context) : new Refusal('method unknown', ERROR_METHOD_UNKNOWN);
}
