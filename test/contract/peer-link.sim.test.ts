import type { NetworkOptions } from '../../src/sim/network.ts';
import type { HostOptions } from '../../src/sim/sim-host.ts';
import type { PeerLink } from '../../src/wire/link.ts';
import { TestNet } from '../sim/link-pair.ts';
import { peerLinkContract } from './peer-link.contract.ts';

const WORLDS: Record<string, [NetworkOptions, HostOptions]> = {
  'a simulated link': [{}, {}],
  'a simulated link without latency': [{}, { latencyMs: 0 }],
  'a slow simulated link': [{}, { upBytesPerSec: 1e6, downBytesPerSec: 5e5, latencyMs: 100 }],
  'a simulated stream': [{ fidelity: 'bytes' }, {}],
  'a slow simulated stream': [
    { fidelity: 'bytes' },
    { upBytesPerSec: 1e6, downBytesPerSec: 5e5, latencyMs: 100 },
  ],
  'a simulated link with blocks in parts': [{ splitBlocks: true }, { upBytesPerSec: 1e6 }],
};

for (const [name, [network, host]] of Object.entries(WORLDS)) {
  peerLinkContract(name, () => {
    const net = new TestNet({ ...network, carryContent: true });
    const from = net.end(host);
    const to = net.end(host);
    let dialer: PeerLink | null = null;
    let listener: PeerLink | null = null;
    to.transport.onInbound((link) => (listener = link));
    from.transport.dial(to.host.address, 1000, (result) => {
      if (typeof result !== 'string') dialer = result;
    });
    net.clock.runUntil(() => dialer !== null, 1000);
    return Promise.resolve({
      dialer: dialer!,
      listener: listener!,
      until: (condition) => Promise.resolve(net.clock.runUntil(condition, 600_000)),
      dispose: () => Promise.resolve(),
    });
  });
}
