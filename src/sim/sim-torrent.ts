import { PieceGeometry } from '../metainfo/geometry.ts';
import type { MetaInfo } from '../metainfo/metainfo.ts';
import { toHex, utf8 } from '../util/bytes.ts';
import { Rng } from '../util/rng.ts';

export interface SimTorrentOptions {
  readonly pieceCount: number;
  /** Bytes. Default: 64 KiB. */
  readonly pieceLength?: number;
  /** Bytes of the last piece. Default: all of `pieceLength`. */
  readonly lastPieceLength?: number;
  /** Default: `simulated`. */
  readonly name?: string;
  readonly trackers?: readonly (readonly string[])[];
  readonly private?: boolean;
}

/** A torrent of one file for the simulated world. It has no content, so its piece hashes are zeros. */
export function simTorrent(options: SimTorrentOptions): MetaInfo {
  const { pieceCount } = options;
  const pieceLength = options.pieceLength ?? 65_536;
  const length = (pieceCount - 1) * pieceLength + (options.lastPieceLength ?? pieceLength);
  const name = options.name ?? 'simulated';
  const rng = new Rng(length).fork(name);
  const infoHash = Uint8Array.from({ length: 20 }, () => rng.below(256));
  return Object.freeze({
    infoHash,
    infoHashHex: toHex(infoHash),
    name,
    files: Object.freeze([Object.freeze({ index: 0, path: name, length, offset: 0, padding: false })]),
    isSingleFile: true,
    length,
    pieceLength,
    pieceCount,
    geometry: new PieceGeometry(length, pieceLength),
    pieceHashes: new Uint8Array(20 * pieceCount),
    private: options.private ?? false,
    trackers: Object.freeze(options.trackers ?? []),
    webSeeds: Object.freeze([]),
    nodes: Object.freeze([]),
    comment: null,
    createdBy: null,
    createdAt: null,
    isHybrid: false,
    infoBytes: utf8(`simulated info of ${name}`),
  });
}
