import { LT_DONTHAVE, readDontHave } from '../../wire/extension/lt-donthave.ts';
import { PeerError } from '../../wire/link.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import type { PeerSession } from '../peer/peer-session.ts';

/**
 * A peer takes back a *have* (BEP 54). We only listen: a piece of ours is lost while the torrent is checked, and then
 * nobody is connected.
 */
export class DontHave implements ExtendedMessage {
  readonly name = LT_DONTHAVE;

  onMessage(session: PeerSession, payload: Uint8Array): void {
    const piece = readDontHave(payload);
    if (piece === null) throw new PeerError('bad-message', `lt_donthave of ${payload.length} bytes`);
    session.onDontHave(piece);
  }
}
