/**
 * A web server as a peer (BEP 19): it has everything, chokes nobody, and asks for nothing.
 *
 * Requests for blocks are gathered to runs of blocks that follow each other, and a run becomes one range request per
 * file. A few lanes work on runs at a time: while one streams, the request of the next is on its way, so that no round
 * trip is idle and a server that limits each connection is not the limit.
 *
 *     request() ──> queue ──a run──> lane ──ranges──> server
 *     sink <──blockTarget, onBlock── lane <──bytes──────┘
 *
 * What goes wrong is judged here as far as this link can go on: another lane works while one is refused, the file is
 * one of many, or the server gave something before it hung up. Everything else ends the link, and `WebSeeds` decides
 * when the next one is tried.
 */
import type { FileMap } from '../../metainfo/file-map.ts';
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { Clock, RangePort } from '../../ports.ts';
import { copyBytes } from '../../util/copy-bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { BLOCK_LENGTH } from '../../util/block-length.ts';
import { PieceSet } from '../../util/piece-set.ts';
import { PeerError, type DisconnectReason, type LinkSink, type PeerLink } from '../../wire/link.ts';
import type { LaneBudget, LaneTaker } from './lane-budget.ts';
import type { SeedFault } from './range-answer.ts';
import { RangeLane, type AskedBlock, type LaneHost } from './range-lane.ts';
import type { WebSeedUrls } from './web-seed-urls.ts';

/** Connections to one web seed. libtorrent 3, Transmission 4. */
export const LANES_MAX = 3;
/** One request asks for no more, so that the lanes share what there is and little is lost with a connection. */
const RANGE_MAX_BYTES = 4 * 1_048_576;
/** For less than this no second lane is opened while the first is busy. */
const RANGE_MIN_BYTES = 262_144;
/** An answer with less than this still to come is read to its end for the sake of the connection. */
const WORTH_FINISHING_BYTES = 262_144;
/** Files that may be missing or kept from us before all are given up. Each costs a look at all pieces. */
const MISSING_FILES_MAX = 10;

/** What a link needs of its torrent. */
export interface WebSeedHost {
  readonly clock: Clock;
  readonly web: RangePort;
  readonly geometry: PieceGeometry;
  readonly fileMap: FileMap;
  readonly lanes: LaneBudget;
  /** The block came from elsewhere meanwhile. */
  isReceived(piece: number, block: number): boolean;
  /** The last call. `fault` is null if it was us who left. */
  onEnd(link: WebSeedLink, fault: SeedFault | null): void;
}

export interface WebSeedPlace {
  /** The URL without names and passwords, for people. */
  readonly shownUrl: string;
  readonly urls: WebSeedUrls;
  /** Host name and port. */
  readonly remote: PeerAddress;
  readonly refuseLocal: boolean;
}

export class WebSeedLink implements PeerLink, LaneHost, LaneTaker {
  readonly kind = 'web-seed';
  readonly clientName: string;
  readonly remote: PeerAddress;
  readonly inbound = false;
  readonly queuedBytes = 0;
  /** They wait here, and cost the server nothing. */
  readonly requestQueue = Infinity;
  readonly urls: WebSeedUrls;
  readonly refuseLocal: boolean;
  receivedBytes = 0;
  sentBytes = 0;

  readonly #host: WebSeedHost;
  readonly #have: PieceSet;
  #sink: LinkSink | null = null;
  #reason: DisconnectReason | null = null;
  #fault: SeedFault | null = null;
  /** Blocks asked for and not given, by index. */
  readonly #asked = new Map<number, AskedBlock>();
  /** Those of them that no lane works on, in order, from `#queueHead` on. */
  #queue: AskedBlock[] = [];
  #queueHead = 0;
  #queuedBytes = 0;
  readonly #lanes = new Set<RangeLane>();
  #lanesMax = LANES_MAX;
  /** The first needs nobody's leave: the link itself counts as its connection. */
  #extraLanes = 0;
  #missingFiles = 0;
  #isPumpDue = false;
  #isReading = true;

  constructor(host: WebSeedHost, place: WebSeedPlace) {
    this.#host = host;
    this.clientName = place.shownUrl;
    this.remote = place.remote;
    this.urls = place.urls;
    this.refuseLocal = place.refuseLocal;
    this.#have = PieceSet.full(host.geometry.pieceCount);
  }

  get web(): RangePort {
    return this.#host.web;
  }

  get fileMap(): FileMap {
    return this.#host.fileMap;
  }

  /** Presents itself, once it is in a swarm. */
  open(): void {
    this.soon(() => {
      this.#sink?.onHaveAll();
      this.#sink?.onUnchoke();
      this.onBatchEnd();
    });
  }

  // — what the engine says

  attach(sink: LinkSink): void {
    this.#sink = sink;
  }

  request(piece: number, begin: number, length: number): void {
    const index = this.#indexOf(piece, begin);
    // Given up and asked for again: it is on its way.
    if (this.#reason !== null || this.#asked.has(index)) return;
    const block = { piece, begin, length, isWanted: true };
    this.#asked.set(index, block);
    this.#queue.push(block);
    this.#queuedBytes += length;
    this.#pumpSoon();
  }

  cancel(piece: number, begin: number): void {
    const index = this.#indexOf(piece, begin);
    const block = this.#asked.get(index);
    if (!block) return;
    block.isWanted = false;
    this.#asked.delete(index);
    for (const lane of this.#lanes) {
      if (lane.remaining <= WORTH_FINISHING_BYTES || lane.isOfUse) continue;
      lane.stop();
      this.#drop(lane);
      this.#pumpSoon();
    }
  }

  pauseReading(): void {
    this.#isReading = false;
    for (const lane of this.#lanes) lane.pauseReading();
  }

  resumeReading(): void {
    this.#isReading = true;
    for (const lane of this.#lanes) lane.resumeReading();
  }

  close(reason: DisconnectReason): void {
    if (this.#reason !== null) return;
    this.#reason = reason;
    for (const lane of this.#lanes) lane.stop();
    this.#lanes.clear();
    this.#host.lanes.leave(this);
    this.#giveBackLanes();
    this.#asked.clear();
    this.#queue = [];
    const { clock } = this.#host;
    clock.at(clock.now(), () => {
      const sink = this.#sink;
      this.#sink = null;
      sink?.onClosed(reason);
      this.#host.onEnd(this, this.#fault);
    });
  }

  readonly handshake = saysNothing;
  readonly keepAlive = saysNothing;
  readonly choke = saysNothing;
  readonly unchoke = saysNothing;
  readonly interested = saysNothing;
  readonly notInterested = saysNothing;
  readonly have = saysNothing;
  readonly bitfield = saysNothing;
  readonly haveAll = saysNothing;
  readonly haveNone = saysNothing;
  readonly reject = saysNothing;
  readonly suggest = saysNothing;
  readonly allowedFast = saysNothing;
  readonly port = saysNothing;
  readonly extended = saysNothing;
  readonly piece = saysNothing;
  /** Blocks are handed on whole: none is under way between two calls. */
  readonly discardBlock = saysNothing;

  // — LaneHost

  onReceived(bytes: number): void {
    this.receivedBytes += bytes;
  }

  onBlock({ piece, begin, length, isWanted }: AskedBlock, bytes: Uint8Array): void {
    if (!isWanted || this.#reason !== null) return;
    this.#asked.delete(this.#indexOf(piece, begin));
    this.#tell((sink) => {
      const target = sink.blockTarget(piece, begin, length);
      if (target !== null) copyBytes(bytes, target, 0);
      sink.onBlock(piece, begin, length);
    });
  }

  onBatchEnd(): void {
    if (this.#reason !== null) return;
    this.#tell((sink) => sink.onBatchEnd());
    this.#pump();
  }

  onRunDone(lane: RangeLane): void {
    this.#drop(lane);
    this.#pump();
  }

  onFault(lane: RangeLane, fault: SeedFault): void {
    this.#drop(lane);
    if (this.#reason !== null) return;
    const mayTryAgain = fault.kind === 'broken' || fault.kind === 'busy';
    const isOfFile = fault.kind === 'missing' || fault.kind === 'refused';
    if (isOfFile && ++this.#missingFiles <= MISSING_FILES_MAX) {
      this.#requeue(lane.undone);
      this.#forgetFile(lane.file);
    } else if (fault.kind === 'broken' && lane.hasGiven) {
      this.#requeue(lane.undone);
    } else if (mayTryAgain && this.#lanes.size > 0) {
      // Some servers allow so many connections and no more.
      this.#lanesMax = this.#lanes.size;
      this.#requeue(lane.undone);
    } else {
      this.#end(fault);
      return;
    }
    if (this.#have.isEmpty) this.#end(fault);
    else this.#pump();
  }

  soon(fn: () => void): void {
    const { clock } = this.#host;
    clock.at(clock.now(), () => {
      if (this.#reason === null) fn();
    });
  }

  /** The one place where what the engine throws at a block is caught. */
  #tell(what: (sink: LinkSink) => void): void {
    const sink = this.#sink;
    if (!sink || this.#reason !== null) return;
    try {
      what(sink);
    } catch (error) {
      this.close(error instanceof PeerError ? error.reason : 'torrent-stopped');
      if (error instanceof PeerError) return;
      if (!sink.onBug) throw error;
      sink.onBug(error);
    }
  }

  #end(fault: SeedFault): void {
    this.#fault = fault;
    this.close(fault.kind === 'busy' || fault.kind === 'broken' ? 'connection-error' : 'bad-message');
  }

  /** One file of many is not there: what lies in it is not to be had here. */
  #forgetFile(file: number): void {
    const { first, end } = this.#host.fileMap.piecesOf(file);
    for (let piece = first; piece < end; piece++) this.#have.delete(piece);
    const refused = [...this.#asked.values()].filter(({ piece }) => piece >= first && piece < end);
    this.#tell((sink) => {
      sink.onBitfield(this.#have.bytes);
      for (const block of refused) {
        block.isWanted = false;
        this.#asked.delete(this.#indexOf(block.piece, block.begin));
        sink.onReject(block.piece, block.begin, block.length);
      }
      sink.onBatchEnd();
    });
  }

  // — runs

  #requeue(blocks: readonly AskedBlock[]): void {
    this.#queue = [...blocks, ...this.#queue.slice(this.#queueHead)];
    this.#queueHead = 0;
    for (const { length } of blocks) this.#queuedBytes += length;
  }

  #pumpSoon(): void {
    if (this.#isPumpDue) return;
    this.#isPumpDue = true;
    this.soon(() => {
      this.#isPumpDue = false;
      this.#pump();
    });
  }

  // — LaneTaker

  onLaneGranted(): void {
    this.#extraLanes++;
    this.#pumpSoon();
  }

  /** Its work is over: whoever waits for a lane has its turn first. */
  #drop(lane: RangeLane): void {
    if (!this.#lanes.delete(lane) || this.#extraLanes === 0) return;
    this.#extraLanes--;
    this.#host.lanes.giveBack();
  }

  /** Those that nobody works on. */
  #giveBackLanes(): void {
    while (this.#extraLanes > Math.max(0, this.#lanes.size - 1)) {
      this.#extraLanes--;
      this.#host.lanes.giveBack();
    }
  }

  #mayAddLane(): boolean {
    if (this.#lanes.size <= this.#extraLanes) return true;
    if (!this.#host.lanes.take(this)) return false;
    this.#extraLanes++;
    return true;
  }

  /** Gives free lanes something to do. */
  #pump(): void {
    this.#addLanes();
    this.#giveBackLanes();
  }

  #addLanes(): void {
    while (this.#reason === null && this.#lanes.size < this.#lanesMax && this.#isWorthALane()) {
      if (!this.#mayAddLane()) return;
      const run = this.#takeRun();
      if (run.length === 0) return;
      const lane = new RangeLane(this, run);
      this.#lanes.add(lane);
      if (!this.#isReading) lane.pauseReading();
      lane.start();
    }
  }

  #isWorthALane(): boolean {
    if (this.#queueHead >= this.#queue.length) return false;
    if (this.#queuedBytes >= RANGE_MIN_BYTES) return true;
    let remaining = 0;
    for (const lane of this.#lanes) remaining += lane.remaining;
    return remaining <= RANGE_MIN_BYTES;
  }

  /** Takes blocks that follow each other out of the queue; none if the queue is empty. */
  #takeRun(): AskedBlock[] {
    const { geometry } = this.#host;
    const run: AskedBlock[] = [];
    let bytes = 0;
    let next = -1;
    for (; this.#queueHead < this.#queue.length; this.#queueHead++) {
      const block = this.#queue[this.#queueHead]!;
      if (!this.#isStillWanted(block)) {
        this.#queuedBytes -= block.length;
        continue;
      }
      const offset = geometry.pieceOffset(block.piece) + block.begin;
      if (run.length > 0 && (offset !== next || bytes >= RANGE_MAX_BYTES)) break;
      run.push(block);
      next = offset + block.length;
      bytes += block.length;
    }
    this.#queuedBytes -= bytes;
    if (this.#queueHead > this.#queue.length / 2) {
      this.#queue = this.#queue.slice(this.#queueHead);
      this.#queueHead = 0;
    }
    return run;
  }

  #isStillWanted(block: AskedBlock): boolean {
    if (!block.isWanted) return false;
    if (!this.#host.isReceived(block.piece, block.begin / BLOCK_LENGTH)) return true;
    this.#asked.delete(this.#indexOf(block.piece, block.begin));
    return false;
  }

  #indexOf(piece: number, begin: number): number {
    return piece * this.#host.geometry.blocksPerPiece + begin / BLOCK_LENGTH;
  }
}

/** Of our state and our wishes a web server need know nothing. */
function saysNothing(): void {
  // HTTP has no words for it.
}
