import { afterEach, expect, test } from 'vitest';
import { DhtDriver } from '../../src/engine/discovery/dht-driver.ts';
import { DnsResolver } from '../../src/node/dns.ts';
import { nodeEd25519 } from '../../src/node/ed25519.ts';
import { SystemEntropy } from '../../src/node/entropy.ts';
import { SystemClock } from '../../src/node/system-clock.ts';
import { UdpHub } from '../../src/node/udp-hub.ts';
import { utf8 } from '../../src/util/bytes.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { Rng } from '../../src/util/rng.ts';

const open: { driver: DhtDriver; hub: UdpHub }[] = [];

afterEach(async () => {
  for (const { driver, hub } of open.splice(0)) {
    await new Promise<void>((resolve) => driver.stop(resolve));
    await hub.close();
  }
});

async function node(nodes: readonly PeerAddress[]): Promise<{ driver: DhtDriver; address: PeerAddress }> {
  const clock = new SystemClock({ keepAlive: true });
  const hub = new UdpHub({ host: '127.0.0.1' });
  await hub.bind();
  const driver = new DhtDriver(
    {
      clock,
      entropy: new SystemEntropy(),
      datagrams: hub,
      resolver: new DnsResolver(clock),
      ed25519: nodeEd25519,
    },
    new Rng(1),
  );
  driver.start({ hosts: [], nodes });
  open.push({ driver, hub });
  return { driver, address: { host: '127.0.0.1', port: hub.localPort(4) } };
}

test('twelve nodes on real sockets find a peer and an item of one another', async () => {
  const first = await node([]);
  const others: Awaited<ReturnType<typeof node>>[] = [];
  for (let i = 0; i < 11; i++) others.push(await node([first.address]));
  const infoHash = new SystemEntropy().bytes(20);
  const seed = await new Promise<PeerAddress>((resolve) => {
    others[3]!.driver.follow(infoHash, {
      port: () => 9000,
      isSeed: () => true,
      isHungry: () => false,
      onPeers: () => undefined,
    });
    others[9]!.driver.follow(infoHash, {
      port: () => 0,
      isSeed: () => false,
      isHungry: () => true,
      onPeers: (peers) => {
        const found = peers.find(({ port }) => port === 9000);
        if (found !== undefined) resolve(found);
      },
    });
  });
  expect(seed).toEqual({ host: '127.0.0.1', port: 9000 });

  const { target } = await new Promise<{ target: Uint8Array }>((resolve) => {
    others[0]!.driver.putImmutable(utf8('5:hello'), resolve);
  });
  const item = await new Promise((resolve) => others[10]!.driver.getImmutable(target, resolve));
  expect(item).toEqual({ value: utf8('5:hello') });
});
