/** What the choker needs to know of a peer. */
export interface ChokeCandidate {
  /** It wants something we have. */
  readonly interested: boolean;
  /** We choke it now. */
  readonly choked: boolean;
  /** Payload it gave us, bytes per second over the 20 s window. */
  readonly downRate: number;
  /** Payload we give it, bytes per second over the 20 s window. */
  readonly upRate: number;
  /** It has let us wait for a block for too long. */
  readonly snubbed: boolean;
  /** We unchoked it a while ago, and it asks for nothing: its slot is of no use to anybody. */
  readonly idle?: boolean;
  /** Milliseconds until somebody else has what it got from us, the only seed; 0 or left out: unknown. */
  readonly spreadMs?: number;
  /** Monotonic milliseconds. */
  readonly connectedAt: number;
  /** When we last unchoked it; -Infinity if never. */
  readonly unchokedAt: number;
  /** Bytes we have sent it since then. */
  readonly sentSinceUnchoke: number;
}

export interface ChokerState {
  /** We have everything we want, so nobody can give us anything. */
  readonly seeding: boolean;
  /** Monotonic milliseconds. */
  readonly now: number;
  /** The uplink carries about what it can; left out: unknown. */
  readonly isFull?: boolean;
}
