import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { Clock, TorrentStorage } from '../../ports.ts';
import { logger } from '../../util/log.ts';
import type { PeerAddress } from '../../util/ip.ts';
import type { BlockRequester } from '../peer/block-requester.ts';
import type { PeerSession } from '../peer/peer-session.ts';
import type { PickingPeer } from '../picker/picking-peer.ts';
import type { PiecePicker } from '../picker/piece-picker.ts';
import { Blame } from './blame.ts';
import type { DiskHealth } from './disk-health.ts';
import type { FileProgress } from './file-progress.ts';
import type { PeerRoster } from './peer-roster.ts';
import type { Contributor, PieceAssembler } from './piece-assembler.ts';
import { PieceVerifier } from './piece-verifier.ts';
import type { ReadCache } from './read-cache.ts';
import type { Swarm } from './swarm.ts';
import type { TorrentObserver } from './torrent-options.ts';
import type { TorrentCounters } from './torrent-stats.ts';

const log = logger('pieces');

/** Those who take part in the way of a piece. */
export interface PieceFlowParts {
  readonly geometry: PieceGeometry;
  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
  readonly files: FileProgress;
  readonly swarm: Swarm;
  readonly roster: PeerRoster;
  readonly cache: ReadCache;
  readonly counters: TorrentCounters;
  now(): number;
}

export interface PieceFlowEvents {
  /** We have a piece more. */
  onPieceGained(): void;
  /** Nothing that is wanted is missing any more. */
  goOn(): void;
}

/**
 * So long may a begun piece go without a new block while others wait for a buffer. Longer than a peer takes to be
 * snubbed, so that somebody else had the chance to go on with it.
 */
const STUCK_BEATS = 30;

/** More than this being hashed and written, and more pieces than this, is a backlog. Two keep a worker busy. */
const BEHIND_BYTES = 16 * 1_048_576;
const BEHIND_PIECES = 2;
/** Seeds are told of a piece that we have while no more than so many others do: the rest is of no use to them. */
const RARE_COPIES_MAX = 3;

/** Scratch space, used up within the turn. */
const others: PickingPeer[] = [];

/** The way of a piece from its last block to a *have*, or back to the picker and its senders to judgement. */
export class PieceFlow {
  readonly #parts: PieceFlowParts;
  readonly #storage: TorrentStorage;
  readonly #observer: TorrentObserver;
  readonly #events: PieceFlowEvents;
  readonly #clock: Clock;
  readonly #disk: DiskHealth;
  /** Made for the first piece: a torrent that seeds receives none. */
  #verifier: PieceVerifier | null = null;

  constructor(
    parts: PieceFlowParts,
    storage: TorrentStorage,
    clock: Clock,
    observer: TorrentObserver,
    disk: DiskHealth,
    events: PieceFlowEvents,
  ) {
    this.#parts = parts;
    this.#storage = storage;
    this.#observer = observer;
    this.#clock = clock;
    this.#disk = disk;
    this.#events = events;
  }

  #makeVerifier(): PieceVerifier {
    const disk = this.#disk;
    const { assembler } = this.#parts;
    return new PieceVerifier(this.#storage, assembler, new Blame(), this.#clock, {
      onVerified: (piece, from, guilty) => this.#onVerified(piece, from, guilty),
      onRejected: (piece, from, guilty) => this.#onRejected(piece, from, guilty),
      onDiskError: (error) => disk.onWriteError(error),
      findFiles: (done) => this.#findFiles(done),
      onDiskRecovered: () => disk.onWriteRecovered(),
    });
  }

  /** May blocks of the piece be asked for? If so, there is a buffer for it. */
  mayStart(piece: number): boolean {
    const { assembler } = this.#parts;
    // One that has a buffer is begun already, and may hold blocks.
    if (assembler.get(piece) !== undefined) return true;
    return !this.#isBehind && assembler.reserve(piece);
  }

  /** The disk is slower than the network: new pieces wait, so that memory holds what arrives and not what is stored. */
  get #isBehind(): boolean {
    const waiting = this.#verifier?.inFlight ?? 0;
    return waiting > BEHIND_PIECES && waiting * this.#parts.geometry.pieceLength > BEHIND_BYTES;
  }

  onBlockReceived(from: BlockRequester, piece: number, block: number): void {
    const { picker } = this.#parts;
    picker.onReceived(from.peer, piece, block);
    others.length = 0;
    picker.othersRequesting(from.peer, piece, block, others);
    for (const other of others) (other as PeerSession).requester.withdraw(piece, block);
    if (picker.isPieceReceived(piece)) (this.#verifier ??= this.#makeVerifier()).verify(piece);
  }

  /** Once a second. */
  onBeat(now: number): void {
    this.#verifier?.onBeat(now);
    if (this.#parts.assembler.size === 0) return;
    this.#dropIdle();
    if (this.#parts.assembler.noteBeat()) this.#dropStuck();
  }

  /** The disk is said to be well again. */
  retryNow(): void {
    this.#verifier?.retryNow(this.#parts.now());
  }

  /** Waits for what is being hashed and written, then lets go of the rest. */
  stop(done: () => void): void {
    const end = (): void => {
      const { assembler, cache } = this.#parts;
      this.#verifier?.stop();
      cache.close();
      for (const { piece } of [...assembler.pieces()]) assembler.release(piece);
      done();
    };
    if (this.#verifier) this.#verifier.whenIdle(end);
    else end();
  }

  /** A piece is ours: verified now, or believed from the last run. Returns the wanted files that are whole by it. */
  gain(piece: number): number[] {
    const { assembler, picker, files, swarm } = this.#parts;
    if (picker.hasPiece(piece)) return [];
    picker.onVerified(piece);
    // Found on disk while it was being fetched.
    if (assembler.get(piece)?.sealed === false) assembler.release(piece);
    const whole = files.onPiece(piece, true);
    swarm.announceHave(piece, picker.copiesAtDownloaders(piece) <= RARE_COPIES_MAX);
    swarm.updateInterest();
    return whole;
  }

  lose(piece: number): void {
    this.#parts.picker.onLost(piece);
    this.#parts.files.onPiece(piece, false);
    this.#parts.cache.forget(piece);
  }

  /** Tells picker and storage what the files' priorities mean. */
  applySelection(): void {
    const { files, geometry, picker } = this.#parts;
    this.#storage.setWanted(files.wanted());
    // Runs of pieces with one priority: most torrents are a single run.
    let first = 0;
    for (let piece = 0; piece < geometry.pieceCount;) {
      const priority = files.piecePriority(first);
      for (piece = first + 1; piece < geometry.pieceCount; piece++) {
        if (files.piecePriority(piece) !== priority) break;
      }
      picker.setPriorities(first, piece, priority);
      first = piece;
    }
  }

  /** Begun pieces that nobody is asked for any more hold a buffer for nothing: peers left, or wishes changed. */
  #dropIdle(): void {
    const { assembler, picker } = this.#parts;
    for (const { piece, sealed, receivedCount } of [...assembler.pieces()]) {
      if (!sealed && receivedCount === 0 && !picker.isPartial(piece)) assembler.release(piece);
    }
  }

  /** What was begun of pieces that nobody wants any more is given up. */
  giveUpUnwanted(): void {
    const { assembler, picker } = this.#parts;
    for (const { piece } of [...assembler.pieces()]) if (picker.priority(piece) === 0) this.#giveUp(piece);
  }

  /** All that was begun is given up: other torrents can use the buffers. */
  giveUpBegun(): void {
    for (const { piece } of [...this.#parts.assembler.pieces()]) this.#giveUp(piece);
  }

  /** A piece could not be begun for want of a buffer: give up the one that has waited longest for its next block. */
  #dropStuck(): void {
    const stuck = this.#parts.assembler.mostStuck(STUCK_BEATS);
    if (!stuck) return;
    log('piece %d gives its buffer to others', stuck.piece);
    this.#giveUp(stuck.piece);
    this.#parts.swarm.wakeStarved(this.#parts.now());
  }

  #giveUp(piece: number): void {
    const { assembler, picker, swarm } = this.#parts;
    if (assembler.get(piece)?.sealed !== false) return;
    for (const session of swarm.sessions) session.requester.withdrawPiece(piece);
    picker.onFailed(piece);
    assembler.release(piece);
  }

  #onVerified(piece: number, from: readonly Contributor[], guilty: readonly Contributor[]): void {
    const { cache, picker, roster, swarm } = this.#parts;
    cache.forget(piece);
    roster.onVerified(piece);
    const whole = this.gain(piece);
    this.#events.onPieceGained();
    this.#observer.onPiece(piece, from.map(addressOf));
    for (const file of whole) this.#observer.onFile(file);
    for (const contributor of guilty) this.#ban(contributor, piece);
    if (picker.wantedCount === 0) this.#events.goOn();
    else swarm.wakeStarved(this.#parts.now());
  }

  #onRejected(piece: number, from: readonly Contributor[], guilty: Contributor | null): void {
    const { counters, geometry, picker, swarm } = this.#parts;
    log('piece %d failed its hash', piece);
    counters.corrupt += geometry.pieceLengthOf(piece);
    picker.onFailed(piece, from.length > 1);
    const senders = from.map((contributor) => (contributor as PeerSession).link.remote);
    this.#observer.onReject(piece, senders);
    if (guilty) this.#ban(guilty, piece);
    swarm.wakeStarved(this.#parts.now());
  }

  /** Every file that holds a verified byte must be there: what replaced a vanished folder may be another disk. */
  #findFiles(done: (found: boolean) => void): void {
    const { files } = this.#parts;
    this.#storage.stat((stats) => {
      done(
        !(stats instanceof Error) &&
          stats.every(({ size }, file) => size >= 0 || files.doneBytes(file) === 0),
      );
    });
  }

  #ban(contributor: Contributor, piece: number): void {
    const session = contributor as PeerSession;
    const { roster } = this.#parts;
    const isNew = roster.ban(session.listenAddress, session.link.remote.host, session.peerId, piece);
    if (isNew) this.#observer.onBan(addressOf(session), piece);
    session.close('corrupt-data');
  }
}

/** Where the peer can be reached, as far as it is known. */
function addressOf(contributor: Contributor): PeerAddress {
  const session = contributor as PeerSession;
  return session.listenAddress ?? session.link.remote;
}
