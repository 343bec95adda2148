import { describe, expect, test } from 'vitest';
import { encode, type Encodable } from '../../../src/bencode/codec.ts';
import { isSecureId } from '../../../src/dht/node-id.ts';
import { readMessage } from '../../../src/dht/krpc.ts';
import { DhtDriver } from '../../../src/engine/discovery/dht-driver.ts';
import { ExternalAddress } from '../../../src/engine/external-address.ts';
import { nodeEd25519 } from '../../../src/node/ed25519.ts';
import { SimDht } from '../../../src/sim/sim-dht.ts';
import { equalBytes, fromHex, utf8 } from '../../../src/util/bytes.ts';
import type { PeerAddress } from '../../../src/util/ip.ts';
import { Rng } from '../../../src/util/rng.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { subject } from '../../dht/support/subject.ts';

const MINUTE = 60_000;
/** One way; a round trip takes twice as long. */
const DELAY = 25;

const make = (seed = 1): SimDht => new SimDht(seed, { delayMs: DELAY, ed25519: nodeEd25519 });

describe('following a torrent', () => {
  test('with one known node that has peers, they are here after one round trip', () => {
    const dht = make();
    const infoHash = dht.infoHash();
    const router = dht.add();
    const seed = dht.add({ nodes: [router.address] });
    seed.driver.follow(infoHash, subject({ port: 9000, seed: true, hungry: false }));
    dht.run(MINUTE);
    const leech = dht.add({ nodes: [router.address] });
    const torrent = subject();
    leech.driver.follow(infoHash, torrent);
    dht.run(2 * DELAY);
    expect(torrent.peers).toContainEqual({ host: seed.address.host, port: 9000 });
  });

  test('nothing is said in the turn of the call', () => {
    const dht = make();
    const router = dht.add();
    const infoHash = dht.infoHash();
    router.driver.follow(infoHash, subject({ port: 1 }));
    const torrent = subject();
    dht.add({ nodes: [router.address] }).driver.follow(infoHash, torrent);
    expect(torrent.peers).toEqual([]);
  });

  test('who announces to us is told to our torrent at once', () => {
    const dht = make();
    const infoHash = dht.infoHash();
    const first = dht.add();
    const torrent = subject({ hungry: false });
    first.driver.follow(infoHash, torrent);
    dht.run(MINUTE);
    const second = dht.add({ nodes: [first.address] });
    second.driver.follow(infoHash, subject({ port: 9001 }));
    // Its question, our answer with a token, its announce.
    dht.run(4 * DELAY);
    expect(torrent.peers).toContainEqual({ host: second.address.host, port: 9001 });
  });

  test('a search that began before there was a network goes on when there is one', () => {
    const dht = make();
    const infoHash = dht.infoHash();
    const router = dht.add();
    const seed = dht.add({ nodes: [router.address] });
    seed.driver.follow(infoHash, subject({ port: 9000, hungry: false }));
    dht.run(MINUTE);
    const lonely = dht.add();
    const torrent = subject();
    lonely.driver.follow(infoHash, torrent);
    dht.run(3000);
    expect(torrent.peers).toEqual([]);
    lonely.driver.addNode(router.address);
    dht.run(4 * DELAY);
    expect(torrent.peers).toContainEqual({ host: seed.address.host, port: 9000 });
  });

  test('announces port, implied_port and seed as BEP 5 and BEP 33 say, once per node in 15 minutes', () => {
    const dht = make();
    const heard: string[] = [];
    const router = dht.add();
    router.socket.onMessage(() => false);
    const seed = dht.add({ nodes: [router.address] }, { impliedPort: true });
    const send = seed.socket.send.bind(seed.socket);
    seed.socket.send = (bytes, to) => {
      const message = readMessage(bytes);
      if (message?.kind === 'query' && message.method === 'announce_peer') {
        heard.push(String.fromCharCode(...message.rawArgs));
      }
      send(bytes, to);
    };
    seed.driver.follow(dht.infoHash(), subject({ port: 9000, seed: true, hungry: true }));
    dht.run(14 * MINUTE);
    expect(heard).toHaveLength(1);
    expect(heard[0]).toContain('12:implied_porti1e');
    expect(heard[0]).toContain('4:porti9000e');
    expect(heard[0]).toContain('4:seedi1e');
    dht.run(5 * MINUTE);
    expect(heard.length).toBeGreaterThan(1);
  });

  test('announces nothing without a port, and nothing after it was stopped', () => {
    const dht = make();
    const router = dht.add();
    const node = dht.add({ nodes: [router.address] });
    node.driver.follow(dht.infoHash(), subject());
    dht.run(MINUTE);
    expect(router.driver.stats()[0]!.storedPeers).toBe(0);
    const follow = node.driver.follow(dht.infoHash(), subject({ port: 5 }));
    follow.stop();
    dht.run(MINUTE);
    expect(router.driver.stats()[0]!.storedPeers).toBe(0);
  });

  test('impatience does not shorten the pause between two searches', () => {
    const dht = make();
    const router = dht.add();
    const node = dht.add({ nodes: [router.address] });
    const follow = node.driver.follow(dht.infoHash(), subject());
    for (let second = 0; second < 120; second++) {
      follow.announceNow();
      dht.run(1000);
    }
    // 5, 10, 20, 40 seconds: five searches in two minutes, beside the care of the table.
    expect(node.driver.stats()[0]!.queriesSent).toBeLessThan(20);
  });

  test('a torrent with trackers searches when they were of no use, or when the first rush is over', () => {
    const dht = make();
    const router = dht.add();
    const node = dht.add({ nodes: [router.address] });
    const announced = (): number => router.driver.stats()[0]!.storedPeers;
    const found = { hasPeers: () => true, mayWait: true };
    node.driver.follow(dht.infoHash(), { ...subject({ port: 9000, hungry: false }), ...found });
    let isHungry = false;
    const other = { ...subject({ port: 9000 }), isHungry: () => isHungry, ...found };
    const follow = node.driver.follow(dht.infoHash(), other);
    // Nobody is there before the trackers have answered.
    isHungry = true;
    for (let second = 0; second < 2; second++) {
      follow.announceNow();
      dht.run(1000);
    }
    isHungry = false;
    dht.run(8000);
    expect(announced()).toBe(0);
    isHungry = true;
    follow.announceNow();
    dht.run(1000);
    expect(announced()).toBe(1);
    dht.run(MINUTE);
    expect(announced()).toBe(2);
    // Its trackers had time, and nobody is there.
    node.driver.follow(dht.infoHash(), { ...subject({ port: 9000, hungry: false }), mayWait: true });
    dht.run(5000);
    expect(announced()).toBe(3);
  });

  test('in a network of two, the other node is worth a dial', () => {
    const dht = make();
    const other = dht.add();
    const torrent = subject();
    dht.add({ nodes: [other.address] }).driver.follow(dht.infoHash(), torrent);
    dht.run(2 * DELAY);
    expect(torrent.peers).toEqual([other.address]);
  });
});

describe('the first nodes', () => {
  test('are found by name, and looked for again while nobody answers', () => {
    const dht = make();
    dht.name('router.test', ['11.99.0.1']);
    const node = dht.add({ hosts: [{ host: 'router.test', port: 6881 }] });
    dht.run(MINUTE);
    expect(node.driver.stats()[0]!.nodes).toBe(0);
    expect(dht.resolved).toBeGreaterThan(2);
    dht.add({}, { addresses: [{ host: '11.99.0.1', port: 6881 }] });
    dht.run(MINUTE);
    expect(node.driver.stats()[0]!.nodes).toBe(1);
  });

  test('are remembered over a restart, with our id', () => {
    const dht = make();
    dht.grow(30, 1000);
    const [node] = dht.nodes;
    const { id, nodes } = node!.driver.stats()[0]!;
    expect(nodes).toBeGreaterThan(5);
    const saved = node!.driver.savedState();
    node!.driver.stop(() => undefined);
    dht.kill(node!);
    const again = dht.add({}, { addresses: [node!.address], saved });
    expect(again.driver.stats()[0]!.id).toBe(id);
    dht.run(10_000);
    expect(again.driver.stats()[0]!.goodNodes).toBeGreaterThan(5);
  });

  test('garbage as saved state begins anew', () => {
    const dht = make();
    const node = dht.add({}, { saved: utf8('d3:id45:oopse') });
    expect(node.driver.stats()[0]!).toMatchObject({ nodes: 0 });
  });

  test('teach us our address, and with it an id that fits', () => {
    const dht = make();
    dht.grow(40, 1000);
    dht.run(MINUTE);
    const { id } = dht.nodes[10]!.driver.stats()[0]!;
    expect(isSecureId(fromHex(id)!, dht.nodes[10]!.address.host)).toBe(true);
  });

  test('takes an id for the address that peers and trackers name, once ten of them do', () => {
    const dht = make();
    const external = new ExternalAddress();
    const { driver } = dht.add({}, { external });
    const first = driver.stats()[0]!.id;
    for (let i = 0; i < 9; i++) external.vote(`9.0.${i}.1`, '55.1.2.3');
    dht.run(MINUTE);
    expect(driver.stats()[0]!.id).toBe(first);
    external.vote('9.0.9.1', '55.1.2.3');
    dht.run(MINUTE);
    expect(isSecureId(fromHex(driver.stats()[0]!.id)!, '55.1.2.3')).toBe(true);
  });
});

describe('both families', () => {
  const addresses = (n: number): PeerAddress[] => [
    { host: `12.0.${n}.1`, port: 6881 },
    { host: `2001:db8:${n}::1`, port: 6881 },
  ];

  test('have a table each, and one helps the other to begin', () => {
    const dht = make();
    for (let i = 0; i < 12; i++) {
      // Whoever comes knows one IPv4 address, and no IPv6 address at all.
      dht.add({ nodes: i === 0 ? [] : [addresses(0)[0]!] }, { addresses: addresses(i) });
      dht.run(1000);
    }
    // The first two have to meet once over IPv6.
    dht.nodes[0]!.driver.addNode(addresses(1)[1]!);
    dht.run(20 * MINUTE);
    const stats = dht.nodes[5]!.driver.stats();
    expect(stats.map(({ family }) => family)).toEqual([4, 6]);
    for (const { nodes } of stats) expect(nodes).toBeGreaterThan(3);
  });

  test('find peers of their own kind', () => {
    const dht = make();
    const infoHash = dht.infoHash();
    for (let i = 0; i < 6; i++) {
      dht.add({ nodes: i === 0 ? [] : addresses(0) }, { addresses: addresses(i) });
      dht.run(1000);
    }
    dht.nodes[1]!.driver.follow(infoHash, subject({ port: 9000, hungry: false }));
    dht.run(5000);
    const torrent = subject();
    dht.nodes[4]!.driver.follow(infoHash, torrent);
    dht.run(5000);
    const hosts = new Set(torrent.peers.filter(({ port }) => port === 9000).map(({ host }) => host));
    expect(hosts).toEqual(new Set(addresses(1).map(({ host }) => host)));
  });
});

describe('operations', () => {
  const grown = (): SimDht => {
    const dht = make();
    dht.grow(30, 500);
    dht.run(10_000);
    return dht;
  };

  test('ping tells the round trip, or that nobody is there', () => {
    const dht = grown();
    const [a, b] = dht.nodes;
    const times: (number | null)[] = [];
    a!.driver.ping(b!.address, (ms) => times.push(ms));
    a!.driver.ping({ host: '99.1.1.1', port: 1 }, (ms) => times.push(ms));
    dht.run(11_000);
    expect(times).toEqual([2 * DELAY, null]);
  });

  test('an immutable item is found wherever one looks', () => {
    const dht = grown();
    const value = utf8('5:hello');
    let target: Uint8Array | null = null;
    dht.nodes[1]!.driver.putImmutable(value, (result) => {
      expect(result.stored).toBeGreaterThanOrEqual(8);
      target = result.target;
    });
    dht.run(5000);
    let found: Uint8Array | null = null;
    dht.nodes[20]!.driver.getImmutable(target!, (item) => (found = item?.value ?? null));
    dht.run(5000);
    expect(equalBytes(found!, value)).toBe(true);
    let missing: unknown = 'unasked';
    dht.nodes[20]!.driver.getImmutable(dht.infoHash(), (item) => (missing = item));
    dht.run(15_000);
    expect(missing).toBeNull();
  });

  test('a mutable item is replaced by a later one, unless cas says otherwise', () => {
    const dht = grown();
    const { driver } = dht.nodes[2]!;
    const seed = new Uint8Array(32).fill(1);
    const salt = utf8('s');
    const publicKey = nodeEd25519.publicKey(seed);
    const stored: number[] = [];
    const put = (value: string, sequence: bigint, cas: bigint | null): void => {
      const item = driver.signItem(seed, utf8(value), sequence, salt);
      driver.putMutable(item, cas, (result) => stored.push(result.stored));
      dht.run(5000);
    };
    put('i1e', 1n, null);
    put('i2e', 2n, 1n);
    put('i3e', 3n, 1n); // Somebody was faster.
    expect(stored[0]).toBeGreaterThanOrEqual(8);
    expect(stored[1]).toBeGreaterThanOrEqual(8);
    expect(stored[2]).toBe(0);
    let found: unknown = null;
    dht.nodes[20]!.driver.getMutable({ publicKey, salt }, (item) => (found = item));
    dht.run(5000);
    expect(found).toMatchObject({ sequence: 2n, value: utf8('i2e') });
  });

  test('scrape counts seeds and others, sample_infohashes names torrents', () => {
    const dht = grown();
    const infoHash = dht.infoHash();
    dht.nodes.slice(0, 10).forEach(({ driver }, i) => {
      driver.follow(infoHash, subject({ port: 1 + i, seed: i < 4, hungry: false }));
    });
    dht.run(10_000);
    let counts: unknown = null;
    dht.nodes[25]!.driver.scrape(infoHash, (result) => (counts = result));
    dht.run(5000);
    expect(counts).toEqual({ seeds: 4, peers: 6 });
    const holder = dht.nodes.find(({ driver }) => driver.stats()[0]!.storedTorrents > 0)!;
    let sample: unknown = null;
    dht.nodes[25]!.driver.sampleInfohashes(holder.address, infoHash, (result) => (sample = result));
    dht.run(1000);
    expect(sample).toEqual({ infoHashes: [infoHash], count: 1, intervalS: 21_600 });
  });

  test.each<[string, Record<string, Encodable>, unknown]>([
    ['no samples', { num: 5, interval: 10 }, null],
    ['samples that are cut', { samples: new Uint8Array(41), num: 5, interval: 10 }, null],
    ['a number for samples', { samples: 20, num: 1, interval: 10 }, null],
    [
      'an interval below 0 and a count that is none',
      { samples: '', num: 'many', interval: -1 },
      { count: 0, intervalS: 0 },
    ],
    ['an interval of 30 years', { samples: '', num: 7, interval: 1e9 }, { count: 7, intervalS: 21_600 }],
    [
      'an interval beyond all numbers',
      { samples: '', num: -7, interval: 2n ** 62n },
      { count: 0, intervalS: 0 },
    ],
  ])(
    'of a node that answers sample_infohashes with %s as much is believed as makes sense',
    (_, r, expected) => {
      const dht = make();
      const { driver } = dht.add();
      const liar = { host: '40.1.1.1', port: 6881 };
      const socket = dht.net.open([liar]);
      socket.onMessage((bytes, from) => {
        const query = readMessage(bytes);
        if (query?.kind === 'query')
          socket.send(encode({ r: { id: new Uint8Array(20), ...r }, t: query.transactionId, y: 'r' }), from);
        return true;
      });
      let sample: unknown;
      driver.sampleInfohashes(liar, dht.infoHash(), (result) => (sample = result));
      dht.run(1000);
      expect(sample).toEqual(expected === null ? null : { infoHashes: [], ...(expected as object) });
    },
  );

  test('getPeers ends with a summary, and can be given up', () => {
    const dht = grown();
    const summaries: unknown[] = [];
    dht.nodes[3]!.driver.getPeers(
      dht.infoHash(),
      () => undefined,
      (summary) => summaries.push(summary),
    );
    dht.nodes[3]!.driver.getPeers(
      dht.infoHash(),
      () => undefined,
      (summary) => summaries.push(summary),
    ).cancel();
    dht.run(5000);
    expect(summaries).toEqual([{ peers: 0, queries: expect.any(Number) as number }]);
  });

  test('what cannot be stored is said at once', () => {
    const { driver } = make().add();
    expect(() => driver.putImmutable(new Uint8Array(1001), () => undefined)).toThrow(/1000/);
    expect(() => driver.putImmutable(utf8('oops'), () => undefined)).toThrow(/bencode/);
  });
});

test('after stop nothing is sent any more, and no deadline is left', () => {
  const dht = make();
  dht.grow(5, 500);
  let stopped = 0;
  for (const { driver } of dht.nodes) {
    driver.follow(dht.infoHash(), subject({ port: 1 }));
    driver.stop(() => stopped++);
  }
  const { sent } = dht.net;
  dht.run(60 * MINUTE);
  expect(stopped).toBe(5);
  expect(dht.net.sent).toBe(sent);
  expect(dht.clock.pending).toBe(0);
});

test.each([
  ['may be met, tells where', false, 6881],
  ['answers nobody has no port to tell of (BEP 43)', true, 0],
])('a node that %s', (_, readOnly, port) => {
  const datagrams = {
    send: () => undefined,
    onMessage: () => ({ cancel: () => undefined }),
    supports: () => true,
    localPort: () => 6881,
  };
  const entropy = { bytes: (count: number) => new Uint8Array(count) };
  const world = { clock: new ManualClock(), entropy, datagrams, resolver: null };
  const driver = new DhtDriver(world, new Rng(1), { readOnly });
  expect(driver.port(4)).toBe(0);
  driver.start({ hosts: [], nodes: [] });
  expect([driver.port(4), driver.port(6)]).toEqual([port, port]);
});
