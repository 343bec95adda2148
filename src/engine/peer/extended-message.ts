import type { DisconnectReason, PeerLink } from '../../wire/link.ts';
import type { PeerSession } from './peer-session.ts';

/** A connection on which extended messages go: a session, or a guest that waits with us for the metadata. */
export interface ExtendedPeer {
  readonly link: PeerLink;
  readonly closed: boolean;
}

/** One extended message (BEP 10) that we understand. One object serves all sessions of a torrent. */
export interface ExtendedMessage<Peer extends ExtendedPeer = PeerSession> {
  /** Its name in the extended handshake, such as `ut_pex`. */
  readonly name: string;
  /** A message came in. @throws PeerError if it is reason enough to leave. */
  onMessage(session: Peer, payload: Uint8Array): void;
  /** The peer told, or told anew, which messages it understands. */
  onHandshake?(session: Peer): void;
  /** The peer is gone. */
  onGone?(session: Peer, reason: DisconnectReason): void;
  /** Once a second while anybody is connected. */
  onBeat?(now: number): void;
}
