/** The simulated world: real engines in virtual time, for questions that a real network answers too slowly. */
export { SimSwarm, type SwarmOptions } from './swarm.ts';
export { SimPeer, type SimPeerOptions } from './sim-peer.ts';
export type { SwarmReport } from './metrics.ts';
export {
  buildSwarm,
  ratesOf,
  runScenario,
  ScenarioRun,
  type ChokerPolicy,
  type Fidelity,
  type PickerPolicy,
  type Scenario,
  type ScenarioResult,
} from './scenario.ts';
export { replayCommand } from './replay.ts';
export { scenario, SCENARIOS } from './scenarios.ts';
export { freeRider, leavesWhenComplete, liar, slow, snubber, superSeeder } from './behaviours.ts';
export { arrival, loseNodes } from './churn.ts';
export { clientServerSeconds, peerToPeerSeconds, type Rates } from './bounds.ts';
export { simTorrent, type SimTorrentOptions } from './sim-torrent.ts';
export type { DiskOptions, SimDisk } from './sim-storage.ts';
export type { HostOptions, SimHost } from './sim-host.ts';
export type { NetworkOptions, SimNetwork } from './network.ts';
export type { SimTracker, SimTrackerOptions } from './sim-tracker.ts';
export type { TraceEvent } from './trace.ts';
export { DatagramNet, type DatagramNetOptions, type SimDatagrams } from './datagram-net.ts';
export { SimDht, type SimDhtNode } from './sim-dht.ts';
export { VirtualClock } from './virtual-clock.ts';
