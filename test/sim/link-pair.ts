import type { Clock } from '../../src/ports.ts';
import { assert } from '../../src/util/assert.ts';
import { SimNetwork, type NetworkOptions } from '../../src/sim/network.ts';
import type { HostOptions, SimHost, SimProcess } from '../../src/sim/sim-host.ts';
import { SimTransport } from '../../src/sim/sim-transport.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import type { PeerLink } from '../../src/wire/link.ts';
import { RecordingSink } from '../wire/recording-sink.ts';

export interface End {
  readonly host: SimHost;
  readonly process: SimProcess;
  readonly transport: SimTransport;
}

export const HANDSHAKE = {
  infoHash: new Uint8Array(20).fill(7),
  peerId: new Uint8Array(20),
  reserved: new Uint8Array(8),
};

/** A network, to which ends are added. */
export class TestNet {
  readonly clock = new VirtualClock();
  readonly network: SimNetwork;

  constructor(options: NetworkOptions = {}) {
    this.network = new SimNetwork(this.clock, undefined, options);
  }

  end(options: HostOptions = {}): End {
    const host = this.network.addHost(options);
    const process = host.start();
    return { host, process, transport: new SimTransport(this.network, process) };
  }

  sink(): TimedSink {
    return new TimedSink(this.clock);
  }

  /** A connection over which both sides have shaken hands and written down nothing yet. */
  connect(from: End, to: End): { near: PeerLink; far: PeerLink; heard: TimedSink; farHeard: TimedSink } {
    const heard = this.sink();
    const farHeard = this.sink();
    let near: PeerLink | null = null;
    let far: PeerLink | null = null;
    to.transport.onInbound((link) => {
      far = link;
      link.attach(farHeard);
      link.handshake(HANDSHAKE);
    });
    from.transport.dial(to.host.address, 10_000, (result) => {
      assert(typeof result !== 'string', 'the dial failed');
      near = result;
      near.attach(heard);
      near.handshake(HANDSHAKE);
    });
    this.clock.runUntil(() => heard.batchCount > 0 && farHeard.batchCount > 0, 20_000);
    assert(near !== null && far !== null, 'no connection');
    for (const sink of [heard, farHeard]) sink.forget();
    return { near, far, heard, farHeard };
  }
}

/** Writes down when each call came, too. */
export class TimedSink extends RecordingSink {
  readonly times: number[] = [];

  constructor(clock: Clock) {
    super();
    this.onCall = () => this.times.push(clock.now());
  }

  /** When this call came first, in milliseconds. */
  timeOf(call: string): number {
    const index = this.calls.indexOf(call);
    assert(index >= 0, `no call ${call}`);
    return this.times[index]!;
  }

  forget(): void {
    this.calls.length = this.times.length = 0;
    this.writableCount = this.batchCount = this.payloadBytes = 0;
  }
}
