import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { PiecePicker } from '../picker/piece-picker.ts';
import type { Swarm } from './swarm.ts';

/** Peers share the rest when it is less than this many times what they hold in requests. */
const TAIL_FACTOR = 4;
/** A peer may hold a little more than its share by rate, because rates change. */
const SHARE_SLACK = 1.5;
const WINDOW_MIN = 4;

/**
 * Near the end the missing blocks are shared by rate: a slow peer that holds a long queue of the last blocks would
 * decide when we finish.
 */
export class TailShare {
  readonly #picker: PiecePicker;
  readonly #geometry: PieceGeometry;
  readonly #swarm: Swarm;
  #totalRate = 0;
  #totalWindow = 0;

  constructor(picker: PiecePicker, geometry: PieceGeometry, swarm: Swarm) {
    this.#picker = picker;
    this.#geometry = geometry;
    this.#swarm = swarm;
  }

  /** Once a second. */
  onBeat(): void {
    this.#totalRate = 0;
    this.#totalWindow = 0;
    for (const { requester } of this.#swarm.sessions) {
      this.#totalRate += requester.pipeline.rate;
      this.#totalWindow += requester.pipeline.window;
    }
  }

  /** Requests that a peer of this rate may hold. */
  windowCap(rate: number): number {
    const remaining = this.#picker.wantedCount * this.#geometry.blocksPerPiece;
    if (this.#totalRate === 0 || remaining > TAIL_FACTOR * this.#totalWindow) return Infinity;
    return Math.max(WINDOW_MIN, Math.ceil((remaining * rate * SHARE_SLACK) / this.#totalRate));
  }
}
