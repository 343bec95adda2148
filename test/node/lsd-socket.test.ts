import { createSocket } from 'node:dgram';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  addressesFor,
  LsdSocket,
  type LocalAddress,
  type LsdSocketOptions,
} from '../../src/node/lsd-socket.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { eventually } from '../support/eventually.ts';

/** All on the loopback interface, and on a port that nothing else listens at. */

const sockets: LsdSocket[] = [];
let port = 0;

beforeEach(async () => {
  const probe = createSocket('udp4');
  await new Promise<void>((resolve) => probe.bind(0, '127.0.0.1', resolve));
  port = probe.address().port;
  await new Promise<void>((resolve) => void probe.close(resolve));
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close();
});

function listener(options: LsdSocketOptions) {
  const socket = new LsdSocket({ port, ...options });
  sockets.push(socket);
  const heard: string[] = [];
  const listening = socket.onMessage((bytes, from: PeerAddress) =>
    heard.push(`${Buffer.from(bytes).toString()} from ${from.host}`),
  );
  return { socket, heard, listening };
}

/** Says it again until it is heard: there is no telling when the other's socket is bound. */
async function until(act: () => void, isDone: () => boolean): Promise<void> {
  await eventually('it is heard', () => {
    act();
    return Promise.resolve(isDone() ? true : null);
  });
}

describe('multicast', () => {
  // Over IPv4: the loopback interface of Linux carries no IPv6 multicast.
  const host = '127.0.0.1';
  const family = 4;

  test('is heard by everybody who listens, on the same machine too, and by the sender', async () => {
    const [a, b, c] = [listener({ host }), listener({ host }), listener({ host })];
    await until(
      () => a.socket.send(Buffer.from('hello'), family),
      () => [a, b, c].every(({ heard }) => heard.length > 0),
    );
    for (const { heard } of [a, b, c]) expect(new Set(heard)).toEqual(new Set([`hello from ${host}`]));
  });

  test('is not heard any more by who has stopped, who can begin again', async () => {
    const [a, b, c] = [listener({ host }), listener({ host }), listener({ host })];
    await until(
      () => a.socket.send(Buffer.from('one'), family),
      () => b.heard.length > 0 && c.heard.length > 0,
    );
    b.listening.cancel();
    b.listening.cancel();
    const before = b.heard.length;
    const again: string[] = [];
    await until(
      () => a.socket.send(Buffer.from('two'), family),
      () => c.heard.includes(`two from ${host}`),
    );
    expect(b.heard).toHaveLength(before);
    b.socket.onMessage((bytes) => again.push(String(Buffer.from(bytes))));
    await until(
      () => a.socket.send(Buffer.from('three'), family),
      () => again.includes('three'),
    );
  });
});

test('hears nothing from another network', async () => {
  // To this one, 127.0.0.1 is no neighbour.
  const elsewhere: LocalAddress = { interface: 'lo', host: '127.0.0.9', prefix: 32, internal: true };
  const far = listener({ host: '127.0.0.9', addresses: () => [elsewhere] });
  const near = listener({ host: '127.0.0.1' });
  await until(
    () => near.socket.send(Buffer.from('hello'), 4),
    () => near.heard.length > 2,
  );
  expect(far.heard).toEqual([]);
  await until(
    () => far.socket.send(Buffer.from('here'), 4),
    () => far.heard.includes('here from 127.0.0.9'),
  );
});

test('is for the networks where peers can reach us: all but loopback, or that of the one address', () => {
  const own = (host: string, internal = false): LocalAddress => ({
    interface: 'any0',
    host,
    prefix: 24,
    internal,
  });
  const all = [
    own('127.0.0.1', true),
    own('::1', true),
    own('192.168.0.2'),
    own('10.0.0.2'),
    own('fd00::2'),
    own('fe80::2'),
  ];
  const meant = (host: string | null) => addressesFor(host, all).map((address) => address.host);
  expect(meant(null)).toEqual(['192.168.0.2', '10.0.0.2', 'fd00::2']);
  expect(meant('::')).toEqual(meant(null));
  expect(meant('0.0.0.0')).toEqual(['192.168.0.2', '10.0.0.2']);
  expect(meant('10.0.0.2')).toEqual(['10.0.0.2']);
  expect(meant('FD00:0::2')).toEqual(['fd00::2']);
  expect(meant('127.0.0.1')).toEqual(['127.0.0.1']);
  expect(meant('203.0.113.1')).toEqual([]);
  expect(meant('localhost')).toEqual([]);
  const many = Array.from({ length: 100 }, (_, i) => own(`10.0.1.${i}`));
  expect(addressesFor(null, many)).toHaveLength(16);
});

test('is silent and well where there is no network, no multicast, and no such address', async () => {
  const silent = [
    listener({ addresses: () => [] }),
    listener({ host: 'localhost' }),
    listener({ host: '::1' }),
    listener({ host: '203.0.113.1' }),
    // It is said to be ours, and is not.
    listener({
      host: '203.0.113.1',
      addresses: () => [{ interface: 'no', host: '203.0.113.1', prefix: 24, internal: false }],
    }),
  ];
  for (const { socket } of silent)
    for (const family of [4, 6] as const) socket.send(Buffer.from('x'), family);
  const { socket, heard } = listener({ host: '127.0.0.1' });
  await until(
    () => socket.send(Buffer.from('x'), 4),
    () => heard.length > 0,
  );
  expect(silent.flatMap((one) => one.heard)).toEqual([]);
});
