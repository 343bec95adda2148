import type { PendingOptions, PendingTorrent } from '../../../src/engine/metadata/pending-torrent.ts';
import type { TorrentObserver } from '../../../src/engine/torrent/torrent-options.ts';
import { infoHashOf } from '../../../src/metainfo/info-hash.ts';
import type { MetaInfo } from '../../../src/metainfo/metainfo.ts';
import { toHex } from '../../../src/util/bytes.ts';
import {
  readMetadataMessage,
  UT_METADATA,
  writeMetadataPiece,
} from '../../../src/wire/extension/ut-metadata.ts';
import type { ContentTorrent } from '../../support/content-torrent.ts';
import { ExtendedVoice } from './extended-peer.ts';
import { EngineBench, singleFile, type FakePeer } from './fake-world.ts';

/** A torrent whose info hash is that of its info bytes, as peers would tell them. */
export function knownTorrent(changes: Partial<MetaInfo> = {}, infoLength = 20_000): ContentTorrent {
  const torrent = singleFile(4);
  const infoBytes = Uint8Array.from({ length: infoLength }, (_, i) => (i * 7) & 0xff);
  const infoHash = infoHashOf(infoBytes);
  const metaInfo = { ...torrent.metaInfo, infoBytes, infoHash, infoHashHex: toHex(infoHash), ...changes };
  return { ...torrent, metaInfo };
}

export class MagnetBench extends EngineBench {
  readonly torrent: ContentTorrent;
  readonly events: string[] = [];

  constructor(torrent = knownTorrent(), ...rest: ConstructorParameters<typeof EngineBench>) {
    super(...rest);
    this.torrent = torrent;
  }

  magnet(options: Partial<PendingOptions> = {}): PendingTorrent {
    const { metaInfo } = this.torrent;
    const observer: TorrentObserver = {
      onState: (state, before) => this.events.push(`${before} -> ${state}`),
      onMetadata: () => this.events.push('metadata'),
      onPiece: () => undefined,
      onReject: () => undefined,
      onBan: () => undefined,
      onFile: () => undefined,
      onComplete: () => this.events.push('complete'),
      onPeer: () => undefined,
      onPeerGone: (_, reason) => this.events.push(`gone: ${reason}`),
      onWarning: (error) => this.events.push(error.code),
      onFailed: (error) => this.events.push(error.code),
    };
    const pending = this.engine.addPending(
      {
        infoHash: metaInfo.infoHash,
        infoHashHex: metaInfo.infoHashHex,
        trackers: [],
        peers: [],
        metadataMax: 16 * 1_048_576,
        paused: false,
        plan: () => ({
          metaInfo,
          options: {
            dir: '/',
            resumeKey: `${metaInfo.infoHashHex}00`,
            trackers: [],
            peers: [],
            priorities: null,
            sequential: false,
            trust: 'resume',
            paused: false,
            downLimit: Infinity,
            upLimit: Infinity,
          },
        }),
        ...options,
      },
      observer,
    );
    this.settle();
    return pending;
  }

  /** A peer that dials us and has the metadata. */
  knower(
    options: ConstructorParameters<typeof FakePeer>[0] = {},
    metadataSize: number | null = this.torrent.metaInfo.infoBytes.length,
  ): { peer: FakePeer; voice: ExtendedVoice } {
    const peer = this.inbound(this.torrent, options);
    return { peer, voice: new ExtendedVoice(peer, [UT_METADATA], { metadataSize }) };
  }

  /** Answers all that was asked of the metadata. */
  tell(voice: ExtendedVoice, infoBytes = this.torrent.metaInfo.infoBytes): number[] {
    const asked = voice.heard(UT_METADATA).flatMap((payload) => {
      const message = readMetadataMessage(payload);
      return message?.type === 'request' ? [message.piece] : [];
    });
    for (const piece of asked) voice.say(UT_METADATA, writeMetadataPiece(piece, infoBytes));
    this.settle();
    return asked;
  }
}
