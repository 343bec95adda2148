import type { MetaInfo } from '../../src/metainfo/metainfo.ts';
import { stampRange } from '../../src/sim/content.ts';
import { SimDisk, SimStorageFactory } from '../../src/sim/sim-storage.ts';
import { simTorrent } from '../../src/sim/sim-torrent.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { readU32 } from '../../src/util/bytes.ts';
import { contentTorrent } from '../support/content-torrent.ts';
import { storageContract } from './storage.contract.ts';
import type { StorageWorld } from './storage.contract.ts';
import { waitIn } from './virtual-time.ts';

storageContract('simulated, one file', () =>
  simStorageWorld(simTorrent({ pieceCount: 5, pieceLength: 65_536, lastPieceLength: 12_345 })),
);

storageContract('simulated, many files', () =>
  simStorageWorld(
    contentTorrent('album', 65_536, [
      { path: 'empty', length: 0 },
      { path: 'a', length: 140_000 },
      { path: '.pad/1', length: 56_608, padding: true },
      { path: 'b', length: 100_000 },
    ]).metaInfo,
  ),
);

function simStorageWorld(metaInfo: MetaInfo): StorageWorld {
  const clock = new VirtualClock();
  const factory = new SimStorageFactory(clock, new SimDisk({ seekMs: 1, readsWhole: true }));
  return {
    metaInfo,
    open: () => factory.open(metaInfo, { dir: '/' }),
    fill: (piece, into) => stampRange(into, readU32(metaInfo.infoHash, 0), piece, 0, () => 0),
    wait: waitIn(clock),
    end: () => Promise.resolve(),
  };
}
