import { expect, test } from 'vitest';
import type { SimPeer, SimPeerOptions } from '../../src/sim/sim-peer.ts';
import { SimSwarm } from '../../src/sim/swarm.ts';
import type { Rng } from '../../src/util/rng.ts';

/**
 * Peers that change their minds all the time, on a network that falls silent for seconds: chokes cross with requests,
 * rejects with blocks, and the endgame asks others. What is looked at every few events is above all that nobody waits for
 * a block that the other side does not owe.
 */
const SEEDS = [128, 153, 356, 520, 578, 750];
const TROUBLE_UNTIL_MS = 60_000;

test.each(SEEDS)('among chokes and silences of seed %i nobody waits for what nobody owes', (seed) => {
  const swarm = new SimSwarm({
    seed,
    torrent: {
      pieceCount: 4 + (seed % 23),
      pieceLength: [16_384, 65_536, 40_000, 131_072][seed % 4]!,
      lastPieceLength: 1 + (seed % 16_000),
    },
    network: { splitBlocks: seed % 2 === 0, windowBytes: [1_048_576, 50_000, 20_000][seed % 3]! },
    checkEvery: 40,
  });
  const chance = swarm.rng('chokes');
  swarm.add({ ...anyHost(chance), isReachable: true, pieces: 'all' });
  swarm.addMany(4 + chance.below(10), () => ({
    ...anyHost(chance),
    joinsAtMs: chance.below(8000),
    engine: {
      uploadSlots: 1 + chance.below(3),
      downLimit: chance.float() < 0.2 ? 60_000 : Infinity,
      upLimit: chance.float() < 0.3 ? 30_000 : Infinity,
    },
  }));
  for (let ms = 2000; ms < TROUBLE_UNTIL_MS; ms += 150 + chance.below(900)) {
    swarm.clock.at(ms, () => makeTrouble(swarm, chance));
  }
  const isOver = (): boolean => swarm.peers.every((peer) => peer.isSeeder || peer.isComplete);
  expect(swarm.runUntil(isOver, 1_200_000)).toBe(true);
  swarm.close();
});

function anyHost(chance: Rng): SimPeerOptions {
  return {
    upBytesPerSec: 10_000 + chance.below(300_000),
    downBytesPerSec: 200_000 + chance.below(2_000_000),
    latencyMs: chance.below(300),
    isReachable: chance.float() < 0.8,
  };
}

function makeTrouble(swarm: SimSwarm, chance: Rng): void {
  const { network, peers } = swarm;
  if (chance.float() < 0.5) {
    network.split(peers.filter(() => chance.float() < 0.4).map(({ host }) => host));
    swarm.clock.at(swarm.clock.now() + 500 + chance.below(9000), () => network.heal());
  } else {
    chokeSome(swarm, peers[chance.below(peers.length)]!, chance);
  }
}

function chokeSome({ clock }: SimSwarm, { torrent }: SimPeer, chance: Rng): void {
  for (const session of torrent?.swarm.sessions ?? []) {
    if (chance.float() < 0.5) continue;
    session.choke();
    clock.at(clock.now() + chance.below(600), () => {
      if (!session.closed) session.unchoke();
    });
  }
}
