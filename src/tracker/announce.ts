import { TrackerError } from '../errors.ts';
import type { Encryption } from '../options.ts';
import { toText } from '../util/bytes.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';

/**
 * What a client and a tracker say to each other, whatever carries it: HTTP (BEP 3) or UDP (BEP 15).
 * Answers come from outside; how far to trust their times is decided in `schedule.ts`.
 */

/** BEP 3 *event*; `null` is one of the announces at regular intervals. */
export type AnnounceEvent = 'started' | 'completed' | 'stopped';

export interface AnnounceRequest {
  /** 20 bytes. */
  readonly infoHash: Uint8Array;
  /** 20 bytes. */
  readonly peerId: Uint8Array;
  /** Where peers reach us; 0 if nowhere. */
  readonly port: number;
  /** Payload bytes since `started`. */
  readonly uploaded: number;
  readonly downloaded: number;
  /** Bytes still missing; 0 makes us a seed. */
  readonly left: number;
  readonly event: AnnounceEvent | null;
  /** 32 random bits that stay the same over all addresses we announce from (BEP 7). */
  readonly key: number;
  /** How many peers we would like. */
  readonly numWant: number;
  /** Of our connections to peers, so that the tracker can bring together who fits. Default: nothing is said of it. */
  readonly encryption?: Encryption;
}

export interface AnnounceResponse {
  /** Seconds until the next regular announce, as the tracker said it; null if it did not, or made no sense. */
  readonly interval: number | null;
  /** Seconds below which even hungry clients must not announce again. */
  readonly minInterval: number | null;
  readonly seeders: number | null;
  readonly leechers: number | null;
  /** At most `PEERS_MAX`, each with a port a peer can have. Not yet checked for being dialable. */
  readonly peers: readonly PeerAddress[];
  /** Remote text, cleaned by `remoteText`. */
  readonly warning: string | null;
  /** Our address as the tracker sees it (BEP 24). One source is no proof. */
  readonly externalIp: string | null;
  /** To be sent back with the next announce. */
  readonly trackerId: Uint8Array | null;
}

/** What a tracker knows about one torrent (BEP 48, BEP 15). */
export interface ScrapeCounts {
  readonly seeders: number;
  readonly leechers: number;
  /** How often a download was completed. */
  readonly downloads: number;
}

/** Peers taken from one answer; libtorrent's list of known peers ends there too. */
export const PEERS_MAX = 3000;
/** Asked for by those who download, as libtorrent does. */
export const NUM_WANT = 200;
/** A seed waits to be found and needs fewer. */
export const NUM_WANT_SEED = 50;

/** Characters kept of a tracker's message: room for two sentences, too short to flood a terminal. */
const REMOTE_TEXT_MAX = 512;

/** Text from a tracker: cut, and with control, format and line-separating characters replaced. */
export function remoteText(bytes: Uint8Array): string {
  // A character of UTF-8 has at most 4 bytes; what lies behind cannot be shown anyway.
  const text = toText(bytes.subarray(0, 4 * REMOTE_TEXT_MAX)).slice(0, REMOTE_TEXT_MAX);
  return text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, '\ufffd').trim();
}

const NO_ADDRESS = 'no-address';

/** The error of a name that has no address of a family, or of a host without that family. */
export function noAddressError(url: string, family: IpFamily): TrackerError {
  return new TrackerError(`no IPv${family} address found`, url, { cause: NO_ADDRESS });
}

/** The error of a name that has no address of any family. */
export function unresolvedError(url: string, host: string): TrackerError {
  return new TrackerError(`no address found for ${host}`, url, { cause: NO_ADDRESS });
}

/** True if the tracker was not even tried, for want of an address. */
export function isNoAddressError(error: TrackerError): boolean {
  return error.cause === NO_ADDRESS;
}
