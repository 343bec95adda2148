import { RawBencode } from '../../bencode/codec.ts';
import { readBytes } from '../../bencode/fields.ts';
import { readSequence } from '../item.ts';
import { isMutable } from '../item-store.ts';
import { PACKET_WRITE_MAX } from '../krpc.ts';
import { ID_LENGTH } from '../node-id.ts';
import { closestNodes } from './closest-nodes.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';

/** Everything in an answer that is neither nodes nor value: key, signature, token, ids. */
const FRAME_LENGTH = 320;

/**
 * BEP 44. An item may take 1,000 bytes, and BEP 32 wants no datagram above 1,024: where nodes do not fit beside it they
 * stay out, and the asker hears of them from others.
 */
export function answerGet({ node, args, from, now }: QueryContext): Answer | Refusal {
  const target = readBytes(args, 'target', ID_LENGTH);
  if (target === null) return new Refusal('no target of 20 bytes');
  const token = node.tokens.make(from.host, target, now);
  const nodes = closestNodes(node, target, [node.family], from);
  const item = node.items.get(target);
  if (item === null) return { ...nodes, token };
  const known = isMutable(item) ? readSequence(args, 'seq') : null;
  if (isMutable(item) && known !== null && item.sequence <= known) {
    return { ...nodes, token, seq: item.sequence };
  }
  const nodesLength = (nodes.nodes?.length ?? 0) + (nodes.nodes6?.length ?? 0);
  const fits = FRAME_LENGTH + nodesLength + item.value.length <= PACKET_WRITE_MAX;
  const rest = { ...(fits ? nodes : {}), token, v: new RawBencode(item.value) };
  return isMutable(item) ? { ...rest, k: item.publicKey, seq: item.sequence, sig: item.signature } : rest;
}
