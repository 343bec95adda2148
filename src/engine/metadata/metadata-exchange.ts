import { readMetadataMessage, UT_METADATA } from '../../wire/extension/ut-metadata.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import { writeMetadataReject } from '../../wire/extension/ut-metadata.ts';
import type { MetadataFetch } from './metadata-fetch.ts';
import type { PendingSession } from './pending-session.ts';

/** BEP 9 on the side that lacks the metadata: passes on what concerns the fetch. */
export class MetadataExchange implements ExtendedMessage<PendingSession> {
  readonly name = UT_METADATA;
  readonly #fetch: () => MetadataFetch<PendingSession>;
  readonly #now: () => number;

  constructor(fetch: () => MetadataFetch<PendingSession>, now: () => number) {
    this.#fetch = fetch;
    this.#now = now;
  }

  /** The peer told, or told anew, whether it has the metadata. */
  onHandshake(session: PendingSession): void {
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
}
