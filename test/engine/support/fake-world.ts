import { createHash } from 'node:crypto';
import { Engine, type EngineOptions } from '../../../src/engine/engine.ts';
import type { Torrent } from '../../../src/engine/torrent/torrent.ts';
import type { TorrentObserver, TorrentOptions } from '../../../src/engine/torrent/torrent-options.ts';
import { StorageError } from '../../../src/errors.ts';
import type { MetaInfo } from '../../../src/metainfo/metainfo.ts';
import { DEFAULTS } from '../../../src/options.ts';
import type {
  Cancel,
  FileStat,
  PeerTransport,
  PieceVerdict,
  ResumeStore,
  StorageFactory,
  TorrentStorage,
  World,
} from '../../../src/ports.ts';
import type { PeerAddress } from '../../../src/util/ip.ts';
import { Feature, reservedOf } from '../../../src/wire/handshake.ts';
import { PeerError, type LinkSink, type PeerLink } from '../../../src/wire/link.ts';
import type { InboundEncryption, OutboundEncryption } from '../../../src/wire/mse/negotiation.ts';
import { contentTorrent, type ContentTorrent } from '../../support/content-torrent.ts';
import { FakeLink } from './fake-link.ts';
import { ManualClock } from './manual-clock.ts';

/** A whole engine in a world that a test holds in its hands: its time, its disk, and every message of its peers. */

type DialResult = PeerLink | 'connect-failed' | 'connect-timeout';

export class FakeTransport implements PeerTransport {
  readonly listenPort = 6881;
  /** Dials that wait for an answer. */
  readonly dials: {
    readonly to: PeerAddress;
    readonly done: (result: DialResult) => void;
    readonly encryption: OutboundEncryption | null;
  }[] = [];
  /** What the engine takes from peers that dial it. */
  inboundEncryption: InboundEncryption | null = null;
  #listener: ((link: PeerLink) => void) | null = null;

  dial(
    to: PeerAddress,
    _timeoutMs: number,
    done: (result: DialResult) => void,
    encryption?: OutboundEncryption | null,
  ): Cancel {
    const dial = { to, done, encryption: encryption ?? null };
    this.dials.push(dial);
    return { cancel: () => void this.dials.splice(this.dials.indexOf(dial), 1) };
  }

  onInbound(listener: (link: PeerLink) => void, encryption?: InboundEncryption): void {
    this.#listener = listener;
    this.inboundEncryption = encryption ?? null;
  }

  accept(link: PeerLink): void {
    this.#listener!(link);
  }
}

/** A disk in memory that really hashes. */
export class FakeDisk implements StorageFactory {
  /** By name of the torrent. */
  readonly contents = new Map<string, Uint8Array>();
  readonly written: number[] = [];
  /** What all writes, reads, flushes and looks meet, if not null. */
  writeError: StorageError | null = null;
  readError: StorageError | null = null;
  flushError: StorageError | null = null;
  statError: StorageError | null = null;
  /** Answers wait here instead of coming at once. */
  held: (() => void)[] | null = null;
  mtimeMs = 1;
  checks = 0;
  closes = 0;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  /** Puts content there as if a user had copied it. */
  put(torrent: ContentTorrent): void {
    this.contents.set(torrent.metaInfo.name, torrent.content.slice());
  }

  /** All of it, byte by byte? */
  holds({ metaInfo, content }: ContentTorrent): boolean {
    return Buffer.from(content).equals(this.contents.get(metaInfo.name) ?? new Uint8Array(0));
  }

  open(metaInfo: MetaInfo): TorrentStorage {
    const later = (answer: () => void): void => {
      if (this.held) this.held.push(answer);
      else this.#clock.at(this.#clock.now(), answer);
    };
    const { geometry, name, pieceHashes } = metaInfo;
    const digestOf = (bytes: Uint8Array): Uint8Array => createHash('sha1').update(bytes).digest();
    const isRight = (piece: number, bytes: Uint8Array): boolean =>
      Buffer.from(pieceHashes.subarray(20 * piece, 20 * piece + 20)).equals(digestOf(bytes));
    const pieceOf = (piece: number): Uint8Array => {
      const begin = geometry.pieceOffset(piece);
      return this.contents.get(name)!.subarray(begin, begin + geometry.pieceLengthOf(piece));
    };
    return {
      stat: (done) => {
        const isThere = this.contents.has(name);
        const stats: FileStat[] = metaInfo.files.map((file) => ({
          size: isThere ? file.length : -1,
          mtimeMs: isThere ? this.mtimeMs : 0,
        }));
        later(() => done(this.statError ?? stats));
      },
      checkPiece: (piece, done) => {
        this.checks++;
        later(() => done(this.readError ? false : this.contents.has(name) && isRight(piece, pieceOf(piece))));
      },
      writePiece: (piece, slab, wantDigests, done) => {
        const { bytes } = slab;
        slab.bytes = new Uint8Array(0);
        const length = geometry.pieceLengthOf(piece);
        const content = bytes.subarray(0, length);
        later(() => {
          slab.bytes = bytes;
          const right = isRight(piece, content);
          const digests = new Uint8Array(20 * geometry.blockCount(piece));
          for (let block = 0; block < geometry.blockCount(piece); block++) {
            digests.set(digestOf(content.subarray(block * 16_384, (block + 1) * 16_384)), block * 20);
          }
          let verdict: PieceVerdict;
          if (!right) verdict = { status: 'mismatch', blockDigests: digests };
          else if (this.writeError) verdict = { status: 'failed', error: this.writeError };
          else {
            if (!this.contents.has(name)) this.contents.set(name, new Uint8Array(geometry.length));
            this.contents.get(name)!.set(content, geometry.pieceOffset(piece));
            this.mtimeMs++;
            this.written.push(piece);
            verdict = { status: 'written', blockDigests: wantDigests ? digests : null };
          }
          done(verdict);
        });
      },
      read: (piece, begin, into, done) => {
        later(() => {
          const error = this.readError ?? (this.contents.has(name) ? null : vanished(name));
          if (!error) into.set(pieceOf(piece).subarray(begin, begin + into.length));
          done(error);
        });
      },
      setWanted: () => undefined,
      flush: (done) => later(() => done(this.flushError)),
      close: (done) => {
        this.closes++;
        later(done);
      },
    };
  }
}

function vanished(name: string): StorageError {
  return new StorageError(`${name} is gone`, 'ERR_FILE_MISSING', name);
}

class FakeRecords implements ResumeStore {
  readonly records = new Map<string, Uint8Array>();
  saves = 0;
  saveError: StorageError | null = null;
  readonly #clock: ManualClock;

  constructor(clock: ManualClock) {
    this.#clock = clock;
  }

  load(key: string, done: (record: Uint8Array | null) => void): void {
    this.#later(() => done(this.records.get(key) ?? null));
  }
  save(key: string, record: Uint8Array, done: (error: StorageError | null) => void): void {
    this.#later(() => {
      this.saves++;
      if (!this.saveError) this.records.set(key, record);
      done(this.saveError);
    });
  }
  remove(key: string, done: () => void): void {
    this.#later(() => {
      this.records.delete(key);
      done();
    });
  }
  setAside(key: string, done: () => void): void {
    this.remove(key, done);
  }
  #later(fn: () => void): void {
    this.#clock.at(this.#clock.now(), fn);
  }
}

/** A peer at the other end of a fake link, which speaks when the test says so. */
export class FakePeer extends FakeLink {
  override readonly remote: PeerAddress;
  /** Bytes of every block that we were sent. */
  readonly got: { piece: number; begin: number; length: number }[] = [];
  readonly peerId: Uint8Array;

  constructor(options: { inbound?: boolean; host?: string; port?: number; id?: string } = {}) {
    super(options.inbound ?? false);
    this.remote = { host: options.host ?? '10.0.0.1', port: options.port ?? 1000 };
    this.peerId = Buffer.from(
      (options.id ?? `${this.remote.host}:${this.remote.port}`).padEnd(20).slice(0, 20),
    );
  }

  /** Says something and ends the turn; as with a real link, its faults close it. */
  say(...words: ((sink: LinkSink) => void)[]): this {
    for (const word of [...words, (sink: LinkSink) => sink.onBatchEnd()]) {
      if (this.reason !== null || !this.sink) break;
      this.receivedBytes += 5;
      try {
        word(this.sink);
      } catch (error) {
        if (error instanceof PeerError) this.close(error.reason);
        else {
          this.close('torrent-stopped');
          if (!this.sink.onBug) throw error;
          this.sink.onBug(error);
        }
      }
    }
    this.endTurn();
    return this;
  }

  override endTurn(): void {
    const { sink } = this;
    try {
      super.endTurn();
    } catch (error) {
      if (!sink?.onBug) throw error;
      sink.onBug(error);
    }
  }

  /** Hangs up. */
  hangUp(): void {
    this.close('closed-by-peer');
    this.endTurn();
  }

  shakeHands(
    torrent: ContentTorrent,
    features: readonly Feature[] = [Feature.fast, Feature.extensions],
  ): this {
    const { infoHash } = torrent.metaInfo;
    return this.say((sink) =>
      sink.onHandshake({ infoHash, peerId: this.peerId, reserved: reservedOf(features) }),
    );
  }

  /** Answers a request with these bytes, as the decoder would. */
  give(piece: number, begin: number, bytes: Uint8Array): this {
    return this.say((sink) => {
      const target = sink.blockTarget(piece, begin, bytes.length);
      target?.set(bytes);
      sink.onBlock(piece, begin, bytes.length);
    });
  }

  /** Requests heard and not answered. Reading takes them. */
  requests(): { piece: number; begin: number; length: number }[] {
    return this.heard().flatMap((text) => {
      const [word, piece, begin, length] = text.split(' ');
      if (word !== 'request') return [];
      return [{ piece: Number(piece), begin: Number(begin), length: Number(length) }];
    });
  }

  /** Gives all that was asked for, true or as `mend` makes of it. */
  serve(
    torrent: ContentTorrent,
    mend: (block: Uint8Array, piece: number, begin: number) => Uint8Array = same,
  ): number {
    const asked = this.requests();
    for (const { piece, begin, length } of asked) {
      this.give(piece, begin, mend(torrent.piece(piece).slice(begin, begin + length), piece, begin));
    }
    return asked.length;
  }
}

const same = (block: Uint8Array): Uint8Array => block;

/** A block whose bytes are all wrong. */
export const wrong = (block: Uint8Array): Uint8Array => block.map((byte) => byte ^ 0xff);

export interface Told {
  readonly event: string;
  readonly value?: unknown;
}

export class EngineBench {
  readonly clock = new ManualClock();
  readonly transport = new FakeTransport();
  readonly disk = new FakeDisk(this.clock);
  readonly store = new FakeRecords(this.clock);
  readonly engine: Engine;
  readonly told: Told[] = [];
  #links = 0;

  /** @param parts Of the world, or what makes them on its clock. */
  constructor(
    options: Partial<EngineOptions> = {},
    parts: Partial<World> | ((clock: ManualClock) => Partial<World>) = {},
  ) {
    const world: World = {
      clock: this.clock,
      entropy: {
        bytes: (count) => Uint8Array.from({ length: count }, (_, i) => (i * 37 + this.#links++) & 0xff),
      },
      seed: 1,
      transports: [this.transport],
      datagrams: null,
      http: null,
      resolver: null,
      storage: this.disk,
      resume: this.store,
      ...(typeof parts === 'function' ? parts(this.clock) : parts),
    };
    this.engine = new Engine(world, { ...DEFAULTS, clientName: 'bench', ...options });
  }

  add(torrent: ContentTorrent, options: Partial<TorrentOptions> = {}): Torrent {
    const observer: TorrentObserver = {
      onState: (state) => this.told.push({ event: 'state', value: state }),
      onPiece: (piece) => this.told.push({ event: 'piece', value: piece }),
      onReject: (piece) => this.told.push({ event: 'reject', value: piece }),
      onBan: (address) => this.told.push({ event: 'ban', value: address.host }),
      onFile: (file) => this.told.push({ event: 'file', value: file }),
      onComplete: () => this.told.push({ event: 'complete' }),
      onPeer: (address) => this.told.push({ event: 'peer', value: address.host }),
      onPeerGone: (_, reason) => this.told.push({ event: 'peerGone', value: reason }),
      onWarning: (error) => this.told.push({ event: 'warning', value: error.code }),
      onFailed: (error) => this.told.push({ event: 'failed', value: error }),
    };
    return this.engine.addTorrent(
      torrent.metaInfo,
      {
        dir: '/',
        resumeKey: torrent.metaInfo.infoHashHex,
        trackers: [],
        peers: [],
        priorities: null,
        sequential: false,
        trust: 'resume',
        paused: false,
        downLimit: Infinity,
        upLimit: Infinity,
        ...options,
      },
      observer,
    );
  }

  /** What was told of this event. */
  values(event: string): unknown[] {
    return this.told.filter((told) => told.event === event).map((told) => told.value);
  }

  /** Lets all that needs no time happen. */
  settle(): void {
    this.clock.advance(0);
  }

  seconds(count: number): void {
    this.clock.advance(count * 1000);
  }

  /** A peer that dials us and has shaken hands. */
  inbound(torrent: ContentTorrent, options: ConstructorParameters<typeof FakePeer>[0] = {}): FakePeer {
    const peer = new FakePeer({ host: `10.0.1.${++this.#links & 0xff}`, ...options, inbound: true });
    this.transport.accept(peer);
    peer.endTurn();
    peer.shakeHands(torrent);
    return peer;
  }

  /** A connected seeder that lets us fetch. */
  seeder(torrent: ContentTorrent, options: ConstructorParameters<typeof FakePeer>[0] = {}): FakePeer {
    const peer = this.inbound(torrent, options);
    peer.say(
      (sink) => sink.onHaveAll(),
      (sink) => sink.onUnchoke(),
    );
    return peer;
  }

  /** Serves all that is asked of these peers until nothing more is. */
  exchange(
    torrent: ContentTorrent,
    peers: readonly FakePeer[],
    mend?: Parameters<FakePeer['serve']>[1],
  ): void {
    for (let rounds = 0; rounds < 10_000; rounds++) {
      let served = 0;
      for (const peer of peers) served += peer.reason === null ? peer.serve(torrent, mend) : 0;
      this.settle();
      if (served === 0) return;
    }
    throw new Error('there is no end to it');
  }
}

/** A torrent of one file. */
export function singleFile(pieces: number, pieceLength = 32_768, name = 'single.bin'): ContentTorrent {
  return contentTorrent(name, pieceLength, null, pieces * pieceLength - 100);
}
