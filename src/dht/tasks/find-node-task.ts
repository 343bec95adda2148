import type { Encodable } from '../../bencode/codec.ts';
import type { LookupTask } from '../lookup.ts';

/** Which families' nodes to ask for (BEP 32); undefined for those of the datagram itself. */
export type Want = readonly string[] | undefined;

/** The nodes closest to an id, for the routing table's sake (BEP 5). */
export class FindNodeTask implements LookupTask {
  readonly method = 'find_node';
  readonly target: Uint8Array;
  readonly #want: Want;
  readonly #done: () => void;

  constructor(target: Uint8Array, want: Want, done: () => void) {
    this.target = target;
    this.#want = want;
    this.#done = done;
  }

  args(): Record<string, Encodable | undefined> {
    return { target: this.target, want: this.#want };
  }

  onAnswer(): null {
    return null; // Whoever answers gets into the table; that is all.
  }

  onSettled(): void {
    this.#done();
  }

  onLateAnswer(): void {
    // The table has it already.
  }
}
