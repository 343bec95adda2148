import type { PieceGeometry } from '../../metainfo/geometry.ts';
import { BLOCK_LENGTH } from '../../util/block-length.ts';
import { PeerError, type PeerLink } from '../../wire/link.ts';
import { ALLOWED_FAST_MAX, LATE_BLOCKS_MAX, SUGGESTED_MAX, UNWANTED_BLOCKS_MAX } from '../limits.ts';
import type { PickingPeer } from '../picker/picking-peer.ts';
import type { PiecePicker } from '../picker/piece-picker.ts';
import type { BlockWriter, Contributor, PieceAssembler } from '../torrent/piece-assembler.ts';
import type { TorrentCounters } from '../torrent/torrent-stats.ts';
import { RequestPipeline } from './request-pipeline.ts';

/** What the requester needs of its torrent. */
export interface RequesterHost {
  readonly geometry: PieceGeometry;
  readonly picker: PiecePicker;
  readonly assembler: PieceAssembler;
  readonly counters: TorrentCounters;
  /** False while checking, paused, complete, or while the disk refuses writes. */
  readonly mayRequest: boolean;
  /** How many requests this peer may hold, so that the last blocks are shared by rate. */
  readonly tail: { windowCap(rate: number, pathBlocks: number): number };
  /** The first copy of a block is in its slab. */
  onBlockReceived(from: BlockRequester, piece: number, block: number): void;
}

/** The peer as seen from here. */
export interface RequesterPeer extends PickingPeer {
  readonly link: PeerLink;
  readonly contributor: Contributor;
  readonly fast: boolean;
  readonly theyChoke: boolean;
  readonly requester: BlockRequester;
}

/** Scratch space for picks, shared by all peers: a pick is used up before the turn ends. */
const picked: number[] = [];

/**
 * Our side of getting blocks from one peer: which to ask for, where their bytes go, and what to do with the ones that
 * come late, twice or not at all.
 */
export class BlockRequester implements BlockWriter {
  readonly pipeline = new RequestPipeline();
  /** Nothing was left to pick: look again when blocks or buffers come free. */
  starved = false;
  readonly #host: RequesterHost;
  readonly #peer: RequesterPeer;
  /** The block whose bytes are arriving into a target of ours, -1 if none. */
  #receiving = -1;
  /** Requests of a snubbed peer that others may take over; welcome if they come after all. */
  #late: Set<number> | null = null;
  /** Pieces the peer lets us have while it chokes us (BEP 6). */
  #allowed: Set<number> | null = null;
  #suggested: number[] | null = null;
  #unwanted = 0;
  /** Requests taken back whose blocks may be on the way already: no fault of the peer. */
  #crossing = 0;
  /** It refused a block and has given none since. */
  #refused = false;

  constructor(host: RequesterHost, peer: RequesterPeer) {
    this.#host = host;
    this.#peer = peer;
  }

  get peer(): RequesterPeer {
    return this.#peer;
  }

  /** Asks for more, as far as the window allows. */
  fill(now: number): void {
    // Asked after each message of each peer, and mostly in vain: what is nearest comes first.
    if (this.#peer.wantedCount === 0 || this.#refused) return;
    const allowed = this.#peer.theyChoke ? this.#allowed : null;
    if (this.#peer.theyChoke && !allowed) return;
    const { picker, mayRequest } = this.#host;
    const free = this.pipeline.room;
    if (!mayRequest || free <= 0) return;
    const cap =
      this.#host.tail.windowCap(this.pipeline.rate, this.pipeline.pathBlocks) - this.pipeline.outstanding;
    const room = Math.min(free, cap);
    if (room <= 0) return;
    picked.length = 0;
    const options = this.#suggested ? { now, allowed, suggested: this.#suggested } : { now, allowed };
    const count = picker.pick(this.#peer, room, picked, options);
    this.starved = count < room;
    const { geometry } = this.#host;
    for (let i = 0; i < count; i++) {
      const blockIndex = picked[i]!;
      const piece = Math.floor(blockIndex / geometry.blocksPerPiece);
      const block = blockIndex - piece * geometry.blocksPerPiece;
      this.pipeline.add(blockIndex, now);
      this.#peer.link.request(piece, block * BLOCK_LENGTH, geometry.blockLength(piece, block));
    }
  }

  /** Where the block that begins to arrive goes; null if it is of no use. */
  target(piece: number, begin: number, length: number): Uint8Array | null {
    const blockIndex = this.#blockIndex(piece, begin, length);
    this.#receiving = -1;
    const isAsked = this.pipeline.has(blockIndex);
    if (!isAsked && !this.#late?.has(blockIndex)) {
      if (this.#crossing > 0) this.#crossing--;
      else if (++this.#unwanted > UNWANTED_BLOCKS_MAX) {
        throw new PeerError('unwanted-blocks', 'sends blocks that nobody asked for');
      }
      return null;
    }
    const { assembler, picker } = this.#host;
    // The buffer may have been given back since; the block is as welcome as any.
    if (!isAsked && !picker.hasPiece(piece) && picker.priority(piece) > 0) assembler.reserve(piece);
    const target = assembler.open(piece, begin, length, this);
    if (target) this.#receiving = blockIndex;
    return target;
  }

  /** The block is whole. True if it was asked for, whether or not its bytes were still of use. */
  onBlock(piece: number, begin: number, length: number, now: number): boolean {
    const blockIndex = this.#blockIndex(piece, begin, length);
    const late = this.#late?.delete(blockIndex) ?? false;
    const asked = this.pipeline.onBlock(blockIndex, length, now);
    if (late && !asked) this.pipeline.onLateBlock(length, now);
    const written = this.#receiving === blockIndex;
    this.#receiving = -1;
    if (written && this.#host.assembler.finish(piece, begin, this, this.#peer.contributor)) {
      this.#host.onBlockReceived(this, piece, begin / BLOCK_LENGTH);
      if (this.#unwanted > 0) this.#unwanted--;
      this.#refused = false;
    } else {
      if (asked) this.#onUseless(piece, begin / BLOCK_LENGTH);
      else this.#host.picker.onWaste(length);
      this.#host.counters.wasted += length;
    }
    return asked || late;
  }

  /** BlockWriter: another peer finished the block that we are in the middle of. */
  discardBlock(): void {
    const blockIndex = this.#receiving;
    if (blockIndex < 0) return;
    this.#receiving = -1;
    this.#peer.link.discardBlock();
    if (this.pipeline.remove(blockIndex)) this.#release(blockIndex);
    this.#late?.delete(blockIndex);
  }

  /** Another peer gave this block: take our request back. */
  withdraw(piece: number, block: number): void {
    const { geometry } = this.#host;
    const blockIndex = piece * geometry.blocksPerPiece + block;
    if (this.#late?.delete(blockIndex)) this.#crossing++;
    if (!this.pipeline.remove(blockIndex)) return;
    this.#release(blockIndex);
    this.#crossing++;
    this.#peer.link.cancel(piece, block * BLOCK_LENGTH, geometry.blockLength(piece, block));
  }

  /** The piece is no longer wanted: take back all requests for it. */
  withdrawPiece(piece: number): void {
    const first = piece * this.#host.geometry.blocksPerPiece;
    const blocks: number[] = [];
    this.pipeline.forEach((blockIndex) => {
      const block = blockIndex - first;
      if (block >= 0 && block < this.#host.geometry.blocksPerPiece) blocks.push(block);
    });
    for (const block of blocks) this.withdraw(piece, block);
  }

  /** BEP 6: the peer will not give this block. A length of 0 stands for the block's own: the refusal did not say. */
  onReject(piece: number, begin: number, length: number): void {
    const { geometry } = this.#host;
    if (length === 0 && geometry.isPiece(piece)) length = geometry.blockLength(piece, begin / BLOCK_LENGTH);
    const blockIndex = this.#blockIndex(piece, begin, length);
    const late = this.#late?.delete(blockIndex) ?? false;
    if (!this.pipeline.remove(blockIndex)) {
      // BEP 6: the answer to a cancel.
      if (!late && this.#crossing > 0) this.#crossing--;
      return;
    }
    this.#release(blockIndex);
    // Asking for the same block again at once would go round in circles: wait until the peer gives another one, or for
    // the next beat.
    if (!this.#peer.theyChoke) this.#refused = true;
    else this.#allowed?.delete(piece);
  }

  /** BEP 3: a choke drops all requests. With BEP 6 the peer refuses each one it drops. */
  onChoke(): void {
    if (this.#peer.fast) return;
    this.#crossing += this.pipeline.outstanding;
    this.releaseAll();
  }

  /** BEP 54: without BEP 6 the requests for the piece are void; with it the peer refuses each. */
  onDontHave(piece: number): void {
    this.#allowed?.delete(piece);
    if (this.#peer.fast) return;
    const { blocksPerPiece } = this.#host.geometry;
    const blocks: number[] = [];
    this.pipeline.forEach((blockIndex) => {
      if (Math.floor(blockIndex / blocksPerPiece) === piece) blocks.push(blockIndex);
    });
    for (const blockIndex of blocks) {
      this.pipeline.remove(blockIndex);
      this.#release(blockIndex);
      this.#crossing++;
    }
  }

  onAllowedFast(piece: number): void {
    if (!this.#host.geometry.isPiece(piece)) return;
    this.#allowed ??= new Set();
    if (this.#allowed.size < ALLOWED_FAST_MAX) this.#allowed.add(piece);
  }

  onSuggest(piece: number): void {
    if (!this.#host.geometry.isPiece(piece)) return;
    this.#suggested ??= [];
    this.#suggested.push(piece);
    if (this.#suggested.length > SUGGESTED_MAX) this.#suggested.shift();
  }

  /**
   * Once a second: finds out whether the peer has stopped giving.
   * @param isDeaf Our own limit kept us from hearing it.
   * @param wordsWaitSeconds How long what we say to it waits for what we send it.
   */
  onBeat(now: number, isDeaf = false, wordsWaitSeconds = 0): void {
    this.#refused = false;
    if (isDeaf) this.pipeline.excuseSilence(now);
    const before = this.pipeline.snubbed;
    this.pipeline.onBeat(now, wordsWaitSeconds);
    if (this.pipeline.snubbed && !before) this.#giveUpRequests();
    if (this.pipeline.outstanding === 0) this.starved = true;
  }

  /** All our requests are off, without a word to the peer. */
  releaseAll(): void {
    this.pipeline.forEach((blockIndex) => this.#release(blockIndex));
    this.pipeline.clear();
  }

  close(): void {
    if (this.#receiving >= 0) {
      const piece = Math.floor(this.#receiving / this.#host.geometry.blocksPerPiece);
      const block = this.#receiving - piece * this.#host.geometry.blocksPerPiece;
      this.#host.assembler.abandon(piece, block * BLOCK_LENGTH, this);
      this.#receiving = -1;
    }
    this.releaseAll();
    this.#late = null;
  }

  /** The peer is snubbed: others may have its blocks, but what is on the way is still welcome. */
  #giveUpRequests(): void {
    this.#late ??= new Set();
    const late = this.#late;
    this.pipeline.forEach((blockIndex) => late.add(blockIndex));
    for (const oldest of late) {
      if (late.size <= LATE_BLOCKS_MAX) break;
      late.delete(oldest);
      this.#crossing++;
    }
    this.releaseAll();
  }

  /** A block that was asked for came and could not be used: it was here already, or its piece had no buffer. */
  #onUseless(piece: number, block: number): void {
    const { picker } = this.#host;
    if (picker.isReceived(piece, block)) picker.onReceived(this.#peer, piece, block);
    else picker.onReleased(this.#peer, piece, block);
  }

  #release(blockIndex: number): void {
    const { geometry, picker } = this.#host;
    const piece = Math.floor(blockIndex / geometry.blocksPerPiece);
    picker.onReleased(this.#peer, piece, blockIndex - piece * geometry.blocksPerPiece);
  }

  #blockIndex(piece: number, begin: number, length: number): number {
    const { geometry } = this.#host;
    if (!geometry.isBlock(piece, begin, length)) {
      throw new PeerError('bad-message', `no such block: piece ${piece}, begin ${begin}, length ${length}`);
    }
    return piece * geometry.blocksPerPiece + begin / BLOCK_LENGTH;
  }
}
