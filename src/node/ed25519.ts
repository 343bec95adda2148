import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Ed25519 } from '../ports.ts';
import { concatBytes, fromHex } from '../util/bytes.ts';

/** What DER (RFC 8410) puts in front of the raw bytes of a key. */
const PRIVATE_PREFIX = fromHex('302e020100300506032b657004220420')!;
const PUBLIC_PREFIX = fromHex('302a300506032b6570032100')!;
const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 64;

/** Ed25519 of Node's own OpenSSL. */
export const nodeEd25519: Ed25519 = {
  verify(publicKey, message, signature) {
    if (publicKey.length !== KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return false;
    try {
      return verify(null, message, publicKeyOf(publicKey), signature);
    } catch {
      return false; // Not a key at all: whoever sent it signed nothing.
    }
  },
  sign(seed, message) {
    return new Uint8Array(sign(null, message, privateKeyOf(seed)));
  },
  publicKey(seed) {
    const der = createPublicKey(privateKeyOf(seed)).export({ format: 'der', type: 'spki' });
    return new Uint8Array(der.subarray(-KEY_LENGTH));
  },
};

function publicKeyOf(bytes: Uint8Array): KeyObject {
  return createPublicKey({ key: der(PUBLIC_PREFIX, bytes), format: 'der', type: 'spki' });
}

function privateKeyOf(seed: Uint8Array): KeyObject {
  return createPrivateKey({ key: der(PRIVATE_PREFIX, seed), format: 'der', type: 'pkcs8' });
}

function der(prefix: Uint8Array, key: Uint8Array): Buffer {
  return Buffer.from(concatBytes([prefix, key]));
}
