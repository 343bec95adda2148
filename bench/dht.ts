/**
 * How long lookups take in a simulated network of our nodes, part of which has just died without a word.
 *
 * Run: `node bench/dht.ts [nodes] [one-way delay, ms] [share dead] [lookups] [loss]` (Node 22.18 or later reads
 * TypeScript itself). Times are those of the simulation, but for the last line.
 */
import type { SimDhtNode } from '../src/sim/sim-dht.ts';
import { SimDht } from '../src/sim/sim-dht.ts';
import type { PeerAddress } from '../src/util/ip.ts';

const [nodes = 200, delayMs = 25, dead = 0.2, lookups = 200, loss = 0] = process.argv.slice(2).map(Number);

const began = performance.now();
const dht = new SimDht(1, { delayMs, loss });
dht.grow(nodes, 50);
dht.run(60_000);
const grown = performance.now();
const stats = dht.nodes.flatMap(({ driver }) => driver.stats());
const mean = (of: readonly number[]): number => of.reduce((sum, each) => sum + each, 0) / of.length;
console.log(`nodes of a table: ${mean(stats.map((each) => each.nodes)).toFixed(1)}`);

const infoHashes = Array.from({ length: lookups }, () => dht.infoHash());
const holders = infoHashes.map(() => pick(dht.nodes));
infoHashes.forEach((infoHash, i) => {
  const subject = {
    port: () => 1000 + i,
    isSeed: () => true,
    isHungry: () => false,
    onPeers: () => undefined,
  };
  holders[i]!.driver.follow(infoHash, subject);
});
dht.run(10_000);

const killed = new Set(dht.rng.shuffle([...dht.nodes]).slice(0, Math.round(dead * nodes)));
for (const node of killed) dht.kill(node);
const alive = dht.nodes.filter((node) => !killed.has(node));

const first: number[] = [];
const whole: number[] = [];
const queries: number[] = [];
infoHashes.forEach((infoHash, i) => {
  let asker = pick(alive);
  while (asker === holders[i]) asker = pick(alive);
  const start = dht.clock.now();
  let found: number | null = null;
  let ended: number | null = null;
  const onPeers = (peers: readonly PeerAddress[]): void => {
    if (peers.some(({ port }) => port === 1000 + i)) found ??= dht.clock.now() - start;
  };
  asker.driver.getPeers(infoHash, onPeers, (summary) => {
    ended = dht.clock.now() - start;
    queries.push(summary.queries);
  });
  dht.clock.runUntil(() => ended !== null, 60_000);
  if (found !== null) first.push(found);
  if (ended !== null) whole.push(ended);
});

const at = (of: readonly number[], share: number): string =>
  (of.toSorted((a, b) => a - b)[Math.min(of.length - 1, Math.floor(share * of.length))] ?? NaN).toFixed(0);
console.log(
  `found: ${first.length} of ${lookups}, ended: ${whole.length}, queries: ${mean(queries).toFixed(1)}`,
);
console.log(`first peer: median ${at(first, 0.5)} ms, 95 %: ${at(first, 0.95)} ms, worst ${at(first, 1)} ms`);
console.log(
  `whole lookup: median ${at(whole, 0.5)} ms, 95 %: ${at(whole, 0.95)} ms, worst ${at(whole, 1)} ms`,
);
const seconds = (from: number, to: number): string => ((to - from) / 1000).toFixed(1);
console.log(
  `growing took ${seconds(began, grown)} s, the rest ${seconds(grown, performance.now())} s; ` +
    `${dht.net.sent} datagrams of ${(dht.net.sentBytes / dht.net.sent).toFixed(0)} bytes; ` +
    `${(process.memoryUsage.rss() / 1_048_576).toFixed(0)} MiB resident`,
);

function pick(from: readonly SimDhtNode[]): SimDhtNode {
  return from[dht.rng.below(from.length)]!;
}
