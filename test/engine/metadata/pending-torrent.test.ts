import { afterEach, describe, expect, test, vi } from 'vitest';
import { Discovery } from '../../../src/engine/discovery/discovery.ts';
import { PeerSupply } from '../../../src/engine/torrent/peer-supply.ts';
import { Torrent } from '../../../src/engine/torrent/torrent.ts';
import { MetainfoError } from '../../../src/errors.ts';
import { sha1 } from '../../../src/metainfo/info-hash.ts';
import { writeAnnouncements } from '../../../src/lsd/lsd.ts';
import { NO_EXTENSIONS, writeExtendedHandshake } from '../../../src/wire/extension/extended-handshake.ts';
import {
  readMetadataMessage,
  UT_METADATA,
  writeMetadataRequest,
} from '../../../src/wire/extension/ut-metadata.ts';
import { obfuscatedName } from '../../../src/wire/mse/negotiation.ts';
import { ExtendedVoice } from '../support/extended-peer.ts';
import { FakeGroup } from '../support/fake-group.ts';
import { FakePeer } from '../support/fake-world.ts';
import { knownTorrent, MagnetBench } from '../support/magnet-bench.ts';

describe('a torrent whose metadata is not here yet', () => {
  test('becomes a torrent on the connection that brought it, which goes on at once', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const { peer, voice } = bench.knower();
    peer.say((sink) => sink.onHaveAll());
    expect(peer.heard()).toEqual(expect.arrayContaining(['have none', 'interested']));
    peer.say((sink) => sink.onUnchoke());
    expect(bench.tell(voice)).toEqual([0, 1]);
    const torrent = bench.engine.torrents.get(bench.torrent.metaInfo.infoHashHex)!;
    expect(bench.engine.pending.size).toBe(0);
    expect(torrent.swarm.size).toBe(1);
    expect(peer.reason).toBeNull();
    expect(peer.said).not.toContain('have none');
    bench.exchange(bench.torrent, [peer]);
    expect(bench.events).toEqual([
      'paused -> metadata',
      'metadata',
      'metadata -> checking',
      'checking -> downloading',
      'downloading -> seeding',
      'complete',
    ]);
    expect(bench.disk.holds(bench.torrent)).toBe(true);
  });

  test('remembers what peers said of their pieces, one by one and as bits', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const { peer, voice } = bench.knower();
    const other = bench.inbound(bench.torrent);
    other.say(
      (sink) => sink.onHave(1),
      (sink) => sink.onInterested(),
    );
    peer.say(
      (sink) => sink.onBitfield(Uint8Array.of(0x80)),
      (sink) => sink.onHave(3),
    );
    bench.tell(voice);
    const [torrent] = bench.engine.torrents.values();
    expect(torrent!.swarm.sessions.map((session) => [...session.have.bytes])).toEqual([[0x90], [0x40]]);
    expect(torrent!.swarm.sessions[1]!.theyAreInterested).toBe(true);
  });

  test('lets those go whose early words turn out to be wrong', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const { voice } = bench.knower();
    const far = bench.inbound(bench.torrent);
    far.say((sink) => sink.onHave(4));
    const long = bench.inbound(bench.torrent);
    long.say((sink) => sink.onBitfield(new Uint8Array(2)));
    bench.tell(voice);
    expect(far.reason).toBe('bad-have');
    expect(long.reason).toBe('bad-bitfield');
    expect(bench.engine.connectionCount).toBe(3);
    for (const peer of [far, long]) peer.endTurn();
    expect(bench.engine.connectionCount).toBe(1);
  });

  test('closes on a piece that no torrent has, before it knows its own', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const peer = bench.inbound(bench.torrent);
    peer.say((sink) => sink.onHave(2_097_152));
    expect(peer.reason).toBe('bad-have');
  });

  test('says that it has nothing, refuses requests, and has no metadata for others', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const { peer, voice } = bench.knower();
    expect(voice.theirs.metadataSize).toBeNull();
    peer.say((sink) => sink.onRequest(0, 0, 16_384));
    expect(peer.heard()).toContain('reject 0 0 16384');
    voice.heard(UT_METADATA);
    voice.say(UT_METADATA, writeMetadataRequest(0));
    expect(readMetadataMessage(voice.heard(UT_METADATA)[0]!)).toEqual({ type: 'reject', piece: 0 });
  });

  test('does not answer one peer without end', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const asker = bench.knower();
    for (let i = 0; i < 1100 && asker.peer.reason === null; i++) {
      asker.voice.say(UT_METADATA, writeMetadataRequest(0));
    }
    expect(asker.peer.reason).toBe('message-flood');
    const fickle = bench.knower({ host: '9.0.0.2' });
    for (let size = 1; size < 1100 && fickle.peer.reason === null; size++) {
      const handshake = { ...NO_EXTENSIONS, messages: new Map([[UT_METADATA, 40]]), metadataSize: size };
      fickle.peer.say((sink) => sink.onExtended(0, writeExtendedHandshake(handshake)));
    }
    expect(fickle.peer.reason).toBe('message-flood');
  });

  test('shows a liar the door and goes on with the next', () => {
    const bench = new MagnetBench();
    bench.magnet();
    const liar = bench.knower();
    bench.tell(liar.voice, new Uint8Array(20_000));
    expect(liar.peer.reason).toBe('corrupt-data');
    const honest = bench.knower();
    bench.tell(honest.voice);
    expect(bench.engine.torrents.size).toBe(1);
  });

  test('keeps dialling whom it had begun to dial, and shakes hands as the torrent', () => {
    const bench = new MagnetBench();
    const address = { host: '10.9.9.9', port: 9990 };
    bench.magnet({ peers: [{ address, source: 'magnet' }] });
    const [dial] = bench.transport.dials;
    expect(dial!.to).toEqual(address);
    const { voice } = bench.knower();
    bench.tell(voice);
    const peer = new FakePeer({ host: '10.9.9.9', port: 9990 });
    bench.transport.dials.splice(0);
    dial!.done(peer);
    peer.shakeHands(bench.torrent);
    expect(peer.reason).toBeNull();
    const [torrent] = bench.engine.torrents.values();
    expect(torrent!.swarm.sessions.map((session) => session.link)).toContain(peer);
  });

  test('is found by the name that encrypted handshakes ask with, before and after', () => {
    const bench = new MagnetBench();
    const { infoHash } = bench.torrent.metaInfo;
    const find = (): Uint8Array | null =>
      bench.transport.inboundEncryption!.lookup(obfuscatedName(infoHash, sha1));
    const pending = bench.magnet();
    expect(find()).toEqual(infoHash);
    bench.tell(bench.knower().voice);
    expect(bench.engine.torrents.size).toBe(1);
    expect(find()).toEqual(infoHash);
    bench.engine.removeTorrent(bench.engine.torrents.get(pending.infoHashHex)!, () => undefined);
    bench.settle();
    expect(find()).toBeNull();
  });

  test('keeps what it fetched, and the next run asks nobody', () => {
    const bench = new MagnetBench();
    bench.magnet();
    bench.tell(bench.knower().voice);
    const { infoBytes, infoHashHex } = bench.torrent.metaInfo;
    expect(bench.store.records.get(infoHashHex)).toEqual(infoBytes);
    const next = new MagnetBench(bench.torrent);
    next.store.records.set(infoHashHex, infoBytes);
    next.magnet({ peers: [{ address: { host: '10.9.9.9', port: 9000 }, source: 'magnet' }] });
    expect(next.engine.torrents.size).toBe(1);
    expect(next.events.slice(0, 3)).toEqual(['paused -> metadata', 'metadata', 'metadata -> checking']);
  });

  test('does not believe what was kept, if that is damaged', () => {
    const bench = new MagnetBench();
    bench.store.records.set(bench.torrent.metaInfo.infoHashHex, new Uint8Array(20_000));
    bench.magnet();
    expect(bench.engine.pending.size).toBe(1);
    bench.tell(bench.knower().voice);
    expect(bench.engine.torrents.size).toBe(1);
  });

  test('fails with the reason if the metadata has the right hash and is no torrent', () => {
    const bench = new MagnetBench();
    const pending = bench.magnet({
      plan: () => {
        throw new MetainfoError('no torrent');
      },
    });
    const { peer, voice } = bench.knower();
    bench.tell(voice);
    expect(pending.state).toBe('failed');
    expect(pending.error).toMatchObject({ code: 'ERR_METAINFO' });
    expect(peer.reason).toBe('torrent-stopped');
  });

  test('pauses without a connection, goes on, and is closed from any state', () => {
    const bench = new MagnetBench();
    const pending = bench.magnet();
    const { peer } = bench.knower();
    pending.pause();
    expect(peer.reason).toBe('torrent-stopped');
    peer.endTurn();
    expect(bench.engine.connectionCount).toBe(0);
    const refused = new FakePeer({ host: '10.0.1.77', inbound: true });
    bench.transport.accept(refused);
    refused.shakeHands(bench.torrent);
    expect(refused.reason).toBe('torrent-stopped');
    pending.resume();
    bench.settle();
    bench.knower();
    let isClosed = false;
    bench.engine.removeTorrent(pending, () => (isClosed = true));
    bench.settle();
    expect(isClosed).toBe(true);
    expect(bench.engine.pending.size).toBe(0);
  });

  test('that was begun paused asks nobody', () => {
    const bench = new MagnetBench();
    const pending = bench.magnet({
      paused: true,
      peers: [{ address: { host: '10.9.9.9', port: 9000 }, source: 'magnet' }],
    });
    bench.seconds(5);
    expect(bench.transport.dials).toEqual([]);
    expect(pending.state).toBe('paused');
    pending.resume();
    bench.settle();
    expect(bench.transport.dials).toHaveLength(1);
  });

  test('takes the torrent from whoever has it', () => {
    const bench = new MagnetBench();
    const pending = bench.magnet();
    const { peer } = bench.knower();
    pending.supply(bench.torrent.metaInfo);
    bench.settle();
    expect(bench.events).toContain('metadata');
    expect(bench.engine.torrents.size).toBe(1);
    expect(peer.reason).toBeNull();
  });

  test('gives up connections that cannot help when others wait for them', () => {
    const bench = new MagnetBench(knownTorrent(), { connectionsPerTorrentMax: 1 });
    bench.magnet();
    const useless = bench.inbound(bench.torrent);
    bench.seconds(29);
    expect(useless.reason).toBeNull();
    bench.seconds(2);
    expect(useless.reason).toBe('uninteresting');
  });
});

describe('a magnet that turns out private', () => {
  test('leaves all finders at once, and everybody whom they brought', () => {
    const group = new FakeGroup();
    const bench = new MagnetBench(knownTorrent({ private: true }), {}, { multicast: group });
    const pending = bench.magnet();
    pending.onPeersFound([{ host: '10.8.8.8', port: 8000 }], 'tracker');
    bench.seconds(2);
    expect(group.sent).toBeGreaterThan(0);
    group.say(writeAnnouncements({ port: 7000, infoHashes: [pending.infoHash], cookie: 'x' }, 4)[0]!);
    const found = new FakePeer({ host: '10.7.7.7', port: 7000 });
    bench.transport.dials.find(({ to }) => to.host === '10.7.7.7')!.done(found);
    found.shakeHands(bench.torrent);
    const { peer, voice } = bench.knower();
    bench.tell(voice);
    expect([found.reason, peer.reason]).toEqual(['torrent-stopped', 'torrent-stopped']);
    const [torrent] = bench.engine.torrents.values();
    expect(torrent!.roster.get({ host: '10.7.7.7', port: 7000 })).toBeUndefined();
    expect(torrent!.roster.get({ host: '10.8.8.8', port: 8000 })).toBeDefined();
    const { sent } = group;
    bench.seconds(3600);
    expect(group.sent).toBe(sent);
  });

  test('gives its metadata to nobody', () => {
    const bench = new MagnetBench(knownTorrent({ private: true }));
    bench.add(bench.torrent);
    bench.settle();
    const voice = new ExtendedVoice(bench.inbound(bench.torrent), [UT_METADATA]);
    expect(voice.theirs.metadataSize).toBeNull();
    voice.say(UT_METADATA, writeMetadataRequest(0));
    expect(readMetadataMessage(voice.heard(UT_METADATA)[0]!)).toEqual({ type: 'reject', piece: 0 });
  });
});

describe('a torrent that is known', () => {
  test('gives its metadata, piece by piece, and refuses pieces that there are not', () => {
    const bench = new MagnetBench();
    bench.add(bench.torrent);
    bench.settle();
    const voice = new ExtendedVoice(bench.inbound(bench.torrent), [UT_METADATA]);
    const { infoBytes } = bench.torrent.metaInfo;
    expect(voice.theirs.metadataSize).toBe(infoBytes.length);
    for (const piece of [1, 0, 2]) voice.say(UT_METADATA, writeMetadataRequest(piece));
    expect(voice.heard(UT_METADATA).map((payload) => readMetadataMessage(payload))).toEqual([
      { type: 'data', piece: 1, totalSize: 20_000, bytes: infoBytes.subarray(16_384) },
      { type: 'data', piece: 0, totalSize: 20_000, bytes: infoBytes.subarray(0, 16_384) },
      { type: 'reject', piece: 2 },
    ]);
  });

  test('does not let one peer fetch it without end', () => {
    const bench = new MagnetBench();
    bench.add(bench.torrent);
    bench.settle();
    const peer = bench.inbound(bench.torrent);
    const voice = new ExtendedVoice(peer, [UT_METADATA]);
    for (let i = 0; i < 1100 && peer.reason === null; i++) voice.say(UT_METADATA, writeMetadataRequest(0));
    const given = voice.heard(UT_METADATA).filter((payload) => readMetadataMessage(payload)?.type === 'data');
    expect(given).toHaveLength(8);
    expect(peer.reason).toBe('request-flood');
  });

  test('refuses while much waits to be sent', () => {
    const bench = new MagnetBench();
    bench.add(bench.torrent);
    bench.settle();
    const peer = bench.inbound(bench.torrent);
    const voice = new ExtendedVoice(peer, [UT_METADATA]);
    peer.queuedBytes = 1_048_576;
    voice.say(UT_METADATA, writeMetadataRequest(0));
    expect(readMetadataMessage(voice.heard(UT_METADATA)[0]!)).toMatchObject({ type: 'reject' });
  });
});

describe('a bug of ours at the hand-over from the magnet to the torrent', () => {
  const bug = new TypeError('x is undefined');
  afterEach(() => vi.restoreAllMocks());
  const fails = (): never => {
    throw bug;
  };

  test.each<[string, () => void]>([
    ['in the constructor', () => vi.spyOn(PeerSupply.prototype, 'serve').mockImplementationOnce(fails)],
    ['at its end', () => vi.spyOn(Discovery.prototype, 'handOver').mockImplementationOnce(fails)],
    ['at the start', () => vi.spyOn(Torrent.prototype, 'start').mockImplementationOnce(fails)],
    [
      'at the second connection',
      () => {
        const { adopt } = Torrent.prototype;
        vi.spyOn(Torrent.prototype, 'adopt')
          .mockImplementationOnce(function (this: Torrent, early) {
            adopt.call(this, early);
          })
          .mockImplementationOnce(fails);
      },
    ],
  ])('%s closes all connections, shows, and can be tried again', (_, breakIt) => {
    const bench = new MagnetBench();
    const pending = bench.magnet();
    const peers = [bench.inbound(bench.torrent), bench.inbound(bench.torrent)];
    const { peer, voice } = bench.knower();
    peers.push(peer);
    breakIt();
    bench.tell(voice);
    for (const each of peers) each.endTurn();
    bench.settle();
    for (const { reason } of peers) expect(reason).toBe('torrent-stopped');
    expect(bench.engine.connectionCount).toBe(0);
    expect(bench.events).toContain('ERR_INTERNAL');
    const all = [...bench.engine.torrents.values(), ...bench.engine.pending.values()];
    expect(all).toHaveLength(1);
    expect(all[0]!.state).toBe('failed');
    expect(all[0]!.error).toMatchObject({ code: 'ERR_INTERNAL', cause: bug });
    vi.restoreAllMocks();
    all[0]!.resume();
    bench.settle();
    if (all[0] === pending) bench.tell(bench.knower({ host: '10.5.5.5' }).voice);
    const [torrent] = bench.engine.torrents.values();
    expect(torrent!.state).toBe('downloading');
    let isRemoved = false;
    bench.engine.removeTorrent(torrent!, () => (isRemoved = true));
    bench.seconds(5);
    expect(isRemoved).toBe(true);
    expect(bench.engine.torrents.size + bench.engine.pending.size).toBe(0);
  });
});
