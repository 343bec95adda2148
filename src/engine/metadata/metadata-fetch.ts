/**
 * Fetches the info dictionary of a magnet from peers (BEP 9) of whom none is believed.
 *
 * Only the hash of the whole tells whether it is right, and neither its size nor a single piece can be checked before. So
 * each size that somebody claims is an attempt of its own, in which the peers of that claim take part, and all attempts
 * go on side by side: whoever invents a size keeps nobody else from finishing. Nothing is allocated for a claim, only
 * for what arrives.
 *
 * When all pieces of an attempt are here and the hash is wrong, whoever gave all of them lied. If several gave them, one
 * of them did: from then on each of these is asked alone for everything, so the liars give themselves away and an honest
 * one comes through. Peers that are not under suspicion go on together.
 *
 * What all magnets hold together is bounded too; whoever has to make way for another begins anew a while later.
 *
 * A piece is asked of one peer, then of the next that has nothing better to do: what a slow or silent peer owes, others
 * are asked for at once.
 */
import { infoHashOf } from '../../metainfo/info-hash.ts';
import { concatBytes, equalBytes } from '../../util/bytes.ts';
import { METADATA_PIECE_LENGTH, metadataPieceCount } from '../../wire/extension/ut-metadata.ts';
import {
  METADATA_ASKERS_MAX,
  METADATA_BLOCKED_MAX,
  METADATA_BLOCK_MS,
  METADATA_FORGET_MS,
  METADATA_HELD_FACTOR,
  METADATA_REFUSAL_MS,
  METADATA_SLOW_MS,
  METADATA_SOLO_MAX,
  METADATA_STRIKES_MAX,
  METADATA_WAIT_MS,
  METADATA_WINDOW_MAX,
  METADATA_WINDOW_START,
} from '../limits.ts';
import { MetadataMemory, type MetadataHolder } from './metadata-memory.ts';

/** A peer as the fetch sees it. */
export interface MetadataSource {
  /** Names it also when it comes back: whoever lied is known by it. */
  readonly key: string;
  requestMetadata(piece: number): void;
}

export interface MetadataFetchEvents<Source> {
  /** The info dictionary, which has the right hash. The last call. */
  onFound(infoBytes: Uint8Array): void;
  /** It sent what is not the info dictionary, or breaks the rules without end. */
  onLiar(source: Source): void;
}

interface Request {
  at: number;
  /** Nobody else need be asked yet. */
  isFresh: boolean;
}

/** A peer that takes part. */
interface Part<Source> {
  readonly source: Source;
  readonly size: number;
  /** Null while it waits for its turn to be asked alone. */
  attempt: Attempt<Source> | null;
  isSuspect: boolean;
  readonly asked: Map<number, Request>;
  answered: number;
  /** It refused, or was silent: not asked again before this. */
  restsUntil: number;
  strikes: number;
}

/** The pieces of one claim, or of one suspect. */
interface Attempt<Source> {
  readonly size: number;
  /** The suspect who is asked alone. */
  readonly solo: Source | null;
  readonly pieceCount: number;
  /** Those that are here: a claim alone costs nothing. */
  readonly pieces: Map<number, { readonly bytes: Uint8Array; readonly giver: Source }>;
  /** By piece: how many were asked lately. */
  readonly askers: Uint8Array;
}

export class MetadataFetch<Source extends MetadataSource> implements MetadataHolder {
  readonly #infoHash: Uint8Array;
  readonly #sizeMax: number;
  readonly #events: MetadataFetchEvents<Source>;
  readonly #memory: MetadataMemory;
  readonly #parts = new Map<Source, Part<Source>>();
  #attempts: Attempt<Source>[] = [];
  /** Until when nothing is asked of these, by key. */
  readonly #blocked = new Map<string, number>();
  #done = false;

  /**
   * @param sizeMax Bytes; claims above it are not followed.
   * @param memory Shared by all magnets of a client.
   */
  constructor(
    infoHash: Uint8Array,
    sizeMax: number,
    events: MetadataFetchEvents<Source>,
    memory = new MetadataMemory(),
  ) {
    this.#infoHash = infoHash;
    this.#sizeMax = sizeMax;
    this.#events = events;
    this.#memory = memory;
  }

  /** Peers that say they have it. */
  get sourceCount(): number {
    return this.#parts.size;
  }

  isSource(source: Source): boolean {
    return this.#parts.has(source);
  }

  /** Share of the pieces that are here, in the attempt that is furthest. */
  get progress(): number {
    return Math.max(0, ...this.#attempts.map(({ pieces, pieceCount }) => pieces.size / pieceCount));
  }

  /** A peer says how many bytes the info dictionary has. Saying it again changes nothing, saying another size does. */
  offer(source: Source, size: number, now: number): void {
    if (this.#done || this.#parts.get(source)?.size === size) return;
    this.#forget(source);
    if (size < 1 || size > this.#sizeMax || (this.#blocked.get(source.key) ?? 0) > now) return;
    const part: Part<Source> = {
      source,
      size,
      attempt: this.#attemptOf(size),
      isSuspect: false,
      asked: new Map(),
      answered: 0,
      restsUntil: 0,
      strikes: 0,
    };
    this.#parts.set(source, part);
    this.#fill(part, now);
    this.#account();
  }

  /** The connection ended, or it has nothing any more; others are asked for what it owes at the next chance. */
  gone(source: Source): void {
    this.#forget(source);
    this.#account();
  }

  /** Ends without a result. */
  stop(): void {
    this.#done = true;
    this.#attempts = [];
    this.#memory.leave(this);
  }

  /** MetadataHolder */
  giveWay(now: number): void {
    const [worst] = this.#attempts
      .filter(({ pieces }) => pieces.size > 0)
      .sort((a, b) => this.#byWorth(a, b));
    if (!worst) return;
    for (const part of this.#parts.values()) {
      if (part.attempt === worst) part.restsUntil = now + METADATA_WAIT_MS;
    }
    this.#drop(worst);
    this.#account();
  }

  onData(source: Source, piece: number, totalSize: number | null, bytes: Uint8Array, now: number): void {
    const part = this.#parts.get(source);
    if (this.#done || !part?.asked.has(piece)) return;
    this.#settle(part, piece);
    const { attempt } = part;
    if (!attempt) return;
    const begin = piece * METADATA_PIECE_LENGTH;
    const length = Math.min(METADATA_PIECE_LENGTH, attempt.size - begin);
    if (bytes.length !== length || (totalSize !== null && totalSize !== attempt.size)) {
      this.#strike(part, now);
      this.#account();
      return;
    }
    part.answered++;
    part.restsUntil = 0;
    if (!attempt.pieces.has(piece)) attempt.pieces.set(piece, { bytes: bytes.slice(), giver: source });
    if (attempt.pieces.size === attempt.pieceCount) this.#judge(attempt, now);
    else {
      this.#boundMemory();
      this.#account();
      this.#memory.bound(now);
      this.#fill(part, now);
    }
    this.#account();
  }

  /** It does not give this piece: it may not have it either, or have served enough for now. */
  onReject(source: Source, piece: number, now: number): void {
    const part = this.#parts.get(source);
    if (this.#done || !part?.asked.has(piece)) return;
    this.#settle(part, piece);
    part.restsUntil = now + METADATA_REFUSAL_MS;
    this.#fillAll(now);
  }

  /** Once a second. */
  onBeat(now: number): void {
    if (this.#done) return;
    for (const part of this.#parts.values()) {
      for (const [piece, request] of part.asked) {
        if (now - request.at >= METADATA_SLOW_MS) this.#makeStale(part, piece, request);
        if (now - request.at >= METADATA_FORGET_MS) {
          part.asked.delete(piece);
          part.restsUntil = Math.max(part.restsUntil, now + METADATA_SLOW_MS);
        }
      }
      // A suspect that gives nothing keeps others from their turn.
      if (part.attempt?.solo && part.restsUntil > now && part.asked.size === 0) this.#release(part);
      // It made way for others, and has waited.
      if (!part.attempt && !part.isSuspect && part.restsUntil <= now)
        part.attempt = this.#attemptOf(part.size);
    }
    this.#fillAll(now);
    this.#account();
  }

  // — asking

  #fillAll(now: number): void {
    this.#startSolos(now);
    for (const part of this.#parts.values()) this.#fill(part, now);
  }

  #fill(part: Part<Source>, now: number): void {
    const { attempt, asked } = part;
    if (!attempt || part.restsUntil > now) return;
    const window = Math.min(METADATA_WINDOW_MAX, METADATA_WINDOW_START + part.answered);
    while (asked.size < window) {
      const piece = nextPiece(attempt, asked);
      if (piece < 0) return;
      asked.set(piece, { at: now, isFresh: true });
      attempt.askers[piece]!++;
      part.source.requestMetadata(piece);
    }
  }

  /** Answered, one way or the other. */
  #settle(part: Part<Source>, piece: number): void {
    const request = part.asked.get(piece)!;
    this.#makeStale(part, piece, request);
    part.asked.delete(piece);
  }

  #makeStale(part: Part<Source>, piece: number, request: Request): void {
    if (!request.isFresh) return;
    request.isFresh = false;
    if (part.attempt) part.attempt.askers[piece]!--;
  }

  /** Takes it out of its attempt; answers on their way are not waited for. */
  #release(part: Part<Source>): void {
    for (const [piece, request] of part.asked) this.#makeStale(part, piece, request);
    part.asked.clear();
    const { attempt } = part;
    part.attempt = null;
    if (attempt?.solo) this.#attempts = this.#attempts.filter((other) => other !== attempt);
  }

  // — attempts

  /** The common attempt at this size. */
  #attemptOf(size: number): Attempt<Source> {
    const known = this.#attempts.find((attempt) => attempt.size === size && attempt.solo === null);
    return known ?? this.#begin(size, null);
  }

  #begin(size: number, solo: Source | null): Attempt<Source> {
    const count = metadataPieceCount(size);
    const attempt: Attempt<Source> = {
      size,
      solo,
      pieceCount: count,
      pieces: new Map(),
      askers: new Uint8Array(count),
    };
    this.#attempts.push(attempt);
    return attempt;
  }

  /** Suspects are asked alone, a few at a time. */
  #startSolos(now: number): void {
    let running = this.#attempts.filter(({ solo }) => solo !== null).length;
    for (const part of this.#parts.values()) {
      if (running >= METADATA_SOLO_MAX) return;
      if (part.attempt || !part.isSuspect || part.restsUntil > now) continue;
      part.attempt = this.#begin(part.size, part.source);
      running++;
    }
  }

  /** All pieces are here. */
  #judge(attempt: Attempt<Source>, now: number): void {
    const infoBytes = concatBytes(
      Array.from({ length: attempt.pieceCount }, (_, piece) => attempt.pieces.get(piece)!.bytes),
    );
    if (equalBytes(infoHashOf(infoBytes), this.#infoHash)) {
      this.stop();
      this.#events.onFound(infoBytes);
      return;
    }
    const givers = new Set([...attempt.pieces.values()].map(({ giver }) => giver));
    this.#drop(attempt);
    for (const giver of givers) {
      const part = this.#parts.get(giver);
      if (part) part.isSuspect = true;
    }
    const [liar] = givers;
    if (givers.size === 1) this.#block(liar!, now);
    this.#rejoin(attempt.size);
    this.#fillAll(now);
  }

  /** Whoever took part and is not under suspicion begins anew together. */
  #rejoin(size: number): void {
    for (const part of this.#parts.values()) {
      if (part.size === size && !part.attempt && !part.isSuspect) part.attempt = this.#attemptOf(size);
    }
  }

  #drop(attempt: Attempt<Source>): void {
    for (const part of this.#parts.values()) if (part.attempt === attempt) this.#release(part);
    this.#attempts = this.#attempts.filter((other) => other !== attempt);
  }

  #dropDeserted(): void {
    const used = new Set([...this.#parts.values()].map(({ attempt }) => attempt));
    // What was begun by who is gone may be finished by who comes next.
    this.#attempts = this.#attempts.filter(
      (attempt) => used.has(attempt) || (attempt.solo === null && attempt.pieces.size > 0),
    );
    this.#boundMemory();
  }

  /** Large claims by few give way when too much is held of things of which at most one is real. */
  #boundMemory(): void {
    for (;;) {
      if (this.#held <= METADATA_HELD_FACTOR * this.#sizeMax) return;
      const [worst] = [...this.#attempts].sort((a, b) => this.#byWorth(a, b));
      for (const part of [...this.#parts.values()]) {
        if (part.attempt === worst) this.#parts.delete(part.source);
      }
      this.#attempts = this.#attempts.filter((attempt) => attempt !== worst);
    }
  }

  get #held(): number {
    return this.#attempts.reduce((sum, attempt) => sum + bytesHeld(attempt), 0);
  }

  #account(): void {
    this.#memory.set(this, this.#held);
  }

  /** Those that few take part in come first, of these the largest. */
  #byWorth(a: Attempt<Source>, b: Attempt<Source>): number {
    return this.#votersOf(a) - this.#votersOf(b) || bytesHeld(b) - bytesHeld(a);
  }

  #votersOf(attempt: Attempt<Source>): number {
    let voters = 0;
    for (const part of this.#parts.values()) if (part.attempt === attempt) voters++;
    return voters;
  }

  #forget(source: Source): void {
    const part = this.#parts.get(source);
    if (!part) return;
    this.#release(part);
    this.#parts.delete(source);
    this.#dropDeserted();
  }

  // — those who break the rules

  /** Pieces of a wrong length, or of another size than it said: once may be a mistake. */
  #strike(part: Part<Source>, now: number): void {
    if (++part.strikes >= METADATA_STRIKES_MAX) this.#block(part.source, now);
    else part.restsUntil = now + METADATA_SLOW_MS;
    this.#fillAll(now);
  }

  #block(source: Source, now: number): void {
    if (this.#blocked.size >= METADATA_BLOCKED_MAX) {
      const [oldest] = this.#blocked.keys();
      this.#blocked.delete(oldest!);
    }
    this.#blocked.delete(source.key);
    this.#blocked.set(source.key, now + METADATA_BLOCK_MS);
    this.#forget(source);
    this.#events.onLiar(source);
  }
}

/** The missing piece that fewest were asked for, the first of those; -1 if enough were asked for each. */
function nextPiece<Source>(attempt: Attempt<Source>, asked: ReadonlyMap<number, Request>): number {
  let best = -1;
  let fewest = METADATA_ASKERS_MAX;
  for (let piece = 0; piece < attempt.pieceCount && fewest > 0; piece++) {
    const askers = attempt.askers[piece]!;
    if (askers >= fewest || attempt.pieces.has(piece) || asked.has(piece)) continue;
    best = piece;
    fewest = askers;
  }
  return best;
}

function bytesHeld<Source>(attempt: Attempt<Source>): number {
  return attempt.pieces.size * METADATA_PIECE_LENGTH;
}
