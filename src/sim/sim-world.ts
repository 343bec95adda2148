import type { Entropy, World } from '../ports.ts';
import type { Rng } from '../util/rng.ts';
import type { SimNetwork } from './network.ts';
import type { SimProcess } from './sim-host.ts';
import { SimHttp, type SimWeb } from './sim-http.ts';
import { SimResumeStore } from './sim-resume.ts';
import { SimStorageFactory, type SimDisk } from './sim-storage.ts';
import { SimTransport } from './sim-transport.ts';
import { StampMemory } from './stamp-memory.ts';

/** What a client finds on its host besides the network. */
export interface SimMachine {
  readonly disk: SimDisk;
  /** Resume records, by key; null to keep none. */
  readonly records: Map<string, Uint8Array> | null;
  readonly web: SimWeb;
  /** Source of its secrets and of its seed. */
  readonly rng: Rng;
}

/** All ports for one run of a client on a host. */
export function simWorld(network: SimNetwork, process: SimProcess, machine: SimMachine): World {
  const { clock } = process;
  return {
    clock,
    entropy: new SimEntropy(machine.rng.fork('entropy')),
    seed: machine.rng.fork('seed').u32(),
    transports: [new SimTransport(network, process)],
    datagrams: null,
    http: new SimHttp(machine.web, process),
    resolver: null,
    storage: new SimStorageFactory(clock, machine.disk),
    resume: machine.records === null ? null : new SimResumeStore(clock, machine.records),
    ...(network.carryContent ? {} : { allocate: StampMemory.allocate }),
  };
}

/** Bytes that are as good as secret: nobody in the simulated world tries to guess them. */
class SimEntropy implements Entropy {
  readonly #rng: Rng;

  constructor(rng: Rng) {
    this.#rng = rng;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#rng.below(256));
  }
}
