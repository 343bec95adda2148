import { readBytes, readValue } from '../../bencode/fields.ts';
import { EMPTY_BYTES } from '../../util/bytes.ts';
import type { MutableItem } from '../item.ts';
import {
  immutableTarget,
  isCanonical,
  isSigned,
  mutableTarget,
  PUBLIC_KEY_LENGTH,
  readSequence,
  SALT_MAX,
  SIGNATURE_LENGTH,
  VALUE_MAX,
} from '../item.ts';
import {
  ERROR_CAS,
  ERROR_GENERIC,
  ERROR_SALT_TOO_BIG,
  ERROR_SEQUENCE,
  ERROR_SIGNATURE,
  ERROR_VALUE_TOO_BIG,
  rawMember,
} from '../krpc.ts';
import type { Answer, QueryContext } from './query-context.ts';
import { Refusal } from './query-context.ts';

/** BEP 44. The cheap checks come first, the signature last: it costs more than all others together. */
export function answerPut(context: QueryContext): Answer | Refusal {
  const { args, rawArgs } = context;
  const value = rawMember(rawArgs, 'v');
  if (value === null) return new Refusal('no v');
  if (value.length > VALUE_MAX) return new Refusal(`v of more than ${VALUE_MAX} bytes`, ERROR_VALUE_TOO_BIG);
  if (!isCanonical(value)) return new Refusal('v is not canonical bencode');
  const stored = Uint8Array.from(value);
  return readValue(args, 'k') === undefined ? putImmutable(context, stored) : putMutable(context, stored);
}

function putImmutable(context: QueryContext, value: Uint8Array): Answer | Refusal {
  const { node, now } = context;
  const target = immutableTarget(value, node.sha1);
  if (!hasToken(context, target)) return new Refusal('bad token');
  node.items.putImmutable(target, { value }, now);
  return {};
}

function putMutable(context: QueryContext, value: Uint8Array): Answer | Refusal {
  const { node, args, now } = context;
  if (node.signatures === null) return new Refusal('no mutable items here', ERROR_GENERIC);
  const salt = readBytes(args, 'salt') ?? EMPTY_BYTES;
  if (salt.length > SALT_MAX) return new Refusal(`salt of more than ${SALT_MAX} bytes`, ERROR_SALT_TOO_BIG);
  const publicKey = readBytes(args, 'k', PUBLIC_KEY_LENGTH);
  if (publicKey === null) return new Refusal('no k of 32 bytes');
  const signature = readBytes(args, 'sig', SIGNATURE_LENGTH);
  if (signature === null) return new Refusal('no sig of 64 bytes');
  const sequence = readSequence(args, 'seq');
  if (sequence === null) return new Refusal('no seq of 0 to 2^63 - 1');
  const hasCas = readValue(args, 'cas') !== undefined;
  const cas = readSequence(args, 'cas');
  if (hasCas && cas === null) return new Refusal('no cas of 0 to 2^63 - 1');
  const target = mutableTarget(publicKey, salt, node.sha1);
  if (!hasToken(context, target)) return new Refusal('bad token');
  const item: MutableItem = {
    value,
    publicKey: Uint8Array.from(publicKey),
    salt: Uint8Array.from(salt),
    sequence,
    signature: Uint8Array.from(signature),
  };
  if (!isSigned(item, node.signatures)) return new Refusal('bad signature', ERROR_SIGNATURE);
  switch (node.items.putMutable(target, item, cas, now)) {
    case 'cas-mismatch':
      return new Refusal('cas is not the current seq: read it and try again', ERROR_CAS);
    case 'sequence-too-low':
      return new Refusal('seq is not above the current one', ERROR_SEQUENCE);
    case null:
      return {};
  }
}

function hasToken({ node, args, from, now }: QueryContext, target: Uint8Array): boolean {
  const token = readBytes(args, 'token');
  return token !== null && node.tokens.isValid(token, from.host, target, now);
}
