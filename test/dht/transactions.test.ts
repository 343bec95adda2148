import { describe, expect, test } from 'vitest';
import type { KrpcError, KrpcResponse } from '../../src/dht/krpc.ts';
import type { Asker } from '../../src/dht/transactions.ts';
import { Transactions } from '../../src/dht/transactions.ts';
import { Rng } from '../../src/util/rng.ts';

const NODE = { host: '1.2.3.4', port: 5 };

function make(): Transactions {
  const rng = new Rng(1);
  return new Transactions((count) => Uint8Array.from({ length: count }, () => rng.below(256)));
}

function recorder(): Asker & { readonly heard: string[] } {
  const heard: string[] = [];
  return {
    heard,
    onAnswer: (_, now) => heard.push(`answer ${now}`),
    onRefused: (error, now) => heard.push(`refused ${error.code} ${now}`),
    onLate: (now) => heard.push(`late ${now}`),
    onFailed: (now) => heard.push(`failed ${now}`),
  };
}

const response = (transactionId: Uint8Array): KrpcResponse => ({
  kind: 'response',
  transactionId,
  senderId: new Uint8Array(20),
  values: {} as KrpcResponse['values'],
  rawValues: new Uint8Array(0),
  seenAs: null,
});

test('an answer ends a query once', () => {
  const transactions = make();
  const asker = recorder();
  const id = transactions.begin(NODE, asker, 0)!;
  expect(id).toHaveLength(4);
  expect(transactions.onMessage(response(id), NODE, 40)).toBe(true);
  expect(transactions.onMessage(response(id), NODE, 41)).toBe(false);
  transactions.onTime(60_000);
  expect(asker.heard).toEqual(['answer 40']);
  expect(transactions.nextDeadline()).toBe(Infinity);
});

test('an answer from another address, another port or with another id is none', () => {
  const transactions = make();
  const asker = recorder();
  const id = transactions.begin(NODE, asker, 0)!;
  expect(transactions.onMessage(response(id), { host: '1.2.3.5', port: 5 }, 1)).toBe(false);
  expect(transactions.onMessage(response(id), { host: '1.2.3.4', port: 6 }, 1)).toBe(false);
  const wrong = Uint8Array.from(id, (byte) => byte ^ 1);
  expect(transactions.onMessage(response(wrong), NODE, 1)).toBe(false);
  expect(transactions.onMessage(response(id.subarray(0, 2)), NODE, 1)).toBe(false);
  expect(asker.heard).toEqual([]);
  expect(transactions.onMessage(response(id), NODE, 2)).toBe(true);
});

test('a query turns late, may still be answered, and fails after ten seconds', () => {
  const transactions = make();
  const answered = recorder();
  const silent = recorder();
  const id = transactions.begin(NODE, answered, 0)!;
  transactions.begin(NODE, silent, 0);
  expect(transactions.nextDeadline()).toBe(500);
  transactions.onTime(500);
  transactions.onMessage(response(id), NODE, 2000);
  transactions.onTime(10_000);
  expect(answered.heard).toEqual(['late 500', 'answer 2000']);
  expect(silent.heard).toEqual(['late 500', 'failed 10000']);
  expect(transactions.size).toBe(0);
});

test('an error is an answer of a kind', () => {
  const transactions = make();
  const asker = recorder();
  const id = transactions.begin(NODE, asker, 0)!;
  const error: KrpcError = { kind: 'error', transactionId: id, code: 203, text: '' };
  expect(transactions.onMessage(error, NODE, 3)).toBe(true);
  expect(asker.heard).toEqual(['refused 203 3']);
});

describe('what is late', () => {
  test('follows the network: quick nodes make it short, slow ones long', () => {
    const transactions = make();
    const answerAfter = (ms: number): void => {
      const id = transactions.begin(NODE, recorder(), 0)!;
      transactions.onMessage(response(id), NODE, ms);
    };
    for (let i = 0; i < 50; i++) answerAfter(50);
    expect(transactions.responseTime.lateAfterMs).toBe(100);
    for (let i = 0; i < 50; i++) answerAfter(200);
    expect(transactions.responseTime.lateAfterMs).toBeGreaterThan(200);
    expect(transactions.responseTime.lateAfterMs).toBeLessThan(300);
    for (let i = 0; i < 50; i++) answerAfter(5000);
    expect(transactions.responseTime.lateAfterMs).toBe(1000);
  });
});

test('no more than 4,000 queries wait', () => {
  const transactions = make();
  for (let i = 0; i < 4000; i++) expect(transactions.begin(NODE, recorder(), 0)).not.toBeNull();
  expect(transactions.begin(NODE, recorder(), 0)).toBeNull();
  transactions.onTime(500);
  transactions.onTime(10_000);
  expect(transactions.begin(NODE, recorder(), 10_000)).not.toBeNull();
});
