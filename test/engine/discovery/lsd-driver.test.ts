import { describe, expect, test } from 'vitest';
import { LsdDriver } from '../../../src/engine/discovery/lsd-driver.ts';
import type { Follow, FollowSubject } from '../../../src/engine/discovery/peer-finder.ts';
import { readAnnouncement, writeAnnouncements } from '../../../src/lsd/lsd.ts';
import type { Cancel, MulticastPort } from '../../../src/ports.ts';
import { toHex } from '../../../src/util/bytes.ts';
import { addressKey, type IpFamily, type PeerAddress } from '../../../src/util/ip.ts';
import { Rng } from '../../../src/util/rng.ts';
import { ManualClock } from '../support/manual-clock.ts';

const HASH = new Uint8Array(20).fill(0xaa);
const OTHER = new Uint8Array(20).fill(0xbb);

/** A network of one, that can be made to say things. */
class FakeMulticast implements MulticastPort {
  readonly sent: { readonly bytes: Uint8Array; readonly family: IpFamily }[] = [];
  readonly receivers = new Set<(bytes: Uint8Array, from: PeerAddress) => void>();

  send(bytes: Uint8Array, family: IpFamily): void {
    this.sent.push({ bytes, family });
  }

  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => void): Cancel {
    this.receivers.add(receiver);
    return { cancel: () => this.receivers.delete(receiver) };
  }

  say(bytes: Uint8Array, host = '192.168.0.7'): void {
    for (const receiver of this.receivers) receiver(bytes, { host, port: 55_555 });
  }
}

function bench() {
  const clock = new ManualClock();
  const port = new FakeMulticast();
  const entropy = { bytes: (count: number) => new Uint8Array(count).fill(7) };
  const driver = new LsdDriver({ clock, entropy }, port, new Rng(1));
  const found: string[] = [];
  const follow = (infoHash = HASH, listenPort = 6881): Follow => {
    const subject: FollowSubject = {
      port: () => listenPort,
      isSeed: () => false,
      isHungry: () => true,
      onPeers: (peers) => found.push(...peers.map(addressKey)),
    };
    return driver.follow(infoHash, subject);
  };
  return { clock, port, follow, found };
}

const announcement = (port: number, infoHashes = [HASH], cookie: string | null = 'theirs') =>
  writeAnnouncements({ port, infoHashes, cookie }, 4)[0]!;

describe('local discovery (BEP 14)', () => {
  test('announces a torrent to both groups soon after it came, and again after five minutes', () => {
    const { clock, port, follow } = bench();
    follow();
    expect(port.sent).toEqual([]);
    clock.advance(1000);
    expect(port.sent.map(({ family }) => family)).toEqual([4, 6]);
    expect(readAnnouncement(port.sent[0]!.bytes)).toMatchObject({ port: 6881, infoHashes: [HASH] });
    clock.advance(299_000);
    expect(port.sent).toHaveLength(2);
    clock.advance(32_000);
    expect(port.sent).toHaveLength(4);
  });

  test('puts torrents that come together into one announcement', () => {
    const { clock, port, follow } = bench();
    follow(HASH);
    follow(OTHER);
    clock.advance(1000);
    expect(port.sent).toHaveLength(2);
    expect(readAnnouncement(port.sent[0]!.bytes)!.infoHashes.map(toHex).sort()).toEqual(
      [HASH, OTHER].map(toHex),
    );
  });

  test('speaks once a minute at most, however often it is urged', () => {
    const { clock, port, follow } = bench();
    const one = follow();
    for (let second = 0; second < 600; second++) {
      one.announceNow();
      clock.advance(1000);
    }
    expect(port.sent.length / 2).toBeGreaterThanOrEqual(9);
    expect(port.sent.length / 2).toBeLessThanOrEqual(11);
  });

  test('only listens for a torrent whose peers could not reach us', () => {
    const { clock, port, follow, found } = bench();
    follow(HASH, 0);
    clock.advance(700_000);
    expect(port.sent).toEqual([]);
    port.say(announcement(1234));
    expect(found).toEqual(['192.168.0.7:1234']);
  });

  test('finds whoever announces one of our torrents, at the address that it speaks from', () => {
    const { port, follow, found } = bench();
    follow();
    port.say(announcement(1234, [OTHER, HASH, HASH]));
    port.say(announcement(1234, [OTHER]));
    port.say(announcement(80, [HASH], null), 'fd00::9');
    port.say(new Uint8Array(100));
    expect(found).toEqual(['192.168.0.7:1234', '[fd00::9]:80']);
  });

  test('does not find itself', () => {
    const { clock, port, follow, found } = bench();
    follow();
    clock.advance(1000);
    port.say(port.sent[0]!.bytes);
    expect(found).toEqual([]);
  });

  test('reads ten announcements a second and no more', () => {
    const { clock, port, follow, found } = bench();
    follow();
    for (let i = 0; i < 1000; i++) port.say(announcement(1 + i));
    expect(found).toHaveLength(10);
    clock.advance(1000);
    for (let i = 0; i < 1000; i++) port.say(announcement(1 + i));
    expect(found).toHaveLength(20);
  });

  test('neither speaks nor listens while nothing is followed', () => {
    const { clock, port, follow, found } = bench();
    const one = follow();
    const other = follow(OTHER);
    one.stop();
    one.stop();
    expect(port.receivers.size).toBe(1);
    other.stop();
    expect(port.receivers.size).toBe(0);
    clock.advance(1_000_000);
    expect([port.sent, found, clock.pending]).toEqual([[], [], 0]);
    follow();
    clock.advance(1000);
    expect(port.sent).toHaveLength(2);
  });
});
