import type { Encodable } from '../../bencode/codec.ts';
import type { BencodeDict } from '../../bencode/value.ts';
import type { IpFamily, PeerAddress } from '../../util/ip.ts';
import type { Signatures } from '../item.ts';
import type { ItemStore } from '../item-store.ts';
import { ERROR_PROTOCOL } from '../krpc.ts';
import type { Sha1 } from '../node-id.ts';
import type { PeerStore } from '../peer-store.ts';
import type { RoutingTable } from '../routing-table.ts';
import type { SampleKeeper } from './sample-infohashes.ts';
import type { Tokens } from '../tokens.ts';

/** A node as its answers need it. */
export interface AnsweringNode {
  readonly family: IpFamily;
  readonly sha1: Sha1;
  /** Null: mutable items are refused, since nobody here can check them. */
  readonly signatures: Signatures | null;
  readonly tokens: Tokens;
  readonly peers: PeerStore;
  readonly items: ItemStore;
  readonly samples: SampleKeeper;
  /** Our table of a family, for those who want nodes of the other one too (BEP 32). */
  tableOf(family: IpFamily): RoutingTable | null;
  /** Where `asker` can reach us as a peer of this torrent, if we are one and know that address. */
  ownPeer(infoHash: Uint8Array, asker: PeerAddress): PeerAddress | null;
  onAnnounced(infoHash: Uint8Array, peer: PeerAddress): void;
}

/** One query to answer. */
export interface QueryContext {
  readonly node: AnsweringNode;
  readonly from: PeerAddress;
  readonly args: BencodeDict;
  /** The bytes of `args` as they came. */
  readonly rawArgs: Uint8Array;
  readonly now: number;
}

/** The members of `r` besides our id. */
export type Answer = Readonly<Record<string, Encodable | undefined>>;

/** Becomes an error message. */
export class Refusal {
  readonly code: number;
  readonly text: string;

  constructor(text: string, code: number = ERROR_PROTOCOL) {
    this.text = text;
    this.code = code;
  }
}
