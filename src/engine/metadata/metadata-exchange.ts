import { readMetadataMessage, UT_METADATA, writeMetadataReject } from '../../wire/extension/ut-metadata.ts';
import { PeerError } from '../../wire/link.ts';
import { METADATA_REFUSALS_MAX } from '../limits.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import type { MetadataFetch } from './metadata-fetch.ts';
import type { PendingSession } from './pending-session.ts';

/** BEP 9 on the side that lacks the metadata: passes on what concerns the fetch. */
export class MetadataExchange implements ExtendedMessage<PendingSession> {
  readonly name = UT_METADATA;
  readonly #fetch: () => MetadataFetch<PendingSession>;
  readonly #now: () => number;
  /** How often each peer made us answer a request with a refusal, or its handshake with requests. */
  readonly #bothered = new WeakMap<PendingSession, number>();

  constructor(fetch: () => MetadataFetch<PendingSession>, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** The peer told, or told anew, whether it has the metadata. */
  onHandshake(session: PendingSession): void {
    this.#bear(session);
    const size = session.extensions?.remote.metadataSize ?? null;
    if (size !== null && session.extensions?.understands(UT_METADATA)) {
      this.#fetch().offer(session, size, this.#now());
    } else this.#fetch().gone(session);
  }

  onMessage(session: PendingSession, payload: Uint8Array): void {
    const message = readMetadataMessage(payload);
    if (!message) return;
    const { piece } = message;
    switch (message.type) {
      case 'request':
        this.#bear(session);
        session.extensions?.send(UT_METADATA, writeMetadataReject(piece));
        break;
      case 'data':
        this.#fetch().onData(session, piece, message.totalSize, message.bytes, this.#now());
        break;
      case 'reject':
        this.#fetch().onReject(session, piece, this.#now());
        break;
    }
  }

  /** A peer that does not read what we say has us keep it, so it does not get any number of answers. */
  #bear(session: PendingSession): void {
    const times = (this.#bothered.get(session) ?? 0) + 1;
    this.#bothered.set(session, times);
    if (times > METADATA_REFUSALS_MAX) {
      throw new PeerError('message-flood', 'asks for metadata, or tells its size, without end');
    }
  }
}
