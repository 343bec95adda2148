import { expect, test } from 'vitest';
import { contentTorrent } from '../../support/content-torrent.ts';
import { parseAddress } from '../../../src/util/ip.ts';
import { NO_EXTENSIONS, readExtendedHandshake } from '../../../src/wire/extension/extended-handshake.ts';
import { PexFlag, UT_PEX, writePex } from '../../../src/wire/extension/ut-pex.ts';
import { ExtendedVoice } from '../support/extended-peer.ts';
import { EngineBench, FakePeer, singleFile } from '../support/fake-world.ts';

/** Seeds have nothing to say to each other: what keeps them from dialling each other again and again. */
const torrent = singleFile(4);
const addresses = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ host: `9.0.0.${i + 1}`, port: 6881 }));

function answerDial(bench: EngineBench): FakePeer {
  const { to, done } = bench.transport.dials.shift()!;
  const peer = new FakePeer({ host: to.host, port: to.port });
  done(peer);
  return peer.shakeHands(torrent);
}

test('who becomes complete says so to the seeds that it leaves, too', () => {
  const bench = new EngineBench();
  bench.add(torrent);
  bench.settle();
  const seed = bench.seeder(torrent);
  seed.payloads.length = 0;
  bench.exchange(torrent, [seed]);
  expect(seed.reason).toBe('both-seeds');
  const said = seed.payloads.map(({ payload }) => readExtendedHandshake(payload)?.uploadOnly);
  expect(said).toEqual([true]);
});

test('a seed that hangs up on us is not dialled again once we are one too', () => {
  const bench = new EngineBench();
  const added = bench.add(torrent, { peers: addresses(1) });
  bench.settle();
  const dialled = answerDial(bench).say((sink) => sink.onHaveAll());
  const other = bench.seeder(torrent);
  // It is done before we are, and finds no reason to stay.
  dialled.hangUp();
  bench.exchange(torrent, [other]);
  expect(added.state).toBe('seeding');
  bench.seconds(3600);
  expect(bench.transport.dials).toEqual([]);
});

test('a seed that others told us of is dialled while we lack something, and not after that', () => {
  const bench = new EngineBench({ connectionsPerTorrentMax: 1 });
  bench.add(torrent);
  bench.settle();
  const seed = bench.seeder(torrent, { host: '9.0.0.9' });
  const voice = new ExtendedVoice(seed, [UT_PEX]);
  const [known, leecher] = [parseAddress('9.0.0.7:1')!, parseAddress('9.0.0.8:1')!];
  const added = [known, leecher].map((address, i) => ({ address, flags: i === 0 ? PexFlag.seed : 0 }));
  voice.say(UT_PEX, writePex({ added, dropped: [] }));
  bench.exchange(torrent, [seed]);
  for (let second = 0; second < 60; second++) {
    for (const { to, done } of bench.transport.dials.splice(0)) {
      expect(to.host).toBe(leecher.host);
      done('connect-failed');
    }
    bench.seconds(1);
  }
});

test('who wants more after it was complete says that, too', () => {
  const two = contentTorrent('two', 16_384, [
    { path: 'a', length: 40_000 },
    { path: 'b', length: 40_000 },
  ]);
  const bench = new EngineBench();
  const added = bench.add(two, { priorities: ['normal', 'skip'] });
  bench.settle();
  const leecher = bench.inbound(two);
  let theirs = NO_EXTENSIONS;
  const wantsNothing = (): boolean => {
    for (const { payload } of leecher.payloads.splice(0)) theirs = readExtendedHandshake(payload, theirs)!;
    return theirs.uploadOnly;
  };
  bench.exchange(two, [bench.seeder(two)]);
  expect(added.state).toBe('seeding');
  expect(wantsNothing()).toBe(true);
  added.setFilePriority([1], 'normal');
  expect(added.state).toBe('downloading');
  expect(wantsNothing()).toBe(false);
});

test('where a seed has met a seed it dials one peer a second; before that all at once', () => {
  const bench = new EngineBench();
  bench.disk.put(torrent);
  bench.add(torrent, { peers: addresses(20) });
  bench.settle();
  expect(bench.transport.dials).toHaveLength(20);
  const all = bench.transport.dials.splice(0);
  const { to, done } = all[0]!;
  const seed = new FakePeer({ host: to.host, port: to.port });
  done(seed);
  expect(seed.shakeHands(torrent).say((sink) => sink.onHaveAll()).reason).toBe('both-seeds');
  for (const dial of all.slice(1)) dial.done('connect-failed');
  // All the others are due again within twenty seconds of their failure.
  for (let second = 0; second < 20; second++) {
    bench.seconds(1);
    expect(bench.transport.dials.length).toBeLessThanOrEqual(1);
    for (const dial of bench.transport.dials.splice(0)) dial.done('connect-failed');
  }
});
