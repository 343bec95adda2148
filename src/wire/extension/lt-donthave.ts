import { readU32 } from '../../util/bytes.ts';

/** Name in the extended handshake (BEP 54). */
export const LT_DONTHAVE = 'lt_donthave';

/** The piece that the sender no longer has: four bytes and nothing else (BEP 54). Null for any other length. */
export function readDontHave(payload: Uint8Array): number | null {
  return payload.length === 4 ? readU32(payload, 0) : null;
}
