import { describe, expect, test } from 'vitest';
import { Choker, OPTIMISTIC_ROUNDS, type ChokerState } from '../../../src/engine/choker/choker.ts';
import { TURN_BYTES } from '../../../src/engine/choker/ranking.ts';
import { Rng } from '../../../src/util/rng.ts';

const ROUND_MS = 10_000;
const KB = 1000;

interface TestPeer {
  name: string;
  interested: boolean;
  choked: boolean;
  downRate: number;
  upRate: number;
  snubbed: boolean;
  connectedAt: number;
  unchokedAt: number;
  sentSinceUnchoke: number;
  idle?: boolean;
  spreadMs?: number;
}

/** Peers and the choker that rules them, in rounds of ten seconds. */
class ChokeLab {
  readonly choker: Choker<TestPeer>;
  readonly peers: TestPeer[] = [];
  seeding = false;
  isFull = false;
  now = 1_000_000;

  constructor(slots: number, seed = 1) {
    this.choker = new Choker(new Rng(seed), slots);
  }

  /** An interested, choked peer that has been connected for long. */
  add(more: Partial<TestPeer> = {}): TestPeer {
    const peer = {
      name: `peer ${this.peers.length}`,
      interested: true,
      choked: true,
      downRate: 0,
      upRate: 0,
      snubbed: false,
      connectedAt: 0,
      unchokedAt: -Infinity,
      sentSinceUnchoke: 0,
      ...more,
    };
    this.peers.push(peer);
    return peer;
  }

  addMany(count: number, more: Partial<TestPeer> = {}): TestPeer[] {
    return Array.from({ length: count }, () => this.add(more));
  }

  round(): TestPeer[] {
    this.now += ROUND_MS;
    const unchoked = this.choker.round(this.peers, this.#state());
    for (const peer of this.peers) {
      if (!unchoked.has(peer)) peer.choked = true;
      else this.#unchoke(peer);
    }
    return [...unchoked];
  }

  fill(): readonly TestPeer[] {
    const chosen = this.choker.fill(this.peers, this.#state());
    for (const peer of chosen) {
      expect(peer.choked).toBe(true);
      this.#unchoke(peer);
    }
    return chosen;
  }

  hoarders(): readonly TestPeer[] {
    return this.choker.hoarders(this.peers, this.#state());
  }

  leave(peer: TestPeer): void {
    this.peers.splice(this.peers.indexOf(peer), 1);
    this.choker.onGone(peer);
  }

  unchoked(): TestPeer[] {
    return this.peers.filter((peer) => !peer.choked);
  }

  #state(): ChokerState {
    return { seeding: this.seeding, now: this.now, isFull: this.isFull };
  }

  #unchoke(peer: TestPeer): void {
    if (!peer.choked) return;
    peer.choked = false;
    peer.unchokedAt = this.now;
    peer.sentSinceUnchoke = 0;
  }
}

describe('while downloading', () => {
  test('the four interested peers that give most are unchoked in every round, one more by chance', () => {
    for (let seed = 0; seed < 50; seed++) {
      const lab = new ChokeLab(4, seed);
      const givers = [900, 700, 500, 300].map((rate) => lab.add({ downRate: rate * KB }));
      lab.addMany(20, { downRate: 100 * KB });
      for (let i = 0; i < 12; i++) {
        const unchoked = lab.round();
        expect(unchoked).toEqual(expect.arrayContaining(givers));
        expect(unchoked.length).toBe(5);
        expect(lab.choker.optimistic.size).toBe(1);
      }
    }
  });

  test('a peer that is not interested takes no slot, but is unchoked if it gives more than the last one served', () => {
    const lab = new ChokeLab(2);
    const regular = [lab.add({ downRate: 500 * KB }), lab.add({ downRate: 100 * KB })];
    const faster = lab.add({ downRate: 300 * KB, interested: false });
    const slower = lab.add({ downRate: 50 * KB, interested: false });
    const unchoked = lab.round();
    expect(unchoked).toEqual(expect.arrayContaining([...regular, faster]));
    expect(unchoked).not.toContain(slower);

    // When it becomes interested, the next round chokes the worst.
    faster.interested = true;
    lab.round();
    expect([regular[0]!.choked, faster.choked]).toEqual([false, false]);
    expect(lab.choker.optimistic.has(regular[1]!) || regular[1]!.choked).toBe(true);
  });

  test('a snubbed peer gets nothing but the optimistic slot, and there it has its turn', () => {
    const lab = new ChokeLab(4);
    const snubbed = lab.add({ downRate: 900 * KB, snubbed: true });
    lab.addMany(8, { downRate: 10 * KB });
    let turns = 0;
    for (let i = 0; i < 60; i++) {
      const unchoked = lab.round();
      expect(unchoked.includes(snubbed)).toBe(lab.choker.optimistic.has(snubbed));
      if (unchoked.includes(snubbed)) turns++;
    }
    expect(turns).toBeGreaterThan(0);
  });

  test('noise does not choke: a challenger must give a tenth more than the peer that has the slot', () => {
    const lab = new ChokeLab(1);
    const holder = lab.add({ downRate: 100 * KB, choked: false, unchokedAt: 0 });
    const challenger = lab.add({ downRate: 105 * KB });
    for (let i = 0; i < 9; i++) {
      lab.round();
      expect(lab.choker.optimistic.has(holder)).toBe(false);
      expect(holder.choked).toBe(false);
      challenger.choked = true; // As if its optimistic time were always over.
    }
    challenger.downRate = 120 * KB;
    lab.round();
    expect(lab.choker.optimistic.has(challenger)).toBe(false);
    expect(challenger.choked).toBe(false);
  });

  test('peers that give nothing alike are tried in turn, each for half a minute at least', () => {
    const lab = new ChokeLab(2);
    lab.addMany(12);
    const servedFrom = new Map<TestPeer, number>();
    const seen = new Set<TestPeer>();
    for (let i = 0; i < 40; i++) {
      const unchoked = lab.round();
      for (const peer of unchoked) {
        seen.add(peer);
        if (!servedFrom.has(peer)) servedFrom.set(peer, lab.now);
      }
      for (const [peer, since] of [...servedFrom]) {
        if (!peer.choked) continue;
        expect(lab.now - since).toBeGreaterThanOrEqual(30_000);
        servedFrom.delete(peer);
      }
    }
    expect(seen.size).toBe(12);
  });

  test('two clients that give each other most end up unchoking each other', () => {
    // Each of eight chokers sees what the others gave it: a pair that exchanges keeps exchanging.
    const count = 8;
    const labs = Array.from({ length: count }, (_, i) => new ChokeLab(2, i));
    const views = labs.map((lab) => Array.from({ length: count }, () => lab.add()));
    const uplink = (i: number): number => (i < 4 ? 1000 : 100) * KB;
    labs.forEach((lab, i) => lab.leave(views[i]![i]!));
    for (let round = 0; round < 60; round++) {
      labs.forEach((lab) => lab.round());
      for (let from = 0; from < count; from++) {
        const to = labs[from]!.unchoked().length;
        for (let at = 0; at < count; at++) {
          if (at === from) continue;
          const gives = views[from]![at]!.choked ? 0 : uplink(from) / Math.max(1, to);
          const view = views[at]![from]!;
          view.downRate = 0.5 * view.downRate + 0.5 * gives;
        }
      }
    }
    // Fast ones serve fast ones in their regular slots.
    for (let i = 0; i < 4; i++) {
      const regular = labs[i]!.unchoked().filter((peer) => !labs[i]!.choker.optimistic.has(peer));
      for (const peer of regular) expect(views[i]!.indexOf(peer)).toBeLessThan(4);
    }
  });
});

describe('peers that give alike', () => {
  test('get a free slot in the order of their waiting, the ones never served first', () => {
    for (let seed = 0; seed < 20; seed++) {
      const lab = new ChokeLab(2, seed);
      const served = [4000, 1000, 3000, 2000].map((unchokedAt) => lab.add({ unchokedAt }));
      const fresh = lab.add();
      const chosen = lab.fill().filter((peer) => !lab.choker.optimistic.has(peer));
      expect(chosen).toEqual([fresh, served[1]]);
    }
  });
});

describe('the optimistic unchoke', () => {
  test('rotates every third round and not in between', () => {
    const lab = new ChokeLab(4);
    lab.addMany(4, { downRate: 100 * KB });
    lab.addMany(10);
    let before: TestPeer | undefined;
    for (let i = 0; i < 30; i++) {
      lab.round();
      const [now] = lab.choker.optimistic;
      expect(now === before).toBe(i % OPTIMISTIC_ROUNDS !== 0);
      before = now;
    }
  });

  test('comes to each interested peer before it comes to anyone twice, lap after lap', () => {
    for (let seed = 0; seed < 20; seed++) {
      const lab = new ChokeLab(4, seed);
      lab.addMany(4, { downRate: 100 * KB });
      const waiting = lab.addMany(15);
      for (let lap = 0; lap < 3; lap++) {
        const seen = new Set<TestPeer>();
        for (let i = 0; i < 15 * OPTIMISTIC_ROUNDS; i++) {
          lab.round();
          for (const peer of lab.choker.optimistic) seen.add(peer);
        }
        expect(seen.size).toBe(waiting.length);
      }
    }
  });

  test('begins with a newcomer three times as likely as with another', () => {
    let newcomers = 0;
    const runs = 4000;
    for (let seed = 0; seed < runs; seed++) {
      const lab = new ChokeLab(4, seed);
      lab.addMany(4, { downRate: 100 * KB });
      lab.addMany(9);
      const newcomer = lab.add({ connectedAt: lab.now });
      lab.round();
      if (lab.choker.optimistic.has(newcomer)) newcomers++;
    }
    // 3 in 12, where an even draw gives 1 in 10. Five standard deviations are about 0.034.
    expect(Math.abs(newcomers / runs - 0.25)).toBeLessThan(0.034);
  });

  test('a peer that earns a regular slot leaves the optimistic one to another', () => {
    const lab = new ChokeLab(4);
    lab.addMany(4, { downRate: 100 * KB });
    lab.addMany(5);
    lab.round();
    const [lucky] = lab.choker.optimistic;
    lucky!.downRate = 500 * KB;
    expect(lab.round()).toContain(lucky);
    expect(lab.choker.optimistic.has(lucky!)).toBe(false);
    expect(lab.choker.optimistic.size).toBe(1);
  });

  test('there is one per five slots, and none without slots', () => {
    for (const [slots, optimistic] of [
      [0, 0],
      [1, 1],
      [9, 1],
      [10, 2],
      [25, 5],
    ] as const) {
      const lab = new ChokeLab(slots);
      lab.addMany(60);
      expect(lab.round().length).toBe(slots + optimistic);
      expect(lab.choker.optimistic.size).toBe(optimistic);
    }
  });

  test('a peer unchoked by a vacancy just before the rotation is not choked by it', () => {
    const lab = new ChokeLab(1);
    lab.add({ downRate: 100 * KB });
    lab.round();
    lab.round();
    lab.round();
    lab.now += 9000;
    lab.addMany(6);
    const [lucky] = lab.fill();
    lab.now -= 9000;
    lab.round();
    expect(lab.choker.optimistic.has(lucky!)).toBe(true);
  });
});

describe('between rounds', () => {
  test('whoever becomes interested while a slot is free is unchoked at once', () => {
    const lab = new ChokeLab(4);
    lab.addMany(3, { downRate: 10 * KB });
    lab.round();
    const late = lab.add({ interested: false });
    expect(lab.fill()).toEqual([]);
    late.interested = true;
    expect(lab.fill()).toEqual([late]);
    const further = lab.addMany(3);
    expect(lab.fill().length).toBe(1);
    expect(further.filter((peer) => !peer.choked)).toEqual([...lab.choker.optimistic]);
    expect(lab.fill()).toEqual([]);
  });

  test('the slot of a peer that left or lost interest goes to the best who waits', () => {
    const lab = new ChokeLab(2);
    const [a, b] = [lab.add({ downRate: 500 * KB }), lab.add({ downRate: 400 * KB })];
    const next = lab.add({ downRate: 300 * KB });
    const after = lab.add({ downRate: 200 * KB });
    lab.addMany(5);
    lab.round();
    for (const peer of [next, after]) peer.choked = true;
    lab.leave(a);
    expect(lab.fill()).toContain(next);
    b.interested = false;
    expect(lab.fill()).toContain(after);
    expect(b.choked).toBe(false);
  });

  test('a peer that was choked for another reason does not keep the optimistic slot', () => {
    const lab = new ChokeLab(1);
    lab.addMany(2);
    expect(lab.fill().length).toBe(2);
    for (const peer of lab.peers) peer.choked = true;
    expect(lab.fill().length).toBe(2);
  });

  test('a snubbed peer is not let in by a free slot, only by a free optimistic one', () => {
    const lab = new ChokeLab(4);
    const [a, b] = lab.addMany(2, { snubbed: true });
    expect(lab.fill().length).toBe(1);
    expect([a!.choked, b!.choked].sort()).toEqual([false, true]);
    expect(lab.fill()).toEqual([]);
  });

  test('an unchoked peer that becomes interested takes the slot of the one that gives least', () => {
    const lab = new ChokeLab(4);
    const served = [50, 40, 30, 20].map((rate) => lab.add({ downRate: rate * 1000 }));
    const better = lab.add({ downRate: 100_000, interested: false });
    lab.round();
    expect(better.choked).toBe(false);
    const state = { seeding: false, now: lab.now };
    expect(lab.choker.overflow(lab.peers, state)).toEqual([]);
    better.interested = true;
    expect(lab.choker.overflow(lab.peers, state)).toEqual([served[3]]);
  });

  test('the slots are never exceeded by interested peers, whatever comes and goes', () => {
    for (let seed = 0; seed < 60; seed++) {
      const rng = new Rng(seed);
      const lab = new ChokeLab(1 + rng.below(12), seed);
      for (let step = 0; step < 120; step++) {
        const peer = lab.peers[rng.below(Math.max(1, lab.peers.length))];
        const action = rng.below(6);
        if (action === 0 || !peer) lab.add({ downRate: rng.below(5) * 100 * KB, connectedAt: lab.now });
        else if (action === 1 && rng.below(2) === 0) lab.leave(peer);
        else if (action === 2) peer.interested = peer.choked || !peer.interested ? !peer.interested : false;
        else if (action === 3) peer.snubbed = !peer.snubbed;
        else peer.downRate = rng.below(1000) * KB;
        const limit = lab.choker.slots + lab.choker.optimisticSlots;
        const before = lab.unchoked().length;
        lab.fill();
        // Who was unchoked without being interested and now is counts on top until the next round.
        const served = lab.unchoked().filter((one) => one.interested).length;
        expect(served).toBeLessThanOrEqual(Math.max(limit, before));
        if (step % 5 === 0) {
          lab.round();
          expect(lab.unchoked().filter((one) => one.interested).length).toBeLessThanOrEqual(limit);
          const willing = lab.peers.filter((one) => one.interested && !one.snubbed).length;
          const served = lab.unchoked().filter((one) => one.interested).length;
          expect(served).toBeGreaterThanOrEqual(Math.min(willing, limit));
          expect(lab.fill()).toEqual([]);
        }
      }
    }
  });

  test('fewer slots take effect at the next round, more at once', () => {
    const lab = new ChokeLab(6);
    lab.addMany(20);
    lab.round();
    lab.choker.slots = 3;
    expect(lab.fill()).toEqual([]);
    expect(lab.round().length).toBe(4);
    lab.choker.slots = 10;
    expect(lab.fill().length).toBe(8);
  });
});

describe('a slot whose peer asks for nothing', () => {
  test('is given to another besides, at once and in the next round, up to thirty peers', () => {
    const lab = new ChokeLab(4);
    const idle = lab.addMany(4, { downRate: 100 * KB });
    lab.round();
    const waiting = lab.addMany(50);
    expect(lab.fill().length).toBe(1); // The optimistic one.
    for (const peer of idle) peer.idle = true;
    expect(lab.fill().length).toBe(4);
    const unchoked = lab.round();
    expect(unchoked).toEqual(expect.arrayContaining(idle));
    expect(unchoked.filter((peer) => waiting.includes(peer)).length).toBe(5);
    for (const peer of lab.peers) peer.idle = true;
    while (lab.fill().length > 0) for (const peer of lab.peers) peer.idle = true;
    expect(lab.peers.filter((peer) => !peer.choked).length).toBe(30);
  });

  test('is its own again as soon as it asks: the next round serves no more than there are slots', () => {
    const lab = new ChokeLab(4);
    lab.addMany(20, { idle: true });
    lab.round();
    lab.fill();
    for (const peer of lab.peers) peer.idle = false;
    expect(lab.round().length).toBe(5);
  });
});

describe('while seeding', () => {
  test('whoever keeps to itself what it got makes room for the others', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    const first = lab.addMany(5);
    lab.round();
    const next = lab.addMany(4);
    for (const peer of first) peer.spreadMs = 9000;
    const unchoked = lab.round();
    expect(next.every((peer) => unchoked.includes(peer))).toBe(true);
  });

  test('those who pass on soon what they get keep their slots beyond their turn, and strangers come by lot', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    const strangers = lab.addMany(10);
    lab.addMany(10, { spreadMs: 20_000 });
    const soon = lab.addMany(4, { spreadMs: 500 });
    const tried = new Set<TestPeer>();
    const inOpenTurns = new Set<TestPeer>();
    for (let round = 0; round < 12 * OPTIMISTIC_ROUNDS; round++) {
      const unchoked = lab.round();
      expect(unchoked.length).toBe(5);
      expect(unchoked).toEqual(expect.arrayContaining(soon));
      const isOpen = Math.floor(round / OPTIMISTIC_ROUNDS) % 4 === 3;
      for (const peer of unchoked) if (!soon.includes(peer)) (isOpen ? inOpenTurns : tried).add(peer);
    }
    expect([...tried].every((peer) => strangers.includes(peer))).toBe(true);
    expect(tried.size).toBe(9);
    expect(inOpenTurns.size).toBe(3);
  });

  test('every fourth turn of the optimistic slot is for anybody, those that hoard too, and they keep it for its time', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    lab.isFull = true;
    lab.addMany(4, { spreadMs: 500 });
    const hoarders = lab.addMany(3, { spreadMs: 20_000 });
    const served: number[] = [];
    for (let round = 0; round < 8 * OPTIMISTIC_ROUNDS; round++) {
      const unchoked = lab.round();
      expect(lab.hoarders()).toEqual([]);
      if (hoarders.some((peer) => unchoked.includes(peer))) served.push(round);
    }
    expect(served).toEqual([9, 10, 11, 21, 22, 23]);
  });

  test('while others keep the uplink full, whoever hoards makes way at once and gets no slot back', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    lab.isFull = true;
    const peers = lab.addMany(4);
    lab.round();
    peers[0]!.spreadMs = 500;
    expect(lab.hoarders()).toEqual([]);
    peers[1]!.spreadMs = 20_000;
    expect(lab.hoarders()).toEqual([peers[1]]);
    peers[1]!.choked = true;
    expect(lab.fill()).toEqual([]);
    expect(lab.round()).not.toContain(peers[1]);
    lab.isFull = false;
    expect(lab.fill()).toEqual([peers[1]]);
    expect(lab.hoarders()).toEqual([]);
  });

  test('to hoard is to take twice as long as the best', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    lab.isFull = true;
    const [best, as, slow] = lab.addMany(3);
    lab.round();
    best!.spreadMs = 10_000;
    as!.spreadMs = 19_000;
    slow!.spreadMs = 20_000;
    expect(lab.hoarders()).toEqual([slow]);
    lab.seeding = false;
    expect(lab.hoarders()).toEqual([]);
  });

  test('a stranger in the optimistic slot that turns out to hoard leaves it at the next round', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    lab.addMany(4, { spreadMs: 500 });
    lab.addMany(2);
    lab.round();
    const [tried] = lab.choker.optimistic;
    tried!.spreadMs = 20_000;
    expect(lab.round()).not.toContain(tried);
    expect(lab.unchoked().length).toBe(5);
  });

  test('those who keep all to themselves are served all the same when there is nobody else', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    lab.addMany(10, { spreadMs: 20_000 });
    expect(lab.round().length).toBe(5);
  });

  test('each peer keeps its slot until its quota is sent, then the one that has waited longest follows', () => {
    const lab = new ChokeLab(2);
    lab.seeding = true;
    const peers = lab.addMany(8);
    const turns = new Map<TestPeer, number>(peers.map((peer) => [peer, 0]));
    for (let i = 0; i < 160; i++) {
      const before = new Set(lab.unchoked());
      lab.round();
      for (const peer of peers) {
        if (!peer.choked && !before.has(peer)) turns.set(peer, turns.get(peer)! + 1);
        if (before.has(peer) && peer.choked && !lab.choker.optimistic.has(peer)) {
          expect(peer.sentSinceUnchoke >= TURN_BYTES || lab.now - peer.unchokedAt >= 20_000).toBe(true);
        }
        peer.upRate = peer.choked ? 0 : 1e6;
        if (!peer.choked) peer.sentSinceUnchoke += 1e7;
      }
    }
    const counts = [...turns.values()];
    expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(Math.max(...counts) / 3);
  });

  test('a fast peer does not hold a slot for ever while others wait', () => {
    const lab = new ChokeLab(1);
    lab.seeding = true;
    const fast = lab.add({ upRate: 1e8 });
    lab.round();
    expect(lab.choker.optimistic.has(fast)).toBe(false);
    lab.addMany(3);
    fast.sentSinceUnchoke = 1e9;
    lab.round();
    expect(fast.choked).toBe(false);
    lab.round();
    expect(fast.choked || lab.choker.optimistic.has(fast)).toBe(true);
  });

  test('while nobody waits nobody is choked, and the fastest stay when slots shrink', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    const peers = [300, 100, 400, 200].map((rate) => lab.add({ upRate: rate * KB }));
    for (let i = 0; i < 12; i++) {
      expect(lab.round().length).toBe(4);
      for (const peer of peers) peer.sentSinceUnchoke += TURN_BYTES;
    }
    lab.choker.slots = 2;
    lab.round();
    const regular = lab.unchoked().filter((peer) => !lab.choker.optimistic.has(peer));
    expect(regular.map((peer) => peer.upRate).sort()).toEqual([300 * KB, 400 * KB]);
  });

  test('a peer on a slow line makes room after a minute, though its quota is not sent', () => {
    const lab = new ChokeLab(1);
    lab.seeding = true;
    const slow = lab.add({ upRate: 1000 });
    lab.round();
    lab.addMany(2);
    for (let i = 0; i < 5; i++) {
      lab.round();
      expect(slow.choked).toBe(false);
    }
    lab.round();
    expect(slow.choked || lab.choker.optimistic.has(slow)).toBe(true);
  });

  test('a free slot goes to whoever was never served, then to the one served longest ago', () => {
    for (let seed = 0; seed < 20; seed++) {
      const lab = new ChokeLab(2, seed);
      lab.seeding = true;
      const served = [4000, 1000, 3000, 2000].map((unchokedAt) => lab.add({ unchokedAt }));
      const fresh = lab.add();
      const chosen = lab.fill().filter((peer) => !lab.choker.optimistic.has(peer));
      expect(chosen).toEqual([fresh, served[1]]);
    }
  });

  test('a peer that asks for nothing makes room after the shortest turn', () => {
    const lab = new ChokeLab(1);
    lab.seeding = true;
    const idle = lab.add({ upRate: 0 });
    lab.round();
    lab.addMany(2, { upRate: 0 });
    lab.round();
    expect(idle.choked).toBe(false);
    lab.round();
    expect(idle.choked || lab.choker.optimistic.has(idle)).toBe(true);
  });

  test('that a peer snubbed us does not count any more', () => {
    const lab = new ChokeLab(4);
    lab.seeding = true;
    lab.addMany(3, { snubbed: true });
    expect(lab.round().length).toBe(3);
  });
});
