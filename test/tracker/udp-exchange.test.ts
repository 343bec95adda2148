import { describe, expect, test } from 'vitest';
import { UdpExchange } from '../../src/tracker/udp-exchange.ts';
import {
  ACTION_ANNOUNCE,
  ACTION_CONNECT,
  writeAnnounceReply,
  writeConnectReply,
  writeErrorReply,
  writeScrape,
} from '../../src/tracker/udp-codec.ts';
import { readU32, toHex } from '../../src/util/bytes.ts';
import { Rng } from '../../src/util/rng.ts';

const ID = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const ANSWER = { interval: 1800, seeders: 1, leechers: 1, peers: new Uint8Array(0) };

describe('an exchange with a UDP tracker', () => {
  test('connects, announces, and delivers the answer once', () => {
    const talk = new Talk();
    talk.request();
    expect(talk.sent).toEqual([{ at: 0, action: ACTION_CONNECT, transactionId: 1 }]);
    expect(talk.reply(100, writeConnectReply(1, ID))).toBe(true);
    expect(talk.sent[1]).toEqual({
      at: 100,
      action: ACTION_ANNOUNCE,
      transactionId: 2,
      connectionId: toHex(ID),
    });
    const answer = writeAnnounceReply(2, ANSWER);
    expect(talk.reply(200, answer)).toBe(true);
    expect(talk.results).toEqual([answer]);
    expect(talk.reply(201, answer)).toBe(false);
    expect(talk.results).toHaveLength(1);
  });

  test('sends again after 15 and 30 more seconds, and gives up at its deadline', () => {
    const talk = new Talk();
    talk.request(60_000);
    talk.run(100_000);
    expect(talk.sent.map(({ at }) => at)).toEqual([0, 15_000, 45_000]);
    expect(talk.results).toEqual(['no answer']);
    expect(talk.exchange.isIdle(100_000)).toBe(true);
  });

  test('doubles the wait up to 3840 seconds (BEP 15)', () => {
    const talk = new Talk();
    talk.request(100_000_000);
    talk.run(20_000_000);
    const waits = talk.sent.slice(1).map(({ at }, i) => (at - talk.sent[i]!.at) / 1000);
    expect(waits.slice(0, 10)).toEqual([15, 30, 60, 120, 240, 480, 960, 1920, 3840, 3840]);
  });

  test('uses a connection id for all requests of a minute, and then asks for a new one', () => {
    const talk = new Talk();
    talk.request();
    talk.reply(0, writeConnectReply(1, ID));
    talk.reply(0, writeAnnounceReply(2, ANSWER));
    talk.now = 59_999;
    talk.request();
    expect(talk.sent.at(-1)?.action).toBe(ACTION_ANNOUNCE);
    talk.reply(59_999, writeAnnounceReply(3, ANSWER));
    talk.now = 60_000;
    talk.request();
    expect(talk.sent.at(-1)?.action).toBe(ACTION_CONNECT);
  });

  test('connects once for many requests at once', () => {
    const talk = new Talk();
    for (let i = 0; i < 100; i++) talk.request();
    expect(talk.sent).toHaveLength(1);
    talk.reply(5, writeConnectReply(1, ID));
    expect(talk.sent).toHaveLength(101);
    expect(new Set(talk.sent.map(({ transactionId }) => transactionId)).size).toBe(101);
  });

  test('connects anew when an announce stays unanswered: the tracker may have restarted', () => {
    const talk = new Talk();
    talk.request();
    talk.reply(0, writeConnectReply(1, ID));
    talk.run(15_000);
    expect(talk.sent.map(({ action }) => action)).toEqual([ACTION_CONNECT, ACTION_ANNOUNCE, ACTION_CONNECT]);
  });

  test('believes once that its connection id is wrong', () => {
    const talk = new Talk();
    talk.request();
    talk.reply(0, writeConnectReply(1, ID));
    talk.reply(1, writeErrorReply(2, 'Connection ID missmatch.'));
    expect(talk.sent.at(-1)?.action).toBe(ACTION_CONNECT);
    talk.reply(2, writeConnectReply(3, ID));
    talk.reply(3, writeErrorReply(4, 'Connection ID missmatch.'));
    expect(talk.results).toEqual(['Connection ID missmatch.']);
  });

  test('fails with the words of the tracker', () => {
    const talk = new Talk();
    talk.request();
    talk.reply(0, writeConnectReply(1, ID));
    talk.reply(1, writeErrorReply(2, 'unregistered torrent'));
    expect(talk.results).toEqual(['unregistered torrent']);
  });

  test('fails all that wait when connecting is refused', () => {
    const talk = new Talk();
    talk.request();
    talk.request();
    talk.reply(1, writeErrorReply(1, 'banned'));
    expect(talk.results).toEqual(['banned', 'banned']);
  });

  test.each([
    ['nothing', new Uint8Array(0)],
    ['7 bytes', new Uint8Array(7)],
    ['a connect of 15 bytes', writeConnectReply(1, ID).subarray(0, 15)],
    ['another transaction', writeConnectReply(77, ID)],
    ['an announce before the connect', writeAnnounceReply(1, ANSWER)],
    ['an unknown action', writeConnectReply(1, ID).fill(9, 3, 4)],
  ])('ignores %s while it connects', (_what, packet) => {
    const talk = new Talk();
    talk.request();
    expect(talk.reply(1, packet)).toBe(false);
    expect(talk.results).toEqual([]);
    expect(talk.sent).toHaveLength(1);
  });

  test.each([
    ['an announce of 19 bytes', writeAnnounceReply(2, ANSWER).subarray(0, 19)],
    ['another transaction', writeAnnounceReply(77, ANSWER)],
    ['the connect once more', writeConnectReply(1, ID)],
    ['a scrape', writeAnnounceReply(2, ANSWER).fill(2, 3, 4)],
    ['an unknown action', writeAnnounceReply(2, ANSWER).fill(9, 3, 4)],
  ])('ignores %s while it announces', (_what, packet) => {
    const talk = new Talk();
    talk.request();
    talk.reply(0, writeConnectReply(1, ID));
    expect(talk.reply(1, packet)).toBe(false);
    expect(talk.results).toEqual([]);
    expect(talk.reply(2, writeAnnounceReply(2, ANSWER))).toBe(true);
  });

  test('forgets a cancelled request', () => {
    const talk = new Talk();
    talk.request().cancel();
    expect(talk.exchange.nextDeadline()).toBe(Infinity);
    expect(talk.reply(1, writeConnectReply(1, ID))).toBe(false);
    talk.run(100_000);
    expect(talk.results).toEqual([]);
  });

  test('does not let a new request wait for the slow resends of old ones', () => {
    const talk = new Talk();
    talk.request(1_000_000);
    talk.run(200_000);
    const before = talk.sent.length;
    talk.request();
    expect(talk.sent).toHaveLength(before + 1);
  });

  test('ends every request once, whatever packets come', () => {
    const rng = new Rng(5);
    for (let round = 0; round < 300; round++) {
      const talk = new Talk();
      for (let i = 0; i < 5; i++) talk.request(60_000);
      for (let i = 0; i < 50; i++) {
        const packet = Uint8Array.from({ length: rng.below(40) }, () => rng.below(256));
        packet.set([0, 0, 0, rng.below(5), 0, 0, 0, rng.below(12)].slice(0, packet.length));
        talk.reply(talk.now + rng.below(3000), packet);
      }
      talk.run(200_000);
      expect(talk.results).toHaveLength(5);
      expect(talk.exchange.nextDeadline()).toBe(Infinity);
    }
  });
});

/** One end of the exchange, with transaction ids 1, 2, 3 and so on. */
class Talk {
  now = 0;
  readonly sent: { at: number; action: number; transactionId: number; connectionId?: string }[] = [];
  readonly results: (Uint8Array | string)[] = [];
  readonly exchange: UdpExchange;
  #nextId = 1;

  constructor() {
    this.exchange = new UdpExchange(
      (packet) => {
        const action = readU32(packet, 8);
        const entry = { at: this.now, action, transactionId: readU32(packet, 12) };
        const connectionId = toHex(packet.subarray(0, 8));
        this.sent.push(action === ACTION_CONNECT ? entry : { ...entry, connectionId });
      },
      () => this.#nextId++,
    );
  }

  request(timeoutMs = 60_000): { cancel(): void } {
    return this.exchange.request(
      {
        action: ACTION_ANNOUNCE,
        deadline: this.now + timeoutMs,
        write: (connectionId, transactionId) => {
          const packet = writeScrape(connectionId, transactionId, []);
          packet[11] = ACTION_ANNOUNCE;
          return packet;
        },
        done: (reply) => this.results.push(reply),
      },
      this.now,
    );
  }

  reply(now: number, packet: Uint8Array): boolean {
    this.now = now;
    return this.exchange.receive(packet, now);
  }

  run(until: number): void {
    while (this.exchange.nextDeadline() <= until) {
      this.now = Math.max(this.now, this.exchange.nextDeadline());
      this.exchange.onTime(this.now);
    }
    this.now = until;
  }
}
