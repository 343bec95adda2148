import { expect, test } from 'vitest';
import { PieceSet } from '../../../src/util/piece-set.ts';
import { Rng } from '../../../src/util/rng.ts';
import { NaivePicker } from './naive-picker.ts';
import { PickerLab, range, type TestPeer } from './support.ts';

const SEEDS = 150;
const STEPS = 120;

/** Random calls in any order that a torrent could make them, judged by the naive picker after each. */
class ModelRun {
  readonly #rng: Rng;
  readonly #lab: PickerLab;
  readonly #model: NaivePicker;

  constructor(seed: number) {
    this.#rng = new Rng(seed ^ 0x5eed);
    const pieces = 1 + this.#rng.below(20);
    this.#lab = new PickerLab(pieces, 1 + this.#rng.below(5), seed);
    this.#model = new NaivePicker(this.#lab.geometry);
  }

  step(): string {
    const actions = [
      () => this.#join(),
      () => this.#bitfield(),
      () => this.#have(),
      () => this.#have(),
      () => this.#leave(),
      () => this.#pick(),
      () => this.#pick(),
      () => this.#pick(),
      () => this.#receive(),
      () => this.#receive(),
      () => this.#receive(),
      () => this.#receiveAnything(),
      () => this.#release(),
      () => this.#judge(),
      () => this.#lose(),
      () => this.#wish(),
      () => this.#mood(),
    ];
    const done = actions[this.#rng.below(actions.length)]!();
    const difference = this.#model.difference(this.#lab.picker);
    return difference ? `${done}: ${difference}` : '';
  }

  get #pieceCount(): number {
    return this.#lab.geometry.pieceCount;
  }

  #anyPeer(): TestPeer | null {
    const peers = [...this.#model.peers];
    return peers[this.#rng.below(Math.max(1, peers.length))] ?? null;
  }

  #anyPiece(): number {
    return this.#rng.below(this.#pieceCount);
  }

  #someSet(): PieceSet {
    const share = [0, 0.1, 0.6, 1][this.#rng.below(4)]!;
    const set = new PieceSet(this.#pieceCount);
    for (const piece of range(0, this.#pieceCount)) if (this.#rng.float() < share) set.add(piece);
    return set;
  }

  #join(): string {
    if (this.#model.peers.size >= 5) return 'nothing';
    const pieces: number[] = [];
    this.#someSet().forEach((piece) => pieces.push(piece));
    this.#model.peers.add(this.#lab.join(pieces, 10 ** this.#rng.below(7)));
    return 'join';
  }

  #bitfield(): string {
    const peer = this.#anyPeer();
    if (!peer) return 'nothing';
    const previous = peer.have;
    peer.have = this.#someSet();
    this.#lab.picker.onPeerBitfield(peer, previous);
    return 'bitfield';
  }

  #have(): string {
    const peer = this.#anyPeer();
    if (peer) this.#lab.have(peer, this.#anyPiece());
    return 'have';
  }

  #leave(): string {
    const peer = this.#rng.below(2) === 0 ? this.#anyPeer() : null;
    if (!peer) return 'nothing';
    this.#lab.picker.onPeerLeft(peer);
    this.#model.leave(peer);
    return 'leave';
  }

  #pick(): string {
    const peer = this.#anyPeer();
    if (!peer) return 'nothing';
    const lab = this.#lab;
    const model = this.#model;
    lab.mayStart = this.#rng.below(4) > 0;
    const allowed = this.#rng.below(6) === 0 ? new Set([this.#anyPiece(), this.#anyPiece()]) : null;
    const max = 1 + this.#rng.below(6);
    const mayDuplicate = !allowed && (model.isEndgame || (!lab.mayStart && !model.hasFreeFor(peer, true)));
    const mustFind = !allowed && model.hasFreeFor(peer, !lab.mayStart);
    const picked = lab.pick(peer, max, allowed ? { allowed } : {});
    expect(picked.length).toBeLessThanOrEqual(max);
    if (mustFind) expect(picked.length).toBeGreaterThan(0);
    for (const [piece, block] of picked) {
      expect(peer.have.has(piece)).toBe(true);
      expect(model.isWanted(piece)).toBe(true);
      if (allowed) expect(allowed.has(piece)).toBe(true);
      const state = model.block(piece, block);
      expect(state.received).toBe(false);
      expect(state.owners.has(peer)).toBe(false);
      if (!mayDuplicate) expect(state.owners.size).toBe(0);
      expect(state.owners.size).toBeLessThan(3);
      if (!model.isBegun(piece)) this.#judgeBegin(peer, piece, allowed !== null);
      state.owners.add(peer);
    }
    return `pick ${JSON.stringify(picked)}`;
  }

  #judgeBegin(peer: TestPeer, piece: number, isAllowed: boolean): void {
    const model = this.#model;
    expect(this.#lab.mayStart).toBe(true);
    if (isAllowed || this.#lab.picker.sequential || model.have.size < 4) return;
    expect(model.isRarestFor(peer, piece)).toBe(true);
  }

  #receive(): string {
    const peer = this.#anyPeer();
    if (!peer) return 'nothing';
    const requests = this.#model.requestsOf(peer);
    const at = requests[this.#rng.below(Math.max(1, requests.length))];
    return at ? this.#receiveOne(peer, ...at) : 'nothing';
  }

  /** What a peer sends after a cancel, a timeout or of its own accord. */
  #receiveAnything(): string {
    const peer = this.#anyPeer();
    const piece = this.#anyPiece();
    return peer
      ? this.#receiveOne(peer, piece, this.#rng.below(this.#lab.geometry.blockCount(piece)))
      : 'nothing';
  }

  #receiveOne(peer: TestPeer, piece: number, block: number): string {
    const model = this.#model;
    const state = model.block(piece, block);
    const hasPlace = !model.have.has(piece) && (model.isBegun(piece) || this.#lab.mayStart);
    const isNew = hasPlace && !state.received;
    expect(this.#lab.picker.onReceived(peer, piece, block)).toBe(isNew);
    state.owners.delete(peer);
    if (isNew) state.received = true;
    return `receive ${piece}/${block}`;
  }

  #release(): string {
    const peer = this.#anyPeer();
    if (!peer) return 'nothing';
    for (const [piece, block] of this.#model.requestsOf(peer)) {
      if (this.#rng.below(2) === 0) continue;
      this.#lab.picker.onReleased(peer, piece, block);
      this.#model.release(peer, piece, block);
    }
    return 'release';
  }

  /** The hash of a whole piece is right or wrong; now and then a piece is given up before it is whole. */
  #judge(): string {
    const { picker } = this.#lab;
    for (const piece of [...picker.partialPieces()]) {
      if (!picker.isPieceReceived(piece) && this.#rng.below(20) > 0) continue;
      this.#model.forget(piece);
      if (picker.isPieceReceived(piece) && this.#rng.below(3) > 0) {
        picker.onVerified(piece);
        this.#model.have.add(piece);
        this.#model.alone.delete(piece);
      } else {
        const alone = this.#rng.below(2) === 0;
        if (alone) this.#model.alone.add(piece);
        picker.onFailed(piece, alone);
      }
    }
    return 'judge';
  }

  #lose(): string {
    const piece = this.#anyPiece();
    if (this.#rng.below(3) > 0) return 'nothing';
    this.#lab.picker.onLost(piece);
    this.#model.have.delete(piece);
    return 'lose';
  }

  #wish(): string {
    const first = this.#anyPiece();
    const end = Math.min(this.#pieceCount, first + 1 + this.#rng.below(4));
    const priority = this.#rng.below(8);
    this.#lab.picker.setPriorities(first, end, priority);
    for (let piece = first; piece < end; piece++) this.#model.priorities[piece] = priority;
    return 'wish';
  }

  #mood(): string {
    const peer = this.#anyPeer();
    if (peer) peer.snubbed = this.#rng.below(4) === 0;
    if (this.#rng.below(3) === 0) this.#lab.picker.sequential = this.#rng.below(3) === 0;
    return 'mood';
  }
}

test('after any calls in any order the picker agrees with one that counts everything anew', () => {
  for (let seed = 0; seed < SEEDS; seed++) {
    const run = new ModelRun(seed);
    for (let step = 0; step < STEPS; step++) {
      const trouble = run.step();
      if (trouble) expect.fail(`seed ${seed}, step ${step}, ${trouble}`);
    }
  }
});
