import { ipFamily, type IpFamily } from '../../util/ip.ts';
import type { KnownPeer } from './peer-roster.ts';

/**
 * Who came to the swarm and who left it, told once to each peer (BEP 11).
 *
 * One list of comings and goings serves all peers: each has a cursor into it, and what it is told next is what lies
 * between its cursor and the end, with comings and goings that cancel each other left out. So a peer costs a few numbers,
 * not a list of all it was told.
 *
 * In a swarm of seeds nobody stays connected, and there would be nobody to tell of. So BEP 11 allows to tell of those
 * whom we left for no fault of theirs, too; they are taken back with the next message.
 */

/** Comings and goings kept. A full swarm that changes wholly each minute makes half of them in that time. */
const EVENTS_MAX = 1000;
/** BEP 11: with fewer live peers of a family than this, those who left lately are told of; so many of them are kept. */
const RECENT_MAX = 25;

/** Where one peer stands. Made by the timeline. */
export interface PexCursor {
  /** The next event that it has not been told, counted from the first ever; -1 if it was told nothing yet. */
  position: number;
  /** How many had left in peace, ever, when it was last told of such. */
  departures: number;
  /** Told as those who left lately: to be taken back. */
  takeBack: readonly KnownPeer[];
}

export interface PexNews {
  readonly added: readonly KnownPeer[];
  readonly dropped: readonly KnownPeer[];
}

interface Event {
  readonly peer: KnownPeer;
  readonly isHere: boolean;
}

export class PexTimeline {
  readonly #live = new Set<KnownPeer>();
  #events: Event[] = [];
  /** Events forgotten so far. */
  #forgotten = 0;
  #recent: { readonly peer: KnownPeer; readonly departure: number }[] = [];
  #departures = 0;

  isLive(peer: KnownPeer): boolean {
    return this.#live.has(peer);
  }

  cursor(): PexCursor {
    return { position: -1, departures: 0, takeBack: [] };
  }

  onJoined(peer: KnownPeer): void {
    if (this.#live.has(peer)) return;
    this.#live.add(peer);
    this.#note({ peer, isHere: true });
  }

  onLeft(peer: KnownPeer): void {
    if (this.#live.delete(peer)) this.#note({ peer, isHere: false });
  }

  /** We left this peer, which had done nothing wrong. */
  onLeftInPeace(peer: KnownPeer): void {
    this.onLeft(peer);
    this.#recent = this.#recent.filter((recent) => recent.peer !== peer);
    if (this.#recent.length >= RECENT_MAX) this.#recent.shift();
    this.#recent.push({ peer, departure: ++this.#departures });
  }

  /**
   * What is new since the cursor, which moves on; at most `max` of each kind, so that something may be left for next time.
   * @param mayTell Whom this peer may be told of at all.
   */
  take(cursor: PexCursor, max: number, mayTell: (peer: KnownPeer) => boolean): PexNews {
    const added = new Set<KnownPeer>();
    const dropped = new Set(cursor.takeBack);
    if (cursor.position < 0) {
      for (const peer of this.#live) if (added.size < max && mayTell(peer)) added.add(peer);
      cursor.position = this.#forgotten + this.#events.length;
    } else {
      this.#replay(cursor, max, mayTell, added, dropped);
    }
    cursor.takeBack = this.#takeRecent(cursor, max, mayTell, added, dropped);
    return { added: [...added], dropped: [...dropped] };
  }

  #replay(
    cursor: PexCursor,
    max: number,
    mayTell: (peer: KnownPeer) => boolean,
    added: Set<KnownPeer>,
    dropped: Set<KnownPeer>,
  ): void {
    // A peer that was not told for so long that events were forgotten misses them: it learns of a few too many or too few.
    let position = Math.max(cursor.position, this.#forgotten);
    for (; position < this.#forgotten + this.#events.length; position++) {
      const { peer, isHere } = this.#events[position - this.#forgotten]!;
      if (!mayTell(peer)) continue;
      const [into, outOf] = isHere ? [added, dropped] : [dropped, added];
      if (outOf.delete(peer)) continue;
      if (into.size >= max) break;
      into.add(peer);
    }
    cursor.position = position;
  }

  #takeRecent(
    cursor: PexCursor,
    max: number,
    mayTell: (peer: KnownPeer) => boolean,
    added: Set<KnownPeer>,
    dropped: ReadonlySet<KnownPeer>,
  ): readonly KnownPeer[] {
    const { departures } = cursor;
    cursor.departures = this.#departures;
    if (departures === this.#departures) return [];
    const told: KnownPeer[] = [];
    const isFew = { 4: this.#liveOf(4) < RECENT_MAX, 6: this.#liveOf(6) < RECENT_MAX };
    for (const { peer, departure } of this.#recent) {
      const family = ipFamily(peer.address.host) as IpFamily;
      if (departure <= departures || added.size >= max || !isFew[family] || !mayTell(peer)) continue;
      if (this.#live.has(peer) || added.has(peer) || dropped.has(peer)) continue;
      added.add(peer);
      told.push(peer);
    }
    return told;
  }

  #liveOf(family: IpFamily): number {
    let count = 0;
    for (const { address } of this.#live) if (ipFamily(address.host) === family) count++;
    return count;
  }

  #note(event: Event): void {
    this.#events.push(event);
    if (this.#events.length <= EVENTS_MAX) return;
    // Half at once, so that the list is not moved for each new event.
    const surplus = EVENTS_MAX / 2;
    this.#events = this.#events.slice(surplus);
    this.#forgotten += surplus;
  }
}
