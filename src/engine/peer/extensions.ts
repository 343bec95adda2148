import {
  EXTENDED_HANDSHAKE_ID,
  NO_EXTENSIONS,
  readExtendedHandshake,
  writeExtendedHandshake,
  type ExtendedHandshake,
} from '../../wire/extension/extended-handshake.ts';
import { assert } from '../../util/assert.ts';
import { PeerError, type DisconnectReason } from '../../wire/link.ts';
import { EXTENDED_HANDSHAKES_PER_MINUTE, EXTENDED_HANDSHAKES_PER_MINUTE_MAX } from '../limits.ts';
import type { ExtendedMessage, ExtendedPeer } from './extended-message.ts';
import type { PeerSession } from './peer-session.ts';

/**
 * The ids that we give, the same on every connection: so a torrent understands what was sent to the magnet it was.
 */
const OUR_IDS: ReadonlyMap<string, number> = new Map([
  ['ut_metadata', 1],
  ['ut_pex', 2],
  ['lt_donthave', 3],
  ['ut_holepunch', 4],
]);

const MINUTE_MS = 60_000;

/** What we tell the peer of ourselves. */
export interface OurFacts {
  readonly client: string;
  /** 0 if we do not listen. */
  readonly listenPort: number;
  readonly requestQueue: number;
  readonly uploadOnly: boolean;
  /** Bytes of the info dictionary (BEP 9); null while we do not have it. */
  readonly metadataSize: number | null;
}

/**
 * BEP 10 on one connection: the exchange of handshakes, and the passing on of extended messages. Ids belong to the
 * receiver, so a message that comes in carries an id of ours.
 */
export class Extensions<Peer extends ExtendedPeer = PeerSession> {
  readonly #session: Peer;
  readonly #messages: readonly ExtendedMessage<Peer>[];
  readonly #onHandshake: (remote: ExtendedHandshake) => void;
  readonly #now: () => number;
  #remote: ExtendedHandshake;
  #saidUploadOnly = false;
  /** Handshakes in the present minute of the peer. */
  #handshakes = 0;
  #minuteBegan = -Infinity;

  /** @param remote What the peer has told already. */
  constructor(
    session: Peer,
    messages: readonly ExtendedMessage<Peer>[],
    onHandshake: (remote: ExtendedHandshake) => void,
    now: () => number,
    remote: ExtendedHandshake = NO_EXTENSIONS,
  ) {
    this.#session = session;
    this.#messages = messages;
    this.#onHandshake = onHandshake;
    this.#now = now;
    this.#remote = remote;
  }

  get remote(): ExtendedHandshake {
    return this.#remote;
  }

  /** Name and version of the peer's client as it says itself; text from outside. */
  get client(): string | null {
    return this.#remote.client;
  }

  /** May be sent again when something changed: BEP 10 makes it additive. */
  sendHandshake(facts: OurFacts): void {
    const { link } = this.#session;
    const handshake = {
      messages: new Map(this.#messages.map(({ name }) => [name, idOf(name)])),
      client: facts.client,
      port: facts.listenPort > 0 ? facts.listenPort : null,
      requestQueue: facts.requestQueue,
      yourIp: link.remote.host,
      uploadOnly: facts.uploadOnly,
      metadataSize: facts.metadataSize,
    };
    const payload = writeExtendedHandshake(handshake, this.#saidUploadOnly);
    this.#saidUploadOnly = facts.uploadOnly;
    link.extended(EXTENDED_HANDSHAKE_ID, payload);
  }

  /** Does the peer understand this message? */
  understands(name: string): boolean {
    return this.#remote.messages.has(name);
  }

  /** Sends a message to a peer that understands it; false to one that does not. */
  send(name: string, payload: Uint8Array): boolean {
    const id = this.#remote.messages.get(name);
    if (id === undefined) return false;
    this.#session.link.extended(id, payload);
    return true;
  }

  onMessage(id: number, payload: Uint8Array): void {
    if (id !== EXTENDED_HANDSHAKE_ID) {
      // An id that we never gave is ignored, as others do.
      this.#messages.find(({ name }) => idOf(name) === id)?.onMessage(this.#session, payload);
      return;
    }
    if (!this.#mayShakeHands()) return;
    const remote = readExtendedHandshake(payload, this.#remote);
    if (!remote) return;
    this.#remote = remote;
    this.recall();
  }

  /** False if it has just said too much. @throws PeerError if it does not stop. */
  #mayShakeHands(): boolean {
    const now = this.#now();
    if (now - this.#minuteBegan >= MINUTE_MS) {
      this.#minuteBegan = now;
      this.#handshakes = 0;
    }
    if (++this.#handshakes > EXTENDED_HANDSHAKES_PER_MINUTE_MAX)
      throw new PeerError('message-flood', 'shakes hands all the time');
    return this.#handshakes <= EXTENDED_HANDSHAKES_PER_MINUTE;
  }

  /** Makes known what the peer has told of itself. */
  recall(): void {
    this.#onHandshake(this.#remote);
    if (this.#session.closed) return;
    for (const message of this.#messages) message.onHandshake?.(this.#session);
  }

  onGone(reason: DisconnectReason): void {
    for (const message of this.#messages) message.onGone?.(this.#session, reason);
  }
}

function idOf(name: string): number {
  const id = OUR_IDS.get(name);
  assert(id !== undefined, `${name} has no id`);
  return id;
}
