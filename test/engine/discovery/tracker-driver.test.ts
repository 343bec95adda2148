import { describe, expect, test } from 'vitest';
import { AnnounceLimiter } from '../../../src/engine/discovery/announce-limiter.ts';
import type { TrackerDriverOptions } from '../../../src/engine/discovery/tracker-driver.ts';
import { TrackerDriver } from '../../../src/engine/discovery/tracker-driver.ts';
import { UdpTrackerClient } from '../../../src/engine/discovery/udp-tracker-client.ts';
import { VirtualClock } from '../../../src/sim/virtual-clock.ts';
import { MemoryPeerStore } from '../../../src/tracker/server/memory-peer-store.ts';
import { UdpResponder } from '../../../src/tracker/server/udp-responder.ts';
import { readRequest } from '../../../src/tracker/udp-codec.ts';
import { addressKey } from '../../../src/util/ip.ts';
import { Rng } from '../../../src/util/rng.ts';
import { FakeDatagrams, FakeEntropy, FakeHttp, FakeResolver } from './fake-network.ts';

const A = 'http://192.0.2.1/announce';
const B = 'http://192.0.2.2/announce';
const C = 'http://192.0.2.3/announce';
const NAME = 'http://tracker.example/announce';
const MINUTE = 60_000;
const PEERS = Uint8Array.of(198, 51, 100, 1, 0x1a, 0xe1);

describe('the announces of a torrent', () => {
  test('say started at once to one tracker of each tier, and deliver the peers', () => {
    const { http, driver, clock, peers } = world([[A], [B], [C]]);
    for (const url of [A, B, C]) http.trackers.set(url, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    expect(http.requests.map(({ at, said }) => [at, said.event])).toEqual([
      [0, 'started'],
      [0, 'started'],
      [0, 'started'],
    ]);
    clock.run(1000);
    expect(peers).toEqual([A, B, C].map((url) => `${url} 198.51.100.1:6881`));
  });

  test('go on at the interval, say completed once, and leave with stopped', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(31 * MINUTE);
    driver.completed();
    clock.run(70 * MINUTE);
    let stopped = 0;
    driver.stop(() => stopped++);
    clock.run(71 * MINUTE);
    expect(http.eventsAt(A)).toEqual(['started', '-', 'completed', '-', 'stopped']);
    expect(stopped).toBe(1);
  });

  test('say completed before stopped also when the torrent leaves in the turn in which it became complete', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(MINUTE);
    driver.completed();
    let stopped = 0;
    driver.stop(() => stopped++);
    clock.run(2 * MINUTE);
    expect(http.eventsAt(A)).toEqual(['started', 'completed', 'stopped']);
    expect(stopped).toBe(1);
  });

  test('tell our numbers as they are at that moment', () => {
    const { http, driver, clock, subject } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS, 'tracker id': 'abc' }));
    driver.start();
    clock.run(MINUTE);
    Object.assign(subject, { uploaded: 5, downloaded: 100, left: 0, wanted: 1000 });
    clock.run(31 * MINUTE);
    const [first, second] = http.requests.map(({ said }) => said);
    expect(first).toMatchObject({ left: '100', downloaded: '0', numwant: '200', port: '6881' });
    expect(second).toMatchObject({
      left: '0',
      downloaded: '100',
      uploaded: '5',
      numwant: '50',
      trackerid: 'abc',
    });
    expect(second!.key).toBe(first!.key);
  });

  test('ask only the next tracker of a tier when one fails, and stay with the one that works', () => {
    const { http, driver, clock } = world([[A, B, C]]);
    const order = driver.trackers().map(({ url }) => url);
    http.trackers.set(order[1]!, () => ({ interval: 300, peers: PEERS }));
    http.trackers.set(order[2]!, () => ({ interval: 300, peers: PEERS }));
    driver.start();
    clock.run(16 * MINUTE);
    expect(http.eventsAt(order[0]!)).toEqual(['started']);
    expect(http.eventsAt(order[1]!)).toEqual(['started', '-', '-', '-']);
    expect(http.eventsAt(order[2]!)).toEqual([]);
    expect(driver.trackers()[0]?.url).toBe(order[1]);
  });

  test('do not let a silent tracker delay the next of its tier for long', () => {
    const { http, driver, clock, peers } = world([[A, B]]);
    const order = driver.trackers().map(({ url }) => url);
    http.trackers.set(order[0]!, () => null);
    http.trackers.set(order[1]!, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(10_500);
    expect(peers).toEqual([`${order[1]!} 198.51.100.1:6881`]);
  });

  test('return to a tracker that was down, later and later', () => {
    const { http, driver, clock, warnings } = world([[A]]);
    driver.start();
    clock.run(30 * MINUTE);
    const tries = http.requests.length;
    expect(tries).toBeGreaterThan(5);
    expect(tries).toBeLessThan(10);
    expect(warnings).toHaveLength(tries);
    expect(driver.trackers()[0]).toMatchObject({ state: 'failed', message: 'connection refused' });
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    clock.run(90 * MINUTE);
    expect(driver.trackers()[0]).toMatchObject({ state: 'working', message: null });
  });

  test('make no storm when trackers refuse and users insist', () => {
    const { http, driver, clock } = world([[A], [B]]);
    http.trackers.set(A, () => ({ interval: 1, 'min interval': 0, peers: PEERS }));
    driver.start();
    for (let second = 0; second < 3600; second++) {
      driver.announceNow();
      clock.run(second * 1000);
    }
    expect(http.eventsAt(A).length).toBeLessThan(60);
    expect(http.eventsAt(B).length).toBeLessThan(65);
  });

  test('come sooner if somebody wants peers and the tracker allows it', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, 'min interval': 60, peers: PEERS }));
    driver.start();
    clock.run(1000);
    driver.announceNow();
    clock.run(59_000);
    expect(http.requests).toHaveLength(1);
    clock.run(61_000);
    expect(http.requests).toHaveLength(2);
  });

  test('go out over IPv4 and IPv6 with the same key', () => {
    const { http, driver, clock } = world([[NAME]]);
    http.trackers.set(NAME, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(1000);
    expect(http.requests.map(({ family }) => family)).toEqual([4, 6]);
    expect(http.requests[0]!.said.key).toBe(http.requests[1]!.said.key);
    driver.stop(() => undefined);
    clock.run(2000);
    expect(http.eventsAt(NAME)).toEqual(['started', 'started', 'stopped', 'stopped']);
  });

  test.each([4, 6])('say no more about a missing route when only IPv%d works', (works) => {
    const { http, driver, clock, warnings } = world([[NAME]]);
    http.trackers.set(NAME, (_said, { family }) =>
      family === works ? { interval: 1800, peers: PEERS } : 'no route to the server',
    );
    driver.start();
    clock.run(120 * MINUTE);
    expect(warnings).toEqual([]);
    expect(http.requests.filter(({ family }) => family !== works)).toHaveLength(1);
    expect(http.requests.filter(({ family }) => family === works)).toHaveLength(4);
  });

  test('warn once when a tracker fails over both families', () => {
    const { driver, clock, warnings } = world([[NAME]]);
    driver.start();
    clock.run(1000);
    expect(warnings).toEqual([`${NAME} connection refused`]);
  });

  test('use the other family again when the one that worked is gone', () => {
    const { http, driver, clock } = world([[NAME]]);
    let works = 4;
    http.trackers.set(NAME, (_said, { family }) =>
      family === works ? { interval: 300, peers: PEERS } : 'no route to the server',
    );
    driver.start();
    clock.run(MINUTE);
    works = 6;
    clock.run(10 * MINUTE);
    expect(driver.trackers()[0]!.state).toBe('working');
  });

  test('tell a private torrent to one tracker at a time, with a key for each', () => {
    const { http, driver, clock } = world([[A], [B]], { private: true });
    http.trackers.set(A, () => ({ interval: 300, peers: PEERS }));
    http.trackers.set(B, () => ({ interval: 300, peers: PEERS }));
    driver.start();
    clock.run(11 * MINUTE);
    expect(http.eventsAt(B)).toEqual([]);
    http.trackers.delete(A);
    clock.run(16 * MINUTE);
    expect(http.eventsAt(B)[0]).toBe('started');
    const keys = new Set(http.requests.map(({ said }) => said.key));
    expect(keys.size).toBe(2);
  });

  test('drop what cannot be dialled, and ourselves', () => {
    const { http, driver, clock, peers, externalIps } = world([[A]]);
    const bad = ['0.0.0.0', '224.0.0.1', '255.255.255.255', '203.0.113.5'].flatMap((ip) => [
      ...ip.split('.').map(Number),
      0x1a,
      0xe1,
    ]);
    http.trackers.set(A, () => ({
      peers: Uint8Array.from([...bad, 198, 51, 100, 1, 0, 0, ...PEERS]),
      peers6: Uint8Array.from([0xfe, 0x80, ...new Array<number>(13).fill(0), 1, 0, 80]),
      'external ip': Uint8Array.of(203, 0, 113, 5),
    }));
    driver.start();
    clock.run(1000);
    expect(peers).toEqual([`${A} 198.51.100.1:6881`]);
    expect(externalIps).toEqual(['203.0.113.5']);
  });

  test('warn about useless addresses without an end to them, and not about trackers for browsers', () => {
    const bad = Array.from({ length: 100 }, (_, i) => [`ftp://t${i}/`]);
    const { driver, clock, warnings } = world([[A], ['wss://t/'], ...bad]);
    driver.start();
    clock.run(1);
    expect(warnings.filter((warning) => warning.includes('ftp:'))).toHaveLength(10);
    expect(warnings.join()).not.toContain('wss:');
    expect(driver.trackers().map(({ url }) => url)).toEqual([A]);
  });

  test('refuse local addresses for what does not look like a tracker', () => {
    const { http, driver } = world([['http://router.lan/reboot?x=1'], ['http://tracker.lan/announce']]);
    driver.start();
    const refused = new Map(http.requests.map(({ url, refuseLocal }) => [url.split('?')[0], refuseLocal]));
    expect(refused).toEqual(
      new Map([
        ['http://router.lan/reboot', true],
        ['http://tracker.lan/announce', false],
      ]),
    );
  });

  test('show what is known of each tracker', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(A, () => ({
      interval: 1800,
      complete: 3,
      incomplete: 4,
      'warning message': 'soon\u001b gone',
    }));
    expect(driver.trackers()[0]).toMatchObject({ url: A, tier: 0, state: 'idle', nextAnnounceMs: null });
    driver.start();
    expect(driver.trackers()[0]).toMatchObject({ state: 'announcing', nextAnnounceMs: null });
    clock.run(10_010);
    expect(driver.trackers()[0]).toEqual({
      url: A,
      tier: 0,
      state: 'working',
      message: 'soon\ufffd gone',
      seeders: 3,
      leechers: 4,
      nextAnnounceMs: 1_790_000,
    });
  });

  test('include trackers added later', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(B, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(1000);
    driver.addTrackers([B, A, B]);
    expect(http.eventsAt(B)).toEqual(['started']);
    expect(driver.trackers()).toHaveLength(2);
  });
});

describe('leaving the trackers of a torrent', () => {
  test('is over at once when none has heard of us', () => {
    const { http, driver, clock } = world([[A]]);
    driver.start();
    clock.run(1000);
    let stopped = 0;
    driver.stop(() => stopped++);
    expect(stopped).toBe(0);
    clock.run(1001);
    expect(stopped).toBe(1);
    expect(http.eventsAt(A)).toEqual(['started']);
  });

  test('tells all trackers that know us at once, and waits 2.5 s for the silent', () => {
    const { http, driver, clock } = world([[A], [B], [C]]);
    for (const url of [A, B]) {
      http.trackers.set(url, ({ event }) =>
        url === B && event === 'stopped' ? null : { interval: 1800, peers: PEERS },
      );
    }
    driver.start();
    clock.run(1000);
    let stoppedAt = 0;
    driver.stop(() => (stoppedAt = clock.now()));
    expect(http.requests.slice(-2).map(({ said }) => said.event)).toEqual(['stopped', 'stopped']);
    clock.run(20_000);
    expect(stoppedAt).toBe(3500);
    expect(http.openRequests).toBe(0);
  });

  test('takes back a started that is still on its way, and says stopped', () => {
    const { http, driver, clock, peers } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    driver.stop(() => undefined);
    clock.run(MINUTE);
    expect(http.eventsAt(A)).toEqual(['started', 'stopped']);
    expect(peers).toEqual([]);
  });

  test('twice tells trackers once and calls both back', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(1000);
    const ended: string[] = [];
    driver.stop(() => ended.push('first'));
    driver.stop(() => ended.push('second'));
    clock.run(MINUTE);
    driver.stop(() => ended.push('third'));
    clock.run(2 * MINUTE);
    expect(ended).toEqual(['first', 'second', 'third']);
    expect(http.eventsAt(A)).toEqual(['started', 'stopped']);
  });

  test('leaves no timer behind', () => {
    const { http, driver, clock } = world([[A], [B]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(1000);
    driver.stop(() => undefined);
    clock.run(5000);
    const before = http.requests.length;
    clock.run(1000 * MINUTE);
    expect(http.requests).toHaveLength(before);
    expect(clock.pending).toBe(0);
  });

  test('can be followed by another start', () => {
    const { http, driver, clock } = world([[A]]);
    http.trackers.set(A, () => ({ interval: 1800, peers: PEERS }));
    driver.start();
    clock.run(1000);
    let stopped = 0;
    driver.stop(() => stopped++);
    driver.start();
    expect(stopped).toBe(1);
    clock.run(31 * MINUTE);
    expect(http.eventsAt(A)).toEqual(['started', 'stopped', 'started', '-']);
  });
});

describe('announces of many torrents', () => {
  test('share 50 places, of which one host gets 16', () => {
    const shared = world([]);
    const { http, clock } = shared;
    const urls = Array.from({ length: 10 }, (_, i) => `http://192.0.2.${i + 1}/announce`);
    for (const url of urls) http.trackers.set(url, () => ({ interval: 1800, peers: PEERS }));
    const drivers = Array.from({ length: 100 }, (_, i) =>
      shared.another([[urls[i % 2 === 0 ? 0 : i % 10]!]]),
    );
    for (const driver of drivers) driver.start();
    expect(http.openRequests).toBe(50);
    const first = http.requests.filter(({ url }) => url.startsWith('http://192.0.2.1/'));
    expect(first).toHaveLength(16);
    clock.run(MINUTE);
    expect(http.requests).toHaveLength(100);
    expect(http.openMax).toBe(50);
  });

  test('begin at a steady pace after a burst, to one host and to all', () => {
    const shared = world([]);
    const { http, clock } = shared;
    for (const url of [A, B, C]) http.trackers.set(url, () => ({ interval: 1800, peers: PEERS }));
    shared.subject.left = 0;
    const perSecond = (from: number, to: number): number => {
      clock.run(from);
      const before = http.requests.length;
      clock.run(to);
      return ((http.requests.length - before) * 1000) / (to - from);
    };
    for (let i = 0; i < 1000; i++) shared.another([[A]]).start();
    expect(perSecond(0, 500)).toBeGreaterThan(60);
    expect(perSecond(1000, 9000)).toBeCloseTo(50, -1);
    for (let i = 0; i < 1000; i++) shared.another([[i % 2 === 0 ? B : C]]).start();
    expect(perSecond(10_000, 18_000)).toBeCloseTo(100, -1);
  });

  test('let those go first that leave and those that download', () => {
    const shared = world([]);
    const { http, clock, subject } = shared;
    http.trackers.set(A, () => ({ interval: 1800, peers: [] }));
    subject.left = 0;
    const seeds = Array.from({ length: 500 }, () => shared.another([[A]]));
    for (const seed of seeds) seed.start();
    clock.run(100);
    const before = http.requests.length;
    expect(before).toBeLessThan(100);
    seeds[0]!.stop(() => undefined);
    subject.left = 5;
    shared.another([[`${A}?download`]]).start();
    clock.run(200);
    const [first, second, ...others] = http.requests.slice(before);
    expect(first!.said.event).toBe('stopped');
    expect(second!.url).toContain('download');
    expect(others.length).toBeLessThan(20);
  });

  test('let those go first that the user asks for', () => {
    const shared = world([]);
    const { http, clock, subject } = shared;
    http.trackers.set(A, () => ({ interval: 1800, 'min interval': 1, peers: [] }));
    subject.left = 0;
    const asked = shared.another([[`${A}?asked`]]);
    asked.start();
    clock.run(MINUTE);
    for (let i = 0; i < 1000; i++) shared.another([[A]]).start();
    clock.run(MINUTE + 1000);
    asked.announceNow(true);
    clock.run(MINUTE + 1200);
    expect(http.eventsAt(`${A}?asked`)).toEqual(['started', '-']);
  });

  test('are not taken for slow while they wait for their turn', () => {
    const shared = world([]);
    const { http, clock, subject } = shared;
    for (const url of [A, B]) http.trackers.set(url, () => ({ interval: 1800, peers: [] }));
    subject.left = 0;
    for (let i = 0; i < 1500; i++) shared.another([[A, B]]).start();
    clock.run(MINUTE);
    expect(http.requests).toHaveLength(1500);
  });

  test('give their places back when they are cancelled', () => {
    const shared = world([]);
    const { http, clock } = shared;
    http.trackers.set(A, () => null);
    const drivers = Array.from({ length: 40 }, () => shared.another([[A]]));
    for (const driver of drivers) driver.start();
    for (const driver of drivers) driver.stop(() => undefined);
    clock.run(10_000);
    expect(shared.limiter.running).toBe(0);
    expect(http.openRequests).toBe(0);
  });
});

describe('announces over UDP', () => {
  const UDP = 'udp://tracker.example:6969/announce';

  test('connect, announce over each family, and deliver peers', () => {
    const shared = world([[UDP]]);
    const { datagrams, clock, driver, peers } = shared;
    shared.serveUdp('192.0.2.1', '2001:db8::1');
    driver.start();
    clock.run(1000);
    expect(datagrams.sent.map(({ to, bytes }) => [to, readRequest(bytes)?.action])).toEqual([
      ['192.0.2.1:6969', 'connect'],
      ['[2001:db8::1]:6969', 'connect'],
      ['192.0.2.1:6969', 'announce'],
      ['[2001:db8::1]:6969', 'announce'],
    ]);
    expect(driver.trackers()[0]).toMatchObject({ state: 'working', leechers: 2 });
    shared.another([[UDP]]).start();
    clock.run(2000);
    // The second one uses the connection ids that are there.
    expect(datagrams.sent).toHaveLength(6);
    expect(peers).toEqual([]);
  });

  test('ignore datagrams from other addresses and ports, and answers that come twice', () => {
    const shared = world([[UDP]]);
    const { datagrams, clock, driver } = shared;
    const answers: Uint8Array[] = [];
    shared.serveUdp('192.0.2.1');
    const serve = datagrams.servers.get('192.0.2.1:6969')!;
    datagrams.servers.set('192.0.2.1:6969', (bytes) => {
      answers.push(serve(bytes)!);
      return null;
    });
    driver.start();
    clock.run(1);
    expect(datagrams.deliver(answers[0]!, { host: '192.0.2.9', port: 6969 })).toBe(false);
    expect(datagrams.deliver(answers[0]!, { host: '192.0.2.1', port: 6970 })).toBe(false);
    expect(datagrams.deliver(answers[0]!, { host: '192.0.2.1', port: 6969 })).toBe(true);
    expect(datagrams.deliver(answers[1]!, { host: '192.0.2.1', port: 6969 })).toBe(true);
    expect(datagrams.deliver(answers[1]!, { host: '192.0.2.1', port: 6969 })).toBe(false);
    expect(driver.trackers()[0]!.state).toBe('working');
  });

  test('fail after a minute of silence, and on names without an address', () => {
    const shared = world([[UDP]]);
    const { datagrams, resolver, clock, driver, warnings } = shared;
    resolver.names.set('tracker.example', ['192.0.2.1']);
    driver.start();
    clock.run(59_999);
    expect(warnings).toEqual([]);
    clock.run(60_000);
    expect(warnings).toEqual([`${UDP} no answer`]);
    expect(datagrams.sent.map(({ at }) => at)).toEqual([0, 15_000, 45_000]);
    resolver.names.clear();
    clock.run(61_000 + 12_000);
    expect(warnings.at(-1)).toMatch(/no address found for /);
  });

  test('refuse local addresses if asked to, whatever name they hide behind', () => {
    const shared = world([[UDP]], { refuseLocal: true });
    const { datagrams, resolver, clock, driver, warnings } = shared;
    resolver.names.set('tracker.example', ['127.0.0.1', '192.168.1.1', '::1']);
    driver.start();
    clock.run(1000);
    expect(datagrams.sent).toEqual([]);
    expect(warnings[0]).toContain('local address');
  });

  test('go to no port on our own network where other services are', () => {
    const shared = world([['udp://127.0.0.1:53'], ['udp://tracker.example:161'], ['udp://127.0.0.1:6969']]);
    shared.resolver.names.set('tracker.example', ['192.168.1.1', '192.0.2.1']);
    shared.driver.start();
    shared.clock.run(1000);
    expect(new Set(shared.datagrams.sent.map(({ to }) => to))).toEqual(
      new Set(['192.0.2.1:161', '127.0.0.1:6969']),
    );
    expect(shared.warnings).toEqual([expect.stringMatching(/^udp:\/\/127\.0\.0\.1:53 .*local address/)]);
  });

  test('never go to port 0 or an unspecified address', () => {
    const shared = world([['udp://0.0.0.0:80'], ['udp://tracker.example:0'], ['udp://224.0.0.1:80']]);
    shared.driver.start();
    shared.clock.run(MINUTE);
    expect(shared.datagrams.sent).toEqual([]);
    expect(shared.warnings).not.toEqual([]);
  });

  test('leave with stopped, also without an answer', () => {
    const shared = world([[UDP]]);
    const { datagrams, clock, driver } = shared;
    shared.serveUdp('192.0.2.1');
    driver.start();
    clock.run(1000);
    datagrams.servers.clear();
    let stoppedAt = 0;
    driver.stop(() => (stoppedAt = clock.now()));
    clock.run(MINUTE);
    expect(stoppedAt).toBe(3500);
    const last = readRequest(datagrams.sent.at(-1)!.bytes);
    expect(last).toMatchObject({ action: 'announce', announce: { event: 'stopped', numWant: 0 } });
    clock.run(100 * MINUTE);
    expect(clock.pending).toBe(0);
  });

  test('fall back to HTTP at the same place', () => {
    const http = 'http://tracker.example:6969/announce';
    const shared = world([[http], [UDP]]);
    shared.resolver.names.set('tracker.example', ['192.0.2.1']);
    shared.http.trackers.set(http, () => ({ interval: 1800, peers: PEERS }));
    expect(shared.driver.trackers().map(({ url }) => url)).toEqual([UDP, http]);
    shared.driver.start();
    expect(shared.http.requests).toHaveLength(0);
    shared.clock.run(11_000);
    expect(shared.http.eventsAt(http)).toEqual(['started', 'started']);
  });
});

interface Options {
  private?: boolean;
  refuseLocal?: boolean;
}

/** A driver on a virtual clock, with what it was told and what it said. */
function world(tiers: readonly (readonly string[])[], options: Options = {}) {
  const clock = new VirtualClock();
  const http = new FakeHttp(clock);
  const datagrams = new FakeDatagrams(clock);
  const resolver = new FakeResolver(clock);
  const ports = { clock, http, datagrams, resolver, entropy: new FakeEntropy() };
  const limiter = new AnnounceLimiter(clock);
  const shared: TrackerDriverOptions = {
    udp: new UdpTrackerClient(ports),
    limiter,
    refuseLocal: options.refuseLocal ?? false,
  };
  const subject = { uploaded: 0, downloaded: 0, left: 100, wanted: 1000 };
  const peers: string[] = [];
  const warnings: string[] = [];
  const externalIps: string[] = [];
  const bugs: unknown[] = [];
  const make = (own: readonly (readonly string[])[]): TrackerDriver =>
    new TrackerDriver(
      ports,
      new Rng(3),
      {
        infoHash: new Uint8Array(20).fill(1),
        peerId: new Uint8Array(20).fill(2),
        private: options.private ?? false,
        port: () => 6881,
        totals: () => ({ uploaded: subject.uploaded, downloaded: subject.downloaded, left: subject.left }),
        wantedPeers: () => subject.wanted,
      },
      own,
      {
        onPeers: (found, url) => peers.push(...found.map((peer) => `${url} ${addressKey(peer)}`)),
        onExternalIp: (ip) => externalIps.push(ip),
        onWarning: (error) => warnings.push(`${error.url} ${error.message}`),
        onBug: (error) => bugs.push(error),
      },
      shared,
    );
  /** Runs our own tracker's core at these addresses of tracker.example, port 6969. */
  const serveUdp = (...hosts: string[]): void => {
    resolver.names.set('tracker.example', hosts);
    const store = new MemoryPeerStore(new Rng(5), {
      torrentsMax: 10,
      peersMax: 10,
      peersPerTorrentMax: 10,
      expiryMs: 1e9,
    });
    const policy = { store, interval: 1800, minInterval: 60, allows: () => true };
    const responder = new UdpResponder(policy, (message) =>
      Uint8Array.from({ length: 8 }, (_, i) => message[message.length - 1 - (i % 4)]! ^ i),
    );
    for (const host of hosts) {
      const from = { host: host.includes(':') ? '2001:db8::99' : '192.0.2.99', port: 5000 };
      datagrams.servers.set(addressKey({ host, port: 6969 }), (bytes) =>
        responder.answer(bytes, from, clock.now()),
      );
    }
  };
  const driver = make(tiers);
  return {
    clock,
    http,
    datagrams,
    resolver,
    limiter,
    subject,
    peers,
    warnings,
    externalIps,
    bugs,
    driver,
    another: make,
    serveUdp,
  };
}
