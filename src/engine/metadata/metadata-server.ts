import {
  metadataPieceCount,
  readMetadataMessage,
  UT_METADATA,
  writeMetadataPiece,
  writeMetadataReject,
} from '../../wire/extension/ut-metadata.ts';
import { PeerError } from '../../wire/link.ts';
import { METADATA_BACKLOG_MAX, METADATA_REFUSALS_MAX, METADATA_SERVINGS_MAX } from '../limits.ts';
import type { ExtendedMessage } from '../peer/extended-message.ts';
import type { PeerSession } from '../peer/peer-session.ts';

interface Guest {
  served: number;
  refused: number;
}

/**
 * BEP 9 on the side that has the metadata: gives the raw bytes of the info dictionary, whose hash is the torrent's name.
 * That of a private torrent stays with those who have its .torrent (BEP 27).
 */
export class MetadataServer implements ExtendedMessage {
  readonly name = UT_METADATA;
  readonly #infoBytes: Uint8Array;
  readonly #pieceCount: number;
  readonly #guests = new Map<PeerSession, Guest>();

  /** @param metaInfo The torrent; nothing of a private one is given. */
  constructor(metaInfo: { readonly infoBytes: Uint8Array; readonly private: boolean }) {
    this.#infoBytes = metaInfo.infoBytes;
    this.#pieceCount = metaInfo.private ? 0 : metadataPieceCount(metaInfo.infoBytes.length);
  }

  onMessage(session: PeerSession, payload: Uint8Array): void {
    const message = readMetadataMessage(payload);
    // What nobody asked for.
    if (message?.type !== 'request') return;
    let guest = this.#guests.get(session);
    if (!guest) {
      guest = { served: 0, refused: 0 };
      this.#guests.set(session, guest);
    }
    const { piece } = message;
    const isWelcome =
      piece < this.#pieceCount &&
      guest.served < METADATA_SERVINGS_MAX * this.#pieceCount &&
      session.link.queuedBytes < METADATA_BACKLOG_MAX;
    if (isWelcome) {
      guest.served++;
      session.extensions?.send(UT_METADATA, writeMetadataPiece(piece, this.#infoBytes));
      return;
    }
    if (++guest.refused > METADATA_REFUSALS_MAX) {
      throw new PeerError('request-flood', 'asks for metadata without end');
    }
    session.extensions?.send(UT_METADATA, writeMetadataReject(piece));
  }

  onGone(session: PeerSession): void {
    this.#guests.delete(session);
  }
}
