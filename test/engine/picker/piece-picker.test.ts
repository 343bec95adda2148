import { describe, expect, test } from 'vitest';
import { PieceSet } from '../../../src/util/piece-set.ts';
import { Rng } from '../../../src/util/rng.ts';
import { PickerLab, peerWith, range, setOf, type TestPeer } from './support.ts';

const MIB = 1024 * 1024;

describe('what is offered', () => {
  test('a peer that has nothing we want is offered nothing', () => {
    const lab = new PickerLab(8, 4);
    const empty = lab.join([]);
    const skipped = lab.join([5]);
    const known = lab.join([2]);
    lab.picker.setPriority(5, 0);
    lab.picker.onVerified(2);
    for (const peer of [empty, skipped, known]) {
      expect(peer.wantedCount).toBe(0);
      expect(lab.pick(peer, 10)).toEqual([]);
    }
  });

  test('a piece is asked for block by block before another is begun, and the last piece is shorter', () => {
    const lab = new PickerLab(6, 4).afterStart();
    const peer = lab.joinSeed();
    const first = lab.pick(peer, 3);
    expect(new Set(first.map(([piece]) => piece)).size).toBe(1);
    expect(first.map(([, block]) => block)).toEqual([0, 1, 2]);
    const rest = lab.pick(peer, 100);
    expect(rest[0]).toEqual([first[0]![0], 3]);
    expect(rest.length).toBe(5);
  });

  test('a block index past 2^32 is exact', () => {
    const lab = new PickerLab(300_000, 32_768);
    const peer = lab.join([299_999]);
    lab.now = 100;
    const out: number[] = [];
    lab.picker.pick(peer, 2, out, { now: lab.now, allowed: null });
    expect(out).toEqual([299_999 * 32_768, 299_999 * 32_768 + 1]);
  });

  test('a released block is offered again, to anyone', () => {
    const lab = new PickerLab(1, 4);
    const one = lab.joinSeed();
    const other = lab.joinSeed();
    lab.pick(one, 4);
    lab.picker.onReleased(one, 0, 2);
    expect(lab.picker.isRequestedBy(one, 0, 2)).toBe(false);
    expect(lab.pick(other, 4)).toEqual([[0, 2]]);
  });

  test('a piece whose requests were all released is as if never begun', () => {
    const lab = new PickerLab(1, 4);
    const peer = lab.joinSeed();
    lab.pick(peer, 2);
    expect([...lab.picker.partialPieces()]).toEqual([0]);
    lab.picker.onReleased(peer, 0, 0);
    lab.picker.onReleased(peer, 0, 1);
    expect([...lab.picker.partialPieces()]).toEqual([]);
    lab.mayStart = false;
    expect(lab.pick(peer, 2)).toEqual([]);
  });

  test('a failed piece is downloaded again, a lost one too', () => {
    const lab = new PickerLab(1, 2);
    const peer = lab.joinSeed();
    for (const [piece, block] of lab.pick(peer, 2)) lab.picker.onReceived(peer, piece, block);
    expect(lab.picker.isPieceReceived(0)).toBe(true);
    expect(lab.pick(peer, 2)).toEqual([]);
    lab.picker.onFailed(0);
    expect(lab.picker.receivedBlocks(0)).toBe(0);
    for (const [piece, block] of lab.pick(peer, 2)) lab.receive(peer, piece, block);
    expect(lab.picker.wantedCount).toBe(0);
    expect(peer.wantedCount).toBe(0);
    lab.picker.onLost(0);
    expect(lab.picker.hasPiece(0)).toBe(false);
    expect(peer.wantedCount).toBe(1);
    expect(lab.pick(peer, 2).length).toBe(2);
  });

  test('a block that comes after its piece was given up is welcome, if there is room for the piece', () => {
    const lab = new PickerLab(2, 2);
    const peer = lab.joinSeed();
    const [[piece, block] = [-1, -1]] = lab.pick(peer, 1);
    lab.picker.onReleased(peer, piece, block);
    lab.mayStart = false;
    expect(lab.picker.onReceived(peer, piece, block)).toBe(false);
    lab.mayStart = true;
    expect(lab.picker.onReceived(peer, piece, block)).toBe(true);
    expect(lab.picker.isReceived(piece, block)).toBe(true);
    expect(lab.picker.onReceived(peer, piece, block)).toBe(false);
  });
});

describe('the order of pieces', () => {
  test('the first pieces are random, however rare others are', () => {
    const seen = new Set<number>();
    for (let seed = 0; seed < 300; seed++) {
      const lab = new PickerLab(10, 1, seed);
      lab.join(range(1, 10)); // Piece 0 is the rarest.
      lab.pick(lab.joinSeed(), 1).forEach(([piece]) => seen.add(piece));
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(range(0, 10));
  });

  test('afterwards the rarest piece that the peer has comes first, in each of 10,000 draws', () => {
    const pieces = 500;
    const lab = new PickerLab(pieces, 2).afterStart();
    const { picker, rng } = lab;
    const peers = Array.from({ length: 30 }, () => {
      const share = rng.float();
      return lab.join(range(0, pieces).filter(() => rng.float() < share));
    });
    for (let draw = 0; draw < 10_000; draw++) {
      const peer = peers[rng.below(peers.length)]!;
      if (rng.below(4) === 0) lab.have(peer, rng.below(pieces));
      const [first] = lab.pick(peer, 1);
      if (!first) {
        expect(peer.wantedCount).toBe(0);
        continue;
      }
      let rarest = Infinity;
      peer.have.forEach((piece) => {
        if (!picker.hasPiece(piece)) rarest = Math.min(rarest, picker.availability(piece));
      });
      expect(picker.availability(first[0])).toBe(rarest);
      picker.onReleased(peer, ...first);
    }
  });

  test('equally rare pieces are equally likely', () => {
    const lab = new PickerLab(24, 1).afterStart();
    const peer = lab.join(range(4, 24));
    const hits = new Map<number, number>();
    for (let i = 0; i < 10_000; i++) {
      const [[piece, block] = [-1, -1]] = lab.pick(peer, 1);
      hits.set(piece, (hits.get(piece) ?? 0) + 1);
      lab.picker.onReleased(peer, piece, block);
    }
    // 500 expected each; five standard deviations are about 110.
    for (const piece of range(4, 24)) expect(Math.abs(hits.get(piece)! - 500)).toBeLessThan(110);
  });

  test('a peer whose few pieces are all common still gets a random one of its rarest', () => {
    const lab = new PickerLab(20_000, 1).afterStart();
    // Nearly all pieces have one copy, elsewhere; the hundred of this peer have two or three.
    const all = range(4, 20_000);
    lab.join(all);
    const peer = lab.join(range(10_000, 10_100));
    lab.join([...range(10_000, 10_025), ...range(10_075, 10_100)]);
    const seen = new Set<number>();
    for (let i = 0; i < 1000; i++) {
      const [[piece, block] = [-1, -1]] = lab.pick(peer, 1);
      seen.add(piece);
      lab.picker.onReleased(peer, piece, block);
    }
    expect([...seen].sort((a, b) => a - b)).toEqual(range(10_025, 10_075));
  });

  test('also when the pieces of the peer lie side by side', () => {
    let apart = 0;
    for (let seed = 0; seed < 1000; seed++) {
      const lab = new PickerLab(300, 1, seed).afterStart();
      if (lab.pick(lab.join([...range(4, 13), 200]), 1)[0]![0] === 200) apart++;
    }
    // One in ten expected; five standard deviations are about 47.
    expect(Math.abs(apart - 100)).toBeLessThan(47);
  });

  test('the order follows when one piece spreads through the whole swarm at once', () => {
    const lab = new PickerLab(40, 1).afterStart();
    const peers = range(0, 60).map(() => lab.join([]));
    const all = lab.join(range(0, 40));
    expect(lab.pick(all, 1).length).toBe(1);
    for (const piece of [10, 11, 12]) for (const peer of peers.slice(piece - 10)) lab.have(peer, piece);
    expect(lab.pieces(all, 100).slice(-3)).toEqual([12, 11, 10]);
  });

  test('a suggested piece wins among equally rare ones, not over a rarer one', () => {
    const lab = new PickerLab(30, 1).afterStart();
    lab.join(range(0, 29));
    const peer = lab.joinSeed();
    expect(lab.pick(peer, 1, { suggested: [17, 21] })).toEqual([[29, 0]]);
    expect(lab.pick(peer, 1, { suggested: [2, 17, 21] })).toEqual([[17, 0]]);
    expect(lab.pick(peer, 1, { suggested: [17, 21] })).toEqual([[21, 0]]);
  });

  test('higher priorities come first, however common', () => {
    const lab = new PickerLab(12, 2).afterStart();
    lab.join(range(4, 8));
    const peer = lab.joinSeed();
    lab.picker.setPriority(5, 7);
    lab.picker.setPriority(6, 6);
    lab.picker.setPriority(9, 1);
    expect(lab.pieces(peer, 100).slice(0, 2)).toEqual([5, 6]);
    expect(lab.picker.priority(9)).toBe(1);
  });

  test('the lowest priority comes last', () => {
    const lab = new PickerLab(12, 2).afterStart();
    lab.picker.setPriority(9, 1);
    const order = lab.pieces(lab.joinSeed(), 100);
    expect(order.length).toBe(8);
    expect(order.at(-1)).toBe(9);
  });

  test('in sequential mode pieces come in order, and what was released comes before what lies behind', () => {
    const lab = new PickerLab(6, 2);
    lab.picker.sequential = true;
    const peer = lab.joinSeed();
    const other = lab.joinSeed();
    expect(lab.pick(peer, 5).map(([piece]) => piece)).toEqual([0, 0, 1, 1, 2]);
    lab.picker.onReleased(peer, 0, 1);
    expect(lab.pick(other, 3)).toEqual([
      [0, 1],
      [2, 1],
      [3, 0],
    ]);
  });

  test('sequential mode respects priorities', () => {
    const lab = new PickerLab(6, 1);
    lab.picker.sequential = true;
    lab.picker.setPriority(4, 7);
    expect(lab.pieces(lab.joinSeed(), 3)).toEqual([4, 0, 1]);
  });
});

describe('selection of pieces midway', () => {
  test('skipping and wanting again keeps interest right, one piece or a whole range', () => {
    const lab = new PickerLab(100, 2);
    const peer = lab.join(range(0, 60));
    const seed = lab.joinSeed();
    lab.picker.setPriorities(0, 50, 0);
    expect([peer.wantedCount, seed.wantedCount, lab.picker.wantedCount]).toEqual([10, 50, 50]);
    expect(lab.pieces(peer, 1000).sort((a, b) => a - b)).toEqual(range(50, 60));
    lab.picker.setPriority(3, 4);
    expect([peer.wantedCount, seed.wantedCount, lab.picker.wantedCount]).toEqual([11, 51, 51]);
    expect(lab.pieces(peer, 1000)).toEqual([3]);
    lab.picker.setPriorities(0, 100, 0);
    expect([peer.wantedCount, seed.wantedCount, lab.picker.wantedCount]).toEqual([0, 0, 0]);
  });

  test('a begun piece that is skipped is not asked for further; wanted again, it goes on where it stopped', () => {
    const lab = new PickerLab(5, 4).afterStart();
    const peer = lab.joinSeed();
    expect(lab.pick(peer, 2).length).toBe(2);
    lab.picker.onReceived(peer, 4, 0);
    lab.picker.setPriority(4, 0);
    expect(lab.pick(peer, 2)).toEqual([]);
    lab.picker.onReceived(peer, 4, 1);
    lab.picker.setPriority(4, 4);
    expect(lab.pick(peer, 9)).toEqual([
      [4, 2],
      [4, 3],
    ]);
  });

  test('a skipped piece that was under way counts when it is whole all the same', () => {
    const lab = new PickerLab(1, 2);
    const peer = lab.joinSeed();
    lab.pick(peer, 2);
    lab.picker.setPriority(0, 0);
    lab.receive(peer, 0, 0);
    lab.receive(peer, 0, 1);
    expect(lab.picker.hasPiece(0)).toBe(true);
    expect(lab.picker.wantedCount).toBe(0);
  });

  test('raising the priority of a file turns the next choice to it, after the piece at hand', () => {
    const lab = new PickerLab(50, 4).afterStart();
    const peer = lab.joinSeed();
    const [[at] = [-1]] = lab.pick(peer, 1);
    const wish = at === 40 ? 41 : 40;
    lab.picker.setPriority(wish, 7);
    expect(lab.pieces(peer, 4)).toEqual([at, wish]);
  });
});

describe('choking and buffers', () => {
  test('only allowed pieces are offered while the peer chokes us, begun ones first', () => {
    const lab = new PickerLab(20, 4).afterStart();
    const choking = lab.joinSeed();
    const other = lab.join([7]);
    lab.pick(other, 1);
    const allowed = new Set([2, 11, 7]);
    expect(lab.pick(choking, 100, { allowed })).toEqual([
      [7, 1],
      [7, 2],
      [7, 3],
      [11, 0],
      [11, 1],
      [11, 2],
      [11, 3],
    ]);
    expect(lab.pick(choking, 100, { allowed })).toEqual([]);
  });

  test('while no buffer can be had, begun pieces are finished and none is begun', () => {
    const lab = new PickerLab(20, 4).afterStart();
    const fast = lab.joinSeed(MIB);
    const slow = lab.joinSeed(100);
    lab.pick(fast, 1);
    lab.mayStart = false;
    expect(lab.pick(slow, 100).length).toBe(3);
    expect([...lab.picker.partialPieces()].length).toBe(1);
  });
});

describe('fast and slow peers', () => {
  const lab = (): PickerLab => new PickerLab(200, 8).afterStart(); // Pieces of 128 KiB.

  test('a peer that brings a piece within two seconds takes whole pieces', () => {
    const it = lab();
    const [a, b] = [it.joinSeed(MIB), it.joinSeed(MIB)];
    const [ofA] = it.pieces(a, 2);
    const [ofB] = it.pieces(b, 2);
    expect(ofA).not.toBe(ofB);
    expect(it.pieces(a, 6)).toEqual([ofA]);
  });

  test('slow peers of one decade of rate share a piece, those of another do not join', () => {
    const it = lab();
    const [a, b, c] = [it.joinSeed(2000), it.joinSeed(9000), it.joinSeed(200)];
    const [ofA] = it.pieces(a, 2);
    expect(it.pieces(b, 2)).toEqual([ofA]);
    expect(it.pieces(c, 2)).not.toEqual([ofA]);
  });

  test('a slow peer does not enter a fast one’s piece while there are others', () => {
    const it = lab();
    const fast = it.joinSeed(MIB);
    const slow = it.joinSeed(1000);
    const [ofFast] = it.pieces(fast, 1);
    expect(it.pieces(slow, 500)).not.toContain(ofFast);
  });

  test('a fast peer takes up what another fast peer has left, before it begins a piece', () => {
    const it = lab();
    const [a, b] = [it.joinSeed(MIB), it.joinSeed(MIB)];
    const [first] = it.pick(a, 9); // One piece and one block of the next.
    it.picker.onReleased(a, ...first!);
    expect(it.pick(b, 1)).toEqual([first]);
  });

  test('a snubbed peer leaves the piece of the others and shares with snubbed ones', () => {
    const it = lab();
    const [a, b] = [it.joinSeed(MIB), it.joinSeed(MIB)];
    const [ofA] = it.pieces(a, 2);
    const [ofB] = it.pieces(b, 2);
    a.snubbed = true;
    b.snubbed = true;
    const [next] = it.pieces(a, 1);
    expect([ofA, ofB]).not.toContain(next);
    expect(it.pieces(b, 1)).toEqual([next]);
    const fresh = it.joinSeed(MIB);
    expect([ofA, ofB]).toContain(it.pieces(fresh, 1)[0]);
  });

  test('what a snubbed peer has begun is finished by others', () => {
    const it = lab();
    const [a, b] = [it.joinSeed(MIB), it.joinSeed(MIB)];
    const [ofA] = it.pieces(a, 2);
    a.snubbed = true;
    expect(it.pieces(b, 2)).toEqual([ofA]);
  });

  test('what nobody works on any more is finished by anyone, the piece nearest to its end first', () => {
    const it = lab();
    const gone = [3, 6, 4].map((blocks) => {
      const fast = it.joinSeed(MIB);
      return { fast, picked: it.pick(fast, blocks), piece: -1 };
    });
    for (const one of gone) {
      for (const [piece, block] of one.picked) it.receive(one.fast, piece, block);
      one.piece = one.picked[0]![0];
      it.picker.onPeerLeft(one.fast);
    }
    const slow = it.joinSeed(100);
    expect(it.pieces(slow, 2 + 4 + 5)).toEqual([gone[1]!.piece, gone[2]!.piece, gone[0]!.piece]);
  });

  test('with too many begun pieces anyone finishes any of them first', () => {
    const it = lab();
    const fast = it.joinSeed(MIB);
    const slow = it.joinSeed(50);
    const begun = it.pieces(fast, 5 * 8 + 1);
    expect(begun.length).toBe(6);
    // Three with free blocks and two peers are within the limit: the slow peer keeps to itself.
    it.picker.onReleased(fast, begun[0]!, 7);
    it.picker.onReleased(fast, begun[1]!, 7);
    const [[own, block] = [-1, -1]] = it.pick(slow, 1);
    expect(begun).not.toContain(own);
    it.picker.onReleased(slow, own, block);
    it.picker.onReleased(fast, begun[2]!, 7);
    expect(begun.slice(0, 3)).toContain(it.pieces(slow, 1)[0]);
  });
});

describe('a piece that failed with several senders', () => {
  function failed(): { it: PickerLab; worker: TestPeer; other: TestPeer } {
    const it = new PickerLab(1, 8);
    const [worker, other] = [it.joinSeed(1000), it.joinSeed(1000)];
    it.pick(worker, 4);
    it.pick(other, 4);
    for (let block = 0; block < 8; block++) it.picker.onReceived(block < 4 ? worker : other, 0, block);
    it.picker.onFailed(0, true);
    expect(it.pick(worker, 4).length).toBe(4);
    expect(it.pick(other, 4)).toEqual([]);
    return { it, worker, other };
  }

  test('comes from one peer alone, and not twice in the endgame', () => {
    const { it, worker, other } = failed();
    expect(it.pick(worker, 8).length).toBe(4);
    expect(it.picker.inEndgame).toBe(true);
    other.recentRate = MIB;
    expect(it.pick(other, 8)).toEqual([]);
  });

  test('is taken up by another when its worker chokes us, is snubbed or leaves', () => {
    const choking = failed();
    choking.it.picker.onReceived(choking.worker, 0, 0);
    for (let block = 1; block < 4; block++) choking.it.picker.onReleased(choking.worker, 0, block);
    expect(choking.it.pick(choking.other, 8).length).toBe(7);

    const snubbed = failed();
    snubbed.worker.snubbed = true;
    expect(snubbed.it.pick(snubbed.other, 8).length).toBe(4);

    const left = failed();
    left.it.picker.onPeerLeft(left.worker);
    expect(left.it.pick(left.other, 8).length).toBe(8);
  });

  test('is like any other once it was verified', () => {
    const { it, worker, other } = failed();
    it.pick(worker, 8);
    for (let block = 0; block < 8; block++) it.receive(worker, 0, block);
    it.picker.onLost(0);
    expect(it.pick(worker, 4).length).toBe(4);
    expect(it.pick(other, 8).length).toBe(4);
  });
});

describe('the swarm', () => {
  test('seeds, bitfields, single haves and leaving keep availability equal to a recount', () => {
    for (let seed = 0; seed < 40; seed++) {
      const lab = new PickerLab(90, 1, seed);
      const { picker, rng } = lab;
      const peers: TestPeer[] = [];
      for (let step = 0; step < 150; step++) {
        const action = rng.below(5);
        const peer = peers[rng.below(Math.max(1, peers.length))];
        if (action === 0 || !peer) {
          const share = [0, 0.05, 0.5, 1][rng.below(4)]!;
          peers.push(lab.join(range(0, 90).filter(() => rng.float() < share)));
        } else if (action === 1) {
          const previous = peer.have;
          peer.have = rng.below(3) === 0 ? PieceSet.full(90) : setOf(90, [rng.below(90), rng.below(90)]);
          picker.onPeerBitfield(peer, previous);
        } else if (action === 2 && rng.below(2) === 0) {
          peers.splice(peers.indexOf(peer), 1);
          picker.onPeerLeft(peer);
        } else {
          lab.have(peer, rng.below(90));
        }
      }
      let rarest = Infinity;
      for (const piece of range(0, 90)) {
        const copies = peers.filter((peer) => peer.have.has(piece)).length;
        rarest = Math.min(rarest, copies);
        expect(picker.availability(piece)).toBe(copies);
      }
      expect(picker.rarestAvailability()).toBe(rarest);
      for (const peer of peers) picker.onPeerLeft(peer);
      for (const piece of range(0, 90)) expect(picker.availability(piece)).toBe(0);
    }
  });

  test('slots are given back and used again', () => {
    const lab = new PickerLab(4, 1);
    const [a, b] = [lab.joinSeed(), lab.joinSeed()];
    expect(a.pickerSlot).not.toBe(b.pickerSlot);
    lab.picker.onPeerLeft(a);
    expect(a.pickerSlot).toBe(-1);
    const c = peerWith(PieceSet.full(4));
    lab.picker.onPeerJoined(c);
    expect(c.pickerSlot).toBeLessThan(2);
    expect(c.pickerSlot).not.toBe(b.pickerSlot);
  });

  test('every block comes in the end, each from somebody who has it, while peers come, go, lie and stall', () => {
    for (let seed = 0; seed < 30; seed++) downloadFromUnreliableSwarm(seed);
  });
});

function downloadFromUnreliableSwarm(seed: number): void {
  const pieces = 40;
  const lab = new PickerLab(pieces, 5, seed);
  const { picker } = lab;
  const rng = new Rng(seed + 1000);
  const peers: { peer: TestPeer; queue: [number, number][] }[] = [];
  const requested = new Set<string>();
  const key = ([piece, block]: [number, number]): string => `${piece}/${block}`;
  let steps = 0;
  while (picker.wantedCount > 0) {
    expect(++steps).toBeLessThan(20_000);
    if (peers.length < 8 && rng.below(3) === 0) {
      const share = 0.3 + rng.float();
      const rate = 10 ** (2 + rng.below(4));
      peers.push({
        peer: lab.join(
          range(0, pieces).filter(() => rng.float() < share),
          rate,
        ),
        queue: [],
      });
    }
    const one = peers[rng.below(peers.length)];
    if (!one) continue;
    const { peer, queue } = one;
    const wasEndgame = picker.inEndgame;
    for (const picked of lab.pick(peer, 1 + rng.below(8))) {
      expect(peer.have.has(picked[0]) && !picker.hasPiece(picked[0])).toBe(true);
      // Outside the endgame nobody else is asked for a block that is under way.
      if (!wasEndgame && !picker.inEndgame) expect(requested.has(key(picked))).toBe(false);
      requested.add(key(picked));
      queue.push(picked);
    }
    const fate = rng.below(10);
    if (fate === 0) {
      picker.onPeerLeft(peer);
      peers.splice(peers.indexOf(one), 1);
      for (const lost of queue) if (!isRequestedByAny(lost)) requested.delete(key(lost));
    } else if (fate === 1) {
      for (const lost of queue.splice(0)) {
        picker.onReleased(peer, ...lost);
        if (!isRequestedByAny(lost)) requested.delete(key(lost));
      }
    } else {
      for (const block of queue.splice(0, 1 + rng.below(5))) {
        const isNew = picker.onReceived(peer, ...block);
        if (!isNew || !picker.isPieceReceived(block[0])) continue;
        if (rng.below(8) > 0) picker.onVerified(block[0]);
        else {
          picker.onFailed(block[0]);
          for (let i = 0; i < 5; i++) requested.delete(key([block[0], i]));
        }
      }
    }
  }
  for (const { peer } of peers) expect(peer.wantedCount).toBe(0);
  expect([...picker.partialPieces()]).toEqual([]);

  function isRequestedByAny([piece, block]: [number, number]): boolean {
    return peers.some(({ peer }) => picker.isRequestedBy(peer, piece, block));
  }
}
