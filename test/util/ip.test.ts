import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  addressKey,
  canonicalIp,
  ipFamily,
  ipFromBytes,
  ipToBytes,
  isDialable,
  isLocalService,
  isLocalIp,
  parseAddress,
  readCompactPeers,
  writeCompactPeers,
} from '../../src/util/ip.ts';

describe('addresses as text', () => {
  test.each([
    ['192.0.2.1', 4],
    ['0.0.0.0', 4],
    ['2001:db8::1', 6],
    ['::', 6],
    ['::ffff:192.0.2.1', 6],
    ['', 0],
    ['example.com', 0],
    ['1.2.3', 0],
    ['1.2.3.256', 0],
    ['0x7f.1', 0],
    ['2130706433', 0],
    ['127.1', 0],
    ['1.2.3.4.5', 0],
    ['[::1]', 0],
    [':', 0],
    ['12345::', 0],
    ['fe80::1%eth0', 0],
    ['2001:db8::1%25', 0],
  ])('%j is of family %d', (text, family) => {
    expect(ipFamily(text)).toBe(family);
  });

  test.each([
    ['2001:0DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['name', null],
  ])('%j has the shortest form %j', (text, expected) => {
    expect(canonicalIp(text)).toBe(expected);
  });

  test.each([
    ['192.0.2.1:80', { host: '192.0.2.1', port: 80 }],
    ['[2001:db8::1]:6881', { host: '2001:db8::1', port: 6881 }],
    ['[::ffff:192.0.2.1]:1', { host: '192.0.2.1', port: 1 }],
    ['192.0.2.1:0', null],
    ['192.0.2.1:65536', null],
    ['192.0.2.1:99999', null],
    ['192.0.2.1:', null],
    ['192.0.2.1', null],
    ['2001:db8::1:80', null],
    ['name:80', null],
    ['[]:80', null],
    ['192.0.2.1:8o', null],
  ])('%j names %j', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected);
  });

  test('are named in maps as people write them', () => {
    expect(addressKey({ host: '192.0.2.1', port: 80 })).toBe('192.0.2.1:80');
    expect(addressKey({ host: '2001:db8::1', port: 80 })).toBe('[2001:db8::1]:80');
  });
});

describe('addresses as bytes', () => {
  test('are 4 or 16', () => {
    expect(ipToBytes('192.0.2.1')).toEqual(Uint8Array.of(192, 0, 2, 1));
    expect(ipToBytes('2001:db8::1')).toEqual(
      Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1),
    );
    expect(ipToBytes('name')).toBeNull();
    expect(ipFromBytes(new Uint8Array(5))).toBeNull();
    expect(ipFromBytes(new Uint8Array(0))).toBeNull();
  });

  test('of any value become text and back', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ minLength: 4, maxLength: 4 }),
          fc.uint8Array({ minLength: 16, maxLength: 16 }),
        ),
        (bytes) => {
          const text = ipFromBytes(bytes)!;
          expect(ipFamily(text)).toBe(bytes.length === 4 ? 4 : 6);
          expect(ipToBytes(text)).toEqual(bytes);
        },
      ),
      { seed: 20_260_112, numRuns: 300 },
    );
  });

  test('of IPv4 inside IPv6 are IPv4', () => {
    const mapped = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 192, 0, 2, 1);
    expect(ipFromBytes(mapped)).toBe('192.0.2.1');
  });
});

describe('compact peers (BEP 23, BEP 7)', () => {
  const v4 = { host: '192.0.2.1', port: 6881 };
  const v6 = { host: '2001:db8::1', port: 65_535 };

  test('take 6 bytes of one family and 18 of the other', () => {
    expect(writeCompactPeers([v4, v6], 4)).toEqual(Uint8Array.of(192, 0, 2, 1, 0x1a, 0xe1));
    expect(writeCompactPeers([v4, v6], 6)).toHaveLength(18);
  });

  test('are read back in their order', () => {
    const peers = [v4, { host: '198.51.100.7', port: 0 }];
    expect(readCompactPeers(writeCompactPeers(peers, 4), 4)).toEqual(peers);
    expect(readCompactPeers(writeCompactPeers([v6], 6), 6)).toEqual([v6]);
    expect(readCompactPeers(new Uint8Array(0), 4)).toEqual([]);
  });

  test('of a length that does not divide are refused', () => {
    expect(readCompactPeers(new Uint8Array(7), 4)).toBeNull();
    expect(readCompactPeers(new Uint8Array(19), 6)).toBeNull();
    expect(readCompactPeers(new Uint8Array(6), 6)).toBeNull();
  });
});

describe('what an address is for', () => {
  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '10.1.2.3',
    '172.16.0.1',
    '192.168.1.1',
    '169.254.1.1',
    '100.64.0.1',
    '::1',
    'fc00::1',
    'fd12::1',
    'fe80::1',
    '::ffff:127.0.0.1',
    '::ffff:10.0.0.1',
    '0.0.0.0',
    '0.1.2.3',
    '::',
  ])('%j is local', (host) => {
    expect(isLocalIp(host)).toBe(true);
  });

  test.each(['8.8.8.8', '2606:4700::1', '172.32.0.1', '100.128.0.1', 'localhost', ''])(
    '%j is not',
    (host) => {
      expect(isLocalIp(host)).toBe(false);
    },
  );

  test.each([
    ['8.8.8.8', 1],
    ['127.0.0.1', 6881],
    ['192.168.1.1', 65_535],
    ['169.254.1.1', 6881],
    ['2606:4700::1', 6881],
    ['::1', 6881],
  ])('%j port %d can be dialled', (host, port) => {
    expect(isDialable({ host, port })).toBe(true);
  });

  test.each([
    ['127.0.0.1', 22],
    ['10.1.2.3', 1],
    ['192.168.1.1', 1023],
    ['169.254.169.254', 80],
    ['100.64.0.1', 80],
    ['::1', 25],
    ['fd00::1', 443],
    ['::ffff:127.0.0.1', 22],
  ])('%j port %d may be a service of our own network', (host, port) => {
    expect(isLocalService({ host, port })).toBe(true);
  });

  test.each([
    ['127.0.0.1', 1024],
    ['192.168.1.1', 6881],
    ['8.8.8.8', 80],
    ['2606:4700::1', 443],
  ])('%j port %d is none', (host, port) => {
    expect(isLocalService({ host, port })).toBe(false);
  });

  test.each([
    ['8.8.8.8', 0],
    ['8.8.8.8', 65_536],
    ['8.8.8.8', -1],
    ['0.0.0.0', 6881],
    ['224.0.0.1', 6881],
    ['239.255.255.250', 6881],
    ['255.255.255.255', 6881],
    ['::', 6881],
    ['ff02::1', 6881],
    ['fe80::1', 6881],
    ['::ffff:0.0.0.0', 6881],
    ['localhost', 6881],
  ])('%j port %d cannot', (host, port) => {
    expect(isDialable({ host, port })).toBe(false);
  });
});
