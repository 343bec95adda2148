import { PiecePicker } from '../../../src/engine/picker/piece-picker.ts';
import type { PickingPeer } from '../../../src/engine/picker/picking-peer.ts';
import { PieceGeometry } from '../../../src/metainfo/geometry.ts';
import { BLOCK_LENGTH } from '../../../src/util/block-length.ts';
import { PieceSet } from '../../../src/util/piece-set.ts';
import { Rng } from '../../../src/util/rng.ts';

export interface TestPeer extends PickingPeer {
  have: PieceSet;
  recentRate: number;
  snubbed: boolean;
}

export function geometryOf(
  pieces: number,
  blocksPerPiece: number,
  lastBlocks = blocksPerPiece,
): PieceGeometry {
  const blocks = (pieces - 1) * blocksPerPiece + lastBlocks;
  // The very last block is a short one.
  return new PieceGeometry(blocks * BLOCK_LENGTH - 1000, blocksPerPiece * BLOCK_LENGTH);
}

export function setOf(size: number, pieces: Iterable<number>): PieceSet {
  const set = new PieceSet(size);
  for (const piece of pieces) set.add(piece);
  return set;
}

export function peerWith(have: PieceSet, recentRate = 0): TestPeer {
  return { have, recentRate, snubbed: false, wantedCount: 0, pickerSlot: -1 };
}

/** A picker with its swarm, and short words for what tests do with it. Time passes with every pick. */
export class PickerLab {
  readonly geometry: PieceGeometry;
  readonly picker: PiecePicker;
  readonly rng: Rng;
  mayStart = true;
  now = 0;

  constructor(pieces: number, blocksPerPiece: number, seed = 1) {
    this.geometry = geometryOf(pieces, blocksPerPiece);
    this.rng = new Rng(seed);
    this.picker = new PiecePicker(this.geometry, this.rng.fork('picker'), {
      mayStartPiece: () => this.mayStart,
    });
  }

  join(pieces: Iterable<number>, recentRate = 0): TestPeer {
    const peer = peerWith(setOf(this.geometry.pieceCount, pieces), recentRate);
    this.picker.onPeerJoined(peer);
    return peer;
  }

  joinSeed(recentRate = 0): TestPeer {
    const peer = peerWith(PieceSet.full(this.geometry.pieceCount), recentRate);
    this.picker.onPeerJoined(peer);
    return peer;
  }

  have(peer: TestPeer, piece: number): void {
    if (peer.have.add(piece)) this.picker.onPeerHave(peer, piece);
  }

  /** Picked blocks as [piece, block]. */
  pick(peer: TestPeer, max: number, more: { allowed?: ReadonlySet<number>; suggested?: number[] } = {}) {
    this.now += 100;
    const out: number[] = [];
    const { allowed = null, suggested = [] } = more;
    this.picker.pick(peer, max, out, { now: this.now, allowed, suggested });
    return out.map((index) => this.split(index));
  }

  split(index: number): [piece: number, block: number] {
    const piece = Math.floor(index / this.geometry.blocksPerPiece);
    return [piece, index - piece * this.geometry.blocksPerPiece];
  }

  pieces(peer: TestPeer, max: number): number[] {
    return [...new Set(this.pick(peer, max).map(([piece]) => piece))];
  }

  receive(peer: TestPeer, piece: number, block: number): boolean {
    const isNew = this.picker.onReceived(peer, piece, block);
    if (isNew && this.picker.isPieceReceived(piece)) this.picker.onVerified(piece);
    return isNew;
  }

  /** Past the random first pieces: the first four are ours. */
  afterStart(): this {
    for (let piece = 0; piece < 4; piece++) this.picker.onVerified(piece);
    return this;
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}
