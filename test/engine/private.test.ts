import { expect, test } from 'vitest';
import { encode, tryDecode } from '../../src/bencode/codec.ts';
import { isDict, readBytes } from '../../src/bencode/fields.ts';
import { DHT_LIMITS } from '../../src/bencode/scan.ts';
import type { Cancel, DatagramPort, MulticastPort } from '../../src/ports.ts';
import { toHex } from '../../src/util/bytes.ts';
import { parseAddress, type PeerAddress } from '../../src/util/ip.ts';
import { UT_PEX, writePex } from '../../src/wire/extension/ut-pex.ts';
import type { ContentTorrent } from '../support/content-torrent.ts';
import { ExtendedVoice } from './support/extended-peer.ts';
import { EngineBench, singleFile } from './support/fake-world.ts';

type Receiver = (bytes: Uint8Array, from: PeerAddress) => boolean;

const NODE = parseAddress('9.9.9.9:6881')!;

/** Everything that leaves by UDP, and a node of the DHT that answers each query with nothing much. */
class CountingNetwork implements DatagramPort {
  readonly sent: Uint8Array[] = [];
  readonly announced: Uint8Array[] = [];
  readonly multicast: MulticastPort = {
    send: (bytes) => void this.announced.push(bytes),
    onMessage: () => ({ cancel: () => undefined }),
  };
  readonly #receivers = new Set<Receiver>();
  readonly #answers: Uint8Array[] = [];

  send(bytes: Uint8Array): void {
    this.sent.push(bytes.slice());
    const query = tryDecode(bytes, DHT_LIMITS);
    if (!query.ok || !isDict(query.value)) return;
    const t = readBytes(query.value, 't');
    if (t) this.#answers.push(encode({ t, y: 'r', r: { id: new Uint8Array(20).fill(9), token: 'tok' } }));
  }

  onMessage(receiver: Receiver): Cancel {
    this.#receivers.add(receiver);
    return { cancel: () => this.#receivers.delete(receiver) };
  }

  supports(family: 4 | 6): boolean {
    return family === 4;
  }

  /** Brings the answers of the node. */
  deliver(): void {
    for (const answer of this.#answers.splice(0))
      for (const receiver of this.#receivers) receiver(answer, NODE);
  }
}

/** What a torrent says to the world in ten minutes, besides to its trackers, of which it has none. */
function saidOf(torrent: ContentTorrent) {
  const network = new CountingNetwork();
  const bench = new EngineBench({ dhtNode: {} }, { datagrams: network, multicast: network.multicast });
  bench.engine.dht!.start({ hosts: [], nodes: [NODE] });
  bench.add(torrent);
  bench.settle();
  const peers = ['9.0.0.1', '9.0.0.2'].map((host) => {
    const peer = bench.inbound(torrent, { host });
    return { peer, voice: new ExtendedVoice(peer, [UT_PEX], { port: 7000 }) };
  });
  const told = writePex({ added: [{ address: parseAddress('9.0.0.7:1')!, flags: 0 }], dropped: [] });
  // One for each id that the message might have been given; who says it with another is not minded.
  for (let id = 1; id <= 8; id++) {
    bench.inbound(torrent, { host: `9.0.1.${id}` }).say((sink) => sink.onExtended(id, told));
    new ExtendedVoice(bench.inbound(torrent, { host: `9.0.2.${id}` }), [UT_PEX]).say(UT_PEX, told);
  }
  for (let second = 0; second < 600; second++) {
    network.deliver();
    for (const { peer } of peers) peer.say((sink) => sink.onKeepAlive());
    bench.seconds(1);
  }
  const infoHash = toHex(torrent.metaInfo.infoHash);
  return {
    dhtQueries: network.sent.length,
    dhtMentions: network.sent.filter((bytes) => toHex(bytes).includes(infoHash)).length,
    lsd: network.announced.length,
    pex: peers.reduce((sum, { voice }) => sum + voice.heard(UT_PEX).length, 0),
    dialled: bench.transport.dials.map(({ to }) => to.host).includes('9.0.0.7'),
  };
}

const open = singleFile(4);
const closed: ContentTorrent = { ...open, metaInfo: { ...open.metaInfo, private: true } };

test('a private torrent sends not one message to the DHT, to peers by exchange, or to the local network (BEP 27)', () => {
  const said = saidOf(closed);
  expect(said).toMatchObject({ dhtMentions: 0, lsd: 0, pex: 0, dialled: false });
  // The node itself is at work, for other torrents.
  expect(said.dhtQueries).toBeGreaterThan(0);
});

test('any other torrent uses all three', () => {
  const said = saidOf(open);
  expect(said.dialled).toBe(true);
  for (const count of [said.dhtMentions, said.lsd, said.pex]) expect(count).toBeGreaterThan(0);
});
