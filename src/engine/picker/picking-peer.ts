import type { PieceSet } from '../../util/piece-set.ts';

/** What the picker needs to know of a connected peer; the peer's session implements it. */
export interface PickingPeer {
  /** Pieces the peer has. Owned by the session, which tells the picker of each change. */
  readonly have: PieceSet;
  /** Recent payload rate from this peer, bytes per second. */
  readonly recentRate: number;
  /** When it last gave a block, or was asked after it owed none; monotonic milliseconds. Left out: unknown. */
  readonly silentSince?: number;
  /** Gives pieces that follow each other faster than scattered ones. */
  readonly prefersRuns?: boolean;
  /** Has let us wait for a block for too long. */
  readonly snubbed: boolean;
  /** Wanted pieces it has and we lack; maintained by the picker alone. Interest is `wantedCount > 0`. */
  wantedCount: number;
  /** Small number that the picker gives while the peer is in the swarm, -1 otherwise. Maintained by the picker alone. */
  pickerSlot: number;
}

/** What the picker asks of its torrent. */
export interface PickerMediator {
  /** May another piece be begun? False while no buffer can be had: then only begun pieces are offered. */
  mayStartPiece(piece: number): boolean;
}

export interface PickOptions {
  /** Monotonic milliseconds. */
  readonly now: number;
  /** Only these pieces (BEP 6 *allowed fast*, while the peer chokes us); null for no restriction. */
  readonly allowed: ReadonlySet<number> | null;
  /** Pieces the peer would rather serve (BEP 6 *suggest piece*): they win among equally rare ones. */
  readonly suggested?: readonly number[];
}
