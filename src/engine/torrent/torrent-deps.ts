import type { ResolvedOptions } from '../../options.ts';
import type { World } from '../../ports.ts';
import type { Rng } from '../../util/rng.ts';
import type { SlabPool } from '../../util/slab-pool.ts';
import type { Bandwidth } from '../bandwidth.ts';
import type { DhtPorts } from '../discovery/dht-ports.ts';
import type { PeerFinder } from '../discovery/peer-finder.ts';
import type { TrackerDriverOptions } from '../discovery/tracker-driver.ts';
import type { ExternalAddress } from '../external-address.ts';
import type { Greeter } from '../greeter.ts';
import type { MetadataMemory } from '../metadata/metadata-memory.ts';
import type { LaneBudget } from '../transport/lane-budget.ts';
import type { ChokerPolicy } from './choke-rounds.ts';
import type { DialBudget } from './dialer.ts';
import type { PeerRanks } from './peer-priority.ts';
import type { ReadMemory } from './read-memory.ts';

/** Connections over all torrents. */
export interface ConnectionCount {
  count: number;
  readonly free: number;
}

/** What all torrents of an engine share. */
export interface TorrentDeps {
  /** As it is. A torrent calls it through `Torrent.world` alone, so that a bug of its own stays with it. */
  readonly bareWorld: World;
  readonly rng: Rng;
  readonly options: Pick<ResolvedOptions, 'uploadSlots' | 'connectionsPerTorrentMax' | 'encryption'> & {
    readonly choker?: ChokerPolicy;
  };
  /** Buffers of pieces being received. */
  readonly slabs: SlabPool;
  /** For pieces being sent. */
  readonly readMemory: ReadMemory;
  readonly down: Bandwidth;
  readonly up: Bandwidth;
  readonly connections: ConnectionCount;
  /** More connections to web seeds. */
  readonly webLanes: LaneBudget;
  readonly dialBudget: DialBudget;
  /** What magnets hold of metadata that is not whole. */
  readonly metadataMemory: MetadataMemory;
  readonly greeter: Greeter;
  readonly trackerOptions: TrackerDriverOptions;
  /** Ways to find peers besides trackers; a private torrent uses none of them. */
  readonly finders: readonly PeerFinder[];
  /** Null without a DHT. A private torrent says nothing of it. */
  readonly dht: DhtPorts | null;
  /** Exchange peers with peers, where a torrent may (BEP 11). */
  readonly pex: boolean;
  readonly external: ExternalAddress;
  readonly ranks: PeerRanks;
  /** Told to peers as `v` (BEP 10). */
  readonly clientName: string;
  listenPort(): number;
  newPeerId(): Uint8Array;
}
