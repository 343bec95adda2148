import { describe, expect, test } from 'vitest';
import { encode } from '../../../src/bencode/codec.ts';
import { utf8 } from '../../../src/util/bytes.ts';
import {
  isDialable,
  isLocalIp,
  parseAddress,
  writeCompactPeers,
  type PeerAddress,
} from '../../../src/util/ip.ts';
import { PexFlag, readPex, writePex } from '../../../src/wire/extension/ut-pex.ts';
import { fuzzRng, rounds } from '../../support/fuzz.ts';
import { mutate } from '../../support/mutate.ts';

const PUBLIC = '93.184.216.34';
const at = (text: string): PeerAddress => parseAddress(text)!;
const peer = (text: string, flags = 0) => ({ address: at(text), flags });

describe('peer exchange (BEP 11)', () => {
  const message = {
    added: [
      peer('1.2.3.4:5', PexFlag.seed),
      peer('1.2.3.5:6881', PexFlag.reachable),
      peer('[2600::1]:80', PexFlag.utp),
    ],
    dropped: [at('5.6.7.8:9'), at('[2600::2]:81')],
  };

  test('is read back as it was written, both families in one message', () => {
    expect(readPex(writePex(message), PUBLIC, 50)).toEqual(message);
  });

  test('names only the lists that hold something', () => {
    const payload = writePex({ added: [peer('1.2.3.4:5', 0x10)], dropped: [] });
    expect([...payload]).toEqual([
      ...utf8('d5:added6:'),
      ...[1, 2, 3, 4, 0, 5],
      ...utf8('7:added.f1:'),
      ...[0x10],
      ...utf8('e'),
    ]);
  });

  test('takes peers without flags, and with as many flags as are not peers', () => {
    const added = writeCompactPeers([at('1.2.3.4:5'), at('1.2.3.5:5')], 4);
    for (const flags of [undefined, new Uint8Array(1), Uint8Array.of(2, 2, 2)]) {
      expect(readPex(encode({ added, 'added.f': flags }), PUBLIC, 50)!.added).toEqual([
        peer('1.2.3.4:5'),
        peer('1.2.3.5:5'),
      ]);
    }
  });

  test('leaves out a list that is no whole number of addresses, and only that', () => {
    const bent = writeCompactPeers([at('1.2.3.4:5'), at('1.2.3.5:5')], 4).subarray(1);
    const added6 = writeCompactPeers([at('[2600::1]:80')], 6);
    expect(readPex(encode({ added: bent, added6, dropped: bent }), PUBLIC, 50)).toEqual({
      added: [peer('[2600::1]:80')],
      dropped: [],
    });
  });

  test('takes as many as it may, of both families together, and of each kind', () => {
    const many = (count: number, family: 4 | 6) =>
      writeCompactPeers(
        Array.from({ length: count }, (_, i) => ({
          host: family === 4 ? `9.9.${i >> 8}.${i & 255}` : `2600::${(i + 1).toString(16)}`,
          port: 1 + i,
        })),
        family,
      );
    const flood = encode({ added: many(3000, 4), added6: many(500, 6), dropped: many(3000, 4) });
    const read = readPex(flood, PUBLIC, 50)!;
    expect([read.added.length, read.dropped.length]).toEqual([50, 50]);
    expect(readPex(encode({ added: many(30, 4), added6: many(30, 6) }), PUBLIC, 50)!.added).toHaveLength(50);
  });

  test('believes no stranger about a local network, and no host on many ports', () => {
    const texts = [
      '127.0.0.1:1',
      '192.168.0.5:1',
      '224.0.0.1:1',
      '7.7.7.7:1',
      '7.7.7.7:2',
      '8.8.8.8:1',
      '8.8.8.8:1',
    ];
    const added = writeCompactPeers([...texts.map(at), { host: '6.6.6.6', port: 0 }], 4);
    const hosts = (sender: string) =>
      readPex(encode({ added }), sender, 50)!.added.map(({ address }) => `${address.host}:${address.port}`);
    expect(hosts(PUBLIC)).toEqual(['7.7.7.7:1', '8.8.8.8:1']);
    expect(hosts('192.168.0.9')).toEqual(['127.0.0.1:1', '192.168.0.5:1', '7.7.7.7:1', '8.8.8.8:1']);
  });

  test('lets clients behind one address of our own network be several', () => {
    const added = writeCompactPeers([at('127.0.0.1:1'), at('127.0.0.1:2'), at('127.0.0.1:2')], 4);
    expect(readPex(encode({ added }), '127.0.0.1', 50)!.added).toEqual([
      peer('127.0.0.1:1'),
      peer('127.0.0.1:2'),
    ]);
  });

  test('is nothing if it is no dictionary', () => {
    for (const text of ['', 'le', 'i5e', 'd', 'd5:added6:12345', 'd1:ad1:ad1:ad1:a']) {
      expect(readPex(utf8(text), PUBLIC, 50)).toBeNull();
    }
    expect(readPex(utf8('d5:addedi5e7:dropped1:xe'), PUBLIC, 50)).toEqual({ added: [], dropped: [] });
  });

  test('survives whatever a peer makes of it, and yields nothing that cannot be dialled', () => {
    const rng = fuzzRng(11);
    const whole = writePex(message);
    for (let i = 0; i < rounds(10_000); i++) {
      const read = readPex(mutate(whole, rng), PUBLIC, 50);
      const bad = (read?.added ?? []).filter(
        ({ address }) => !isDialable(address) || isLocalIp(address.host),
      );
      if (bad.length > 0) expect.fail(JSON.stringify(bad));
    }
  });
});
