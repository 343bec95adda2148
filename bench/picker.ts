/**
 * What the picker costs in a large torrent: 100,000 pieces of 16 blocks, 200 peers.
 *
 * Run: `node bench/run.js picker`.
 */
import { PieceGeometry } from '../src/metainfo/geometry.ts';
import { PiecePicker } from '../src/engine/picker/piece-picker.ts';
import type { PickingPeer } from '../src/engine/picker/picking-peer.ts';
import { PieceSet } from '../src/util/piece-set.ts';
import { Rng } from '../src/util/rng.ts';

const PIECES = 100_000;
const BLOCKS = 16;
const PEERS = 200;
const WINDOW = 64;
const BATCH = 16;

const geometry = new PieceGeometry(PIECES * BLOCKS * 16_384, BLOCKS * 16_384);

interface BenchPeer extends PickingPeer {
  have: PieceSet;
  queue: number[];
}

function peer(have: PieceSet, recentRate: number): BenchPeer {
  return { have, recentRate, snubbed: false, wantedCount: 0, pickerSlot: -1, queue: [] };
}

function randomSet(rng: Rng, share: number): PieceSet {
  const set = new PieceSet(PIECES);
  for (let piece = 0; piece < PIECES; piece++) if (rng.float() < share) set.add(piece);
  return set;
}

function clusteredSet(rng: Rng, share: number): PieceSet {
  const set = new PieceSet(PIECES);
  const from = rng.below(PIECES);
  for (let i = 0; i < PIECES * share; i++) set.add((from + i) % PIECES);
  return set;
}

function report(name: string, ms: number, count: number, unit: string): void {
  console.log(`${name.padEnd(58)} ${((ms * 1000) / count).toFixed(3).padStart(9)} us per ${unit}`);
}

/** Milliseconds of CPU time, so that a busy machine does not change the answer. */
function timed(run: () => void): number {
  const from = process.cpuUsage();
  run();
  const { user, system } = process.cpuUsage(from);
  return (user + system) / 1000;
}

/** Downloads everything: each peer's window is refilled in batches, one piece verified as soon as it is whole. */
function download(name: string, peers: BenchPeer[], rng: Rng): void {
  const calls: number[] = [];
  let pickMs = 0;
  let picked = 0;
  let otherMs = 0;
  const picker = new PiecePicker(geometry, rng.fork('picker'), { mayStartPiece: () => true });
  for (const each of peers) picker.onPeerJoined(each);
  const out: number[] = [];
  let now = 0;
  let received = 0;
  let stuck = 0;
  const cpu = process.cpuUsage();
  while (picker.wantedCount > 0 && stuck < PEERS * 4) {
    const one = peers[rng.below(peers.length)]!;
    now += 0.05;
    const room = WINDOW - one.queue.length;
    out.length = 0;
    if (room > 0) {
      const from = performance.now();
      picker.pick(one, room, out, { now, allowed: null });
      const took = performance.now() - from;
      pickMs += took;
      picked += out.length;
      calls.push(took);
      for (const block of out) one.queue.push(block);
    }
    const batch = one.queue.splice(0, BATCH);
    stuck = batch.length === 0 ? stuck + 1 : 0;
    const from = performance.now();
    for (const index of batch) {
      const piece = Math.floor(index / BLOCKS);
      const block = index - piece * BLOCKS;
      if (picker.onReceived(one, piece, block) && picker.isPieceReceived(piece)) picker.onVerified(piece);
      received++;
    }
    otherMs += performance.now() - from;
  }
  const { user, system } = process.cpuUsage(cpu);
  report(`${name}: CPU, all in all`, (user + system) / 1000, received, 'block');
  report(`${name}: pick`, pickMs, picked, 'block');
  report(`${name}: received, verified`, otherMs, received, 'block');
  calls.sort((a, b) => a - b);
  report(`${name}: pick call, 99.9 in 100`, calls[Math.floor(calls.length * 0.999)]!, 1, 'call');
  console.log(`${''.padEnd(30)} ${calls.length} calls, ${picked} blocks`);
}

const rng = new Rng(1);

for (let round = 0; round < 2; round++) {
  console.log(round === 0 ? '--- warming up' : '--- measured');
  const picker = new PiecePicker(geometry, rng.fork('p'), { mayStartPiece: () => true });
  const sets = Array.from({ length: PEERS }, () => randomSet(rng, 0.5));
  const peers = sets.map(() => peer(new PieceSet(PIECES), 1e6));
  for (const each of peers) picker.onPeerJoined(each);
  const join = timed(() => {
    peers.forEach((each, i) => {
      const previous = each.have;
      each.have = sets[i]!;
      picker.onPeerBitfield(each, previous);
    });
  });
  report('bitfield of 50,000 pieces', join, PEERS, 'join');
  const out: number[] = [];
  report(
    'first pick after the joins (shuffle and sort)',
    timed(() => picker.pick(peers[0]!, 1, out, { now: 0, allowed: null })),
    1,
    'call',
  );

  const haves: [BenchPeer, number][] = [];
  const scratch = sets.map((set) => set.clone());
  for (let i = 0; i < 500_000; i++) {
    const at = rng.below(PEERS);
    const piece = rng.below(PIECES);
    if (scratch[at]!.add(piece)) haves.push([peers[at]!, piece]);
  }
  for (const [each, piece] of haves) each.have.add(piece);
  const have = timed(() => {
    for (const [each, piece] of haves) picker.onPeerHave(each, piece);
  });
  report('have', have, haves.length, 'have');
  report(
    'leave',
    timed(() => peers.forEach((each) => picker.onPeerLeft(each))),
    PEERS,
    'peer',
  );

  const mixed = (make: (i: number) => PieceSet): BenchPeer[] =>
    Array.from({ length: PEERS }, (_, i) => peer(make(i), 1e4 * (1 + (i % 100)) ** 1.5));
  download(
    '200 seeds',
    mixed(() => PieceSet.full(PIECES)),
    rng,
  );
  download(
    '200 peers with half, at random',
    mixed(() => randomSet(rng, 0.5)),
    rng,
  );
  download(
    '200 peers with a tenth, in one run',
    mixed(() => clusteredSet(rng, 0.1)),
    rng,
  );
  download(
    '199 with a tenth at random, one seed',
    mixed((i) => (i === 0 ? PieceSet.full(PIECES) : randomSet(rng, 0.1))),
    rng,
  );
}
