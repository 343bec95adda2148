import { encode, RawBencode } from '../bencode/codec.ts';
import type { HostPort } from '../util/host-port.ts';

/** What a .torrent says besides the content. None of it changes the info hash. */
export interface TorrentNotes {
  /** Tiers of announce URLs (BEP 12). */
  readonly trackers?: readonly (readonly string[])[];
  /** BEP 19. */
  readonly webSeeds?: readonly string[];
  /** Nodes of the DHT to begin from (BEP 5). */
  readonly nodes?: readonly HostPort[];
  readonly comment?: string | null;
  readonly createdBy?: string | null;
  /** Seconds since 1970. */
  readonly createdAt?: number | null;
}

/**
 * The bytes of a .torrent around the exact bytes of an `info` dictionary, whose hash stays what it is.
 *
 * The first tracker is also written as plain `announce`, for clients that know BEP 3 alone.
 */
export function writeTorrent(infoBytes: Uint8Array, notes: TorrentNotes): Uint8Array {
  const tiers = (notes.trackers ?? []).filter((tier) => tier.length > 0);
  const nodes = notes.nodes ?? [];
  const webSeeds = notes.webSeeds ?? [];
  return encode({
    announce: tiers[0]?.[0],
    'announce-list': tiers.flat().length > 1 ? tiers : undefined,
    comment: notes.comment ?? undefined,
    'created by': notes.createdBy ?? undefined,
    'creation date': notes.createdAt ?? undefined,
    info: new RawBencode(infoBytes),
    nodes: nodes.length > 0 ? nodes.map(({ host, port }) => [host, port]) : undefined,
    'url-list': webSeeds.length > 0 ? webSeeds : undefined,
  });
}
