import { describe, expect, test } from 'vitest';
import { encode, type Encodable } from '../../../src/bencode/codec.ts';
import { readMessage, type KrpcResponse } from '../../../src/dht/krpc.ts';
import { GetPeersTask } from '../../../src/dht/tasks/get-peers-task.ts';
import type { PeerAddress } from '../../../src/util/ip.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

const ID = new Uint8Array(20).fill(1);
const HASH = new Uint8Array(20).fill(2);
const STRANGER = { host: '9.9.9.9', port: 1 };
const NEIGHBOUR = { host: '192.168.1.1', port: 1 };

function answerOf(r: Record<string, Encodable>): KrpcResponse {
  return readMessage(encode({ r: { id: ID, ...r }, t: 'aa', y: 'r' })) as KrpcResponse;
}

function begin(scrape = false): { task: GetPeersTask; found: PeerAddress[] } {
  const found: PeerAddress[] = [];
  const events = {
    onPeers: (peers: readonly PeerAddress[]) => void found.push(...peers),
    onSettled: () => undefined,
    onLateAnswer: () => undefined,
  };
  return { found, task: new GetPeersTask(HASH, events, scrape) };
}

const peer = (...bytes: number[]): Uint8Array => Uint8Array.of(...bytes, 0x1a, 0xe1);

describe('the peers that a node names', () => {
  test('are those with an address, of both families; everything else among them is left out', () => {
    const { task, found } = begin();
    const v6 = [0x26, 0, ...new Array<number>(13).fill(0), 1];
    const values = [peer(8, 8, 8, 8), 'short', new Uint8Array(7), 6, [peer(1, 1, 1, 1)], '', peer(...v6)];
    task.onAnswer(answerOf({ values }), STRANGER);
    expect(found).toEqual([
      { host: '8.8.8.8', port: 6881 },
      { host: '2600::1', port: 6881 },
    ]);
  });

  test.each(['text', 5, {}, [[]]])('are none if they are no list of them: %j', (values) => {
    const { task, found } = begin();
    task.onAnswer(answerOf({ values }), STRANGER);
    expect(found).toEqual([]);
  });

  test('are not believed to be in our own network, at no port, or where nobody can be', () => {
    const values = [
      peer(127, 0, 0, 1),
      peer(192, 168, 0, 1),
      peer(0, 0, 0, 0),
      peer(224, 0, 0, 1),
      peer(255, 255, 255, 255),
      Uint8Array.of(8, 8, 8, 8, 0, 0),
      peer(0xfe, 0x80, ...new Array<number>(13).fill(0), 1),
    ];
    const { task, found } = begin();
    task.onAnswer(answerOf({ values }), STRANGER);
    expect(found).toEqual([]);
    task.onAnswer(answerOf({ values }), NEIGHBOUR);
    expect(found.map(({ host }) => host)).toEqual(['127.0.0.1', '192.168.0.1']);
  });

  test('are each told once, and a thousand at most, however many liars there are', () => {
    const { task, found } = begin();
    for (let i = 0; i < 100; i++) {
      const values = Array.from({ length: 100 }, (_, j) => peer(20, i, j, 1));
      task.onAnswer(answerOf({ values }), STRANGER);
      task.onAnswer(answerOf({ values }), STRANGER);
    }
    expect(found).toHaveLength(1000);
    expect(new Set(found.map(({ host }) => host)).size).toBe(1000);
    expect(task.peerCount).toBe(1000);
  });

  test('survive any damage', () => {
    const rng = fuzzRng(13);
    const good = encode({
      r: { id: ID, values: [peer(8, 8, 8, 8), peer(8, 8, 4, 4)], BFsd: new Uint8Array(256) },
      t: 'aa',
      y: 'r',
    });
    for (let i = 0; i < rounds(3000); i++) {
      const message = readMessage(mutate(good, rng));
      if (message?.kind !== 'response') continue;
      const { task, found } = begin(true);
      task.onAnswer(message, STRANGER);
      for (const { port } of found) expect(port).toBeGreaterThan(0);
      expect(task.seeds.estimate()).toBeLessThan(100_000);
    }
  });
});

test('counts of a wrong length are not counted (BEP 33), and full ones are a number', () => {
  const { task } = begin(true);
  for (const BFsd of [new Uint8Array(255).fill(255), new Uint8Array(257).fill(255), 256, [1]]) {
    task.onAnswer(answerOf({ BFsd }), STRANGER);
  }
  expect(task.seeds.estimate()).toBe(0);
  task.onAnswer(answerOf({ BFsd: new Uint8Array(256).fill(255) }), STRANGER);
  expect(Number.isFinite(task.seeds.estimate())).toBe(true);
});
