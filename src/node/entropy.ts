import { randomFillSync } from 'node:crypto';
import type { Entropy } from '../ports.ts';

/** Unguessable bytes from the operating system. */
export class SystemEntropy implements Entropy {
  bytes(count: number): Uint8Array {
    return randomFillSync(new Uint8Array(count));
  }
}
