import { describe, expect, test } from 'vitest';
import { PeerError, SEND_HIGH_WATER, type PeerLink } from '../../src/wire/link.ts';
import { HANDSHAKE, TestNet } from './link-pair.ts';

const BLOCK = 16_384;
const BLOCK_ON_WIRE = BLOCK + 13;

describe('a simulated link', () => {
  test('carries every message in order, after the latency of the path', () => {
    const net = new TestNet();
    const { near, farHeard } = net.connect(net.end({ latencyMs: 20 }), net.end({ latencyMs: 30 }));
    const start = net.clock.now();
    sayEverything(near);
    expect(farHeard.calls).toEqual([]);
    net.clock.run(start + 49.999);
    expect(farHeard.calls).toEqual([]);
    net.clock.run(start + 50);
    expect(farHeard.calls).toEqual([
      'keep-alive',
      'choke',
      'unchoke',
      'interested',
      'not interested',
      'have 3',
      'bitfield 80ff',
      'have all',
      'have none',
      'request 1 2 3',
      'cancel 4 5 6',
      'reject 7 8 9',
      'suggest 10',
      'allowed fast 11',
      'port 6881',
      'extended 2 646565',
      'target 1 16384 16384',
      expect.stringMatching(/^block 1 16384 16384 bytes/),
    ]);
  });

  test('lets a have wait for what is said next, or for a flush', () => {
    const net = new TestNet();
    const { near, farHeard } = net.connect(net.end({ latencyMs: 0 }), net.end({ latencyMs: 0 }));
    near.have(1, true);
    net.clock.run(net.clock.now() + 1000);
    expect(farHeard.calls).not.toContain('have 1');
    near.interested();
    near.have(2, true);
    net.clock.run(net.clock.now() + 1000);
    expect(farHeard.calls.slice(-2)).toEqual(['have 1', 'interested']);
    near.flush?.();
    near.flush?.();
    net.clock.run(net.clock.now() + 1000);
    expect(farHeard.calls.slice(-2)).toEqual(['interested', 'have 2']);
  });

  test('calls nobody back in the turn it was called in, without latency too', () => {
    const net = new TestNet();
    const { near, heard, farHeard } = net.connect(net.end({ latencyMs: 0 }), net.end({ latencyMs: 0 }));
    sayEverything(near);
    near.close('shutdown');
    expect([...heard.calls, ...farHeard.calls]).toEqual([]);
    net.clock.run(net.clock.now());
    expect(heard.calls).toEqual(['closed shutdown']);
    expect(farHeard.calls.at(-1)).toBe('closed closed-by-peer');
  });

  test('takes the time that its bytes need at the slower end', () => {
    for (const [up, down] of [
      [100_000, 1_000_000],
      [1_000_000, 100_000],
    ] as const) {
      const net = new TestNet();
      const { near, farHeard } = net.connect(
        net.end({ upBytesPerSec: up, latencyMs: 10 }),
        net.end({ downBytesPerSec: down, latencyMs: 10 }),
      );
      const start = net.clock.now();
      for (let i = 0; i < 10; i++) near.piece(i, 0, new Uint8Array(BLOCK), null);
      net.clock.run(Infinity);
      const tookMs = farHeard.times.at(-1)! - start;
      const expectedMs = (10 * BLOCK_ON_WIRE) / 100 + 20;
      expect(tookMs).toBeGreaterThanOrEqual(expectedMs);
      // The first block leaves before the slower side can begin with it.
      expect(tookMs).toBeLessThan(expectedMs + BLOCK_ON_WIRE / 1000 + 1);
    }
  });

  test('shares an uplink fairly among links that have blocks to send, whoever came first', () => {
    const net = new TestNet();
    const seed = net.end({ upBytesPerSec: 1_000_000 });
    const links = [0, 1, 2].map(() => net.connect(net.end(), seed));
    const start = net.clock.now();
    links.forEach(({ far }, i) => {
      for (let n = 0; n < 100 - 40 * i; n++) far.piece(n, 0, new Uint8Array(BLOCK), null);
    });
    net.clock.run(start + 60 * (BLOCK_ON_WIRE / 1000) + 15);
    const counts = links.map(({ heard }) => heard.payloadBytes / BLOCK);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(19);
    expect(Math.max(...counts)).toBeLessThanOrEqual(21);
  });

  test('shares a downlink fairly among the links that arrive over it', () => {
    const net = new TestNet();
    const leech = net.end({ downBytesPerSec: 1_000_000 });
    const links = [0, 1, 2].map(() => net.connect(leech, net.end()));
    const start = net.clock.now();
    links.forEach(({ far }, i) => {
      for (let n = 0; n < 60 - 15 * i; n++) far.piece(n, 0, new Uint8Array(BLOCK), null);
    });
    net.clock.run(start + 60 * (BLOCK_ON_WIRE / 1000) + 15);
    const counts = links.map(({ heard }) => heard.payloadBytes / BLOCK);
    expect(Math.min(...counts)).toBeGreaterThanOrEqual(19);
    expect(Math.max(...counts)).toBeLessThanOrEqual(21);
    expect(counts.reduce((sum, count) => sum + count)).toBe(60);
  });

  test('lets small messages pass the blocks of other links, and charges their bytes to the blocks', () => {
    const net = new TestNet();
    const seed = net.end({ upBytesPerSec: 100_000, latencyMs: 0 });
    const a = net.connect(net.end({ latencyMs: 0 }), seed);
    const b = net.connect(net.end({ latencyMs: 0 }), seed);
    const start = net.clock.now();
    for (let n = 0; n < 10; n++) a.far.piece(n, 0, new Uint8Array(BLOCK), null);
    for (let n = 0; n < 1000; n++) b.far.have(n);
    net.clock.run(Infinity);
    expect(b.heard.times.at(-1)! - start).toBeCloseTo(9000 / 100, 3);
    expect(a.heard.times.at(-1)! - start).toBeGreaterThan((10 * BLOCK_ON_WIRE + 9000) / 100 - 1);
  });

  test('carries what stands for the content of a block, and writes nowhere else', () => {
    const net = new TestNet();
    const { near, farHeard } = net.connect(net.end(), net.end());
    const memory = new Uint8Array(3 * BLOCK).fill(9);
    farHeard.target = (_piece, begin, length) => memory.subarray(begin, begin + length);
    near.piece(
      0,
      BLOCK,
      Uint8Array.from({ length: BLOCK }, (_, i) => i),
      null,
    );
    near.piece(0, 2 * BLOCK, Uint8Array.of(1, 2, 3), null);
    net.clock.run(Infinity);
    expect([...memory.subarray(BLOCK - 2, BLOCK + 8)]).toEqual([9, 9, 0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...memory.subarray(2 * BLOCK - 1, 2 * BLOCK + 4)]).toEqual([9, 1, 2, 3, 9]);
  });

  test('releases the memory of a block once the network has it, or when the link closes', () => {
    const net = new TestNet();
    const { near } = net.connect(net.end({ upBytesPerSec: 1000 }), net.end());
    let released = 0;
    const source = { release: () => released++ };
    for (let i = 0; i < 3; i++) near.piece(i, 0, new Uint8Array(BLOCK), source);
    expect(released).toBe(0);
    net.clock.run(net.clock.now() + 1);
    expect(released).toBe(1);
    near.close('shutdown');
    near.piece(9, 0, new Uint8Array(BLOCK), source);
    net.clock.run(Infinity);
    expect(released).toBe(4);
  });

  test('says when it wants more: at the low-water mark after congestion, and when all is gone', () => {
    const net = new TestNet();
    const { near, heard } = net.connect(net.end({ upBytesPerSec: 1_000_000 }), net.end());
    const count = Math.ceil(SEND_HIGH_WATER / BLOCK) + 1;
    const left: number[] = [];
    heard.onWritable = () => left.push(near.queuedBytes);
    for (let i = 0; i < count; i++) near.piece(i, 0, new Uint8Array(BLOCK), null);
    expect(near.queuedBytes).toBe(count * BLOCK_ON_WIRE);
    net.clock.run(Infinity);
    expect(left).toEqual([7 * BLOCK_ON_WIRE, 0]);
  });

  test('stops its sender when it is not read, loses nothing, and goes on', () => {
    const net = new TestNet({ windowBytes: 100_000 });
    const { near, far, farHeard } = net.connect(net.end(), net.end());
    far.pauseReading();
    for (let i = 0; i < 50; i++) near.piece(i, 0, new Uint8Array(BLOCK), null);
    net.clock.run(net.clock.now() + 60_000);
    expect(farHeard.calls).toEqual([]);
    expect(near.queuedBytes).toBe(43 * BLOCK_ON_WIRE);
    far.resumeReading();
    expect(farHeard.calls).toEqual([]);
    net.clock.run(Infinity);
    expect(farHeard.payloadBytes).toBe(50 * BLOCK);
    expect(far.receivedBytes).toBe(near.sentBytes);
  });

  test('tells each end its reason once, and neither anything after it', () => {
    const net = new TestNet();
    const { near, far, heard, farHeard } = net.connect(net.end(), net.end());
    far.have(1);
    near.close('uninteresting');
    near.close('shutdown');
    near.have(2);
    net.clock.run(Infinity);
    expect(heard.calls).toEqual(['closed uninteresting']);
    expect(farHeard.calls).toEqual(['closed closed-by-peer']);
  });

  test('closes with the reason of a fault that the sink found in a message', () => {
    const net = new TestNet();
    const { near, heard, farHeard } = net.connect(net.end(), net.end());
    farHeard.onCall = (call) => {
      if (call === 'have 7') throw new PeerError('bad-have', 'no such piece');
    };
    near.have(7);
    near.have(8);
    net.clock.run(Infinity);
    expect(farHeard.calls).toEqual(['have 7', 'closed bad-have']);
    expect(heard.calls).toEqual(['closed closed-by-peer']);
  });

  test('hands over to another sink in the middle of what arrived together', () => {
    const net = new TestNet();
    const { near, far, farHeard } = net.connect(net.end(), net.end());
    const next = net.sink();
    farHeard.onCall = () => far.attach(next);
    near.choke();
    near.unchoke();
    net.clock.run(Infinity);
    expect(farHeard.calls).toEqual(['choke']);
    expect(next.calls).toEqual(['unchoke']);
    expect([farHeard.batchCount, next.batchCount]).toEqual([0, 1]);
  });

  test('with split blocks another link may finish the same block first, and the slower one is discarded', () => {
    const net = new TestNet({ splitBlocks: true });
    const leech = net.end();
    const slow = net.connect(leech, net.end({ upBytesPerSec: 10_000 }));
    const fast = net.connect(leech, net.end({ upBytesPerSec: 100_000 }));
    fast.heard.onCall = (call) => {
      if (call.startsWith('block')) slow.near.discardBlock();
    };
    slow.far.piece(1, 0, new Uint8Array(BLOCK), null);
    slow.far.have(5);
    net.clock.run(net.clock.now() + 1000);
    fast.far.piece(1, 0, new Uint8Array(BLOCK), null);
    net.clock.run(Infinity);
    expect(fast.heard.calls).toHaveLength(2);
    expect(slow.heard.calls).toEqual(['target 1 0 16384', 'have 5']);
  });
});

describe('a host of the simulated network', () => {
  test('that vanishes is not heard of again, and hears nothing', () => {
    const net = new TestNet();
    const a = net.end();
    const b = net.end();
    const { near, far, heard, farHeard } = net.connect(a, b);
    b.process.clock.at(net.clock.now() + 1, () => expect.unreachable());
    near.have(1);
    far.have(2);
    b.host.vanish();
    net.clock.run(net.clock.now() + 3_600_000);
    expect([...heard.calls, ...farHeard.calls]).toEqual([]);
  });

  test('whose client is killed closes its connections, and the client learns nothing', () => {
    const net = new TestNet();
    const a = net.end();
    const b = net.end();
    const { heard, farHeard } = net.connect(a, b);
    b.process.kill();
    net.clock.run(Infinity);
    expect(heard.calls).toEqual(['closed closed-by-peer']);
    expect(farHeard.calls).toEqual([]);
    expect(dial(net, a, b.host.address)).toBe('connect-failed');
  });

  test('on the other side of a split gets what was sent when the network is whole again', () => {
    const net = new TestNet();
    const a = net.end();
    const b = net.end();
    const { near, farHeard } = net.connect(a, b);
    net.network.split([b.host]);
    near.have(1);
    near.piece(0, 0, new Uint8Array(BLOCK), null);
    net.clock.run(net.clock.now() + 60_000);
    expect(farHeard.calls).toEqual([]);
    expect(dial(net, a, b.host.address)).toBe('connect-timeout');
    net.network.heal();
    net.clock.run(Infinity);
    expect(farHeard.calls.slice(0, 2)).toEqual(['have 1', 'target 0 0 16384']);
  });
});

describe('a simulated dial', () => {
  test('takes a round trip, and the other end sees another port than the one dialled from', () => {
    const net = new TestNet();
    const a = net.end({ latencyMs: 10 });
    const b = net.end({ latencyMs: 15 });
    let far: PeerLink | null = null;
    b.transport.onInbound((link) => {
      expect(net.clock.now()).toBe(25);
      link.attach(net.sink());
      far = link;
    });
    expect(dial(net, a, b.host.address)).toMatchObject({ inbound: false, remote: b.host.address });
    expect(net.clock.now()).toBe(50);
    expect(far).toMatchObject({ inbound: true, kind: 'sim', remote: { host: a.host.address.host } });
    expect(far!.remote.port).toBeGreaterThanOrEqual(49_152);
  });

  test('fails when nobody listens there, and times out when nobody is there or a firewall is before it', () => {
    const net = new TestNet();
    const a = net.end();
    const deaf = net.end();
    const hidden = net.end({ isReachable: false });
    hidden.transport.onInbound(() => expect.unreachable());
    expect(dial(net, a, deaf.host.address)).toBe('connect-failed');
    expect(dial(net, a, { host: '11.9.9.9', port: 1 })).toBe('connect-timeout');
    expect(dial(net, a, hidden.host.address)).toBe('connect-timeout');
    deaf.transport.onInbound(() => expect.unreachable());
    expect(dial(net, a, { ...deaf.host.address, port: 9 })).toBe('connect-failed');
  });

  test('that is cancelled calls nobody back, and closes what the other end has already', () => {
    const net = new TestNet();
    const a = net.end();
    const b = net.end();
    const sink = net.sink();
    b.transport.onInbound((link) => link.attach(sink));
    const attempt = a.transport.dial(b.host.address, 1000, () => expect.unreachable());
    net.clock.run(10);
    attempt.cancel();
    attempt.cancel();
    net.clock.run(Infinity);
    expect(sink.calls).toEqual(['closed closed-by-peer']);
  });

  test('of its own address reaches itself', () => {
    const net = new TestNet();
    const a = net.end();
    const { near, farHeard } = net.connect(a, a);
    near.have(1);
    net.clock.run(Infinity);
    expect(farHeard.calls).toEqual(['have 1']);
  });
});

function dial(
  net: TestNet,
  from: ReturnType<TestNet['end']>,
  to: { readonly host: string; readonly port: number },
): unknown {
  let result: unknown;
  from.transport.dial(to, 5000, (outcome) => {
    result = outcome;
    if (typeof outcome !== 'string') outcome.attach(net.sink());
  });
  expect(result).toBeUndefined();
  net.clock.runUntil(() => result !== undefined, 10_000);
  return result;
}

function sayEverything(link: PeerLink): void {
  link.keepAlive();
  link.choke();
  link.unchoke();
  link.interested();
  link.notInterested();
  link.have(3);
  link.bitfield(Uint8Array.of(0x80, 0xff));
  link.haveAll();
  link.haveNone();
  link.request(1, 2, 3);
  link.cancel(4, 5, 6);
  link.reject(7, 8, 9);
  link.suggest(10);
  link.allowedFast(11);
  link.port(6881);
  link.extended(2, Uint8Array.of(0x64, 0x65, 0x65));
  link.piece(1, BLOCK, new Uint8Array(BLOCK), null);
}

test('the handshake is the first thing on a link', () => {
  const net = new TestNet();
  const a = net.end();
  const b = net.end();
  b.transport.onInbound((link) => link.attach(net.sink()));
  a.transport.dial(b.host.address, 1000, (link) => {
    if (typeof link === 'string') throw new Error(link);
    link.attach(net.sink());
    expect(() => link.have(1)).toThrow(/handshake/);
    link.handshake(HANDSHAKE);
    expect(() => link.handshake(HANDSHAKE)).toThrow(/handshake/);
  });
  net.clock.run(Infinity);
});
