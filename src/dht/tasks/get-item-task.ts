import type { Encodable } from '../../bencode/codec.ts';
import { readBytes } from '../../bencode/fields.ts';
import { equalBytes } from '../../util/bytes.ts';
import type { ImmutableItem, MutableItem, Signatures } from '../item.ts';
import {
  immutableTarget,
  isCanonical,
  isSigned,
  mutableTarget,
  PUBLIC_KEY_LENGTH,
  readSequence,
  SIGNATURE_LENGTH,
  VALUE_MAX,
} from '../item.ts';
import type { KrpcResponse } from '../krpc.ts';
import { rawMember } from '../krpc.ts';
import type { Answered, LookupTask } from '../lookup.ts';
import type { Sha1 } from '../node-id.ts';

/** The sequence number that a node has, as the `note` of its answer; null if it has no item. */
export function sequenceAt(node: Answered): bigint | null {
  return typeof node.note === 'bigint' ? node.note : null;
}

abstract class GetTask implements LookupTask {
  readonly method = 'get';
  readonly target: Uint8Array;
  readonly #done: (closest: readonly Answered[]) => void;

  constructor(target: Uint8Array, done: (closest: readonly Answered[]) => void) {
    this.target = target;
    this.#done = done;
  }

  abstract onAnswer(answer: KrpcResponse): bigint | null;

  args(): Record<string, Encodable | undefined> {
    return { target: this.target };
  }

  onSettled(closest: readonly Answered[]): void {
    this.#done(closest);
  }

  onLateAnswer(): void {
    // What it had was taken by `onAnswer`; for storing there it is too late.
  }
}

/** The value that hashes to a target (BEP 44). Told at most once. */
export class GetImmutableTask extends GetTask {
  readonly #sha1: Sha1;
  readonly #onItem: (item: ImmutableItem) => void;
  #found = false;

  constructor(
    target: Uint8Array,
    sha1: Sha1,
    onItem: (item: ImmutableItem) => void,
    done: (closest: readonly Answered[]) => void,
  ) {
    super(target, done);
    this.#sha1 = sha1;
    this.#onItem = onItem;
  }

  onAnswer({ rawValues }: KrpcResponse): null {
    const value = this.#found ? null : rawMember(rawValues, 'v');
    if (value === null || value.length > VALUE_MAX) return null;
    if (!equalBytes(immutableTarget(value, this.#sha1), this.target)) return null;
    this.#found = true;
    this.#onItem({ value: Uint8Array.from(value) });
    return null;
  }
}

/** The latest value that a key has signed (BEP 44). Told each time a later one turns up. */
export class GetMutableTask extends GetTask {
  readonly #publicKey: Uint8Array;
  readonly #salt: Uint8Array;
  readonly #signatures: Signatures;
  readonly #onItem: (item: MutableItem) => void;
  #latest: MutableItem | null = null;

  constructor(
    key: { readonly publicKey: Uint8Array; readonly salt: Uint8Array },
    crypto: { readonly sha1: Sha1; readonly signatures: Signatures },
    onItem: (item: MutableItem) => void,
    done: (closest: readonly Answered[]) => void,
  ) {
    super(mutableTarget(key.publicKey, key.salt, crypto.sha1), done);
    this.#publicKey = key.publicKey;
    this.#salt = key.salt;
    this.#signatures = crypto.signatures;
    this.#onItem = onItem;
  }

  onAnswer({ values, rawValues }: KrpcResponse): bigint | null {
    const sequence = readSequence(values, 'seq');
    const value = rawMember(rawValues, 'v');
    const publicKey = readBytes(values, 'k', PUBLIC_KEY_LENGTH);
    const signature = readBytes(values, 'sig', SIGNATURE_LENGTH);
    if (sequence === null || value === null || publicKey === null || signature === null) return null;
    if (value.length > VALUE_MAX || !equalBytes(publicKey, this.#publicKey) || !isCanonical(value))
      return null;
    // Eight nodes hold the same item, so only what would be news has its signature checked.
    const latest = this.#latest;
    if (latest !== null && sequence <= latest.sequence) {
      return equalBytes(signature, latest.signature) || sequence < latest.sequence ? sequence : null;
    }
    const item: MutableItem = {
      value: Uint8Array.from(value),
      publicKey: this.#publicKey,
      salt: this.#salt,
      sequence,
      signature: Uint8Array.from(signature),
    };
    if (!isSigned(item, this.#signatures)) return null;
    this.#latest = item;
    this.#onItem(item);
    return sequence;
  }
}
