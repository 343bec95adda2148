/**
 * How many connected peers have each piece.
 *
 * Peers that have everything are one number, so that a swarm of seeds costs nothing per piece; the others are counted
 * piece by piece.
 */
export class Availability {
  /** Copies among the peers that are counted piece by piece. Sixteen bits: no torrent has 65,536 connections. */
  readonly counts: Uint16Array;
  /** Peers counted as having everything. */
  seeds = 0;

  constructor(pieceCount: number) {
    this.counts = new Uint16Array(pieceCount);
  }

  /** Copies of the piece among the connected peers, ours not among them. */
  of(piece: number): number {
    return this.counts[piece]! + this.seeds;
  }

  /** Copies of the torrent's rarest piece. Reads every piece: for reports, not for decisions per block. */
  rarest(): number {
    let least = Infinity;
    for (const count of this.counts) if (count < least) least = count;
    return Number.isFinite(least) ? least + this.seeds : this.seeds;
  }

  /** Counts (`by` = 1) or uncounts (`by` = -1) every piece of a bitfield. */
  addAll(bytes: Uint8Array, by: 1 | -1): void {
    const counts = this.counts;
    for (let i = 0; i < bytes.length; i++) {
      let byte = bytes[i]!;
      if (byte === 0xff && i * 8 + 8 <= counts.length) {
        for (let piece = i * 8; piece < i * 8 + 8; piece++) counts[piece]! += by;
        continue;
      }
      while (byte !== 0) {
        const bit = Math.clz32(byte) - 24;
        counts[i * 8 + bit]! += by;
        byte &= ~(0x80 >> bit);
      }
    }
  }
}
