import { expect, test } from 'vitest';
import type { DatagramPort } from '../../src/ports.ts';
import { addressKey } from '../../src/util/ip.ts';
import { Feature, hasFeature } from '../../src/wire/handshake.ts';
import type { Handshake } from '../../src/wire/link.ts';
import type { ContentTorrent } from '../support/content-torrent.ts';
import { EngineBench, FakePeer, singleFile } from './support/fake-world.ts';

const OUR_UDP_PORT = 4242;

class PortPeer extends FakePeer {
  readonly ports: number[] = [];
  reserved = new Uint8Array(8);

  override handshake(ours?: Handshake): void {
    super.handshake();
    if (ours) this.reserved = ours.reserved.slice();
  }

  override port(port: number): void {
    this.ports.push(port);
    this.said.push('port');
  }
}

function meet(torrent: ContentTorrent, features: readonly Feature[], host = '9.0.0.1') {
  const asked: string[] = [];
  const datagrams: DatagramPort = {
    send: (_, to) => void asked.push(addressKey(to)),
    onMessage: () => ({ cancel: () => undefined }),
    supports: (family) => family === 4,
    localPort: () => OUR_UDP_PORT,
  };
  const dhtNode = { startsFrom: { hosts: [], nodes: [] } };
  const bench = new EngineBench({ dhtNode }, { datagrams });
  bench.disk.put(torrent);
  bench.add(torrent);
  bench.settle();
  const peer = new PortPeer({ inbound: true, host });
  bench.transport.accept(peer);
  peer.endTurn();
  peer.shakeHands(torrent, features);
  return { bench, peer, asked };
}

const EVERYTHING = [Feature.fast, Feature.extensions, Feature.dht];

test('a peer that says it has a node is told the port of ours, after our pieces (BEP 5)', () => {
  const { peer } = meet(singleFile(3), EVERYTHING);
  expect(hasFeature(peer.reserved, Feature.dht)).toBe(true);
  expect(peer.ports).toEqual([OUR_UDP_PORT]);
  const said = peer.heard();
  expect(said.indexOf('port')).toBeGreaterThan(said.indexOf('have all'));
});

test('a peer without one is not', () => {
  expect(meet(singleFile(3), [Feature.fast, Feature.extensions]).peer.ports).toEqual([]);
});

test('the node that a peer tells of is asked, the first one and no other', () => {
  const { bench, peer, asked } = meet(singleFile(3), EVERYTHING);
  peer.say(
    (sink) => sink.onPort(7001),
    (sink) => sink.onPort(7002),
  );
  bench.settle();
  expect(asked).toEqual(['9.0.0.1:7001']);
});

test('over a private torrent nothing is said of nodes and nothing heard (BEP 27)', () => {
  const open = singleFile(3);
  const { bench, peer, asked } = meet({ ...open, metaInfo: { ...open.metaInfo, private: true } }, EVERYTHING);
  expect(hasFeature(peer.reserved, Feature.dht)).toBe(false);
  expect(peer.ports).toEqual([]);
  peer.say((sink) => sink.onPort(7001));
  bench.seconds(60);
  expect(asked).toEqual([]);
});
