import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { afterEach, describe, expect, test } from 'vitest';
import { UdpHub } from '../../src/node/udp-hub.ts';
import type { PeerAddress } from '../../src/util/ip.ts';

const hubs: UdpHub[] = [];
const HELLO = Uint8Array.of(1, 2, 3);

afterEach(async () => {
  await Promise.all(hubs.splice(0).map((hub) => hub.close()));
});

describe('the UDP sockets', () => {
  test.each([
    [4, '127.0.0.1'],
    [6, '::1'],
  ] as const)('carry datagrams over IPv%d both ways', async (family, host) => {
    const [a, b] = [makeHub(), makeHub()];
    await b.bind();
    const asked = received(b);
    const answered = received(a);
    a.send(HELLO, { host, port: b.localPort(family) });
    const { bytes, from } = await asked;
    expect(bytes).toEqual(HELLO);
    expect(from).toEqual({ host, port: a.localPort(family) });
    b.send(Uint8Array.of(4), from);
    expect(await answered).toEqual({ bytes: Uint8Array.of(4), from: { host, port: b.localPort(family) } });
  });

  test('are opened when first needed, one for each family', async () => {
    const hub = makeHub();
    const peer = makeHub();
    await peer.bind();
    expect(hub.localPort(4)).toBe(0);
    expect(hub.supports(4)).toBe(true);
    const first = received(peer);
    hub.send(HELLO, { host: '127.0.0.1', port: peer.localPort(4) });
    const second = first.then(() => received(peer));
    await first;
    hub.send(HELLO, { host: '127.0.0.1', port: peer.localPort(4) });
    expect((await second).from.port).toBe((await first).from.port);
    expect(hub.localPort(6)).toBe(0);
  });

  test.each<PeerAddress>([
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port: -1 },
    { host: '127.0.0.1', port: 65_536 },
    { host: '127.0.0.1', port: Number.NaN },
    { host: 'localhost', port: 80 },
    { host: '', port: 80 },
    { host: 'fe80::1%nowhere', port: 80 },
    { host: '255.255.255.255', port: 80 },
    { host: '0.0.0.0', port: 80 },
    { host: '240.0.0.1', port: 80 },
    { host: '2001:db8::1', port: 80 },
  ])('do not throw at %j, and work on', async (to) => {
    const hub = makeHub();
    const peer = makeHub();
    await Promise.all([hub.bind(), peer.bind()]);
    hub.send(HELLO, to);
    hub.send(new Uint8Array(65_508), { host: '127.0.0.1', port: peer.localPort(4) });
    const arrived = received(peer);
    hub.send(HELLO, { host: '127.0.0.1', port: peer.localPort(4) });
    expect((await arrived).bytes).toEqual(HELLO);
  });

  test('do not throw when the other side has no such port', async () => {
    const hub = makeHub();
    const gone = createSocket('udp4').bind(0, '127.0.0.1');
    await once(gone, 'listening');
    const { port } = gone.address();
    gone.close();
    await once(gone, 'close');
    const peer = makeHub();
    await peer.bind();
    const arrived = received(peer);
    for (let i = 0; i < 5; i++) hub.send(HELLO, { host: '127.0.0.1', port });
    hub.send(HELLO, { host: '127.0.0.1', port: peer.localPort(4) });
    await arrived;
  });

  test('take a free port when theirs is in use', async () => {
    const first = makeHub();
    await first.bind();
    const second = makeHub({ port: first.localPort(4) });
    await second.bind();
    expect(second.localPort(4)).toBeGreaterThan(0);
    expect(second.localPort(4)).not.toBe(first.localPort(4));
  });

  test('of one address have its family alone', async () => {
    const hub = makeHub({ host: '127.0.0.1' });
    await hub.bind();
    expect([hub.supports(4), hub.supports(6)]).toEqual([true, false]);
    hub.send(HELLO, { host: '::1', port: 9 });
    expect(hub.localPort(6)).toBe(0);
  });

  test('of a name are where it leads', async () => {
    const hub = makeHub({ host: 'localhost' });
    const peer = makeHub();
    await Promise.all([hub.bind(), peer.bind()]);
    expect(hub.localPort(4)).toBeGreaterThan(0);
    const arrived = received(peer);
    hub.send(HELLO, { host: '127.0.0.1', port: peer.localPort(4) });
    expect((await arrived).from).toEqual({ host: '127.0.0.1', port: hub.localPort(4) });
  });

  test('of an address this host does not have are found out, without harm', async () => {
    const hub = makeHub({ host: '192.0.2.1' });
    hub.send(HELLO, { host: '127.0.0.1', port: 9 });
    await hub.bind();
    await expect.poll(() => hub.supports(4)).toBe(false);
    hub.send(HELLO, { host: '127.0.0.1', port: 9 });
  });

  test('give a datagram to the first receiver that knows it', async () => {
    const [a, b] = [makeHub(), makeHub()];
    await b.bind();
    const seen: string[] = [];
    b.onMessage((bytes) => {
      seen.push(`first ${bytes[0]!}`);
      return bytes[0] === 1;
    });
    const ended = new Promise<void>((resolve) => {
      b.onMessage((bytes) => {
        seen.push(`second ${bytes[0]!}`);
        resolve();
        return true;
      });
    });
    const to = { host: '127.0.0.1', port: b.localPort(4) };
    a.send(Uint8Array.of(1), to);
    a.send(Uint8Array.of(2), to);
    await ended;
    expect(seen).toEqual(['first 1', 'first 2', 'second 2']);
  });

  test('forget a receiver that was cancelled, and only that', async () => {
    const [a, b] = [makeHub(), makeHub()];
    await b.bind();
    let seen = 0;
    const count = (): boolean => {
      seen++;
      return false;
    };
    b.onMessage(count);
    b.onMessage(count).cancel();
    const arrived = received(b);
    a.send(HELLO, { host: '127.0.0.1', port: b.localPort(4) });
    await arrived;
    expect(seen).toBe(1);
  });

  test('close once and for all', async () => {
    const hub = makeHub();
    await hub.bind();
    await Promise.all([hub.close(), hub.close()]);
    await hub.close();
    expect(hub.supports(4)).toBe(false);
    expect(hub.localPort(4)).toBe(0);
    hub.send(HELLO, { host: '127.0.0.1', port: 9 });
    expect(hub.localPort(4)).toBe(0);
  });

  test('close while they are being opened', async () => {
    const hub = makeHub();
    hub.send(HELLO, { host: '127.0.0.1', port: 9 });
    await hub.close();
    expect(hub.localPort(4)).toBe(0);
  });
});

function makeHub(options: ConstructorParameters<typeof UdpHub>[0] = {}): UdpHub {
  const hub = new UdpHub(options);
  hubs.push(hub);
  return hub;
}

function received(hub: UdpHub): Promise<{ bytes: Uint8Array; from: PeerAddress }> {
  return new Promise((resolve) => {
    const subscription = hub.onMessage((bytes, from) => {
      subscription.cancel();
      resolve({ bytes: Uint8Array.from(bytes), from });
      return true;
    });
  });
}
