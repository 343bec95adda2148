import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { clockContract } from './clock.contract.ts';
import { SimNetwork } from '../../src/sim/network.ts';

clockContract('the virtual clock', () => {
  const clock = new VirtualClock();
  return { clock, until: untilIn(clock) };
});

clockContract('the clock of a simulated process', () => {
  const clock = new VirtualClock();
  const { clock: own } = new SimNetwork(clock).addHost().start();
  return { clock: own, until: untilIn(clock) };
});

function untilIn(clock: VirtualClock): (condition: () => boolean) => Promise<boolean> {
  return (condition) => Promise.resolve(clock.runUntil(condition, 100_000));
}
