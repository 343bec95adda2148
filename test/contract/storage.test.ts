import { DiskPool } from '../../src/node/disk-pool.ts';
import { fileStorageFactory } from '../../src/node/file-storage.ts';
import { contentTorrent } from '../support/content-torrent.ts';
import type { ContentTorrent } from '../support/content-torrent.ts';
import { temporaryFolder } from '../support/tree.ts';
import { storageContract } from './storage.contract.ts';
import type { StorageWorld } from './storage.contract.ts';

storageContract('files on disk, one file', () =>
  fileWorld(contentTorrent('single.bin', 65_536, null, 4 * 65_536 + 12_345)),
);

storageContract('files on disk, many files', () =>
  fileWorld(
    contentTorrent('album', 65_536, [
      { path: 'empty', length: 0 },
      { path: 'a', length: 40_000 },
      { path: 'deep/er/b', length: 100_000 },
      { path: 'c', length: 1 },
      { path: '.pad/1', length: 56_607, padding: true },
      { path: 'deep/empty too', length: 0 },
      { path: 'd', length: 100_000 },
      { path: 'end', length: 0 },
    ]),
  ),
);

function fileWorld(torrent: ContentTorrent): StorageWorld {
  const folder = temporaryFolder('storage');
  const pool = new DiskPool({ threads: 2 });
  const factory = fileStorageFactory(pool);
  return {
    metaInfo: torrent.metaInfo,
    open: () => factory.open(torrent.metaInfo, { dir: folder.path }),
    fill: (piece, into) => into.set(torrent.piece(piece)),
    wait: (start) => new Promise((resolve) => start(resolve)),
    async end() {
      await pool.close();
      folder.remove();
    },
  };
}
