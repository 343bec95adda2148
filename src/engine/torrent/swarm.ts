import { equalBytes, readU32 } from '../../util/bytes.ts';
import type { DisconnectReason, PeerLink } from '../../wire/link.ts';
import type { PeerSession } from '../peer/peer-session.ts';
import type { KnownPeer } from './peer-roster.ts';

/** A connected peer, as far as it concerns who is connected. */
export interface Connected {
  readonly link: PeerLink;
  readonly peerId: Uint8Array;
  /** Where it listens, if known. */
  known: KnownPeer | null;
  close(reason: DisconnectReason): void;
}

/** Who is connected to us for one torrent. */
export class Connections<Peer extends Connected> {
  readonly #sessions: Peer[] = [];
  /** The last four bytes of each peer id, side by side: who is not here is found out without a look at any session. */
  readonly #tags: number[] = [];

  get size(): number {
    return this.#sessions.length;
  }

  get sessions(): readonly Peer[] {
    return this.#sessions;
  }

  add(session: Peer): void {
    this.#sessions.push(session);
    this.#tags.push(tagOf(session.peerId));
  }

  /** False if it was not in the swarm. */
  remove(session: Peer): boolean {
    const index = this.#sessions.indexOf(session);
    if (index < 0) return false;
    this.#sessions.splice(index, 1);
    this.#tags.splice(index, 1);
    return true;
  }

  byPeerId(peerId: Uint8Array): Peer | undefined {
    const tag = tagOf(peerId);
    for (let i = this.#tags.indexOf(tag); i >= 0; i = this.#tags.indexOf(tag, i + 1)) {
      if (equalBytes(this.#sessions[i]!.peerId, peerId)) return this.#sessions[i];
    }
    return undefined;
  }

  /** Closing calls back later, so the list does not change under the loop. */
  closeAll(reason: DisconnectReason): void {
    for (const session of this.#sessions) session.close(reason);
  }
}

function tagOf(peerId: Uint8Array): number {
  return readU32(peerId, peerId.length - 4);
}

/** The connected peers of one torrent. */
export class Swarm extends Connections<PeerSession> {
  get seedCount(): number {
    let count = 0;
    for (const session of this.sessions) if (session.isSeed) count++;
    return count;
  }

  /** Tells all peers of a new piece; each link sends what it gathered in a turn together. */
  announceHave(piece: number, isRare: boolean): void {
    for (const session of this.sessions) session.announceHave(piece, isRare);
  }

  /** Our wishes or our pieces changed: some peers may have become interesting, others not. */
  updateInterest(): void {
    for (const session of this.sessions) session.updateInterest();
  }

  /** We may ask for more than before. */
  fill(now: number): void {
    for (const session of this.sessions) session.requester.fill(now);
  }

  /** Blocks or buffers came free: peers that found nothing to ask for look again. */
  wakeStarved(now: number): void {
    for (const session of this.sessions) if (session.requester.starved) session.requester.fill(now);
  }
}
