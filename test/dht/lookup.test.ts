import { describe, expect, test } from 'vitest';
import type { BencodeDict } from '../../src/bencode/value.ts';
import type { Contact } from '../../src/dht/contact.ts';
import type { KrpcResponse } from '../../src/dht/krpc.ts';
import type { Answered, LookupHost, LookupTask } from '../../src/dht/lookup.ts';
import { Lookup } from '../../src/dht/lookup.ts';
import { compareDistance } from '../../src/dht/node-id.ts';
import type { Asker } from '../../src/dht/transactions.ts';
import { addressKey, type PeerAddress } from '../../src/util/ip.ts';
import { Rng } from '../../src/util/rng.ts';

const TARGET = new Uint8Array(20);

/** A node at a distance: the smaller the number, the closer. Local addresses, so that any id will do. */
const node = (distance: number, host = '10.0.0.1'): Contact => ({
  id: Uint8Array.from({ length: 20 }, (_, i) => (i === 1 ? distance : 0)),
  address: { host, port: 1000 + distance },
});

/** Queries that wait, answered by the test. */
class FakeHost implements LookupHost, LookupTask {
  readonly target = TARGET;
  readonly method = 'find_node';
  readonly asked: number[] = [];
  readonly #askers = new Map<number, { asker: Asker; to: PeerAddress }>();
  settled: readonly Answered[] | null = null;
  late: Answered[] = [];
  budget = Infinity;
  readonly #named = new Map<KrpcResponse, readonly Contact[]>();

  hasBudget(): boolean {
    return this.asked.length < this.budget;
  }

  ask(to: PeerAddress, _: Lookup, asker: Asker): boolean {
    const distance = to.port - 1000;
    this.asked.push(distance);
    this.#askers.set(distance, { asker, to });
    return true;
  }

  contactsOf(answer: KrpcResponse): readonly Contact[] {
    return this.#named.get(answer) ?? [];
  }

  onNamed(): void {}

  tokenOf(): Uint8Array {
    return new Uint8Array(1);
  }

  args(): Record<string, never> {
    return {};
  }

  onAnswer(): null {
    return null;
  }

  onSettled(closest: readonly Answered[]): void {
    expect(this.settled).toBeNull();
    this.settled = closest;
  }

  onLateAnswer(answered: Answered): void {
    this.late.push(answered);
  }

  answer(distance: number, named: readonly Contact[] = [], id = node(distance).id): void {
    const answer: KrpcResponse = {
      kind: 'response',
      transactionId: new Uint8Array(4),
      senderId: id,
      values: {} as BencodeDict,
      rawValues: new Uint8Array(0),
      seenAs: null,
    };
    this.#named.set(answer, named);
    this.#askers.get(distance)!.asker.onAnswer(answer, 0);
  }

  turnLate(distance: number): void {
    this.#askers.get(distance)!.asker.onLate(0);
  }

  fail(distance: number): void {
    this.#askers.get(distance)!.asker.onFailed(0);
  }
}

function begin(contacts: readonly Contact[]): { host: FakeHost; lookup: Lookup } {
  const host = new FakeHost();
  const lookup = new Lookup(host, host, 0);
  lookup.offer(contacts);
  lookup.pump(0);
  return { host, lookup };
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('asks the five closest first, and one more for each answer', () => {
  const { host } = begin(
    range(1, 20)
      .map((n) => node(n))
      .reverse(),
  );
  expect(host.asked).toEqual([1, 2, 3, 4, 5]);
  host.answer(3);
  expect(host.asked).toEqual([1, 2, 3, 4, 5, 6]);
});

test('follows closer nodes and settles when the eight closest have answered', () => {
  const { host, lookup } = begin([node(100)]);
  host.answer(
    100,
    range(50, 60).map((n) => node(n)),
  );
  for (const n of range(50, 54))
    host.answer(
      n,
      range(1, 8).map((m) => node(m)),
    );
  expect(host.settled).toBeNull();
  for (const n of range(1, 8)) host.answer(n);
  expect(host.settled!.map(({ address }) => address.port)).toEqual(range(1001, 1008));
  expect(lookup.isSettled).toBe(true);
  expect(host.asked).not.toContain(60);
});

test('a late node frees its slot, and keeps nobody waiting', () => {
  const { host, lookup } = begin(range(1, 9).map((n) => node(n)));
  host.turnLate(1);
  expect(host.asked).toEqual([1, 2, 3, 4, 5, 6]);
  for (const n of range(2, 9)) host.answer(n);
  expect(host.settled!.map(({ address }) => address.port)).toEqual(range(1002, 1009));
  expect(lookup.isOver).toBe(false);
  host.answer(1);
  expect(host.late.map(({ address }) => address.port)).toEqual([1001]);
  expect(lookup.isOver).toBe(true);
});

test('while nobody has answered, late ones are waited for', () => {
  const { host } = begin([node(1), node(2)]);
  host.turnLate(1);
  host.turnLate(2);
  expect(host.settled).toBeNull();
  host.answer(2);
  expect(host.settled!.map(({ address }) => address.port)).toEqual([1002]);
});

test('settles empty when all have failed', () => {
  const { host } = begin([node(1), node(2)]);
  for (const n of [1, 2]) host.turnLate(n);
  for (const n of [1, 2]) host.fail(n);
  expect(host.settled).toEqual([]);
});

test('without anybody to ask it waits ten seconds for the first node', () => {
  const { host, lookup } = begin([]);
  expect(lookup.nextDeadline()).toBe(10_000);
  lookup.pump(9999);
  expect(host.settled).toBeNull();
  lookup.offerAddress(node(4).address);
  lookup.pump(9999);
  expect(host.asked).toEqual([4]);
  const alone = begin([]);
  alone.lookup.pump(10_000);
  expect(alone.host.settled).toEqual([]);
});

test('waits for budget where it has none, and goes on where it stopped', () => {
  const host = new FakeHost();
  host.budget = 2;
  const lookup = new Lookup(host, host, 0);
  lookup.offer(range(1, 9).map((n) => node(n)));
  lookup.pump(0);
  expect(host.asked).toEqual([1, 2]);
  host.answer(1);
  host.answer(2);
  expect(host.settled).toBeNull();
  host.budget = Infinity;
  lookup.pump(1);
  expect(host.asked).toEqual(range(1, 7));
});

test('asks no address twice, whatever ids it is named with', () => {
  const twin = { id: node(2).id, address: node(1).address };
  const { host } = begin([node(1), twin, node(1)]);
  expect(host.asked).toEqual([1]);
});

describe('among liars', () => {
  /** Addresses out in the world, each its own network or all in one. */
  const far = (n: number, network: number): Contact => ({
    id: node(n).id,
    address: { host: `30.1.${network}.${n}`, port: 1000 + n },
  });

  test('one network is asked one node at a time', () => {
    const { host } = begin(range(1, 20).map((n) => far(n, 7)));
    expect(host.asked).toEqual([1]);
    host.turnLate(1);
    expect(host.asked).toEqual([1, 2]);
  });

  test('eight ids next to the target do not end the search', () => {
    const sybils = range(1, 8).map((n) => far(n, n));
    const others = range(20, 40).map((n) => far(n, n));
    const { host } = begin([...sybils, ...others]);
    for (const n of range(1, 8)) host.answer(n);
    expect(host.settled).toBeNull();
    for (let i = 0; i < host.asked.length; i++) if (host.asked[i]! >= 20) host.answer(host.asked[i]!);
    expect(host.settled!.map(({ address }) => address.port - 1000)).toEqual([
      ...range(1, 8),
      ...range(20, 23),
    ]);
  });

  test('who answers under another id stands where that id belongs', () => {
    const { host } = begin([node(1), node(2)]);
    host.answer(1, [], node(50).id);
    host.answer(2);
    expect(host.settled!.map(({ address }) => address.port)).toEqual([1002, 1001]);
  });

  test('an endless supply of ever closer nodes ends after 250 queries', () => {
    const rng = new Rng(1);
    const host = new FakeHost();
    const lookup = new Lookup(host, host, 0);
    let made = 0;
    const closer = (): Contact => {
      made++;
      const id = Uint8Array.from({ length: 20 }, (_, i) => (i < 16 ? 0 : rng.below(256)));
      id[16] = Math.max(0, 255 - made);
      return { id, address: { host: `10.0.${made >> 8}.${made & 255}`, port: 1000 + made } };
    };
    lookup.offer([closer()]);
    lookup.pump(0);
    for (let i = 0; i < host.asked.length; i++)
      host.answer(host.asked[i]!, [closer(), closer()], closer().id);
    expect(host.asked.length).toBeLessThanOrEqual(250);
    expect(host.settled).not.toBeNull();
  });
});

test('finds the same closest nodes in any order of answers', () => {
  for (let seed = 0; seed < 20; seed++) {
    const rng = new Rng(seed);
    const all = Array.from({ length: 200 }, (_, i) => ({
      id: Uint8Array.from({ length: 20 }, () => rng.below(256)),
      address: { host: '10.0.0.1', port: 1000 + i },
    }));
    const sorted = all.toSorted((a, b) => compareDistance(a.id, b.id, TARGET));
    const { host } = begin(all.slice(0, 3));
    const open = new Set<number>(host.asked);
    while (host.settled === null) {
      const [distance] = rng.shuffle([...open]);
      open.delete(distance!);
      const at = sorted.findIndex(({ address }) => address.port === 1000 + distance!);
      const before = host.asked.length;
      // Each knows some of those that are closer than itself.
      host.answer(distance!, rng.shuffle(sorted.slice(0, Math.max(at, 12))).slice(0, 8), sorted[at]!.id);
      for (const asked of host.asked.slice(before)) open.add(asked);
    }
    const keys = host.settled.map(({ address }) => addressKey(address));
    expect(keys).toHaveLength(8);
    expect(keys[0]).toBe(addressKey(sorted[0]!.address));
  }
});
