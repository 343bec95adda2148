import { isLocalIp, type PeerAddress } from '../../util/ip.ts';
import { toHex } from '../../util/bytes.ts';

/** Distinct bans after which a whole address is refused. Fewer would let one bad peer behind a NAT ban its neighbours. */
const BANS_PER_HOST_MAX = 3;
/** Each ban costs the liar a connection and us a piece, so this is never reached by honest means; the oldest go first. */
const BANS_MAX = 10_000;

interface Ban {
  /** Where it listens, if known. */
  readonly address: PeerAddress | null;
  readonly host: string;
  /** The piece that it had wrong; -1 once another peer had it right, which settles the matter. */
  piece: number;
}

/**
 * Who gave us bad data. The evidence is against one peer, so it is the peer's id that is banned (and its address, by the
 * roster); its host only after several of its peers.
 *
 * A piece that several peers had wrong, each alone, and that nobody ever had right, may be wrong in the torrent itself.
 * Those bans can be lifted when otherwise nobody would be left.
 */
export class BanList {
  readonly #bans = new Map<string, Ban>();
  readonly #byHost = new Map<string, number>();

  /** False if it was banned before: one liar has as many bad pieces as it had in flight. */
  add(address: PeerAddress | null, host: string, peerId: Uint8Array, piece: number): boolean {
    const id = toHex(peerId);
    if (this.#bans.has(id)) return false;
    const [oldest] = this.#bans.keys();
    if (this.#bans.size >= BANS_MAX) this.#lift(oldest!);
    this.#bans.set(id, { address, host, piece });
    if (!isLocalIp(host)) this.#byHost.set(host, (this.#byHost.get(host) ?? 0) + 1);
    return true;
  }

  has(peerId: Uint8Array): boolean {
    return this.#bans.has(toHex(peerId));
  }

  hasHost(host: string): boolean {
    return (this.#byHost.get(host) ?? 0) >= BANS_PER_HOST_MAX;
  }

  /** Somebody had this piece right: those who had it wrong stay banned. */
  confirm(piece: number): void {
    for (const ban of this.#bans.values()) if (ban.piece === piece) ban.piece = -1;
  }

  /** Lifts the bans for pieces that at least two peers had wrong and nobody right. Returns where those peers listen. */
  pardon(): PeerAddress[] {
    const counts = new Map<number, number>();
    for (const { piece } of this.#bans.values()) counts.set(piece, (counts.get(piece) ?? 0) + 1);
    const addresses: PeerAddress[] = [];
    for (const [id, { address, piece }] of [...this.#bans]) {
      if (piece < 0 || counts.get(piece)! < 2) continue;
      this.#lift(id);
      if (address) addresses.push(address);
    }
    return addresses;
  }

  #lift(id: string): void {
    const { host } = this.#bans.get(id)!;
    this.#bans.delete(id);
    const left = (this.#byHost.get(host) ?? 0) - 1;
    if (left > 0) this.#byHost.set(host, left);
    else this.#byHost.delete(host);
  }
}
