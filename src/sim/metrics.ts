import { peerToPeerSeconds } from './bounds.ts';
import type { SimPeer } from './sim-peer.ts';

export interface SwarmReport {
  /** Downloaders that are complete, and all of them. */
  readonly completed: number;
  readonly downloaders: number;
  /** Milliseconds from join to completion: fastest, median, 95th percentile, slowest. */
  readonly firstMs: number;
  readonly medianMs: number;
  readonly p95Ms: number;
  readonly lastMs: number;
  readonly meanMs: number;
  /**
   * The least time in which the slowest of them could have finished, had all joined at the start:
   * max{F/us, F/dmin, NF/(us + sum of ui)} (Kumar and Ross 2006). 0 when no rate is limited.
   */
  readonly boundMs: number;
  /** The time when the last of them was complete, in bounds. */
  readonly ratioToBound: number;
  /** Copies of the torrent that the seeders sent. */
  readonly seederCopies: number;
  /** Payload received for nothing, as a share of all payload received. */
  readonly wasteShare: number;
  /** Bytes of pieces that failed. */
  readonly corruptBytes: number;
  /** What downloaders gave in ratio to what they took, of the least generous and the most generous of them. */
  readonly leastShared: number;
  readonly mostShared: number;
  /** All that went over the network, protocol included, for each byte of payload. */
  readonly overhead: number;
}

/** How a swarm did. */
export function reportOf(peers: readonly SimPeer[], torrentLength: number): SwarmReport {
  const seeders = peers.filter((peer) => peer.isSeeder);
  const downloaders = peers.filter((peer) => !peer.isSeeder);
  const done = downloaders.filter((peer) => peer.isComplete);
  const times = done.map((peer) => peer.completedAtMs! - peer.startedAtMs!).sort((a, b) => a - b);
  const boundMs = lowerBoundMs(seeders, downloaders, torrentLength);
  const endMs = done.reduce((end, peer) => Math.max(end, peer.completedAtMs!), 0);
  const received = sum(peers, (peer) => peer.stats?.downloaded ?? 0);
  const shares = done.map((peer) => (peer.stats?.uploaded ?? 0) / torrentLength);
  return {
    completed: done.length,
    downloaders: downloaders.length,
    firstMs: percentile(times, 0),
    medianMs: percentile(times, 0.5),
    p95Ms: percentile(times, 0.95),
    lastMs: percentile(times, 1),
    meanMs: meanOf(times, (time) => time),
    boundMs,
    ratioToBound: endMs / boundMs,
    seederCopies: sum(seeders, (peer) => peer.stats?.uploaded ?? 0) / torrentLength,
    wasteShare: sum(peers, (peer) => peer.stats?.wasted ?? 0) / Math.max(1, received),
    corruptBytes: sum(peers, (peer) => peer.stats?.corrupt ?? 0),
    leastShared: shares.reduce((least, share) => Math.min(least, share), Infinity),
    mostShared: shares.reduce((most, share) => Math.max(most, share), 0),
    overhead: sum(peers, (peer) => peer.host.uplink.sentBytes) / Math.max(1, received),
  };
}

function lowerBoundMs(
  seeders: readonly SimPeer[],
  downloaders: readonly SimPeer[],
  torrentLength: number,
): number {
  const seconds = peerToPeerSeconds({
    length: torrentLength,
    server: sum(seeders, (peer) => peer.host.uplink.bytesPerSec),
    up: downloaders.map(givesBytesPerSec),
    slowestDown: downloaders.reduce(
      (least, peer) => Math.min(least, peer.host.downlink.bytesPerSec),
      Infinity,
    ),
  });
  return seconds * 1000;
}

/** What it can give; free riders give nothing, whatever their lines could carry. */
function givesBytesPerSec(peer: SimPeer): number {
  return peer.options.engine?.uploadSlots === 0 ? 0 : peer.host.uplink.bytesPerSec;
}

/** The value below which this share of them lies; `sorted` is in rising order. */
function percentile(sorted: readonly number[], share: number): number {
  if (sorted.length === 0) return NaN;
  return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length))]!;
}

/** NaN of nothing. */
export function meanOf<T>(items: readonly T[], of: (item: T) => number): number {
  return sum(items, of) / items.length;
}

function sum<T>(items: readonly T[], of: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += of(item);
  return total;
}
