import { SimResumeStore } from '../../src/sim/sim-resume.ts';
import { VirtualClock } from '../../src/sim/virtual-clock.ts';
import { resumeStoreContract } from './resume-store.contract.ts';
import { waitIn } from './virtual-time.ts';

resumeStoreContract('simulated', () => {
  const clock = new VirtualClock();
  const records = new Map<string, Uint8Array>();
  return {
    open: () => new SimResumeStore(clock, records),
    wait: waitIn(clock),
    end: () => Promise.resolve(),
  };
});
