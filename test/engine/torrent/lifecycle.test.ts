import { describe, expect, test } from 'vitest';
import { StorageError } from '../../../src/errors.ts';
import { decodeResume } from '../../../src/metainfo/resume.ts';
import { contentTorrent } from '../../support/content-torrent.ts';
import { EngineBench, singleFile } from '../support/fake-world.ts';

/** What a torrent goes through, with a disk and peers that do as the test says. */
const torrent = singleFile(6);

describe('a torrent that starts', () => {
  test('with nothing on disk downloads, and is complete when all is flushed', () => {
    const bench = new EngineBench();
    const engineTorrent = bench.add(torrent);
    bench.settle();
    expect(engineTorrent.state).toBe('downloading');
    const seeder = bench.seeder(torrent);
    bench.exchange(torrent, [seeder]);
    expect(engineTorrent.state).toBe('seeding');
    expect(bench.disk.holds(torrent)).toBe(true);
    expect(bench.values('state')).toEqual(['checking', 'downloading', 'seeding']);
    expect(bench.values('file')).toEqual([0]);
    expect(bench.values('complete')).toHaveLength(1);
    expect(bench.told.at(-1)).toEqual({ event: 'complete' });
  });

  test('with all on disk and no record reads everything and seeds', () => {
    const bench = new EngineBench();
    bench.disk.put(torrent);
    const engineTorrent = bench.add(torrent);
    bench.settle();
    expect(engineTorrent.state).toBe('seeding');
    expect(bench.disk.checks).toBe(6);
    expect(engineTorrent.isComplete).toBe(true);
  });

  test('believes the record of the last run without reading', () => {
    const bench = complete();
    close(bench);
    bench.disk.checks = 0;
    const again = bench.add(torrent);
    bench.settle();
    expect(again.state).toBe('seeding');
    expect(bench.disk.checks).toBe(0);
    expect(again.stats().progress).toBe(1);
  });

  test('fails where the disk refuses to tell, leaves the record as it was, and recovers by resume', () => {
    const bench = complete();
    close(bench);
    const record = recordOf(bench);
    bench.disk.statError = new StorageError('no', 'ERR_DISK_PERMISSION', '/');
    const again = bench.add(torrent);
    bench.settle();
    expect(again.state).toBe('failed');
    expect(again.error?.code).toBe('ERR_DISK_PERMISSION');
    bench.disk.statError = null;
    close(bench);
    expect(recordOf(bench)).toBe(record);
    const third = bench.add(torrent);
    bench.settle();
    expect(third.state).toBe('seeding');
  });
});

describe('a check that is cut short', () => {
  test('by a pause does not write down that the rest is missing', () => {
    const bench = complete();
    close(bench);
    // Somebody touched the file, so that all of it has to be read.
    bench.disk.mtimeMs++;
    bench.disk.held = [];
    const again = bench.add(torrent);
    bench.settle();
    bench.disk.held.shift()!();
    bench.settle();
    expect(again.state).toBe('checking');
    again.pause();
    bench.disk.held.splice(0).forEach((answer) => answer());
    bench.disk.held = null;
    bench.settle();
    expect(again.state).toBe('paused');
    expect(again.stats().piecesDone).toBe(0);
    bench.seconds(120);
    close(bench);
    const third = bench.add(torrent);
    bench.settle();
    expect(third.state).toBe('seeding');
  });

  test('by another check is not heard any more', () => {
    const bench = complete();
    const [again] = bench.engine.torrents.values();
    // The first look at the disk is slow; meanwhile the content goes bad.
    bench.disk.held = [];
    again!.pause();
    again!.resume();
    bench.settle();
    const first = bench.disk.held.splice(0);
    bench.disk.held = null;
    bench.disk.contents.get('single.bin')!.fill(0);
    again!.recheck();
    bench.settle();
    expect(again!.state).toBe('downloading');
    first.forEach((answer) => answer());
    bench.settle();
    expect(again!.stats().piecesDone).toBe(0);
    expect(again!.state).toBe('downloading');
  });
});

describe('the record of a torrent', () => {
  test('that starts, seeds and ends as it was remembered is not written again', () => {
    const bench = complete();
    close(bench);
    bench.store.saves = 0;
    const again = bench.add(torrent);
    bench.settle();
    expect(again.isComplete).toBe(true);
    close(bench);
    expect(bench.store.saves).toBe(0);
  });

  test('tells what was sent since, and which file was found gone', () => {
    const bench = complete();
    close(bench);
    bench.store.saves = 0;
    const again = bench.add(torrent);
    bench.settle();
    again.counters.onUploaded(16_384, bench.clock.now());
    close(bench);
    expect(bench.store.saves).toBe(1);
    bench.disk.contents.clear();
    bench.add(torrent);
    bench.settle();
    close(bench);
    expect(bench.store.saves).toBe(2);
    const reading = decodeResume(bench.store.records.get(torrent.metaInfo.infoHashHex)!, torrent.metaInfo);
    expect(reading.ok && [reading.record.uploaded, reading.record.have.count]).toEqual([16_384, 0]);
  });
});

describe('a record that is written while the download goes on', () => {
  test('lets no piece be fetched again that came between what it tells and its look at the files', () => {
    const bench = new EngineBench();
    bench.add(torrent);
    bench.settle();
    const peer = bench.seeder(torrent);
    const asked = peer.requests();
    const pieces = [...new Set(asked.map(({ piece }) => piece))];
    const give = (piece: number): void => {
      for (const { begin, length } of asked.filter((request) => request.piece === piece)) {
        peer.give(piece, begin, torrent.piece(piece).slice(begin, begin + length));
      }
    };
    give(pieces[0]!);
    bench.settle();
    // The save waits for its flush, and meanwhile another piece reaches the disk.
    const held: (() => void)[] = (bench.disk.held = []);
    bench.seconds(61);
    expect(held).toHaveLength(1);
    give(pieces[1]!);
    expect(held).toHaveLength(2);
    for (const answer of held.splice(0).reverse()) answer();
    bench.disk.held = null;
    for (const answer of held.splice(0)) answer();
    bench.settle();
    expect(bench.store.saves).toBe(1);
    const crashed = new EngineBench({}, () => ({ storage: bench.disk, resume: bench.store }));
    const again = crashed.add(torrent);
    for (let i = 0; i < 20; i++) {
      bench.settle();
      crashed.settle();
    }
    expect(again.state).toBe('downloading');
    expect(again.stats().piecesDone).toBe(2);
  });
});

describe('a paused torrent', () => {
  test('added so takes what is remembered, reads nothing and stays paused', () => {
    const bench = complete();
    close(bench);
    bench.disk.checks = 0;
    const again = bench.add(torrent, { paused: true });
    bench.settle();
    expect(again.state).toBe('paused');
    expect(again.stats().piecesDone).toBe(6);
    expect(bench.disk.checks).toBe(0);
  });

  test('that is resumed before it has loaded works all the same', () => {
    const bench = new EngineBench();
    bench.disk.put(torrent);
    const added = bench.add(torrent, { paused: true });
    added.resume();
    bench.settle();
    expect(added.state).toBe('seeding');
  });

  test('keeps a piece that reached the disk after the pause, which its record does not name', () => {
    const bench = new EngineBench();
    const added = bench.add(torrent);
    bench.settle();
    const peer = bench.seeder(torrent);
    const asked = peer.requests();
    const { piece } = asked[0]!;
    bench.disk.held = [];
    for (const { begin, length } of asked.filter((request) => request.piece === piece)) {
      peer.give(piece, begin, torrent.piece(piece).slice(begin, begin + length));
    }
    expect(bench.disk.held).toHaveLength(1);
    added.pause();
    while (bench.disk.held.length > 0) {
      bench.disk.held.shift()!();
      bench.settle();
    }
    bench.disk.held = null;
    bench.settle();
    expect(added.state).toBe('paused');
    expect(added.stats().piecesDone).toBe(1);
    const reading = decodeResume(bench.store.records.get(torrent.metaInfo.infoHashHex)!, torrent.metaInfo);
    expect(reading.ok && reading.record.have.count).toBe(0);
    added.resume();
    bench.settle();
    expect(added.state).toBe('downloading');
    expect(added.stats().piecesDone).toBe(1);
    expect(bench.disk.checks).toBe(1);
  });

  test('stays paused after a recheck', () => {
    const bench = complete();
    const [added] = bench.engine.torrents.values();
    added!.pause();
    bench.settle();
    bench.disk.checks = 0;
    added!.recheck();
    expect(added!.state).toBe('checking');
    bench.settle();
    expect(added!.state).toBe('paused');
    expect(bench.disk.checks).toBe(6);
    expect(added!.stats().piecesDone).toBe(6);
    added!.resume();
    bench.settle();
    expect(added!.state).toBe('seeding');
  });

  test('says goodbye to its peers, lets none in, and gives its buffers to others', () => {
    const bench = new EngineBench({ memory: 4 * 32_768 });
    const other = singleFile(4, 32_768, 'other.bin');
    const first = bench.add(torrent);
    bench.settle();
    const peer = bench.seeder(torrent);
    const [request] = peer.requests();
    peer.give(
      request!.piece,
      request!.begin,
      torrent.piece(request!.piece).slice(request!.begin, request!.begin + request!.length),
    );
    expect(first.assembler.size).toBeGreaterThan(0);
    first.pause();
    peer.endTurn();
    bench.settle();
    expect(peer.reason).toBe('torrent-stopped');
    expect(first.assembler.size).toBe(0);
    const late = bench.inbound(torrent);
    expect(late.reason).toBe('torrent-stopped');
    const second = bench.add(other);
    bench.settle();
    bench.exchange(other, [bench.seeder(other)]);
    expect(second.state).toBe('seeding');
    first.resume();
    bench.settle();
    bench.exchange(torrent, [bench.seeder(torrent)]);
    expect(first.state).toBe('seeding');
  });
});

describe('wishes', () => {
  const files = contentTorrent('wishes', 16_384, [
    { path: 'a', length: 40_000 },
    { path: 'b', length: 40_000 },
  ]);

  test('said before the record was read win over it', () => {
    const bench = new EngineBench();
    bench.add(files);
    bench.settle();
    close(bench, files);
    const again = bench.add(files);
    again.setFilePriority([0], 'skip');
    bench.settle();
    expect(again.files.priorities).toEqual(['skip', 'normal']);
  });

  test('changed since the torrent was added outlast a pause', () => {
    const bench = new EngineBench();
    const added = bench.add(files, { priorities: ['normal', 'skip'] });
    bench.settle();
    added.setFilePriority([1], 'high');
    added.pause();
    bench.settle();
    added.resume();
    bench.settle();
    expect(added.files.priorities).toEqual(['normal', 'high']);
  });

  test('withdrawn free the buffers of pieces that were begun for them', () => {
    const bench = new EngineBench();
    const added = bench.add(files);
    bench.settle();
    const peer = bench.seeder(files);
    expect(added.assembler.size).toBeGreaterThan(2);
    peer.heard();
    added.setFilePriority([0], 'skip');
    expect(peer.heard().filter((text) => text.startsWith('cancel 0 '))).toHaveLength(1);
    expect([...added.assembler.pieces()].map(({ piece }) => piece)).not.toContain(0);
    bench.exchange(files, [peer]);
    added.setFilePriority([1], 'skip');
    expect(added.assembler.size).toBe(0);
    expect(added.state).toBe('seeding');
    added.setFilePriority([0, 1], 'normal');
    expect(added.state).toBe('downloading');
  });

  test('of an earlier run are remembered, and its totals counted once', () => {
    const bench = new EngineBench();
    const added = bench.add(files);
    bench.settle();
    added.setFilePriority([0], 'low');
    bench.exchange(files, [bench.seeder(files)]);
    for (let i = 0; i < 3; i++) {
      added.pause();
      bench.settle();
      added.resume();
      bench.settle();
    }
    close(bench, files);
    const record = decodeResume(bench.store.records.get(files.metaInfo.infoHashHex)!, files.metaInfo);
    expect(record.ok && record.record.downloaded).toBe(80_000);
    expect(record.ok && record.record.priorities).toEqual(['low', 'normal']);
  });
});

describe('the end', () => {
  test('comes to all who wait for it, when the disk has let go', () => {
    const bench = new EngineBench();
    const added = bench.add(torrent);
    bench.settle();
    const heard: string[] = [];
    bench.engine.removeTorrent(added, () => heard.push('removed'));
    bench.engine.close(() => heard.push('closed'));
    expect(heard).toEqual([]);
    bench.settle();
    expect(heard).toEqual(['removed', 'closed']);
    expect(bench.disk.closes).toBe(1);
    added.close(() => heard.push('again'));
    expect(heard.at(-1)).toBe('again');
  });

  test('of a torrent does not take its successor out of the engine', () => {
    const bench = new EngineBench();
    const first = bench.add(torrent);
    bench.settle();
    bench.engine.removeTorrent(first, () => undefined);
    const second = bench.add(torrent);
    bench.settle();
    expect([...bench.engine.torrents.values()]).toEqual([second]);
    expect(bench.inbound(torrent).reason).toBeNull();
  });

  test('leaves no timer behind', () => {
    const bench = new EngineBench({ downLimit: 1000 });
    bench.add(torrent);
    bench.settle();
    bench.exchange(torrent, [bench.seeder(torrent)]);
    let closed = false;
    bench.engine.close(() => (closed = true));
    bench.settle();
    expect(closed).toBe(true);
    expect(bench.clock.pending).toBe(0);
  });

  test('waits for pieces that are being written, and remembers them', () => {
    const bench = new EngineBench();
    bench.add(torrent);
    bench.settle();
    const seeder = bench.seeder(torrent);
    bench.disk.held = [];
    while (seeder.serve(torrent) > 0) continue;
    const [added] = bench.engine.torrents.values();
    bench.engine.removeTorrent(added!, () => undefined);
    const answers = bench.disk.held.splice(0);
    expect(answers.length).toBeGreaterThan(0);
    bench.disk.held = null;
    answers.forEach((answer) => answer());
    bench.settle();
    bench.disk.checks = 0;
    const again = bench.add(torrent);
    bench.settle();
    expect(again.stats().piecesDone).toBe(bench.disk.written.length);
    expect(bench.disk.checks).toBe(0);
  });
});

function complete(): EngineBench {
  const bench = new EngineBench();
  bench.add(torrent);
  bench.settle();
  bench.exchange(torrent, [bench.seeder(torrent)]);
  return bench;
}

function close(bench: EngineBench, which = torrent): void {
  const added = bench.engine.torrents.get(which.metaInfo.infoHashHex)!;
  bench.engine.removeTorrent(added, () => undefined);
  bench.settle();
  expect(added.state).toBe('closed');
}

function recordOf(bench: EngineBench): string {
  return Buffer.from(bench.store.records.get(torrent.metaInfo.infoHashHex)!).toString('hex');
}
