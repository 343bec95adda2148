import { expect, test } from 'vitest';
import { isBelievable, networkOf, readContacts, senderOf, writeContacts } from '../../src/dht/contact.ts';

const id = (n: number): Uint8Array => new Uint8Array(20).fill(n);

test('nodes are read as they were written', () => {
  const v4 = [
    { id: id(1), address: { host: '1.2.3.4', port: 80 } },
    { id: id(2), address: { host: '5.6.7.8', port: 65_535 } },
  ];
  expect(writeContacts(v4, 4)).toHaveLength(52);
  expect(readContacts(writeContacts(v4, 4), 4)).toEqual(v4);
  const v6 = [{ id: id(3), address: { host: '2001:db8::1', port: 6881 } }];
  expect(writeContacts(v6, 6)).toHaveLength(38);
  expect(readContacts(writeContacts(v6, 6), 6)).toEqual(v6);
});

test('a list that is cut gives nothing, and an endless one sixteen', () => {
  const one = writeContacts([{ id: id(1), address: { host: '1.2.3.4', port: 80 } }], 4);
  expect(readContacts(one.subarray(0, 25), 4)).toEqual([]);
  expect(readContacts(new Uint8Array(26 * 10_000), 4)).toHaveLength(16);
});

test('an IPv4 address in the clothes of IPv6 is no node of IPv6', () => {
  const bytes = new Uint8Array(38).fill(255, 30, 32);
  bytes.set([1, 2, 3, 4, 0, 80], 32);
  expect(readContacts(bytes, 6)).toEqual([]);
});

test('only neighbours name local addresses', () => {
  const stranger = { host: '9.9.9.9', port: 1 };
  const neighbour = { host: '192.168.1.1', port: 1 };
  for (const host of ['127.0.0.1', '192.168.1.2', '10.0.0.1', '::1']) {
    expect(isBelievable({ host, port: 1 }, stranger)).toBe(false);
    expect(isBelievable({ host, port: 1 }, neighbour)).toBe(true);
  }
  for (const host of ['0.0.0.0', '224.0.0.1', '255.255.255.255', 'fe80::1']) {
    expect(isBelievable({ host, port: 1 }, neighbour)).toBe(false);
  }
  expect(isBelievable({ host: '8.8.8.8', port: 0 }, neighbour)).toBe(false);
  expect(isBelievable({ host: '8.8.8.8', port: 1 }, stranger)).toBe(true);
});

test('networks and senders', () => {
  expect(networkOf({ host: '1.2.3.4', port: 5 })).toBe('1.2.3');
  expect(senderOf({ host: '1.2.3.4', port: 5 })).toBe('1.2.3.4');
  expect(networkOf({ host: '2001:db8::1', port: 5 })).toBe(networkOf({ host: '2001:db8::2', port: 6 }));
  expect(senderOf({ host: '127.0.0.1', port: 5 })).not.toBe(senderOf({ host: '127.0.0.1', port: 6 }));
});
