import { readBytes } from '../../bencode/fields.ts';
import { concatBytes, fromHex } from '../../util/bytes.ts';
import { ID_LENGTH } from '../node-id.ts';
import type { PeerStore } from '../peer-store.ts';
import { closestNodes, wantedFamilies } from './closest-nodes.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';

/** Info hashes in one answer. */
const SAMPLES_MAX = 20;
/** BEP 51: the longest that is allowed. */
export const SAMPLE_INTERVAL_MAX_S = 21_600;

/** BEP 51. All three keys are always there, so that askers can tell us from who does not know the query. */
export function answerSampleInfoHashes({ node, args, from, now }: QueryContext): Answer | Refusal {
  const target = readBytes(args, 'target', ID_LENGTH);
  if (target === null) return new Refusal('no target of 20 bytes');
  return {
    ...closestNodes(node, target, wantedFamilies(args, node.family), from),
    interval: SAMPLE_INTERVAL_MAX_S,
    num: node.peers.torrentCount,
    samples: node.samples.samples(node.peers, now),
  };
}

/** The sample that is given out: the same for the whole interval, so that asking more often gains nothing. */
export class SampleKeeper {
  #samples: readonly string[] = [];
  #drawnAt = -Infinity;

  samples(peers: PeerStore, now: number): Uint8Array {
    const isDue = now - this.#drawnAt >= 1000 * SAMPLE_INTERVAL_MAX_S;
    if (isDue || this.#samples.length < Math.min(SAMPLES_MAX, peers.torrentCount)) {
      this.#samples = peers.sampleInfoHashes(SAMPLES_MAX);
      this.#drawnAt = now;
    }
    return concatBytes(this.#samples.map((infoHash) => fromHex(infoHash)!));
  }
}
