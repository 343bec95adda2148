import { afterEach, describe, expect, test, vi } from 'vitest';
import { encode } from '../../src/bencode/codec.ts';
import { DhtHandle } from '../../src/dht-handle.ts';
import { DhtNode } from '../../src/dht/dht-node.ts';
import type { EngineOptions } from '../../src/engine/engine.ts';
import { InternalError } from '../../src/errors.ts';
import { writeAnnouncements } from '../../src/lsd/lsd.ts';
import { LsdSchedule } from '../../src/lsd/schedule.ts';
import { UdpExchange } from '../../src/tracker/udp-exchange.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { TokenBucket } from '../../src/util/token-bucket.ts';
import { Greeter } from '../../src/engine/greeter.ts';
import { FakeDatagrams, FakeResolver } from './discovery/fake-network.ts';
import { FakeGroup } from './support/fake-group.ts';
import { EngineBench, FakePeer, singleFile } from './support/fake-world.ts';

/**
 * Bugs are made by breaking a method of a part that serves all torrents. The part ends, or the one conversation in it; the
 * process, the torrents and the other parts go on, and a report tells.
 */
const torrent = singleFile(4);
const bug = new TypeError('x is undefined');
const break_ = <T extends object>(type: { prototype: T }, method: keyof T & string): void => {
  vi.spyOn(type.prototype, method as never).mockImplementation((() => {
    throw bug;
  }) as never);
};
afterEach(() => vi.restoreAllMocks());

const NODE: PeerAddress = { host: '30.1.1.1', port: 7000 };
const PING = encode({ a: { id: new Uint8Array(20).fill(7) }, q: 'ping', t: 'aa', y: 'q' });

class Bench extends EngineBench {
  readonly reports: InternalError[];
  readonly datagrams: FakeDatagrams;
  readonly group: FakeGroup;

  constructor(options: Partial<EngineOptions> = {}) {
    const reports: InternalError[] = [];
    const group = new FakeGroup();
    let datagrams!: FakeDatagrams;
    super(
      {
        dhtNode: { startsFrom: { hosts: [], nodes: [NODE] } },
        onBug: (report) => reports.push(report),
        ...options,
      },
      (clock) => {
        datagrams = new FakeDatagrams(clock);
        return { datagrams, multicast: group, resolver: new FakeResolver(clock) };
      },
    );
    this.reports = reports;
    this.datagrams = datagrams;
    this.group = group;
  }

  /** The one report there is. */
  get report(): InternalError {
    expect(this.reports).toHaveLength(1);
    expect(this.reports[0]).toMatchObject({ code: 'ERR_INTERNAL', cause: bug });
    return this.reports[0]!;
  }

  /** A download goes on from begin to end. */
  expectWell(added = this.add(torrent)): void {
    this.settle();
    this.exchange(torrent, [this.seeder(torrent)]);
    expect(added.state).toBe('seeding');
  }

  sentTo({ host, port }: PeerAddress): number {
    return this.datagrams.sent.filter(({ to }) => to === `${host}:${port}`).length;
  }
}

describe('a bug of ours ends the DHT, and nothing else,', () => {
  test('in what somebody says to it', () => {
    const bench = new Bench();
    const added = bench.add(torrent);
    bench.settle();
    break_(DhtNode, 'receive');
    expect(bench.sentTo(NODE)).toBeGreaterThan(0);
    bench.datagrams.deliver(PING, NODE);
    expect(bench.report.message).toContain('the DHT');
    expect(bench.engine.dht!.isRunning).toBe(false);
    const before = bench.datagrams.sent.length;
    vi.restoreAllMocks();
    bench.datagrams.deliver(PING, NODE);
    bench.seconds(3600);
    expect(bench.datagrams.sent).toHaveLength(before);
    expect(bench.reports).toHaveLength(1);
    bench.expectWell(added);
  });

  test('in time', () => {
    const bench = new Bench();
    const added = bench.add(torrent);
    break_(DhtNode, 'onTime');
    bench.seconds(60);
    expect(bench.report).toBeInstanceOf(InternalError);
    bench.expectWell(added);
  });

  test('when a torrent asks it for peers, leaves, or tells it of a node', () => {
    for (const method of ['lookUp', 'ping', 'stop'] as const) {
      const bench = new Bench();
      break_(DhtNode, method);
      const added = bench.add(torrent);
      bench.settle();
      const peer = bench.inbound(torrent);
      peer.say((sink) => sink.onPort(9000));
      bench.seconds(2);
      expect(bench.reports.length, method).toBeLessThanOrEqual(1);
      bench.expectWell(added);
      let isClosed = false;
      bench.engine.close(() => (isClosed = true));
      bench.seconds(10);
      expect(isClosed).toBe(true);
      expect(bench.report.cause).toBe(bug);
      vi.restoreAllMocks();
    }
  });

  test('for whoever asked it something, too, who is told why', async () => {
    const bench = new Bench();
    const { dht, dhtPart } = bench.engine;
    const handle = new DhtHandle(dht!, dhtPart, null);
    const waiting = handle.scrape(new Uint8Array(20));
    const found = handle.getPeers(new Uint8Array(20)).next();
    break_(DhtNode, 'receive');
    bench.settle();
    bench.datagrams.deliver(PING, NODE);
    await expect(waiting).rejects.toBe(bench.report);
    await expect(found).rejects.toBe(bench.report);
    await expect(handle.ping(NODE)).rejects.toBe(bench.report);
    expect(handle.stats()).toEqual([]);
    handle.start();
  });

  test('when a question of the user brings it to light', async () => {
    const bench = new Bench();
    const handle = new DhtHandle(bench.engine.dht!, bench.engine.dhtPart, null);
    break_(DhtNode, 'lookUp');
    const asked = handle.scrape(new Uint8Array(20));
    bench.settle();
    await expect(asked).rejects.toBe(bench.report);
    await expect(handle.putMutable({ seed: new Uint8Array(5), value: '' })).rejects.toMatchObject({
      code: 'ERR_INVALID_OPTION',
    });
  });
});

test('a bug of a torrent that the DHT asks for its needs ends the torrent, not the DHT', () => {
  const bench = new Bench();
  const added = bench.add(torrent);
  bench.settle();
  vi.spyOn(added, 'isHungry', 'get').mockImplementation(() => {
    throw bug;
  });
  bench.seconds(120);
  expect(bench.reports).toEqual([]);
  expect(added.state).toBe('failed');
  expect(bench.engine.dht!.isRunning).toBe(true);
});

describe('a bug of ours ends local discovery, and nothing else,', () => {
  test.each(['add', 'take', 'remove'] as const)('in its schedule (%s)', (method) => {
    const bench = new Bench();
    break_(LsdSchedule, method);
    const added = bench.add(torrent);
    bench.seconds(5);
    if (method === 'remove') added.pause();
    expect(bench.report.message).toContain('local discovery');
    const { sent } = bench.group;
    vi.restoreAllMocks();
    bench.seconds(1000);
    expect(bench.group.sent).toBe(sent);
    expect(bench.engine.dht!.isRunning).toBe(true);
    added.resume();
    bench.expectWell(added);
  });

  test('in what a neighbour says', () => {
    const bench = new Bench();
    const added = bench.add(torrent);
    bench.settle();
    const text = writeAnnouncements({ port: 7, infoHashes: [torrent.metaInfo.infoHash], cookie: 'x' }, 4)[0]!;
    vi.spyOn(TokenBucket.prototype, 'available').mockImplementationOnce(() => {
      throw bug;
    });
    bench.group.say(text);
    expect(bench.report.message).toContain('local discovery');
    bench.group.say(text);
    expect(bench.group.isHeard).toBe(false);
    bench.expectWell(added);
  });
});

describe('a bug of ours in the talk with a UDP tracker', () => {
  const trackers = [['udp://9.9.9.1:80/announce'], ['udp://9.9.9.2:80/announce']];
  const REPLY = new Uint8Array(16);

  test.each(['receive', 'onTime', 'request'] as const)(
    'ends that talk with an error (%s), and the next one is a new one',
    (method) => {
      const bench = new Bench({ dhtNode: null });
      if (method === 'request') break_(UdpExchange, method);
      const added = bench.add(torrent, { trackers });
      bench.settle();
      if (method !== 'request') {
        expect([
          bench.sentTo({ host: '9.9.9.1', port: 80 }),
          bench.sentTo({ host: '9.9.9.2', port: 80 }),
        ]).toEqual([1, 1]);
        vi.spyOn(UdpExchange.prototype, method).mockImplementationOnce(() => {
          throw bug;
        });
        if (method === 'receive') bench.datagrams.deliver(REPLY, { host: '9.9.9.1', port: 80 });
        else bench.seconds(16);
      }
      expect(bench.reports[0]).toMatchObject({ code: 'ERR_INTERNAL', cause: bug });
      expect(bench.reports[0]!.message).toContain('9.9.9.1:80');
      const [first, second] = added.discovery.trackers();
      expect(first!.state).toBe('failed');
      if (method !== 'request') expect(second!.state).toBe('announcing');
      vi.restoreAllMocks();
      bench.seconds(1800);
      expect(bench.sentTo({ host: '9.9.9.1', port: 80 })).toBeGreaterThan(1);
      bench.expectWell(added);
    },
  );

  test('that is one of a torrent ends the torrent', () => {
    const bench = new Bench({ dhtNode: null });
    const added = bench.add(torrent, { trackers });
    vi.spyOn(added, 'freeConnections', 'get').mockImplementation(() => {
      throw bug;
    });
    added.announce();
    bench.seconds(30);
    expect(added.state).toBe('failed');
    expect(bench.reports).toEqual([]);
  });
});

test('a bug before the torrent of a link is known ends that link', () => {
  const bench = new Bench();
  const added = bench.add(torrent);
  bench.settle();
  vi.spyOn(Greeter.prototype, 'find').mockImplementationOnce(() => {
    throw bug;
  });
  const peer = new FakePeer({ inbound: true });
  bench.transport.accept(peer);
  peer.shakeHands(torrent);
  expect(peer.reason).toBe('torrent-stopped');
  expect(bench.report.message).toContain('a connection');
  vi.spyOn(Greeter.prototype, 'greetInbound').mockImplementationOnce(() => {
    throw bug;
  });
  const next = new FakePeer({ inbound: true, host: '10.0.0.2' });
  bench.transport.accept(next);
  expect(next.reason).toBe('torrent-stopped');
  expect(bench.reports).toHaveLength(2);
  bench.expectWell(added);
});

test('without anybody to report to, a bug shows to whoever called', () => {
  const bench = new Bench();
  const bare = new EngineBench(
    { dhtNode: { startsFrom: { hosts: [], nodes: [NODE] } } },
    { datagrams: bench.datagrams, resolver: new FakeResolver(bench.clock) },
  );
  bare.add(torrent);
  bare.settle();
  break_(DhtNode, 'receive');
  expect(() => bench.datagrams.deliver(PING, NODE)).toThrow(`a bug stopped the DHT: ${bug.message}`);
});
