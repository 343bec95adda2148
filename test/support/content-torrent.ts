import { createHash } from 'node:crypto';
import { PieceGeometry } from '../../src/metainfo/geometry.ts';
import type { MetaInfo } from '../../src/metainfo/metainfo.ts';
import { toHex } from '../../src/util/bytes.ts';
import { Slab } from '../../src/util/slab-pool.ts';
import { noise } from './tree.ts';

export interface ContentFile {
  /** Path below the torrent's folder. */
  readonly path: string;
  readonly length: number;
  readonly padding?: boolean;
}

/** A torrent together with its content, made without any file. */
export interface ContentTorrent {
  readonly metaInfo: MetaInfo;
  readonly content: Uint8Array;
  piece(piece: number): Uint8Array;
  /** A slab that holds the piece. */
  slab(piece: number): Slab;
}

/** @param files null for a torrent of one file of `length` bytes. */
export function contentTorrent(
  name: string,
  pieceLength: number,
  files: readonly ContentFile[] | null,
  length = 0,
): ContentTorrent {
  const list = files ?? [{ path: '', length }];
  let offset = 0;
  const entries = list.map((file, index) => {
    const path = file.path === '' ? name : `${name}/${file.path}`;
    const entry = { index, path, length: file.length, offset, padding: file.padding ?? false };
    offset += file.length;
    return entry;
  });
  const content = new Uint8Array(offset);
  for (const entry of entries) {
    if (!entry.padding && entry.length > 0) content.set(noise(entry.path, entry.length), entry.offset);
  }
  const geometry = new PieceGeometry(offset, pieceLength);
  const pieceOf = (piece: number): Uint8Array =>
    content.subarray(piece * pieceLength, piece * pieceLength + geometry.pieceLengthOf(piece));
  const pieceHashes = new Uint8Array(20 * geometry.pieceCount);
  for (let i = 0; i < geometry.pieceCount; i++) {
    pieceHashes.set(createHash('sha1').update(pieceOf(i)).digest(), i * 20);
  }
  const infoHash = new Uint8Array(createHash('sha1').update(name).update(pieceHashes).digest());
  const metaInfo: MetaInfo = {
    infoHash,
    infoHashHex: toHex(infoHash),
    name,
    files: entries,
    isSingleFile: files === null,
    length: offset,
    pieceLength,
    pieceCount: geometry.pieceCount,
    geometry,
    pieceHashes,
    private: false,
    trackers: [],
    webSeeds: [],
    comment: null,
    createdBy: null,
    createdAt: null,
    nodes: [],
    isHybrid: false,
    infoBytes: new Uint8Array(0),
  };
  return {
    metaInfo,
    content,
    piece: pieceOf,
    slab(piece) {
      const slab = new Slab(pieceLength);
      slab.bytes.set(pieceOf(piece));
      return slab;
    },
  };
}
