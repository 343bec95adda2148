import type { PeerSession } from './peer-session.ts';

/** One extended message (BEP 10) that we understand. One object serves all sessions of a torrent. */
export interface ExtendedMessage {
  /** Its name in the extended handshake, such as `ut_pex`. */
  readonly name: string;
  /** A message came in. @throws PeerError if it is reason enough to leave. */
  onMessage(session: PeerSession, payload: Uint8Array): void;
  /** The peer told, or told anew, which messages it understands. */
  onHandshake?(session: PeerSession): void;
  /** The peer is gone. */
  onGone?(session: PeerSession): void;
}
