import { describe, expect, test } from 'vitest';
import { K } from '../../src/dht/bucket.ts';
import type { Contact } from '../../src/dht/contact.ts';
import { commonBits, compareDistance, idInBucket } from '../../src/dht/node-id.ts';
import { RoutingTable } from '../../src/dht/routing-table.ts';
import { GOOD_MS } from '../../src/dht/table-node.ts';
import { toHex } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';

const OWN = new Uint8Array(20);
const rng = new Rng(4);
const random = (): Uint8Array => Uint8Array.from({ length: 20 }, () => rng.below(256));
let hosts = 0;

/** A contact in a network of its own that shares `bits` bits with our id. */
function contact(bits: number, options: { host?: string; port?: number } = {}): Contact {
  hosts++;
  const host = options.host ?? `${20 + (hosts >> 16)}.${(hosts >> 8) & 255}.${hosts & 255}.1`;
  const id = idInBucket(OWN, bits, random());
  return { id, address: { host, port: options.port ?? 6881 } };
}

const any = (): boolean => true;

describe('places', () => {
  test('far buckets hold 128, 64, 32 and 16 nodes, the others 8', () => {
    const table = new RoutingTable(OWN);
    for (let bits = 0; bits < 8; bits++) for (let i = 0; i < 200; i++) table.onAnswered(contact(bits), 0);
    const counts = Array.from({ length: 8 }, () => 0);
    for (const node of table.nodes()) counts[commonBits(OWN, node.id)]!++;
    expect(counts).toEqual([128, 64, 32, 16, K, K, K, K]);
    expect(table.size).toBe([...table.nodes()].length);
  });

  test('grows towards its own id alone', () => {
    const far = new RoutingTable(OWN);
    for (let i = 0; i < 1000; i++) far.onAnswered(contact(0), 0);
    expect(far.bucketCount).toBe(2);
    const near = new RoutingTable(OWN);
    for (let bits = 0; bits < 40; bits++) for (let i = 0; i < 20; i++) near.onAnswered(contact(bits), 0);
    expect(near.bucketCount).toBeGreaterThan(30);
  });

  test('an endless stream of nodes near our id cannot make it endless', () => {
    const table = new RoutingTable(OWN);
    for (let i = 0; i < 3000; i++) table.onAnswered(contact(rng.below(160)), 0);
    expect(table.bucketCount).toBeLessThanOrEqual(160);
    expect(table.size).toBeLessThanOrEqual(240 + 156 * K);
  });

  test('our own id is nobody else', () => {
    const table = new RoutingTable(OWN);
    const liar = { id: OWN, address: { host: '9.9.9.9', port: 1 } };
    expect(table.onAnswered(liar, 0)).toBe(false);
    expect(table.onHeard(liar, 0)).toBe(false);
    expect(table.size).toBe(0);
  });
});

describe('who gets a place', () => {
  test('one node of an address, one of a /24 in a bucket', () => {
    const table = new RoutingTable(OWN);
    expect(table.onAnswered(contact(0, { host: '50.1.1.1' }), 0)).toBe(true);
    expect(table.onAnswered(contact(0, { host: '50.1.1.1', port: 7 }), 0)).toBe(false);
    expect(table.onAnswered(contact(5, { host: '50.1.1.1', port: 8 }), 0)).toBe(false);
    expect(table.onAnswered(contact(0, { host: '50.1.1.9' }), 0)).toBe(false);
    expect(table.onAnswered(contact(0, { host: '50.1.2.1' }), 0)).toBe(true);
    expect(table.size).toBe(2);
  });

  test('one node of a /64, whatever its address in it', () => {
    const table = new RoutingTable(OWN);
    expect(table.onAnswered(contact(0, { host: '2001:db8:1:1::1' }), 0)).toBe(true);
    expect(table.onAnswered(contact(3, { host: '2001:db8:1:1::2' }), 0)).toBe(false);
    expect(table.onAnswered(contact(0, { host: '2001:db8:1:2::1' }), 0)).toBe(true);
  });

  test('on a local network each port is a node', () => {
    const table = new RoutingTable(OWN);
    for (let port = 1; port <= 20; port++) {
      expect(table.onAnswered(contact(0, { host: '127.0.0.1', port }), 0)).toBe(true);
    }
  });

  test('a stranger under the id of a node that answers changes nothing', () => {
    const table = new RoutingTable(OWN);
    const honest = contact(3);
    table.onAnswered(honest, 0);
    table.onAnswered({ id: honest.id, address: contact(3).address }, 1);
    expect([...table.nodes()].map(({ address }) => address)).toEqual([honest.address]);
  });

  test('a node that comes back with a new id at its address is that one node', () => {
    const table = new RoutingTable(OWN);
    const before = contact(3);
    const after = { id: contact(5).id, address: before.address };
    table.onAnswered(before, 0);
    table.onAnswered(after, 1);
    expect([...table.nodes()].map(({ id }) => toHex(id))).toEqual([toHex(after.id)]);
    expect(table.size).toBe(1);
  });

  test('who fails twice gives way to one that waited', () => {
    const table = new RoutingTable(OWN);
    for (let i = 0; i < 10; i++) table.onAnswered(contact(1), 0); // So that bucket 0 is not the last.
    const nodes = Array.from({ length: 129 }, () => contact(0));
    for (const node of nodes) table.onAnswered(node, 0);
    const present = (of: Contact): boolean => [...table.nodes()].some((node) => node.id === of.id);
    for (let i = 0; i < 300; i++) table.onAnswered(contact(1), 0);
    expect(present(nodes[128]!)).toBe(false);
    table.onFailed(nodes[0]!.address);
    expect(present(nodes[0]!)).toBe(true);
    table.onFailed(nodes[0]!.address);
    expect(present(nodes[0]!)).toBe(false);
    expect(present(nodes[128]!)).toBe(true);
    expect(table.size).toBe([...table.nodes()].length);
  });

  test('when all fail at once, as when our own network is down, nobody is forgotten', () => {
    const table = new RoutingTable(OWN);
    const nodes = Array.from({ length: 20 }, () => contact(0));
    for (const node of nodes) table.onAnswered(node, 0);
    for (let i = 0; i < 5; i++) for (const { address } of nodes) table.onFailed(address);
    expect(table.size).toBe(20);
    expect(table.starts(OWN)).toHaveLength(2 * K);
    expect(table.closest(OWN, K, (node) => node.isNameable)).toEqual([]);
  });

  test('an unconfirmed node leaves after one failure, and gives way to one that answers', () => {
    const table = new RoutingTable(OWN);
    const dead = contact(0);
    table.addUnconfirmed(dead);
    expect(table.size).toBe(1);
    table.onFailed(dead.address);
    expect(table.size).toBe(0);
    for (let i = 0; i < 10; i++) table.onAnswered(contact(1), 0);
    for (let i = 0; i < 128; i++) table.addUnconfirmed(contact(0));
    for (let i = 0; i < 128; i++) table.onAnswered(contact(0), 0);
    expect([...table.nodes()].every((node) => node.isConfirmed)).toBe(true);
  });

  test('asking us is worth a ping while there is room, and makes a node no better', () => {
    const table = new RoutingTable(OWN);
    const stranger = contact(0);
    expect(table.onHeard(stranger, 0)).toBe(true);
    expect(table.size).toBe(0);
    table.onAnswered(stranger, 0);
    expect(table.onHeard(stranger, 1)).toBe(false);
    for (let i = 0; i < 500; i++) table.onAnswered(contact(rng.below(3)), 0);
    expect(table.onHeard(contact(0), 0)).toBe(false);
  });
});

describe('questions', () => {
  test('the closest are those that a full sort finds', () => {
    const own = random();
    const table = new RoutingTable(own);
    for (let i = 0; i < 3000; i++) {
      hosts++;
      const address = { host: `30.${hosts >> 8}.${hosts & 255}.1`, port: 1 };
      table.onAnswered({ id: idInBucket(own, rng.below(14), random()), address }, 0);
    }
    for (let i = 0; i < 300; i++) {
      const target = i % 2 === 0 ? random() : idInBucket(own, rng.below(160), random());
      const sorted = [...table.nodes()].sort((a, b) => compareDistance(a.id, b.id, target));
      const expected = sorted.slice(0, K).map(({ id }) => toHex(id));
      expect(table.closest(target, K, any).map(({ id }) => toHex(id))).toEqual(expected);
    }
  });

  test('a node is good for 15 minutes after its last answer, or its last question', () => {
    const table = new RoutingTable(OWN);
    const node = contact(0);
    table.onAnswered(node, 0);
    const [only] = [...table.nodes()];
    expect(only!.isGood(GOOD_MS - 1)).toBe(true);
    expect(only!.isGood(GOOD_MS)).toBe(false);
    table.onHeard(node, GOOD_MS);
    expect(only!.isGood(GOOD_MS + 1)).toBe(true);
  });
});
