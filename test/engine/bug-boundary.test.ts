import { describe, expect, test } from 'vitest';
import { InternalError, StorageError } from '../../src/errors.ts';
import { EngineBench, FakePeer, singleFile } from './support/fake-world.ts';

/**
 * Bugs are made by breaking a method of a torrent's part. Wherever it is called from, the one torrent ends, and neither
 * the process nor the other torrent.
 */
const torrent = singleFile(20);
const other = singleFile(20, 16_384, 'other.bin');

const bug = new TypeError('x is undefined');
const break_ = (object: object, method: string): void => {
  Object.defineProperty(object, method, {
    value: () => {
      throw bug;
    },
  });
};

describe('a bug', () => {
  test('in what a peer says ends its torrent, with a report', () => {
    const { bench, broken, well } = two();
    const peer = bench.seeder(torrent);
    break_(broken.picker, 'onReceived');
    peer.serve(torrent);
    expect(peer.reason).toBe('torrent-stopped');
    expectFailed(bench, broken);
    expect(well.state).toBe('downloading');
    bench.exchange(other, [bench.seeder(other)]);
    expect(well.state).toBe('seeding');
  });

  test('in a handshake ends its torrent', () => {
    const { bench, broken } = two();
    break_(broken.picker, 'onPeerJoined');
    const peer = new FakePeer({ inbound: true });
    bench.transport.accept(peer);
    peer.shakeHands(torrent);
    expect(peer.reason).toBe('torrent-stopped');
    expectFailed(bench, broken);
  });

  test('in the heartbeat ends its torrent, and the heart of the others goes on', () => {
    const { bench, broken, well } = two();
    const idle = bench.inbound(other);
    break_(broken.roster, 'candidates');
    bench.seconds(1);
    expectFailed(bench, broken);
    bench.seconds(200);
    expect(idle.reason).toBe('inactive');
    expect(well.state).toBe('downloading');
  });

  test('in the answer of the disk ends its torrent', () => {
    const { bench, broken } = two();
    break_(broken.files, 'onPiece');
    bench.exchange(torrent, [bench.seeder(torrent)]);
    expectFailed(bench, broken);
  });

  test('in the answer to a dial ends its torrent', () => {
    const { bench, broken } = two();
    broken.onPeersFound([{ host: '10.3.3.3', port: 1 }], 'user');
    break_(broken.roster, 'onDisconnected');
    bench.transport.dials.shift()!.done('connect-failed');
    expectFailed(bench, broken);
  });

  test('in whoever waits for bandwidth ends its torrent, and the others get theirs', () => {
    const bench = new EngineBench({ upLimit: 100_000 });
    for (const each of [torrent, other]) {
      bench.disk.put(each);
      bench.add(each);
    }
    bench.settle();
    const [broken] = bench.engine.torrents.values();
    const peers = [torrent, other].map((each) => bench.inbound(each).say((sink) => sink.onInterested()));
    for (let i = 0; i < 8; i++) {
      for (const peer of peers) peer.say((sink) => sink.onRequest(i, 0, 16_000));
    }
    bench.settle();
    break_(broken!.cache, 'keyOf');
    peers.forEach((peer) => peer.heard());
    for (let second = 0; second < 10; second++) {
      bench.seconds(1);
      for (const peer of peers) {
        peer.queuedBytes = 0;
        peer.say((sink) => sink.onWritable());
      }
    }
    expect(broken!.state).toBe('failed');
    expect(peers[1]!.heard().filter((text) => text.startsWith('piece')).length).toBeGreaterThan(3);
  });

  test('does not spoil what is remembered, and resume begins anew', () => {
    const { bench, broken } = two();
    const seeder = bench.seeder(torrent);
    bench.exchange(torrent, [seeder]);
    bench.engine.removeTorrent(broken, () => undefined);
    bench.settle();
    const record = bench.store.records.get(torrent.metaInfo.infoHashHex)!;
    const again = bench.add(torrent);
    bench.settle();
    again.onBug(bug);
    bench.settle();
    bench.engine.removeTorrent(again, () => undefined);
    bench.settle();
    expect(bench.store.records.get(torrent.metaInfo.infoHashHex)).toEqual(record);
    const third = bench.add(torrent);
    bench.settle();
    third.onBug(bug);
    expect(third.state).toBe('failed');
    third.resume();
    bench.settle();
    expect(third.state).toBe('seeding');
    expect(third.error).toBeNull();
  });

  test('that follows a bug is not reported again, and the torrent can still be removed', () => {
    const { bench, broken } = two();
    const peer = bench.seeder(torrent);
    break_(broken.picker, 'onPeerLeft');
    broken.onBug(bug);
    peer.endTurn();
    bench.settle();
    expectFailed(bench, broken);
    let removed = false;
    bench.engine.removeTorrent(broken, () => (removed = true));
    bench.settle();
    expect(removed).toBe(true);
    expect(bench.engine.connectionCount).toBe(0);
  });

  test('in a torrent that is paused is told to nobody but the log, for it has stopped already', () => {
    const { bench, broken } = two();
    broken.pause();
    broken.onBug(bug);
    expect(broken.state).toBe('paused');
    expect(bench.values('failed')).toEqual([]);
  });
});

test('what a disk or a peer does wrong is no bug', () => {
  const { bench, broken } = two();
  const full = new StorageError('full', 'ERR_DISK_FULL', '/');
  bench.disk.writeError = full;
  bench.seeder(torrent).serve(torrent);
  bench.settle();
  expect(broken.state).toBe('stalled');
  expect(bench.values('failed')).toEqual([]);
});

function two(): {
  bench: EngineBench;
  broken: ReturnType<EngineBench['add']>;
  well: ReturnType<EngineBench['add']>;
} {
  const bench = new EngineBench();
  const broken = bench.add(torrent);
  const well = bench.add(other);
  bench.settle();
  return { bench, broken, well };
}

function expectFailed(bench: EngineBench, broken: ReturnType<EngineBench['add']>): void {
  expect(broken.state).toBe('failed');
  expect(broken.error).toBeInstanceOf(InternalError);
  expect(broken.error).toMatchObject({ code: 'ERR_INTERNAL', cause: bug });
  expect(broken.error!.message).toContain('single.bin');
  expect(bench.values('failed')).toEqual([broken.error]);
}
