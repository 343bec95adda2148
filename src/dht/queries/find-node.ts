import { readBytes } from '../../bencode/fields.ts';
import { ID_LENGTH } from '../node-id.ts';
import { closestNodes, wantedFamilies } from './closest-nodes.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';

/** BEP 5, BEP 32. */
export function answerFindNode({ node, args, from }: QueryContext): Answer | Refusal {
  const target = readBytes(args, 'target', ID_LENGTH) ?? readBytes(args, 'info_hash', ID_LENGTH);
  if (target === null) return new Refusal('no target of 20 bytes');
  return closestNodes(node, target, wantedFamilies(args, node.family), from);
}
