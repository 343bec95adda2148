import type { DisconnectReason } from '../wire/link.ts';

/** What to do with a peer after its connection ended. */
export interface DisconnectPolicy {
  /**
   * `now`: it was us. `soon`: it did nothing wrong. `later`: count a failure and back off. `never`: forget it for this
   * run.
   */
  readonly redial: 'now' | 'soon' | 'later' | 'never';
}

const NOW: DisconnectPolicy = { redial: 'now' };
const SOON: DisconnectPolicy = { redial: 'soon' };
const LATER: DisconnectPolicy = { redial: 'later' };
const NEVER: DisconnectPolicy = { redial: 'never' };

export const DISCONNECT_POLICY: Readonly<Record<DisconnectReason, DisconnectPolicy>> = {
  'closed-by-peer': SOON,
  'connect-failed': LATER,
  'connect-timeout': LATER,
  'connection-error': SOON,
  'bad-handshake': LATER,
  'bad-message': LATER,
  'message-too-long': LATER,
  'bad-bitfield': LATER,
  'bad-have': LATER,
  'fast-not-negotiated': LATER,
  'request-flood': LATER,
  'message-flood': LATER,
  'unwanted-blocks': LATER,
  'corrupt-data': NEVER,
  'handshake-timeout': LATER,
  inactive: LATER,
  'unknown-torrent': LATER,
  'self-connection': NEVER,
  'duplicate-connection': SOON,
  // Neither side has anything for the other until our selection or its state changes; trackers name it again.
  'both-seeds': NEVER,
  uninteresting: LATER,
  'too-many-connections': SOON,
  banned: NEVER,
  'torrent-stopped': NOW,
  shutdown: SOON,
};
