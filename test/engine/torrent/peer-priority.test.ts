import { describe, expect, test } from 'vitest';
import { ExternalAddress } from '../../../src/engine/external-address.ts';
import { peerPriority, PeerRanks } from '../../../src/engine/torrent/peer-priority.ts';
import { fromHex } from '../../../src/util/bytes.ts';
import { crc32c } from '../../../src/util/crc32c.ts';

const at = (host: string, port = 6881) => ({ host, port });
const of = (hex: string) => crc32c(fromHex(hex)!);

describe('the canonical priority of a peer (BEP 40)', () => {
  test('has the values of the BEP', () => {
    expect(peerPriority(at('123.213.32.10'), at('98.76.54.32'))).toBe(0xec2d7224);
    expect(peerPriority(at('123.213.32.10'), at('123.213.32.234'))).toBe(0x99568189);
  });

  test('is the same from both ends', () => {
    const hosts = [
      '123.213.32.10',
      '98.76.54.32',
      '123.213.9.9',
      '2600::1',
      '2600::2',
      '2600:0:0:ff::1',
      '2a00::1',
    ];
    for (const a of hosts) {
      for (const b of hosts) expect(peerPriority(at(a, 1), at(b, 2))).toBe(peerPriority(at(b, 2), at(a, 1)));
    }
  });

  test('takes one byte more as it is in the same /16', () => {
    expect(peerPriority(at('123.213.32.10'), at('123.213.33.255'))).toBe(of('7bd520007bd52155'));
  });

  test('is about the ports, big end first, when the addresses are the same', () => {
    expect(peerPriority(at('1.2.3.4', 0x1234), at('1.2.3.4', 0x0a0b))).toBe(of('0a0b1234'));
  });

  test('masks IPv6 below the /48, and a byte later in the same /48, /56 and so on', () => {
    const tail = '55555555';
    const a = '2600:1:2:ffff:ffff:ffff:ffff:ffff';
    expect(peerPriority(at(a), at('2a00:1:2:ffff:ffff:ffff:ffff:ffff'))).toBe(
      of(`2600000100025555${tail}${tail}2a00000100025555${tail}${tail}`),
    );
    expect(peerPriority(at(a), at('2600:1:2:f0ff:ffff:ffff:ffff:ffff'))).toBe(
      of(`260000010002f055${tail}${tail}260000010002ff55${tail}${tail}`),
    );
    expect(peerPriority(at(a), at('2600:1:2:fff0:ffff:ffff:ffff:ffff'))).toBe(
      of(`260000010002fff0${tail}${tail}260000010002ffff${tail}${tail}`),
    );
  });

  test('is none between families', () => {
    expect(peerPriority(at('1.2.3.4'), at('2600::1'))).toBeNull();
  });
});

describe('the rank of a peer', () => {
  const OURS = '123.213.32.10';

  test('is its canonical priority, once our address is known and anew when it changes', () => {
    const external = new ExternalAddress();
    const ranks = new PeerRanks(external, () => 6881);
    const peer = at('98.76.54.32');
    expect(ranks.rank(peer)).toBe(0);
    for (const voter of ['a', 'b']) external.vote(voter, OURS);
    expect(ranks.rank(peer)).toBe(0xec2d7224);
    expect(ranks.rank(at('2600::1'))).toBe(0);
    for (const voter of ['a', 'b', 'c']) external.vote(voter, '5.5.5.5');
    expect(ranks.rank(peer)).toBe(peerPriority(at('5.5.5.5'), peer));
  });

  test('is above all others for neighbours', () => {
    const ranks = new PeerRanks(new ExternalAddress(), () => 6881);
    expect(ranks.rank(at('192.168.0.5'))).toBeGreaterThan(0xffff_ffff);
  });
});
