import { assert } from '../../util/assert.ts';
import type { PickingPeer } from './picking-peer.ts';

/** Slots are kept in 16 bits per block; the last two numbers mean a free and a received block. */
const MAX_PEERS = 0xfffe;

/** What the picker keeps of a peer in the swarm. */
export class PeerEntry {
  readonly peer: PickingPeer;
  readonly slot: number;
  /** The memory of `peer.have`. */
  bytes: Uint8Array;
  /** Counted among the seeds, not piece by piece. */
  isSeed = false;
  /** Open pieces (wanted, missing, not begun) it has. */
  openCount = 0;
  /** Blocks it is asked for now. */
  outstanding = 0;
  /** Blocks it was ever asked for: the ticket of its last request. */
  issued = 0;
  /** The piece of its last request, -1 if none. */
  current = -1;
  /** No search for a duplicate before this time, because the last one found nothing. */
  duplicatesFrom = -Infinity;

  constructor(peer: PickingPeer, slot: number) {
    this.peer = peer;
    this.slot = slot;
    this.bytes = peer.have.bytes;
  }
}

/** The peers of the swarm by small numbers that are used again. */
export class PeerTable {
  readonly #entries: (PeerEntry | null)[] = [];
  readonly #freeSlots: number[] = [];
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** By slot, with gaps. For loops. */
  get slots(): readonly (PeerEntry | null)[] {
    return this.#entries;
  }

  at(slot: number): PeerEntry {
    return this.#entries[slot]!;
  }

  of(peer: PickingPeer): PeerEntry {
    const entry = this.#entries[peer.pickerSlot];
    assert(entry?.peer === peer, `a peer that is not in the swarm: slot ${peer.pickerSlot}`);
    return entry;
  }

  join(peer: PickingPeer): PeerEntry {
    assert(peer.pickerSlot < 0, `a peer joins twice: slot ${peer.pickerSlot}`);
    const slot = this.#freeSlots.pop() ?? this.#entries.length;
    assert(slot < MAX_PEERS, `more than ${MAX_PEERS} peers`);
    const entry = new PeerEntry(peer, slot);
    this.#entries[slot] = entry;
    this.#count++;
    peer.pickerSlot = slot;
    peer.wantedCount = 0;
    return entry;
  }

  leave(entry: PeerEntry): void {
    this.#entries[entry.slot] = null;
    this.#freeSlots.push(entry.slot);
    this.#count--;
    entry.peer.pickerSlot = -1;
    entry.peer.wantedCount = 0;
  }
}
