import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { PieceSet } from '../../util/piece-set.ts';
import type { Rng } from '../../util/rng.ts';
import { Availability } from './availability.ts';
import { bitBytes, setBit } from './bits.ts';
import { PartialPieces } from './block-states.ts';
import { Endgame } from './endgame.ts';
import { OpenPieces } from './open-pieces.ts';
import { PeerTable } from './peer-table.ts';
import type { PickerMediator } from './picking-peer.ts';
import { Selection } from './selection.ts';

export const NORMAL_PRIORITY = 4;

/**
 * All that a picker knows besides which pieces are ours. A torrent without peers, whose pieces are all wanted alike, has
 * no use for it, and a client may hold thousands of them.
 */
export class PickerTables {
  /** By piece, 0 to 7. */
  readonly priorities: Uint8Array;
  /** Bit per piece: wanted and missing. */
  readonly wanted: Uint8Array;
  readonly availability: Availability;
  readonly open: OpenPieces;
  readonly partials: PartialPieces;
  /** Pieces that failed with several senders: one peer alone fetches them, so that the next failure convicts. */
  readonly alone = new Set<number>();
  readonly peers = new PeerTable();
  readonly selection: Selection;
  readonly endgame: Endgame;

  constructor(geometry: PieceGeometry, have: PieceSet, rng: Rng, mediator: PickerMediator) {
    const { pieceCount } = geometry;
    this.priorities = new Uint8Array(pieceCount).fill(NORMAL_PRIORITY);
    this.wanted = bitBytes(pieceCount);
    this.availability = new Availability(pieceCount);
    this.open = new OpenPieces(this.availability, this.priorities, rng);
    for (let piece = 0; piece < pieceCount; piece++) {
      if (have.has(piece)) continue;
      setBit(this.wanted, piece);
      this.open.insert(piece);
    }
    this.partials = new PartialPieces(geometry);
    this.endgame = new Endgame(geometry, this.partials, this.peers, this.priorities, this.alone);
    this.selection = new Selection(geometry, have, this, mediator);
  }
}
