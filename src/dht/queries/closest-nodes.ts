import { readList } from '../../bencode/fields.ts';
import type { BencodeDict } from '../../bencode/value.ts';
import { toText } from '../../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../../util/ip.ts';
import { K } from '../bucket.ts';
import { writeContacts } from '../contact.ts';
import { factsOf } from '../host-facts.ts';
import type { AnsweringNode } from './query-context.ts';

/** Flags of `want` that are looked at: there are two. */
const WANTS_MAX = 4;

/** The families whose nodes are asked for: those of `want`, else the one of the datagram (BEP 32). */
export function wantedFamilies(args: BencodeDict, own: IpFamily): IpFamily[] {
  const want = readList(args, 'want');
  if (want === null) return [own];
  const flags = want
    .slice(0, WANTS_MAX)
    .map((flag) => (flag instanceof Uint8Array ? toText(flag.subarray(0, 2)) : ''));
  return ([4, 6] as const).filter((family) => flags.includes(`n${family}`));
}

/** `nodes` and `nodes6`: the K closest that are known to answer, of each family. */
export function closestNodes(
  node: AnsweringNode,
  target: Uint8Array,
  families: readonly IpFamily[],
  asker: PeerAddress,
): { nodes?: Uint8Array; nodes6?: Uint8Array } {
  const result: { nodes?: Uint8Array; nodes6?: Uint8Array } = {};
  const askerIsLocal = factsOf(asker.host).isLocal;
  for (const family of families) {
    const table = node.tableOf(family);
    if (table === null) continue;
    const closest = table.closest(
      target,
      K,
      (each) =>
        each.isNameable &&
        (askerIsLocal || !each.isLocal) &&
        (each.address.port !== asker.port || each.address.host !== asker.host),
    );
    result[family === 4 ? 'nodes' : 'nodes6'] = writeContacts(closest, family);
  }
  return result;
}
