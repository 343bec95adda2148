import type { PeerAddress } from '../util/ip.ts';

/**
 * The contracts around one connection to a peer.
 *
 * `PeerLink` is what the engine says to the peer, `LinkSink` is what the peer says to the engine, and `ByteStream` is
 * what a transport has to provide for the byte-level link in between. The engine cannot tell TCP, a web seed or the
 * simulator apart, except through `kind`.
 *
 * No call made on a link calls back into the sink in the same turn.
 */

/** Why a connection ended. The engine decides by it whether to retry, ban or only count. */
export type DisconnectReason =
  // The world
  | 'closed-by-peer'
  | 'connect-failed'
  | 'connect-timeout'
  | 'connection-error'
  // The peer broke the protocol
  | 'bad-handshake'
  | 'bad-message'
  | 'message-too-long'
  | 'bad-bitfield'
  | 'bad-have'
  | 'fast-not-negotiated'
  | 'request-flood'
  | 'message-flood'
  | 'unwanted-blocks'
  | 'corrupt-data'
  // The peer is of no use to us, or we are not to it
  | 'handshake-timeout'
  | 'inactive'
  | 'unknown-torrent'
  | 'self-connection'
  | 'duplicate-connection'
  | 'both-seeds'
  | 'uninteresting'
  | 'too-many-connections'
  | 'banned'
  // We are leaving
  | 'torrent-stopped'
  | 'shutdown';

/** What of a handshake (BEP 3) the engine cares about. */
export interface Handshake {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  /** 8 bytes of feature bits; see `handshake.ts` for those we know. */
  readonly reserved: Uint8Array;
}

/**
 * Above this many `queuedBytes` the engine stops handing over blocks. Large enough that one gathered write keeps a fast
 * socket busy until the next turn, small enough that a peer which does not read costs no more than half a MiB.
 * libtorrent: 500 KiB at most by default, 3 MiB in its high-performance preset.
 */
export const SEND_HIGH_WATER = 524_288;

/** At this many `queuedBytes` blocks are wanted again: eight blocks are left to send while new ones are read. */
export const SEND_LOW_WATER = 131_072;

/** Memory that a sent block points into. Released once, when the network no longer needs the bytes. */
export interface BlockSource {
  release(): void;
}

/**
 * What of a connection is encrypted: nothing, the handshake alone (so that nobody sees by it what this is), or everything
 * with RC4.
 */
export type LinkEncryption = 'none' | 'handshake' | 'rc4';

export type LinkKind = 'tcp' | 'utp' | 'web-seed' | 'sim';

/** Commands to the peer, one method per message. Small messages are batched until the end of the turn. */
export interface PeerLink {
  readonly kind: LinkKind;
  /** The other end as seen by the socket; for an inbound link its port is not the one it listens on. */
  readonly remote: PeerAddress;
  readonly inbound: boolean;
  /** Not given by links that know no encryption. */
  readonly encryption?: LinkEncryption;
  /** Who the other end is, if the link knows that without a handshake. Remote text. */
  readonly clientName?: string;
  /** How many requests may wait there, if the link knows that without an extension handshake. */
  readonly requestQueue?: number;
  /** Bytes accepted from us but not yet taken by the network. */
  readonly queuedBytes: number;
  /** All bytes received, protocol overhead included. */
  readonly receivedBytes: number;
  /** All bytes sent, protocol overhead included. */
  readonly sentBytes: number;

  /** Who hears what the peer says. Set once before the first turn ends, and once more after the handshake. */
  attach(sink: LinkSink): void;

  /** Our handshake; must be the first thing sent. */
  handshake(handshake: Handshake): void;
  keepAlive(): void;
  choke(): void;
  unchoke(): void;
  interested(): void;
  notInterested(): void;
  /** @param mayWait It leaves with what is said next, or at `flush`. */
  have(piece: number, mayWait?: boolean): void;
  /** The bytes are copied. */
  bitfield(bytes: Uint8Array): void;
  haveAll(): void;
  haveNone(): void;
  request(piece: number, begin: number, length: number): void;
  cancel(piece: number, begin: number, length: number): void;
  reject(piece: number, begin: number, length: number): void;
  suggest(piece: number): void;
  allowedFast(piece: number): void;
  port(port: number): void;
  extended(id: number, payload: Uint8Array): void;
  /** What may wait leaves with this turn. Optional: most links let nothing wait. */
  flush?(): void;
  /** A block, not copied: `source` is released when the network is done with `block`, also when the link closes. */
  piece(piece: number, begin: number, block: Uint8Array, source: BlockSource | null): void;

  /**
   * How long this torrent's bitfield is, in bytes: a bitfield of any other length is then refused at its header.
   * Optional, because only links that parse bytes can use it; the sink checks the bitfield in any case.
   */
  expectBitfield?(lengthBytes: number): void;

  /** The block being received, if any, is no longer wanted at its target: skip the rest of it, `onBlock` is not called. */
  discardBlock(): void;

  /** Stops and restarts reading from the network: the back-pressure of rate limits. */
  pauseReading(): void;
  resumeReading(): void;
  /**
   * From now on, or from the read after the next, takes at most so many bytes at a time from the network: under a low
   * limit those that a socket gives at once would be seconds' worth. Optional, because not all links read so much.
   */
  limitReads?(bytesMax: number): void;

  /** Ends the connection. `onClosed` follows in a later turn, once. Closing twice does nothing. */
  close(reason: DisconnectReason): void;
}

/**
 * Facts from the peer, one method per message. Indices and lengths are as received (unsigned, unchecked against the
 * torrent) unless said otherwise. Byte views are valid only during the call. To refuse a message throw a `PeerError`:
 * the link catches it at its single receive boundary and closes with its reason.
 */
export interface LinkSink {
  onHandshake(handshake: Handshake): void;
  onChoke(): void;
  onUnchoke(): void;
  onInterested(): void;
  onNotInterested(): void;
  onHave(piece: number): void;
  onBitfield(bytes: Uint8Array): void;
  onHaveAll(): void;
  onHaveNone(): void;
  onRequest(piece: number, begin: number, length: number): void;
  onCancel(piece: number, begin: number, length: number): void;
  /** `length` is 0 if the peer answered the request of this block with an empty one, whose true length it did not say. */
  onReject(piece: number, begin: number, length: number): void;
  onSuggest(piece: number): void;
  onAllowedFast(piece: number): void;
  onPort(port: number): void;
  onExtended(id: number, payload: Uint8Array): void;
  onKeepAlive(): void;

  /**
   * A block begins. Returns exactly `length` bytes of memory to put it in, or null to skip it. The memory stays ours:
   * the link writes to it until `onBlock`, `discardBlock` or the end of the link, and never after. `length` is at most
   * the message maximum.
   */
  blockTarget(piece: number, begin: number, length: number): Uint8Array | null;
  /** The block is whole (or was skipped whole, if its target was null). */
  onBlock(piece: number, begin: number, length: number): void;

  /** A chunk of bytes from the network has been worked off; the moment to refill requests. */
  onBatchEnd(): void;
  /** `queuedBytes` fell to the low-water mark after having been above the high-water mark, or to zero. */
  onWritable(): void;
  /** The last call. */
  onClosed(reason: DisconnectReason): void;
  /**
   * Our own code threw something else than a `PeerError` in one of the calls above. The link is closed already. Without
   * this method the error goes on to whoever called the link.
   */
  onBug?(error: unknown): void;
}

/** A peer's fault. Never leaves the engine as an exception: it becomes a disconnect with this reason. */
export class PeerError extends Error {
  override readonly name = 'PeerError';
  readonly reason: DisconnectReason;

  constructor(reason: DisconnectReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

/**
 * An ordered stream of bytes to and from a peer, as a transport provides it. The last call to the sink is `onEnd` if the
 * network ended the stream, `onClosed` if we did. By then all sources have been released.
 */
export interface ByteStream {
  readonly kind: LinkKind;
  readonly remote: PeerAddress;
  readonly inbound: boolean;
  /** Not given by streams that know no encryption. */
  readonly encryption?: LinkEncryption;
  /** Bytes written and not yet taken by the operating system. */
  readonly bufferedBytes: number;

  attach(sink: ByteStreamSink): void;
  /**
   * Asks for one `onFlush` at the end of this turn, however often it is called: the moment to hand over everything
   * that was batched.
   */
  requestFlush(): void;
  /**
   * Queues `bytes` without copying. `source`, if given, is released when the bytes are gone or the stream closed.
   * Only during `onFlush`, so that all writes of a turn leave together.
   */
  write(bytes: Uint8Array, source: BlockSource | null): void;
  pauseReading(): void;
  resumeReading(): void;
  /** As the link's. */
  limitReads?(bytesMax: number): void;
  /**
   * Ends the stream; `onClosed` follows in a later turn. With `graceful`, what was batched and written is still sent,
   * for as long as the transport is willing to wait.
   */
  close(graceful: boolean): void;
}

export interface ByteStreamSink {
  /** The chunk is reused by the stream as soon as the call returns. */
  onData(chunk: Uint8Array): void;
  onFlush(): void;
  /** Bytes of earlier writes are gone, and their sources released; `bufferedBytes` says how many are left. */
  onDrained(): void;
  /** The other end closed, the network failed, or the peer was refused before it said anything to the sink. */
  onEnd(reason: DisconnectReason): void;
  /** What we closed is closed. */
  onClosed(): void;
}
