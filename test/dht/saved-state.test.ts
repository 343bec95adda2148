import { expect, test } from 'vitest';
import { readSavedState, writeSavedState } from '../../src/dht/saved-state.ts';
import { utf8 } from '../../src/util/bytes.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const contact = (n: number): { id: Uint8Array; address: { host: string; port: number } } => ({
  id: new Uint8Array(20).fill(n),
  address: { host: `1.2.${n >> 8}.${n & 255}`, port: 6881 },
});
const state = new Map([
  [4, { id: new Uint8Array(20).fill(1), contacts: [contact(1), contact(2)] }],
  [6, { id: new Uint8Array(20).fill(2), contacts: [] }],
] as const);

test('is read as it was written', () => {
  expect(readSavedState(writeSavedState(state))).toEqual(state);
});

test('keeps at most 300 nodes of a family', () => {
  const many = { id: new Uint8Array(20), contacts: Array.from({ length: 1000 }, (_, i) => contact(i)) };
  expect(readSavedState(writeSavedState(new Map([[4, many]]))).get(4)!.contacts).toHaveLength(300);
});

test('garbage means beginning anew', () => {
  for (const junk of ['', 'x', 'le', 'd7:versioni2ee', 'd3:id45:shorte', 'd3:id4i5e7:versioni1ee']) {
    expect(readSavedState(utf8(junk)).size).toBe(0);
  }
  expect(readSavedState(new Uint8Array(1_000_000)).size).toBe(0);
});

test('survives any damage', () => {
  const rng = fuzzRng(3);
  const good = writeSavedState(state);
  for (let i = 0; i < rounds(3000); i++) {
    for (const { id, contacts } of readSavedState(mutate(good, rng)).values()) {
      expect(id).toHaveLength(20);
      for (const { address } of contacts) expect(address.port).toBeGreaterThan(0);
    }
  }
});
