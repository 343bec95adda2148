import type { HostPort } from '../util/host-port.ts';
import type { PieceGeometry } from './geometry.ts';

/** One file of a torrent. */
export interface FileEntry {
  /** Position in the torrent's own list, pad files included (BEP 53 counts the same way). */
  readonly index: number;
  /** Safe path relative to the download folder, `/` between parts, beginning with the torrent's name. */
  readonly path: string;
  /** Bytes. */
  readonly length: number;
  /** Offset of its first byte in the torrent's content. */
  readonly offset: number;
  /** A pad file (BEP 47): zeros that are never written or requested. */
  readonly padding: boolean;
}

/** A parsed .torrent. Frozen, so that many users share one copy. */
export interface MetaInfo {
  /** SHA-1 of the raw `info` bytes. */
  readonly infoHash: Uint8Array;
  /** The same in 40 lower-case hexadecimal digits. */
  readonly infoHashHex: string;
  /** Safe to use as the name of a file. */
  readonly name: string;
  readonly files: readonly FileEntry[];
  /** True if the torrent is a single file without a folder of its own. */
  readonly isSingleFile: boolean;
  /** Bytes of content, pad files included. */
  readonly length: number;
  readonly pieceLength: number;
  readonly pieceCount: number;
  readonly geometry: PieceGeometry;
  /** 20 bytes per piece. */
  readonly pieceHashes: Uint8Array;
  /** BEP 27: peers come from the trackers alone. */
  readonly private: boolean;
  /** Tiers of announce URLs (BEP 12); only http, https and udp. */
  readonly trackers: readonly (readonly string[])[];
  /** BEP 19. */
  readonly webSeeds: readonly string[];
  /** Nodes of the DHT to begin from (BEP 5), with names or addresses. */
  readonly nodes: readonly HostPort[];
  readonly comment: string | null;
  readonly createdBy: string | null;
  /** Seconds since 1970. */
  readonly createdAt: number | null;
  /** True if the torrent also carries a BEP 52 (v2) half, which is not used. */
  readonly isHybrid: boolean;
  /** The exact bytes that were hashed. */
  readonly infoBytes: Uint8Array;
}
