import { equalBytes } from '../../util/bytes.ts';
import type { DisconnectReason } from '../../wire/link.ts';
import type { PeerSession } from '../peer/peer-session.ts';

/** The connected peers of one torrent. */
export class Swarm {
  readonly #sessions: PeerSession[] = [];

  get size(): number {
    return this.#sessions.length;
  }

  get seedCount(): number {
    let count = 0;
    for (const session of this.#sessions) if (session.isSeed) count++;
    return count;
  }

  get sessions(): readonly PeerSession[] {
    return this.#sessions;
  }

  add(session: PeerSession): void {
    this.#sessions.push(session);
  }

  /** False if it was not in the swarm. */
  remove(session: PeerSession): boolean {
    const index = this.#sessions.indexOf(session);
    if (index < 0) return false;
    this.#sessions.splice(index, 1);
    return true;
  }

  byPeerId(peerId: Uint8Array): PeerSession | undefined {
    return this.#sessions.find((session) => equalBytes(session.peerId, peerId));
  }

  /** Tells all peers of a new piece; each link sends what it gathered in a turn together. */
  announceHave(piece: number): void {
    for (const session of this.#sessions) session.announceHave(piece);
  }

  /** Our wishes or our pieces changed: some peers may have become interesting, others not. */
  updateInterest(): void {
    for (const session of this.#sessions) session.updateInterest();
  }

  /** Blocks or buffers came free: peers that found nothing to ask for look again. */
  wakeStarved(now: number): void {
    for (const session of this.#sessions) if (session.requester.starved) session.requester.fill(now);
  }

  /** Closing calls back later, so the list does not change under the loop. */
  closeAll(reason: DisconnectReason): void {
    for (const session of this.#sessions) session.close(reason);
  }
}
