import {
  EXTENDED_HANDSHAKE_ID,
  NO_EXTENSIONS,
  readExtendedHandshake,
  writeExtendedHandshake,
  type ExtendedHandshake,
} from '../../wire/extension/extended-handshake.ts';
import type { PeerLink } from '../../wire/link.ts';

/** What we tell the peer of ourselves. */
export interface OurFacts {
  readonly client: string;
  /** 0 if we do not listen. */
  readonly listenPort: number;
  readonly requestQueue: number;
  readonly uploadOnly: boolean;
}

/**
 * BEP 10 on one connection: the exchange of handshakes, and the passing on of extended messages. Ids belong to the
 * receiver, so a message that comes in carries an id of ours.
 */
export class Extensions {
  readonly #link: PeerLink;
  readonly #onHandshake: (remote: ExtendedHandshake) => void;
  #remote: ExtendedHandshake = NO_EXTENSIONS;

  constructor(link: PeerLink, onHandshake: (remote: ExtendedHandshake) => void) {
    this.#link = link;
    this.#onHandshake = onHandshake;
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
    const payload = writeExtendedHandshake({
      messages: new Map(),
      client: facts.client,
      port: facts.listenPort > 0 ? facts.listenPort : null,
      requestQueue: facts.requestQueue,
      yourIp: this.#link.remote.host,
      uploadOnly: facts.uploadOnly,
      metadataSize: null,
    });
    this.#link.extended(EXTENDED_HANDSHAKE_ID, payload);
  }

  onMessage(id: number, payload: Uint8Array): void {
    // We offered no other messages, so nothing else can be meant for us; others ignore what they do not know.
    if (id !== EXTENDED_HANDSHAKE_ID) return;
    const remote = readExtendedHandshake(payload, this.#remote);
    if (!remote) return;
    this.#remote = remote;
    this.#onHandshake(remote);
  }
}
