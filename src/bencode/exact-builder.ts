import { assert } from '../util/assert.ts';
import { toText } from '../util/bytes.ts';
import type { BencodeVisitor } from './scan.ts';
import type { BencodeValue } from './value.ts';
import { toByteString } from './value.ts';

type Members = Record<string, BencodeValue>;

/**
 * Builds values from the scanner's tokens with nothing lost: keys are byte strings on objects without a prototype, so
 * that no key means anything special, and integers beyond 2^53 - 1 become bigints. Strings are views of the input.
 */
export class ExactBuilder implements BencodeVisitor {
  readonly #bytes: Uint8Array;
  /** Containers being filled, the outermost first, each with the key its next value belongs to. */
  readonly #open: { container: BencodeValue[] | Members; key: string }[] = [];
  #result: BencodeValue | null = null;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get result(): BencodeValue {
    assert(this.#result !== null, 'the value is built from input that passed the scanner');
    return this.#result;
  }

  onKey(start: number, end: number): void {
    this.#open[this.#open.length - 1]!.key = toByteString(this.#bytes, start, end);
  }

  onString(start: number, end: number): void {
    this.#add(this.#bytes.subarray(start, end));
  }

  onInteger(start: number, end: number): void {
    const digits = toText(this.#bytes.subarray(start, end));
    const number = Number(digits);
    this.#add(Number.isSafeInteger(number) ? number : BigInt(digits));
  }

  onOpen(kind: 'list' | 'dictionary'): void {
    const container = kind === 'list' ? [] : (Object.create(null) as Members);
    this.#add(container as BencodeValue);
    this.#open.push({ container, key: '' });
  }

  onClose(): void {
    this.#open.pop();
  }

  #add(value: BencodeValue): void {
    const top = this.#open[this.#open.length - 1];
    if (top === undefined) this.#result = value;
    else if (Array.isArray(top.container)) top.container.push(value);
    else top.container[top.key] = value;
  }
}
