import type { Rng } from '../../src/util/rng.ts';

/** Bytes that mean something to a parser of bencode, so that mutations get past its first check. */
const TELLING = Uint8Array.from('0123456789-:deil'.split(''), (char) => char.charCodeAt(0));

/** A damaged copy: one to four bytes changed, removed, added, doubled as a stretch, or cut off. */
export function mutate(bytes: Uint8Array, rng: Rng): Uint8Array {
  let result: number[] = Array.from(bytes);
  const changes = 1 + rng.below(4);
  for (let i = 0; i < changes && result.length > 0; i++) {
    const at = rng.below(result.length);
    const byte = rng.below(2) === 0 ? TELLING[rng.below(TELLING.length)]! : rng.below(256);
    switch (rng.below(5)) {
      case 0:
        result[at] = byte;
        break;
      case 1:
        result.splice(at, 1 + rng.below(4));
        break;
      case 2:
        result.splice(at, 0, byte);
        break;
      case 3:
        result.splice(at, 0, ...result.slice(at, at + 1 + rng.below(20)));
        break;
      default:
        if (rng.below(4) === 0) result = result.slice(0, at);
        else result[at]! ^= 1 << rng.below(8);
    }
  }
  return Uint8Array.from(result);
}
