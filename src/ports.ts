import type { StorageError, TrackerError } from './errors.ts';
import type { FileStat } from './metainfo/file-stat.ts';
import type { MetaInfo } from './metainfo/metainfo.ts';
import type { IpFamily, PeerAddress } from './util/ip.ts';
import type { Allocate, Slab } from './util/slab-pool.ts';
import type { DisconnectReason, PeerLink } from './wire/link.ts';
import type { InboundEncryption, OutboundEncryption } from './wire/mse/negotiation.ts';

/**
 * What the engine needs from a world. `src/node/` is the real one, `src/sim/` the simulated one; the contract suites
 * in `test/contract/` hold both to the same rules.
 *
 * The rule of all ports: no port calls back in the same turn it was called in.
 */

/** Ends what was started; the callback is not called after it. Calling it late or twice does nothing. */
export interface Cancel {
  cancel(): void;
}

/** Monotonic time in milliseconds, unrelated to the calendar. */
export interface Clock {
  now(): number;
  /** Calls `fn` at `time` or as soon as possible after it. Times in the past mean: in the next turn. */
  at(time: number, fn: () => void): Cancel;
}

/** Unguessable bytes: peer ids, tokens, transaction ids. */
export interface Entropy {
  bytes(count: number): Uint8Array;
}

/** Makes and accepts connections to peers. */
export interface PeerTransport {
  /**
   * Dials a peer. `done` gets a connected link with no sink attached (attach one in the same turn) or the reason why
   * there is none. `timeoutMs` bounds the connecting, not the handshake. With `encryption` the link begins with an
   * encrypted handshake, on transports that have it; it fails as a link does.
   */
  dial(
    to: PeerAddress,
    timeoutMs: number,
    done: (result: PeerLink | 'connect-failed' | 'connect-timeout') => void,
    encryption?: OutboundEncryption | null,
  ): Cancel;
  /**
   * Who takes inbound links. The listener attaches a sink in the same turn or closes the link. With `encryption` peers may
   * encrypt, or must; without it, or on transports that have none, they speak plain.
   */
  onInbound(listener: (link: PeerLink) => void, encryption?: InboundEncryption): void;
  /** The port that peers can reach us at, 0 if we do not listen. */
  readonly listenPort: number;
  /**
   * Who hears of our own code failing on a connection before it is a link, such as in an encrypted handshake. That
   * connection is closed, and nothing else. Without a listener the error goes on to whoever called the transport.
   */
  onInternalError?(listener: (error: unknown) => void): void;
}

/** One UDP socket per address family, shared by everything that speaks UDP. */
export interface DatagramPort {
  /** Fire and forget; failures are logged by the port and never thrown. The bytes are copied or sent at once. */
  send(bytes: Uint8Array, to: PeerAddress): void;
  /** Adds a receiver. It returns true if the datagram was its own, which keeps it from the others. */
  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => boolean): Cancel;
  /** True if a socket of this family is open. */
  supports(family: IpFamily): boolean;
  /** Opens all sockets now, so that others can reach us. Default: each with the first datagram that is sent by it. */
  open?(): void;
  /** The port that datagrams of this family come from; 0 while that is not known. */
  localPort?(family: IpFamily): number;
}

/** Datagrams to and from everybody on the networks this machine is on (BEP 14). */
export interface MulticastPort {
  /** Sends to the group of this family, on every network. Fire and forget, as `DatagramPort`. */
  send(bytes: Uint8Array, family: IpFamily): void;
  /** Listens until cancelled. What we send ourselves comes back too. */
  onMessage(receiver: (bytes: Uint8Array, from: PeerAddress) => void): Cancel;
}

export interface HttpRequest {
  readonly url: string;
  /** Connect over this family only. */
  readonly family?: IpFamily;
  /** The whole exchange, redirects included. */
  readonly timeoutMs: number;
  /** Upper bound of the body, both as sent and after decompression. */
  readonly maxBytes: number;
  /** Addresses in local ranges are refused, also after a redirect. */
  readonly refuseLocal: boolean;
}

export interface HttpResponse {
  readonly status: number;
  readonly body: Uint8Array;
}

/** GET over HTTP and HTTPS with size and time caps. Redirects are followed, at most 5, each checked anew. */
export interface HttpPort {
  get(request: HttpRequest, done: (result: HttpResponse | TrackerError) => void): Cancel;
}

/** A stretch of a file on a web server. */
export interface RangeRequest {
  readonly url: string;
  /** Bytes, as one range (RFC 9110, 14.2). */
  readonly offset: number;
  readonly length: number;
  /** So long may pass between any two bytes of the answer. */
  readonly silenceMs: number;
  /** Addresses in local ranges are refused, also after a redirect. */
  readonly refuseLocal: boolean;
}

/** What an answer says of itself. */
export interface RangeHead {
  readonly status: number;
  /** By lower-case name; several of one name joined with a comma. */
  readonly headers: ReadonlyMap<string, string>;
  /** Bytes of the body; null if only its end tells. */
  readonly length: number | null;
}

/** Who takes an answer, and judges it: the server may send something else than it was asked for. */
export interface RangeSink {
  /** False: it is of no use, and nothing more is called. */
  onHead(head: RangeHead): boolean;
  /** The next bytes of the body, as they were sent. The chunk is reused as soon as the call returns. */
  onData(chunk: Uint8Array): void;
  /** The body is whole, as far as the server says. */
  onEnd(): void;
  onFail(error: TrackerError): void;
}

/** A stretch being fetched. After `cancel` nothing is called. */
export interface RangeStream extends Cancel {
  pauseReading(): void;
  resumeReading(): void;
}

/**
 * Ranges over HTTP and HTTPS, streamed over connections that are kept for the next one. Redirects are followed, at most
 * 5, each checked anew.
 */
export interface RangePort {
  stream(request: RangeRequest, sink: RangeSink): RangeStream;
}

/** Names to addresses. An IP address resolves to itself, if it is of that family. */
export interface Resolver {
  resolve(host: string, family: IpFamily, done: (addresses: readonly string[]) => void): Cancel;
}

/**
 * What became of a piece given to `writePiece`. `blockDigests` holds the 20-byte SHA-1 of each 16 KiB block in order,
 * when they were asked for or the hash did not match.
 */
export type PieceVerdict =
  | { readonly status: 'written'; readonly blockDigests: Uint8Array | null }
  | { readonly status: 'mismatch'; readonly blockDigests: Uint8Array }
  /** The hash was right and the bytes are still in the slab, but the disk refused them. */
  | { readonly status: 'failed'; readonly error: StorageError };

/** The disk of one torrent. */
export interface TorrentStorage {
  /** Size and time of every file, in the order of `metaInfo.files`; pad files count as present. */
  stat(done: (result: readonly FileStat[] | StorageError) => void): void;
  /** Reads a piece back and hashes it, all in a worker. A piece of a missing or short file is `false`, not an error. */
  checkPiece(piece: number, done: (result: boolean | StorageError) => void): void;
  /**
   * Hashes the first bytes of `slab` (as many as the piece has) and, if they match, writes them, all in a worker.
   * The slab is lent until `done`: its `bytes` are empty in between and back, unchanged, when `done` is called.
   */
  writePiece(piece: number, slab: Slab, wantDigests: boolean, done: (verdict: PieceVerdict) => void): void;
  /** Reads part of a piece we have into `into` (exactly its length). */
  read(piece: number, begin: number, into: Uint8Array, done: (error: StorageError | null) => void): void;
  /** Which files are wanted, by index. Bytes of others that share a piece with wanted ones go to the part file. */
  setWanted(wanted: readonly boolean[]): void;
  /** Creates wanted files of length zero and gives complete files their length; then syncs what was written. */
  flush(done: (error: StorageError | null) => void): void;
  /** Waits for what is under way, then closes all files. */
  close(done: () => void): void;
}

export interface StorageOpenOptions {
  /** The folder that holds the torrent's top-level file or folder. */
  readonly dir: string;
}

export interface StorageFactory {
  /** Touches nothing on disk yet. */
  open(metaInfo: MetaInfo, options: StorageOpenOptions): TorrentStorage;
}

/** Keeps a small record per torrent between runs; a save is old or new under any crash, never half. */
export interface ResumeStore {
  load(key: string, done: (record: Uint8Array | null) => void): void;
  save(key: string, record: Uint8Array, done: (error: StorageError | null) => void): void;
  remove(key: string, done: () => void): void;
  /** Keeps a damaged record out of the way, for whoever wants to look at it. */
  setAside(key: string, done: () => void): void;
}

/** Ed25519 (RFC 8032), for mutable items of the DHT (BEP 44). Keys and signatures are their raw 32 and 64 bytes. */
export interface Ed25519 {
  /** False for anything that is not a right signature, keys that are none included. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
  /** @param seed The private key as RFC 8032 has it: 32 bytes. */
  sign(seed: Uint8Array, message: Uint8Array): Uint8Array;
  publicKey(seed: Uint8Array): Uint8Array;
}

/** The world as the engine gets it. */
export interface World {
  readonly clock: Clock;
  readonly entropy: Entropy;
  /** Seed of all decisions by chance. */
  readonly seed: number;
  readonly transports: readonly PeerTransport[];
  readonly datagrams: DatagramPort | null;
  /** Absent: no local network, or nothing is to be said there. */
  readonly multicast?: MulticastPort;
  readonly http: HttpPort | null;
  /** Files on web servers. Default: none can be had. */
  readonly web?: RangePort | null;
  readonly resolver: Resolver | null;
  /** Without it there are no mutable items in the DHT. */
  readonly ed25519?: Ed25519;
  readonly storage: StorageFactory;
  readonly resume: ResumeStore | null;
  /**
   * Makes the memory that pieces are kept in. Default: arrays, which threads share for what comes in. A world without
   * content has no use for so much.
   */
  readonly allocate?: Allocate;
}

export type { DisconnectReason, FileStat };
