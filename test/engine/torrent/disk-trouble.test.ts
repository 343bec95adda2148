import { describe, expect, test } from 'vitest';
import type { Torrent } from '../../../src/engine/torrent/torrent.ts';
import { StorageError } from '../../../src/errors.ts';
import { EngineBench, FakePeer, singleFile, wrong } from '../support/fake-world.ts';

const torrent = singleFile(60);
const full = new StorageError('no space left', 'ERR_DISK_FULL', '/single.bin');
const missing = new StorageError('gone', 'ERR_FILE_MISSING', '/single.bin');
const broken = new StorageError('input/output error', 'ERR_DISK_IO', '/single.bin');

describe('a disk that is full', () => {
  test('stalls the torrent with one warning; nothing more is asked for, and what is there is given on', () => {
    const { bench, added, seeder } = downloading();
    const firstPiece = bench.disk.written[0]!;
    bench.disk.writeError = full;
    bench.exchange(torrent, [seeder]);
    expect(added.state).toBe('stalled');
    expect(added.error).toBe(full);
    expect(bench.values('warning')).toEqual(['ERR_DISK_FULL']);
    bench.seconds(30);
    expect(seeder.requests()).toEqual([]);
    expect(bench.values('warning')).toEqual(['ERR_DISK_FULL']);
    expect(bench.values('reject')).toEqual([]);
    const leecher = bench.inbound(torrent);
    leecher.say((sink) => sink.onInterested());
    leecher.say((sink) => sink.onRequest(firstPiece, 0, 16_384));
    bench.settle();
    expect(leecher.heard()).toContain(`piece ${firstPiece} 0 16384`);
  });

  test('with space again goes on by itself and completes; nothing is fetched twice', () => {
    const { bench, added, seeder } = downloading();
    bench.disk.writeError = full;
    bench.exchange(torrent, [seeder]);
    bench.seconds(20);
    bench.disk.writeError = null;
    for (let i = 0; i < 61 && added.state === 'stalled'; i++) bench.seconds(1);
    expect(added.error).toBeNull();
    bench.exchange(torrent, [seeder]);
    expect(added.state).toBe('seeding');
    expect(bench.disk.holds(torrent)).toBe(true);
    expect(added.stats().downloaded).toBe(torrent.content.length);
    expect(bench.values('state')).toEqual(['checking', 'downloading', 'stalled', 'downloading', 'seeding']);
    expect(bench.values('ban')).toEqual([]);
  });

  test('is tried at once when the user says so', () => {
    const { bench, added, seeder } = downloading();
    bench.disk.writeError = full;
    bench.exchange(torrent, [seeder]);
    bench.seconds(20);
    bench.disk.writeError = null;
    added.resume();
    bench.settle();
    expect(added.state).toBe('downloading');
  });

  test('does not keep others from their buffers', () => {
    const bench = new EngineBench({ memory: 4 * 32_768 });
    const other = singleFile(4, 32_768, 'other.bin');
    const stalled = bench.add(torrent);
    bench.settle();
    bench.disk.writeError = full;
    bench.exchange(torrent, [bench.seeder(torrent)]);
    expect(stalled.state).toBe('stalled');
    const second = bench.add(other);
    bench.settle();
    const seeder = bench.seeder(other);
    expect(seeder.requests().length).toBeGreaterThan(0);
    expect(second.state).toBe('downloading');
  });

  test('met while checking anew is told as a stall, and not as a check without end', () => {
    const { bench, added, seeder } = downloading();
    bench.disk.writeError = full;
    bench.exchange(torrent, [seeder]);
    added.pause();
    bench.settle();
    added.resume();
    bench.settle();
    expect(added.state).toBe('stalled');
    bench.disk.writeError = null;
    bench.seconds(61);
    expect(added.state).toBe('downloading');
  });

  test('that recovers during a recheck does not end the recheck', () => {
    const { bench, added, seeder } = downloading();
    bench.disk.writeError = full;
    bench.exchange(torrent, [seeder]);
    bench.disk.writeError = null;
    added.recheck();
    const held: (() => void)[] = [];
    bench.disk.held = held;
    bench.seconds(61);
    expect(added.state).toBe('checking');
    bench.disk.held = null;
    held.forEach((answer) => answer());
    bench.seconds(1);
    expect(added.state).toBe('downloading');
  });

  test('only at the last flush keeps a download from being called complete until it succeeds', () => {
    const { bench, added, seeder } = downloading();
    bench.disk.flushError = full;
    bench.exchange(torrent, [seeder]);
    expect(added.state).toBe('seeding');
    expect(added.isComplete).toBe(false);
    bench.seconds(200);
    expect(bench.values('complete')).toEqual([]);
    expect(bench.values('warning')).toEqual(['ERR_DISK_FULL']);
    bench.disk.flushError = null;
    bench.seconds(61);
    expect(bench.values('complete')).toHaveLength(1);
  });

  test('where the records lie is told once, and transfers go on', () => {
    const { bench, added, seeder } = downloading();
    bench.store.saveError = full;
    bench.exchange(torrent, [seeder]);
    bench.seconds(300);
    expect(added.isComplete).toBe(true);
    expect(bench.values('warning')).toEqual(['ERR_DISK_FULL']);
    expect(bench.values('complete')).toHaveLength(1);
    bench.store.saveError = null;
    bench.seconds(61);
    expect(bench.store.records.size).toBe(1);
  });
});

describe('a file that cannot be read', () => {
  test('stalls the torrent; requests are refused, nobody is blamed, and it goes on when the file is back', () => {
    const { bench, added } = seeding();
    const peer = bench.inbound(torrent);
    peer.say((sink) => sink.onInterested());
    bench.disk.readError = broken;
    peer.say((sink) => sink.onRequest(3, 0, 16_384));
    bench.settle();
    expect(added.state).toBe('stalled');
    expect(bench.values('warning')).toEqual(['ERR_DISK_IO']);
    expect(peer.heard()).toContain('reject 3 0 16384');
    for (let i = 0; i < 1000; i++) peer.say((sink) => sink.onRequest(i % 8, 0, 16_000));
    expect(peer.reason).toBeNull();
    expect(peer.heard().filter((text) => text.startsWith('reject'))).toHaveLength(1000);
    bench.disk.readError = null;
    bench.seconds(11);
    expect(added.state).toBe('seeding');
    expect(added.error).toBeNull();
    peer.say((sink) => sink.onRequest(3, 0, 16_384));
    bench.settle();
    expect(peer.heard()).toContain('piece 3 0 16384');
    expect(bench.values('warning')).toHaveLength(1);
  });

  test('is looked at again at once when the user says so', () => {
    const { bench, added } = seeding();
    stallOnRead(bench);
    bench.disk.readError = null;
    added.resume();
    bench.settle();
    expect(added.state).toBe('seeding');
  });

  test('that is rechecked turns into missing pieces, which are fetched again', () => {
    const { bench, added } = seeding();
    stallOnRead(bench, missing);
    bench.disk.contents.delete('single.bin');
    bench.disk.readError = null;
    added.recheck();
    bench.settle();
    expect(added.state).toBe('downloading');
    bench.exchange(torrent, [bench.seeder(torrent)]);
    expect(added.state).toBe('seeding');
    bench.seconds(60);
    expect(added.state).toBe('seeding');
  });

  test('that vanished is fetched again only when the user says that it is gone', () => {
    const { bench, added } = seeding();
    stallOnRead(bench, missing);
    bench.disk.contents.delete('single.bin');
    bench.disk.readError = null;
    bench.seconds(60);
    expect(added.state).toBe('stalled');
    expect(bench.disk.contents.size).toBe(0);
    added.resume();
    bench.settle();
    expect(added.state).toBe('downloading');
  });
});

test('a piece that fails its hash never reaches the disk and costs its sole sender the connection', () => {
  const { bench, added } = downloading(0);
  const liar = bench.seeder(torrent, { host: '10.9.9.9' });
  bench.exchange(torrent, [liar], wrong);
  expect(liar.reason).toBe('corrupt-data');
  expect(bench.disk.written).toEqual([]);
  expect(bench.values('ban')).toEqual(['10.9.9.9']);
  expect(added.stats().corrupt).toBeGreaterThan(0);
  const again = bench.inbound(torrent, { host: '10.9.9.9' });
  expect(again.reason).toBe('banned');
});

test('a piece that everybody has wrong keeps nobody away for ever, and the others from nothing', () => {
  const bench = new EngineBench();
  const peers = Array.from({ length: 5 }, (_, i) => ({ host: `10.9.0.${i + 1}`, port: 6881 }));
  const added = bench.add(torrent, { peers });
  bench.settle();
  const badPiece = (block: Uint8Array, piece: number): Uint8Array => (piece === 7 ? wrong(block) : block);
  const connected: FakePeer[] = [];
  for (let second = 0; second < 1800; second++) {
    for (const { to, done } of bench.transport.dials.splice(0)) {
      const peer = new FakePeer({ host: to.host, port: to.port });
      connected.push(peer);
      done(peer);
      peer.shakeHands(torrent).say(
        (sink) => sink.onHaveAll(),
        (sink) => sink.onUnchoke(),
      );
    }
    for (const peer of connected) peer.serve(torrent, badPiece);
    bench.seconds(1);
  }
  expect(added.stats().piecesDone).toBe(59);
  expect(bench.values('reject').every((piece) => piece === 7)).toBe(true);
  // It is tried again, less and less often.
  expect(bench.values('reject').length).toBeGreaterThan(5);
  expect(bench.values('reject').length).toBeLessThan(60);
  const honest = bench.seeder(torrent);
  bench.exchange(torrent, [honest]);
  bench.seconds(1);
  bench.exchange(torrent, [honest]);
  expect(added.state).toBe('seeding');
});

test('of nineteen liars and one honest peer the honest one brings the torrent', () => {
  const { bench, added } = downloading(0);
  const liars = Array.from({ length: 19 }, (_, i) => bench.seeder(torrent, { host: `10.7.0.${i + 1}` }));
  const honest = bench.seeder(torrent, { host: '10.8.0.1' });
  for (let round = 0; round < 400 && added.state !== 'seeding'; round++) {
    for (const liar of liars) if (liar.reason === null) liar.serve(torrent, wrong);
    honest.serve(torrent);
    bench.seconds(1);
  }
  expect(added.state).toBe('seeding');
  expect(bench.disk.holds(torrent)).toBe(true);
  expect(honest.reason).toBe('both-seeds');
  expect(bench.values('ban')).not.toContain('10.8.0.1');
});

test('two liars who mix bad blocks into the pieces of an honest peer are found, and the honest one is not blamed', () => {
  const big = singleFile(12, 8 * 16_384, 'big.bin');
  const bench = new EngineBench();
  const added = bench.add(big);
  bench.settle();
  const liars = ['10.7.0.1', '10.7.0.2'].map((host) => bench.seeder(big, { host }));
  const honest = bench.seeder(big, { host: '10.8.0.1' });
  // Every third of their blocks is bad.
  let count = 0;
  const sometimes = (block: Uint8Array): Uint8Array => (++count % 3 === 0 ? wrong(block) : block);
  for (let round = 0; round < 500 && added.state !== 'seeding'; round++) {
    for (const peer of [...liars, honest]) {
      const [first, ...others] = peer.requests();
      for (const other of others) peer.said.push(`request ${other.piece} ${other.begin} ${other.length}`);
      if (!first || peer.reason) continue;
      const block = big.piece(first.piece).slice(first.begin, first.begin + first.length);
      peer.give(first.piece, first.begin, peer === honest ? block : sometimes(block));
    }
    bench.clock.advance(50);
  }
  bench.exchange(big, [honest]);
  expect(added.state).toBe('seeding');
  expect(bench.disk.holds(big)).toBe(true);
  expect(honest.reason).toBe('both-seeds');
  expect(new Set(bench.values('ban'))).toEqual(new Set(['10.7.0.1', '10.7.0.2']));
});

function downloading(pieces = 2): { bench: EngineBench; added: Torrent; seeder: FakePeer } {
  const bench = new EngineBench();
  const added = bench.add(torrent);
  bench.settle();
  if (pieces === 0) return { bench, added, seeder: null as never };
  const seeder = bench.seeder(torrent);
  while (bench.disk.written.length < pieces) {
    const [first, ...others] = seeder.requests();
    for (const other of others) seeder.said.push(`request ${other.piece} ${other.begin} ${other.length}`);
    seeder.give(
      first!.piece,
      first!.begin,
      torrent.piece(first!.piece).slice(first!.begin, first!.begin + first!.length),
    );
    bench.settle();
  }
  return { bench, added, seeder };
}

function seeding(): { bench: EngineBench; added: Torrent } {
  const bench = new EngineBench();
  bench.disk.put(torrent);
  const added = bench.add(torrent);
  bench.settle();
  expect(added.state).toBe('seeding');
  return { bench, added };
}

function stallOnRead(bench: EngineBench, error = broken): void {
  const peer = bench.inbound(torrent);
  peer.say((sink) => sink.onInterested());
  bench.disk.readError = error;
  peer.say((sink) => sink.onRequest(3, 0, 16_384));
  bench.settle();
  const [added] = bench.engine.torrents.values();
  expect(added!.state).toBe('stalled');
}
