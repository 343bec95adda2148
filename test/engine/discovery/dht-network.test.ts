import { expect, test } from 'vitest';
import { SimDht } from '../../../src/sim/sim-dht.ts';
import { subject } from '../../dht/support/subject.ts';

const NODES = 200;
const LOOKUPS = 40;
/** Seconds of computing on a machine with nothing else to do; ten times as much on a busy one. */
const TIMEOUT_MS = 60_000;

const NETWORKS = [
  { name: 'a round trip of 50 ms', delayMs: 25, loss: 0.01 },
  { name: '50 ms each way', delayMs: 50, loss: 0 },
];

test.each(NETWORKS)(
  'a fifth of 200 nodes just died, $name: lookups take 0.6 s, and find',
  { timeout: TIMEOUT_MS },
  ({ delayMs, loss }) => {
    const dht = new SimDht(1, { delayMs, loss });
    dht.grow(NODES, 50);
    dht.run(20_000);
    const infoHashes = Array.from({ length: LOOKUPS }, () => dht.infoHash());
    infoHashes.forEach((infoHash, i) => {
      dht.nodes[i]!.driver.follow(infoHash, subject({ port: 1000 + i, hungry: false }));
    });
    dht.run(5000);
    const dead = new Set(dht.rng.shuffle([...dht.nodes]).slice(0, NODES / 5));
    for (const node of dead) dht.kill(node);
    const alive = dht.nodes.slice(LOOKUPS).filter((node) => !dead.has(node));

    const times: number[] = [];
    let found = 0;
    infoHashes.forEach((infoHash, i) => {
      const start = dht.clock.now();
      let isFound = false;
      let isDone = false;
      alive[i % alive.length]!.driver.getPeers(
        infoHash,
        (peers) => (isFound ||= peers.some(({ port }) => port === 1000 + i)),
        () => (isDone = true),
      );
      dht.clock.runUntil(() => isDone, 20_000);
      times.push(dht.clock.now() - start);
      if (isFound) found++;
    });
    times.sort((a, b) => a - b);
    expect(times[LOOKUPS / 2]).toBeLessThanOrEqual(600);
    expect(found).toBeGreaterThanOrEqual(0.95 * LOOKUPS);
  },
);
