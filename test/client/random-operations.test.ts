import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Rng } from '../../src/util/rng.ts';
import { isSame, LibraryBench, next } from './support/library-bench.ts';
import { Id, WirePeer } from './support/wire-peer.ts';

/** The same as in the engine's own test, with real files, sockets and threads; whatever rejects unheard fails the test. */
test.each([1, 2, 3])(
  'a user who changes his mind all the time gets the file in the end (seed %i)',
  async (seed) => {
    const rng = new Rng(seed);
    const bench = new LibraryBench();
    const file = bench.file('restless.bin', 100);
    const { client: seeder } = await bench.seeder(file, { upLimit: 8_000_000 });
    const peers = [{ host: '127.0.0.1', port: seeder.listenPort }];
    const dir = bench.dir();
    const client = await bench.client({ dir, stateDir: bench.dir() });
    let torrent = await client.add(file.torrent.bytes, { peers });
    const removals: Promise<void>[] = [];
    const errors: unknown[] = [];
    for (let i = 0; i < 120; i++) {
      switch (rng.below(10)) {
        case 0:
          torrent.pause();
          break;
        case 1:
        case 2:
          torrent.resume();
          break;
        case 3:
          torrent.recheck();
          break;
        case 4:
          torrent.prioritize([0], (['skip', 'low', 'normal', 'high'] as const)[rng.below(4)]!);
          break;
        case 5:
          torrent.addPeers([...peers, { host: '127.0.0.1', port: 1 }]);
          break;
        case 6:
          torrent.setLimits({ down: rng.below(2) === 0 ? Infinity : 2_000_000 });
          break;
        case 7: {
          // Waits that are given up, and never looked at.
          const signal = AbortSignal.timeout(rng.below(20));
          torrent.completed({ signal }).catch((error: unknown) => errors.push(error));
          break;
        }
        case 8:
          if (rng.below(3) === 0) {
            removals.push(client.remove(torrent, { deleteData: rng.below(2) === 0 }));
            torrent = await client.add(file.torrent.bytes, { peers, paused: rng.below(4) === 0 });
          }
          break;
        default: {
          const peer = await WirePeer.connect(client.listenPort);
          peer.shakeHands({ infoHash: torrent.infoHash });
          peer.say(Id.haveAll).say(Id.unchoke).say(Id.interested);
          setTimeout(() => peer.end(), rng.below(50));
        }
      }
      if (rng.below(2) === 0) await sleep(rng.below(12));
      const { downloaded, wasted, corrupt, progress, knownPeers } = torrent.stats;
      expect(Math.min(downloaded, wasted, corrupt, progress, knownPeers)).toBeGreaterThanOrEqual(0);
    }
    await Promise.all(removals);
    seeder.setLimits({ up: Infinity });
    torrent.setLimits({ down: Infinity });
    torrent.prioritize([0], 'normal');
    if (torrent.state === 'checking') await next(torrent, 'state', (state) => state !== 'checking');
    torrent.resume();
    torrent.addPeers(peers);
    await torrent.completed();
    expect(isSame(torrent, file)).toBe(true);
    expect(
      errors.every((error) => (error as Error).name === 'TimeoutError' || 'code' in (error as Error)),
    ).toBe(true);
    await bench.close();
  },
);
