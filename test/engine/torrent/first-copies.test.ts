import { describe, expect, test } from 'vitest';
import { PieceSet } from '../../../src/util/piece-set.ts';
import { EngineBench, type FakePeer, singleFile } from '../support/fake-world.ts';

/** What the only seed says about which piece is whose. */
const torrent = singleFile(60);
const BLOCK = 16_384;

describe('the only seed', () => {
  test('names to each peer it serves pieces that it names to nobody else, before the peer may ask', () => {
    const bench = seeding();
    const heard = interested(bench, 3).map((peer) => peer.heard());
    for (const said of heard) {
      expect(said.filter((text) => text.startsWith('suggest')).length).toBeGreaterThanOrEqual(3);
      expect(said.findIndex((text) => text.startsWith('suggest'))).toBeLessThan(said.indexOf('unchoke'));
    }
    const named = heard.flatMap(suggestions);
    expect(new Set(named).size).toBe(named.length);
  });

  test('names the next piece when one was sent in full, and no piece that somebody has', () => {
    const bench = seeding();
    const owner = bench.inbound(torrent);
    owner.say((sink) => sink.onBitfield(pieces((piece) => piece % 2 === 0)));
    const [peer] = interested(bench, 1);
    let named = suggestions(peer!.heard());
    expect(named.length).toBeGreaterThanOrEqual(3);
    expect(named.every((piece) => piece % 2 === 1)).toBe(true);
    take(bench, peer!, named[0]!);
    const next = suggestions(peer!.heard());
    expect(next.length).toBeGreaterThanOrEqual(1);
    named = [...named, ...next];
    expect(new Set(named).size).toBe(named.length);
  });

  test('lets a peer finish what it began when it chokes it, and gives the rest to others', () => {
    const bench = seeding({ uploadSlots: 1 });
    const peers = interested(bench, 6);
    const first = peers.find((peer) => peer.said.includes('unchoke'))!;
    const [other] = peers.filter((peer) => peer !== first);
    // The others have blocks on their way, so that slots are scarce.
    for (const peer of peers) if (peer !== first) peer.queuedBytes = 65_536;
    let begun = -1;
    let rest: number[] = [];
    while (!first.said.includes('choke')) {
      if (begun >= 0) {
        const piece = begun;
        ask(bench, first, piece, BLOCK);
        for (const peer of [first, other!]) peer.say((sink) => sink.onHave(piece));
      }
      rest.push(...suggestions(first.heard()));
      begun = rest.shift()!;
      ask(bench, first, begun, 0);
      for (let second = 0; second < 3 && !first.said.includes('choke'); second++) bench.seconds(1);
    }
    expect(first.said).toContain(`allowed fast ${begun}`);
    rest = [...rest, ...suggestions(first.heard())];
    ask(bench, first, begun, BLOCK);
    ask(bench, first, rest[0]!, 0);
    const heard = first.heard();
    expect(heard).toContain(`piece ${begun} ${BLOCK} ${BLOCK}`);
    expect(heard).toContain(`reject ${rest[0]} 0 ${BLOCK}`);
    for (let again = 0; again < 3; again++) ask(bench, first, begun, BLOCK);
    expect(first.heard()).toContain(`reject ${begun} ${BLOCK} ${BLOCK}`);
  });

  test('owes a few pieces at most to a peer that asked for a block of each when it chokes it', () => {
    const bench = seeding({ uploadSlots: 1 });
    const peers = interested(bench, 6);
    const greedy = peers.find((peer) => peer.said.includes('unchoke'))!;
    for (const peer of peers) peer.queuedBytes = 65_536;
    for (let piece = 0; piece < 60; piece++) greedy.say((sink) => sink.onRequest(piece, 0, BLOCK));
    for (let second = 0; second < 120 && !greedy.said.includes('choke'); second++) bench.seconds(1);
    const heard = greedy.heard();
    expect(heard).toContain('choke');
    expect(heard.filter((text) => text.startsWith('allowed fast')).length).toBeLessThanOrEqual(17);
    expect(heard.filter((text) => text.startsWith('reject')).length).toBeGreaterThanOrEqual(40);
  });

  test('says no more once each piece is at a peer, or another seed was met', () => {
    const bench = seeding();
    for (const isFirst of [true, false]) {
      bench.inbound(torrent).say((sink) => sink.onBitfield(pieces((piece) => piece > 30 === isFirst)));
    }
    bench.seconds(1);
    expect(suggestions(interested(bench, 1)[0]!.heard())).toEqual([]);

    const another = seeding();
    expect(suggestions(interested(another, 1)[0]!.heard()).length).toBeGreaterThan(0);
    another.inbound(torrent).say((sink) => sink.onHaveAll());
    another.seconds(1);
    expect(suggestions(interested(another, 1)[0]!.heard())).toEqual([]);
  });

  test('promises to others what a peer that takes nothing, or is gone, was promised', () => {
    const bench = seeding();
    const [gone, silent] = interested(bench, 2);
    const lost = [...suggestions(gone!.heard()), ...suggestions(silent!.heard())];
    gone!.hangUp();
    bench.seconds(6);
    const [taker] = interested(bench, 1);
    const named: number[] = [];
    for (let round = 0; round < 30; round++) {
      for (const piece of suggestions(taker!.heard())) {
        named.push(piece);
        take(bench, taker!, piece);
      }
    }
    expect(named).toEqual(expect.arrayContaining(lost));
  });

  test('gives everything to a peer that takes it, beside one that asks and never reads', () => {
    const bench = seeding();
    const [stuck, taker] = interested(bench, 2) as [FakePeer, FakePeer];
    for (const piece of suggestions(stuck.heard())) {
      stuck.say((sink) => sink.onRequest(piece, 0, BLOCK)).say((sink) => sink.onRequest(piece, BLOCK, BLOCK));
    }
    stuck.queuedBytes = 4_194_304;
    bench.seconds(6);
    const got = new Set<number>();
    for (let second = 0; second < 25; second++) {
      for (let taken = 0; taken < 3 && got.size < 60; taken++) {
        const piece = Array.from({ length: 60 }, (_, index) => index).find((index) => !got.has(index))!;
        take(bench, taker, piece);
        for (const text of taker.heard()) if (text.startsWith('piece')) got.add(Number(text.split(' ')[1]));
      }
      bench.seconds(1);
    }
    expect(got.size).toBe(60);
  });
});

describe('super-seeding', () => {
  test('says that it has nothing, and names pieces one by one that nobody else is told of', () => {
    const bench = seeding({}, { superSeed: true });
    const peers = [bench.inbound(torrent), bench.inbound(torrent)];
    const told = peers.map((peer) => peer.heard());
    for (const said of told) {
      expect(said).toContain('have none');
      expect(said.filter((text) => text.startsWith('have ')).length).toBeLessThan(8);
      expect(said.some((text) => text.startsWith('suggest') || text.startsWith('allowed'))).toBe(false);
    }
    const named = told.flatMap(haves);
    expect(new Set(named).size).toBe(named.length);
    expect(named.length).toBeGreaterThanOrEqual(6);
  });

  test('keeps the next from a peer until what it got is seen elsewhere', () => {
    const bench = seeding({}, { superSeed: true });
    const peers = [bench.inbound(torrent), bench.inbound(torrent)];
    const [peer, other] = peers;
    for (const each of peers) each.say((sink) => sink.onInterested());
    const got: number[] = [];
    for (let round = 0; round < 20; round++) {
      for (const piece of haves(peer!.heard())) {
        take(bench, peer!, piece);
        peer!.say((sink) => sink.onHave(piece));
        got.push(piece);
      }
    }
    expect(got.length).toBeLessThanOrEqual(8);
    for (const piece of got) other!.say((sink) => sink.onHave(piece));
    bench.seconds(1);
    expect(haves(peer!.heard()).length).toBeGreaterThan(0);
  });

  test('shows everything once everything is in the swarm', () => {
    const bench = seeding({}, { superSeed: true });
    const peer = bench.inbound(torrent);
    const other = bench.inbound(torrent);
    const first = haves(peer.heard());
    other.say((sink) => sink.onBitfield(pieces((piece) => piece !== 0)));
    peer.say((sink) => sink.onHave(0));
    bench.seconds(1);
    const shown = new Set([...first, ...haves(peer.heard()), 0]);
    expect(shown.size).toBe(60);
  });
});

function seeding(
  options: ConstructorParameters<typeof EngineBench>[0] = {},
  added: Parameters<EngineBench['add']>[1] = {},
): EngineBench {
  const bench = new EngineBench(options);
  bench.disk.put(torrent);
  bench.add(torrent, added);
  bench.settle();
  return bench;
}

function interested(bench: EngineBench, count: number): FakePeer[] {
  return Array.from({ length: count }, () => bench.inbound(torrent).say((sink) => sink.onInterested()));
}

function take(bench: EngineBench, peer: FakePeer, piece: number): void {
  for (const begin of [0, BLOCK]) ask(bench, peer, piece, begin);
}

function ask(bench: EngineBench, peer: FakePeer, piece: number, begin: number): void {
  peer.say((sink) => sink.onRequest(piece, begin, BLOCK));
  bench.settle();
  peer.queuedBytes = 0;
}

function suggestions(heard: readonly string[]): number[] {
  return heard.filter((text) => text.startsWith('suggest ')).map((text) => Number(text.split(' ')[1]));
}

function haves(heard: readonly string[]): number[] {
  return heard.filter((text) => /^have \d/.test(text)).map((text) => Number(text.split(' ')[1]));
}

function pieces(has: (piece: number) => boolean): Uint8Array {
  const set = new PieceSet(60);
  for (let piece = 0; piece < 60; piece++) if (has(piece)) set.add(piece);
  return set.bytes;
}
