import { describe, expect, test } from 'vitest';
import { PieceSet } from '../../src/util/piece-set.ts';
import { Feature } from '../../src/wire/handshake.ts';
import { EngineBench, FakePeer, singleFile } from './support/fake-world.ts';

/** Who gets in, who is dialled, and what becomes of those who misbehave. */
const torrent = singleFile(40);

describe('a handshake', () => {
  test('for a torrent that we do not have is answered by nothing but the end', () => {
    const bench = downloading();
    const peer = accept(bench);
    peer.shakeHands(singleFile(3, 16_384, 'another.bin'));
    expect(peer.reason).toBe('unknown-torrent');
    expect(peer.heard()).toEqual([]);
  });

  test('that is not whole after ten seconds ends the connection, whatever drips in', () => {
    const bench = downloading();
    const peer = accept(bench);
    for (let second = 0; second < 9; second++) {
      peer.receivedBytes++;
      bench.seconds(1);
      expect(peer.reason).toBeNull();
    }
    bench.seconds(2);
    expect(peer.reason).toBe('handshake-timeout');
  });

  test('with any message before it is refused', () => {
    const bench = downloading();
    const peer = accept(bench).say((sink) => sink.onUnchoke());
    expect(peer.reason).toBe('bad-handshake');
  });

  test('said twice is refused', () => {
    const bench = downloading();
    const peer = bench.inbound(torrent).shakeHands(torrent);
    expect(peer.reason).toBe('bad-handshake');
  });

  test('with all feature bits set is taken for those we know', () => {
    const bench = downloading();
    const peer = accept(bench).say((sink) =>
      sink.onHandshake({
        infoHash: torrent.metaInfo.infoHash,
        peerId: new Uint8Array(20),
        reserved: new Uint8Array(8).fill(255),
      }),
    );
    expect(peer.reason).toBeNull();
    expect(peer.heard()).toEqual(['handshake', 'extended 0', 'have none', 'interested'].slice(0, 3));
  });

  test('is waited for by 256 connections at most, and those that end make room', () => {
    const bench = downloading();
    const waiting = Array.from({ length: 256 }, () => accept(bench));
    expect(waiting.every((peer) => peer.reason === null)).toBe(true);
    expect(accept(bench).reason).toBe('too-many-connections');
    waiting[0]!.hangUp();
    expect(accept(bench).reason).toBeNull();
    bench.seconds(11);
    waiting.forEach((peer) => peer.endTurn());
    expect(accept(bench).reason).toBeNull();
  });

  test('is not waited for at all while there is no torrent', () => {
    const bench = new EngineBench();
    expect(accept(bench).reason).toBe('unknown-torrent');
    expect(bench.clock.pending).toBe(0);
  });
});

describe('connections', () => {
  test('to ourselves end, and are not made again', () => {
    const bench = downloading({ peers: [{ host: '10.1.1.1', port: 6881 }] });
    const outbound = answerDial(bench);
    const inbound = accept(bench);
    const ours = { infoHash: torrent.metaInfo.infoHash, peerId: ownId(bench), reserved: new Uint8Array(8) };
    inbound.say((sink) => sink.onHandshake(ours));
    expect(inbound.reason).toBe('self-connection');
    outbound.say((sink) => sink.onHandshake(ours));
    expect(outbound.reason).toBe('self-connection');
    bench.seconds(3600);
    expect(bench.transport.dials).toEqual([]);
  });

  test.each([true, false])('to a peer that is connected already end (both the same way: %s)', (sameWay) => {
    const bench = downloading({ peers: [{ host: '10.1.1.1', port: 6881 }] });
    const first = bench.inbound(torrent, { host: '10.1.1.1', id: '\xff same' });
    const second = sameWay
      ? accept(bench, { host: '10.1.1.1', id: '\xff same' })
      : answerDial(bench, { id: '\xff same' });
    second.shakeHands(torrent);
    first.endTurn();
    const reasons = [first.reason, second.reason];
    // Both ends keep the connection that the smaller peer id opened; ours is the smaller.
    expect(reasons).toEqual(sameWay ? [null, 'duplicate-connection'] : ['duplicate-connection', null]);
    expect([...bench.engine.torrents.values()][0]!.swarm.size).toBe(1);
  });

  test('that both sides made do not make us dial the peer for ever', () => {
    const bench = downloading({ peers: [{ host: '10.1.1.1', port: 6881 }] });
    const dialled = answerDial(bench, { id: '\x00 smaller' });
    const came = bench.inbound(torrent, { host: '10.1.1.1', id: '\x00 smaller' });
    dialled.shakeHands(torrent);
    expect(came.reason).toBeNull();
    expect(dialled.reason).toBe('duplicate-connection');
    for (let minute = 0; minute < 10; minute++) {
      came.say((sink) => sink.onKeepAlive());
      bench.seconds(60);
    }
    expect(bench.transport.dials).toEqual([]);
    came.hangUp();
    bench.seconds(30);
    expect(bench.transport.dials).toHaveLength(1);
  });

  test('are counted: no more than allowed for a torrent, handshakes under way included', () => {
    const peers = Array.from({ length: 30 }, (_, i) => ({ host: `10.1.1.${i + 1}`, port: 6881 }));
    const bench = downloading({ peers }, { connectionsPerTorrentMax: 5 });
    expect(bench.transport.dials).toHaveLength(5);
    for (let i = 0; i < 5; i++) answerDial(bench);
    bench.seconds(5);
    expect(bench.transport.dials).toEqual([]);
    bench.seconds(10);
    expect(bench.transport.dials.length).toBeLessThanOrEqual(5);
  });

  test('are counted over all torrents', () => {
    const bench = downloading({}, { connectionsMax: 2 });
    bench.inbound(torrent);
    bench.inbound(torrent);
    expect(accept(bench).shakeHands(torrent).reason).toBe('too-many-connections');
    expect(bench.engine.connectionCount).toBe(2);
  });

  test('that nobody answers are tried less and less often, and given up while there are others', () => {
    const bench = downloading({ peers: [{ host: '10.1.1.1', port: 6881 }] });
    const other = bench.inbound(torrent);
    let tries = 0;
    for (let second = 0; second < 3600; second++) {
      other.say((sink) => sink.onKeepAlive());
      for (const { done } of bench.transport.dials.splice(0)) {
        tries++;
        done('connect-timeout');
      }
      bench.seconds(1);
    }
    expect(tries).toBe(4);
  });

  test('that end before the handshake count as failures too', () => {
    const bench = downloading({ peers: [{ host: '10.1.1.1', port: 6881 }] }, { encryption: 'off' });
    const other = bench.inbound(torrent);
    let tries = 0;
    for (let second = 0; second < 3600; second++) {
      other.say((sink) => sink.onKeepAlive());
      if (bench.transport.dials.length > 0) {
        tries++;
        answerDial(bench).hangUp();
      }
      bench.seconds(1);
    }
    expect(tries).toBe(4);
  });

  test('to the last seed are made again within a minute of its return, however long it was away', () => {
    const bench = downloading({ peers: [{ host: '10.1.1.1', port: 6881 }] });
    answerDial(bench).shakeHands(torrent).hangUp();
    for (let second = 0; second < 3600; second++) {
      for (const { done } of bench.transport.dials.splice(0)) done('connect-failed');
      bench.seconds(1);
    }
    bench.transport.dials.length = 0;
    bench.seconds(60);
    expect(bench.transport.dials).toHaveLength(1);
  });

  test('over which nothing came for two minutes end; a word now and then keeps them', () => {
    const bench = downloading();
    const dead = bench.inbound(torrent);
    const alive = bench.inbound(torrent);
    for (let i = 0; i < 3; i++) {
      alive.say((sink) => sink.onKeepAlive());
      bench.seconds(60);
    }
    expect(dead.reason).toBe('inactive');
    expect(alive.reason).toBeNull();
    expect(alive.heard()).toContain('keep-alive');
  });

  test('to a peer that asks and does not read end', () => {
    const bench = seeding();
    const peer = bench.inbound(torrent);
    bench.seconds(11);
    peer.say((sink) => sink.onInterested());
    for (let second = 0; second < 130 && peer.reason === null; second++) {
      peer.say((sink) => sink.onRequest(second % 40, 0, 16_384));
      bench.seconds(1);
    }
    expect(peer.reason).toBe('inactive');
  });

  test('of no use to either side end after ten minutes, but only when connections are short', () => {
    const bench = downloading({}, { connectionsPerTorrentMax: 2 });
    const useless = bench.inbound(torrent);
    for (let minute = 0; minute < 11; minute++) {
      useless.say((sink) => sink.onKeepAlive());
      bench.seconds(60);
    }
    expect(useless.reason).toBeNull();
    const useful = bench.inbound(torrent);
    useful.say((sink) => sink.onInterested());
    bench.seconds(2);
    useless.endTurn();
    expect(useless.reason).toBe('uninteresting');
    expect(useful.reason).toBeNull();
  });

  test('between seeds end, at the handshake of BEP 10 as well as at the last piece', () => {
    const bench = seeding();
    const whole = bench.inbound(torrent).say((sink) => sink.onHaveAll());
    expect(whole.reason).toBe('both-seeds');
    const partial = bench.inbound(torrent);
    partial.say((sink) => sink.onExtended(0, Buffer.from('d1:mde11:upload_onlyi1ee')));
    expect(partial.reason).toBe('both-seeds');
    const leecher = bench.inbound(torrent);
    for (let piece = 0; piece < 40; piece++) {
      expect(leecher.reason).toBeNull();
      leecher.say((sink) => sink.onHave(piece));
    }
    expect(leecher.reason).toBe('both-seeds');
  });
});

describe('a peer is refused', () => {
  test.each([
    ['a piece that is not there', (s) => s.onHave(40), 'bad-have'],
    ['a piece far out of range', (s) => s.onHave(0xffff_ffff), 'bad-have'],
    ['a short bitfield', (s) => s.onBitfield(new Uint8Array(4)), 'bad-bitfield'],
    ['a long bitfield', (s) => s.onBitfield(new Uint8Array(6)), 'bad-bitfield'],
    ['a block that cannot be', (s) => s.blockTarget(40, 0, 16_384), 'bad-message'],
    ['a block that is not aligned', (s) => s.blockTarget(0, 5, 16_384), 'bad-message'],
    ['a block of wrong length', (s) => s.blockTarget(0, 0, 16_000), 'bad-message'],
    ['the refusal of a block that cannot be', (s) => s.onReject(0, 7, 0), 'bad-message'],
  ] as [string, (sink: NonNullable<FakePeer['sink']>) => unknown, string][])(
    'for naming %s',
    (_, word, reason) => {
      const bench = downloading();
      const peer = bench.inbound(torrent).say((sink) => void word(sink));
      expect(peer.reason).toBe(reason);
      expect(bench.values('peerGone')).toEqual([reason]);
      expect(bench.engine.connectionCount).toBe(0);
    },
  );

  test.each([
    ['have all', (s) => s.onHaveAll()],
    ['have none', (s) => s.onHaveNone()],
    ['a reject', (s) => s.onReject(0, 0, 16_384)],
    ['a suggestion', (s) => s.onSuggest(0)],
    ['an allowed piece', (s) => s.onAllowedFast(0)],
  ] as [string, (sink: NonNullable<FakePeer['sink']>) => void][])(
    'for %s without the fast extension',
    (_, word) => {
      const bench = downloading();
      const peer = accept(bench).shakeHands(torrent, [Feature.extensions]).say(word);
      expect(peer.reason).toBe('fast-not-negotiated');
    },
  );

  test('for bitfields without end, not for a second one', () => {
    const bench = downloading();
    const peer = bench.inbound(torrent);
    for (let i = 0; i < 8; i++) {
      peer.say(
        (sink) => sink.onHaveAll(),
        (sink) => sink.onHaveNone(),
      );
    }
    const [added] = bench.engine.torrents.values();
    expect(peer.reason).toBeNull();
    expect(added!.picker.availability(0)).toBe(0);
    peer.say((sink) => sink.onHaveAll());
    expect(peer.reason).toBe('bad-bitfield');
    expect(added!.picker.availability(0)).toBe(0);
  });

  test('for asking hundreds of times for what it may not have; each gets a refusal first', () => {
    const bench = seeding({}, { uploadSlots: 0 });
    const peer = bench.inbound(torrent);
    peer.heard();
    for (let i = 0; i < 300; i++) peer.say((sink) => sink.onRequest(i % 40, 16_384, 100));
    expect(peer.heard().filter((text) => text.startsWith('reject')).length).toBeGreaterThanOrEqual(297);
    for (let i = 0; i < 10; i++) peer.say((sink) => sink.onRequest(i, 0, 16_384));
    expect(peer.reason).toBe('request-flood');
  });

  test('not for requests that crossed with a choke, as many as they are', () => {
    const bench = seeding({}, { uploadSlots: 1 });
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    const others = Array.from({ length: 6 }, () => bench.inbound(torrent));
    for (const other of others) other.say((sink) => sink.onInterested());
    // All of them have blocks on their way.
    for (const each of [peer, ...others]) each.queuedBytes = 65_536;
    for (let second = 0; second < 120 && !peer.said.includes('choke'); second++) bench.seconds(1);
    expect(peer.heard()).toContain('choke');
    peer.queuedBytes = 0;
    for (let i = 0; i < 1000; i++) peer.say((sink) => sink.onRequest(i % 39, i, 100));
    expect(peer.reason).toBeNull();
    expect(peer.heard().filter((text) => text.startsWith('reject'))).toHaveLength(1000);
  });

  test('for asking and not reading the answers', () => {
    const bench = seeding();
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    peer.queuedBytes = 3_000_000;
    peer.say((sink) => sink.onKeepAlive());
    expect(peer.reason).toBe('request-flood');
  });

  test('for sending blocks that nobody asked for, not for a few', () => {
    const bench = downloading();
    const peer = bench.inbound(torrent).say((sink) => sink.onHaveAll());
    for (let i = 0; i < 64; i++) peer.give(i % 40, 0, torrent.piece(i % 40).slice(0, 16_384));
    expect(peer.reason).toBeNull();
    expect(bench.disk.written).toEqual([]);
    peer.give(0, 0, torrent.piece(0).slice(0, 16_384));
    expect(peer.reason).toBe('unwanted-blocks');
    const [added] = bench.engine.torrents.values();
    expect(added!.stats().wasted).toBe(64 * 16_384);
    expect(added!.stats().downloaded).toBe(0);
  });
});

describe('requests to us', () => {
  test('that make no sense are refused and change nothing', () => {
    const bench = seeding();
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    peer.heard();
    const senseless: [number, number, number][] = [
      [40, 0, 16_384],
      [0xffff_ffff, 0, 16_384],
      [0, 32_768, 16_384],
      [0, 0, 0],
      [0, 0xffff_fff0, 0x20],
      [0, 0, 16_385],
      [0, 0, 131_072],
      [0, 0, 0x8000_0000],
      [39, 16_384, 16_384],
    ];
    for (const [piece, begin, length] of senseless) peer.say((sink) => sink.onRequest(piece, begin, length));
    bench.settle();
    expect(peer.heard()).toEqual(senseless.map((parts) => `reject ${parts.join(' ')}`));
    expect(peer.reason).toBeNull();
  });

  test('for pieces we lack are refused', () => {
    const bench = downloading();
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    peer.say((sink) => sink.onRequest(0, 0, 16_384));
    expect(peer.heard()).toContain('reject 0 0 16384');
  });

  test('said a thousand times are read and answered once', () => {
    const bench = seeding();
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    peer.heard();
    peer.say(
      ...Array.from(
        { length: 1000 },
        () => (sink: NonNullable<FakePeer['sink']>) => sink.onRequest(3, 0, 16_384),
      ),
    );
    bench.settle();
    expect(peer.heard()).toEqual(['piece 3 0 16384']);
  });

  test('withdrawn in time are not read, and are answered by a refusal', () => {
    const bench = seeding();
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    peer.heard();
    peer.say(
      (sink) => sink.onRequest(3, 0, 16_384),
      (sink) => sink.onCancel(3, 0, 16_384),
      (sink) => sink.onCancel(5, 0, 16_384),
    );
    bench.settle();
    expect(peer.heard()).toEqual(['reject 3 0 16384']);
  });

  test('while choked are served for the pieces we named, three times over and no more', () => {
    const many = singleFile(1000, 16_384, 'many.bin');
    const bench = new EngineBench({ uploadSlots: 0 });
    bench.disk.put(many);
    bench.add(many);
    bench.settle();
    crowd(bench, many);
    const peer = bench.inbound(many);
    const allowed = peer
      .heard()
      .filter((text) => text.startsWith('allowed fast'))
      .map((text) => Number(text.split(' ')[2]));
    expect(allowed).toHaveLength(10);
    const [piece] = allowed;
    for (let i = 0; i < 5; i++) {
      peer.say((sink) => sink.onRequest(piece!, 0, 16_000));
      bench.settle();
      peer.queuedBytes = 0;
    }
    const answers = peer.heard();
    expect(answers.filter((text) => text.startsWith(`piece ${piece} `))).toHaveLength(3);
    expect(answers.filter((text) => text.startsWith(`reject ${piece} `))).toHaveLength(2);
  });

  test('beyond two thousand at once are refused; memory stays bounded', () => {
    const bench = seeding();
    const peer = bench.inbound(torrent).say((sink) => sink.onInterested());
    peer.heard();
    peer.queuedBytes = 600_000;
    peer.say(
      ...Array.from(
        { length: 3000 },
        (_, i) => (sink: NonNullable<FakePeer['sink']>) => sink.onRequest(i % 39, Math.floor(i / 39), 100),
      ),
    );
    expect(peer.heard().filter((text) => text.startsWith('reject'))).toHaveLength(1000);
    expect(peer.reason).toBeNull();
  });

  test('end with a choke: what waits is refused', () => {
    const bench = seeding({}, { uploadSlots: 1 });
    crowd(bench, torrent);
    const first = bench.inbound(torrent).say((sink) => sink.onInterested());
    first.queuedBytes = 600_000;
    first.say(
      (sink) => sink.onRequest(0, 0, 16_384),
      (sink) => sink.onNotInterested(),
    );
    for (let i = 0; i < 4; i++) bench.inbound(torrent).say((sink) => sink.onInterested());
    first.heard();
    bench.seconds(40);
    const heard = first.heard();
    expect(heard).toContain('choke');
    expect(heard).toContain('reject 0 0 16384');
  });
});

describe('flips', () => {
  test('of interest within a chunk reach the choker once', () => {
    const bench = seeding();
    crowd(bench, torrent);
    const peer = bench.inbound(torrent);
    peer.heard();
    const flip = [
      (sink: NonNullable<FakePeer['sink']>): void => sink.onInterested(),
      (sink: NonNullable<FakePeer['sink']>): void => sink.onNotInterested(),
    ];
    peer.say(...Array.from({ length: 1000 }, () => flip).flat());
    expect(peer.heard()).toEqual([]);
    peer.say(flip[0]!);
    expect(peer.heard()).toEqual(['unchoke']);
  });

  test('between choke and unchoke ask for each block again once, and grow nothing', () => {
    const bench = downloading();
    const peer = accept(bench).shakeHands(torrent, []);
    peer.say((sink) => sink.onBitfield(Uint8Array.from({ length: 5 }, () => 255)));
    for (let i = 0; i < 1000; i++) {
      peer.heard();
      peer.say((sink) => sink.onChoke());
      peer.say((sink) => sink.onUnchoke());
    }
    const [added] = bench.engine.torrents.values();
    expect(peer.requests()).toHaveLength(8);
    expect(added!.swarm.sessions[0]!.requester.pipeline.outstanding).toBe(8);
    bench.exchange(torrent, [peer]);
    expect(bench.disk.holds(torrent)).toBe(false);
    peer.say((sink) => sink.onChoke());
    peer.say((sink) => sink.onUnchoke());
    bench.exchange(torrent, [peer]);
    expect(bench.disk.holds(torrent)).toBe(true);
  });
});

function downloading(
  options: Parameters<EngineBench['add']>[1] = {},
  engine: ConstructorParameters<typeof EngineBench>[0] = {},
): EngineBench {
  const bench = new EngineBench(engine);
  bench.add(torrent, options);
  bench.settle();
  return bench;
}

function seeding(...options: Parameters<typeof downloading>): EngineBench {
  const bench = new EngineBench(options[1]);
  bench.disk.put(torrent);
  bench.add(torrent, options[0]);
  bench.settle();
  return bench;
}

/** Two peers that have everything between them: we are not the only source of any piece. */
function crowd(bench: EngineBench, of: typeof torrent): void {
  const { pieceCount } = of.metaInfo;
  for (const isFirst of [true, false]) {
    const have = new PieceSet(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) if (piece > 0 === isFirst) have.add(piece);
    bench.inbound(of).say((sink) => sink.onBitfield(have.bytes));
  }
  bench.seconds(1);
}

function accept(bench: EngineBench, options: ConstructorParameters<typeof FakePeer>[0] = {}): FakePeer {
  const peer = new FakePeer({ ...options, inbound: true });
  bench.transport.accept(peer);
  peer.endTurn();
  return peer;
}

/** Connects the oldest dial. */
function answerDial(bench: EngineBench, options: ConstructorParameters<typeof FakePeer>[0] = {}): FakePeer {
  const { to, done } = bench.transport.dials.shift()!;
  const peer = new FakePeer({ host: to.host, port: to.port, ...options });
  done(peer);
  return peer;
}

function ownId(bench: EngineBench): Uint8Array {
  const [added] = bench.engine.torrents.values();
  return added!.peerId;
}
