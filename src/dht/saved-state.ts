/**
 * What a node remembers between runs (BEP 5: "the routing table should be saved between invocations"): its ids and nodes
 * that answered. The record may have been damaged or written by somebody else, so it is read like any other input.
 */
import { encode, tryDecode } from '../bencode/codec.ts';
import { isDict, readBytes, readInt } from '../bencode/fields.ts';
import { DHT_LIMITS } from '../bencode/scan.ts';
import type { IpFamily } from '../util/ip.ts';
import { isDialable } from '../util/ip.ts';
import type { Contact } from './contact.ts';
import { readContacts, writeContacts } from './contact.ts';
import { ID_LENGTH } from './node-id.ts';

/** Enough that some are still there after weeks. */
export const SAVED_NODES_MAX = 300;
/** Twice what we write. */
const RECORD_MAX = 40_000;
const VERSION = 1;

export interface SavedFamily {
  readonly id: Uint8Array;
  readonly contacts: readonly Contact[];
}

export function writeSavedState(families: ReadonlyMap<IpFamily, SavedFamily>): Uint8Array {
  const members: Record<string, Uint8Array> = {};
  for (const [family, { id, contacts }] of families) {
    members[`id${family}`] = id;
    members[`nodes${family}`] = writeContacts(contacts.slice(0, SAVED_NODES_MAX), family);
  }
  return encode({ ...members, version: VERSION });
}

/** What of the record makes sense; nothing at all begins anew. */
export function readSavedState(bytes: Uint8Array): Map<IpFamily, SavedFamily> {
  const families = new Map<IpFamily, SavedFamily>();
  const decoded = bytes.length > RECORD_MAX ? null : tryDecode(bytes, DHT_LIMITS);
  if (!decoded?.ok || !isDict(decoded.value)) return families;
  const { value } = decoded;
  if (readInt(value, 'version', VERSION, VERSION) === null) return families;
  for (const family of [4, 6] as const) {
    const id = readBytes(value, `id${family}`, ID_LENGTH);
    const nodes = readBytes(value, `nodes${family}`);
    if (id === null) continue;
    const contacts = nodes === null ? [] : readContacts(nodes, family, SAVED_NODES_MAX);
    families.set(family, {
      id: Uint8Array.from(id),
      contacts: contacts.filter(({ address }) => isDialable(address)),
    });
  }
  return families;
}
