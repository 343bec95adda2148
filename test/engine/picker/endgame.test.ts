import { describe, expect, test } from 'vitest';
import type { PickingPeer } from '../../../src/engine/picker/picking-peer.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { PickerLab, range, type TestPeer } from './support.ts';

const MB = 1e6;

/** A torrent whose every block is requested from `owner`, so that others can only take over. */
function allRequested(blocks: number, ownerRate: number): { lab: PickerLab; owner: TestPeer } {
  const lab = new PickerLab(1, blocks);
  const owner = lab.joinSeed(ownerRate);
  expect(lab.pick(owner, blocks).length).toBe(blocks);
  expect(lab.picker.inEndgame).toBe(true);
  return { lab, owner };
}

function others(lab: PickerLab, peer: TestPeer, block: number): PickingPeer[] {
  const out: PickingPeer[] = [];
  lab.picker.othersRequesting(peer, 0, block, out);
  return out;
}

describe('when the endgame begins', () => {
  test('not while a block that somebody has is still free', () => {
    const lab = new PickerLab(2, 2);
    const one = lab.joinSeed(1000);
    const idle = lab.joinSeed(MB);
    lab.picker.setPriority(1, 1);
    lab.pick(one, 3);
    expect(lab.picker.inEndgame).toBe(false);
    expect(lab.pick(idle, 5)).toEqual([[1, 1]]);
    expect(lab.picker.inEndgame).toBe(true);
  });

  test('pieces that nobody has do not put it off', () => {
    const lab = new PickerLab(10, 2);
    const slow = lab.join([3], 100);
    lab.pick(slow, 2);
    expect(lab.picker.inEndgame).toBe(true);
    expect(lab.pick(lab.join([3], MB), 2).length).toBe(2);
  });

  test('it is over with the last wanted piece', () => {
    const { lab, owner } = allRequested(2, 1000);
    lab.receive(owner, 0, 0);
    lab.receive(owner, 0, 1);
    expect(lab.picker.inEndgame).toBe(false);
  });

  test('while buffers are short, slow owners of begun pieces are helped out as if it were the endgame', () => {
    const lab = new PickerLab(10, 4).afterStart();
    const slow = lab.joinSeed(100);
    const fast = lab.joinSeed(MB);
    const taken = lab.pick(slow, 4);
    lab.mayStart = false;
    expect(lab.pick(fast, 4).length).toBe(taken.length);
  });
});

describe('which blocks are asked for twice', () => {
  test('those of a slow owner, the last in its queue first', () => {
    const { lab } = allRequested(40, 10_000);
    expect(lab.pick(lab.joinSeed(MB), 3).map(([, block]) => block)).toEqual([39, 38, 37]);
  });

  test('not what the owner will have brought by the time we could', () => {
    const { lab } = allRequested(40, MB);
    // As fast as the owner, with nothing to do: worth while for the second half of the owner's queue, and each block
    // taken makes our own queue longer.
    const taken = lab.pick(lab.joinSeed(MB), 40).map(([, block]) => block);
    expect(taken).toEqual([39, 38, 37, 36, 35, 34, 33, 32, 31, 30, 29, 28, 27].slice(0, taken.length));
    expect(taken.length).toBe(13);
    expect(lab.pick(lab.joinSeed(MB / 100), 40)).toEqual([]);
  });

  test('what has arrived moves the rest forward in the owner’s queue', () => {
    const { lab, owner } = allRequested(40, MB);
    for (const block of range(0, 38)) lab.receive(owner, 0, block);
    const idle = lab.joinSeed(MB);
    // Two blocks are out: the last one is second in the queue.
    expect(lab.pick(idle, 9)).toEqual([[0, 39]]);
  });

  test('a snubbed owner counts as the slowest, and a snubbed peer is not asked for duplicates', () => {
    const { lab, owner } = allRequested(40, 10 * MB);
    const idle = lab.joinSeed(10_000);
    expect(lab.pick(idle, 2)).toEqual([]);
    owner.snubbed = true;
    idle.snubbed = true;
    lab.now += 1000;
    expect(lab.pick(idle, 2)).toEqual([]);
    idle.snubbed = false;
    expect(lab.pick(idle, 2).length).toBe(2);
  });

  test('what a fast second owner will bring soon is not asked of a third', () => {
    const { lab } = allRequested(4, 100);
    const second = lab.joinSeed(MB);
    expect(lab.pick(second, 4).length).toBe(4);
    expect(lab.pick(lab.joinSeed(MB), 4)).toEqual([
      [0, 0],
      [0, 1],
    ]);
  });

  test('a peer that has not delivered yet is expected to be as fast as the others', () => {
    const { lab } = allRequested(40, MB);
    lab.joinSeed(MB);
    expect(lab.pick(lab.joinSeed(0), 1)).toEqual([[0, 39]]);
  });

  test('those of an owner that has fallen silent, however fast it was: it is expected to be so as long again', () => {
    const { lab, owner } = allRequested(2, 10_000);
    const idle = lab.joinSeed(10_000);
    Object.assign(owner, { silentSince: lab.now });
    lab.receive(owner, 0, 0);
    expect(lab.pick(idle, 1)).toEqual([]);
    lab.now += 3000;
    expect(lab.pick(idle, 1)).toEqual([[0, 1]]);
  });

  test('not twice of the same peer, however long it has been silent itself', () => {
    const { lab, owner } = allRequested(2, 10_000);
    const second = lab.joinSeed(10_000);
    for (const peer of [owner, second]) Object.assign(peer, { silentSince: lab.now });
    const asked: [number, number][] = [];
    for (let i = 0; i < 20; i++) {
      lab.now += 1000;
      asked.push(...lab.pick(second, 4));
    }
    expect(asked.length).toBe(2);
    expect(new Set(asked.map(String)).size).toBe(2);
  });

  test('never a block of a piece that the peer lacks, or that is skipped', () => {
    const lab = new PickerLab(2, 4);
    const slow = lab.joinSeed(100);
    lab.pick(slow, 8);
    const idle = lab.join([1], MB);
    expect(new Set(lab.pick(idle, 8).map(([piece]) => piece))).toEqual(new Set([1]));
    lab.picker.setPriority(0, 0);
    const third = lab.joinSeed(MB);
    expect(lab.pick(third, 8).every(([piece]) => piece === 1)).toBe(true);
  });

  test('a search in vain is not repeated at once', () => {
    const { lab, owner } = allRequested(40, MB);
    const idle = lab.joinSeed(MB / 100);
    const out: number[] = [];
    lab.picker.pick(idle, 4, out, { now: 5000, allowed: null });
    owner.recentRate = 1;
    lab.picker.pick(idle, 4, out, { now: 5040, allowed: null });
    expect(out).toEqual([]);
    lab.picker.pick(idle, 4, out, { now: 5051, allowed: null });
    expect(out.length).toBe(4);
  });
});

describe('the bounds of waste', () => {
  test('two peers hold one block, three among the last eight', () => {
    const { lab, owner } = allRequested(12, 100);
    for (let i = 0; i < 5; i++) lab.pick(lab.joinSeed(MB), 12);
    for (const block of range(0, 12)) expect(others(lab, owner, block).length).toBe(1);
    for (const block of range(0, 4)) lab.receive(owner, 0, block);
    lab.now += 1000;
    for (let i = 0; i < 5; i++) lab.pick(lab.joinSeed(100 * MB), 12);
    for (const block of range(4, 12)) expect(others(lab, owner, block).length).toBe(2);
  });

  test('no more duplicates are out than the budget of 1 MiB still covers', () => {
    const { lab } = allRequested(200, 100);
    let duplicates = 0;
    for (let i = 0; i < 10; i++) duplicates += lab.pick(lab.joinSeed(MB), 50).length;
    expect(duplicates).toBe((1024 * 1024) / BLOCK_LENGTH);
  });

  test('whatever arrives twice is paid from it, whatever is cancelled is not', () => {
    const { lab, owner } = allRequested(200, 100);
    const fast = lab.joinSeed(MB);
    const taken = lab.pick(fast, 64);
    for (const [piece, block] of taken) expect(lab.picker.onReceived(fast, piece, block)).toBe(true);
    expect(lab.pick(fast, 200)).toEqual([]);
    // Forty come from the owner all the same, the others were cancelled.
    for (const [piece, block] of taken.slice(0, 40)) {
      expect(lab.picker.onReceived(owner, piece, block)).toBe(false);
    }
    for (const [piece, block] of taken.slice(40)) lab.picker.onReleased(owner, piece, block);
    lab.now += 1000;
    expect(lab.pick(fast, 200).length).toBe(24);
  });

  test('in a large torrent the budget is half a percent', () => {
    const lab = new PickerLab(100, 1024); // 1600 MiB
    const slow = lab.joinSeed(100);
    lab.pick(slow, 102_400);
    let duplicates = 0;
    for (let i = 0; i < 10; i++) duplicates += lab.pick(lab.joinSeed(MB), 1000).length;
    expect(duplicates).toBe(Math.floor((lab.geometry.length * 0.005) / BLOCK_LENGTH));
  });
});

describe('who else was asked', () => {
  test('after a block came the others are named until they are released', () => {
    const { lab, owner } = allRequested(2, 100);
    const fast = lab.joinSeed(MB);
    expect(lab.pick(fast, 2).length).toBe(2);
    expect(lab.picker.onReceived(fast, 0, 1)).toBe(true);
    expect(others(lab, fast, 1)).toEqual([owner]);
    expect(lab.picker.isRequestedBy(owner, 0, 1)).toBe(true);
    lab.picker.onReleased(owner, 0, 1);
    expect(others(lab, fast, 1)).toEqual([]);
    expect(lab.picker.isReceived(0, 1)).toBe(true);
  });

  test('the first owner’s leaving makes the second the owner, and the block is not free', () => {
    const { lab, owner } = allRequested(2, 100);
    const fast = lab.joinSeed(MB);
    lab.pick(fast, 2);
    lab.picker.onPeerLeft(owner);
    expect(lab.picker.isRequestedBy(fast, 0, 0)).toBe(true);
    expect(lab.picker.inEndgame).toBe(true);
    lab.picker.onReleased(fast, 0, 0);
    expect(lab.picker.inEndgame).toBe(false);
  });

  test('a verified piece leaves no trace of its duplicates', () => {
    const lab = new PickerLab(2, 2);
    const owner = lab.join([0], 100);
    const fast = lab.joinSeed(MB);
    lab.pick(owner, 2);
    lab.pick(fast, 2);
    lab.pick(fast, 2);
    lab.receive(fast, 0, 0);
    lab.receive(fast, 0, 1);
    expect(lab.picker.hasPiece(0)).toBe(true);
    expect(others(lab, fast, 0)).toEqual([]);
    expect(lab.picker.isRequestedBy(owner, 0, 0)).toBe(false);
    lab.picker.onReleased(owner, 0, 0);
    lab.picker.onPeerLeft(owner);
    expect(lab.receive(fast, 1, 0) && lab.receive(fast, 1, 1)).toBe(true);
    expect(lab.picker.wantedCount).toBe(0);
  });
});
