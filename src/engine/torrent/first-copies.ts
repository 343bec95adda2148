/**
 * The only seed hands out its first copy.
 *
 * While nobody else has everything, time is lost only here: every byte that the seed sends a second time delays the
 * last piece by as long, and a swarm with a slow seed is done when the seed has sent everything once (F/us). What goes
 * wrong by itself is that peers ask for what is rare as far as they know, and know of pieces only when somebody has them
 * in full: two of them ask the seed for the same piece within the time a piece takes.
 *
 * So the seed says who gets which piece. Each unchoked peer is told of pieces that nobody else was told of, a
 * little ahead of what it takes, in one of two ways:
 *
 * - by *suggest piece* (BEP 6): the peer knows that we have everything, and prefers what we name among equally rare
 *   pieces. Nothing is lost with a peer that does not listen.
 * - by *have* (BEP 16, super-seeding): we say that we have nothing, and name one piece after the other. Nobody can ask
 *   for anything else, and whoever does not pass on what it got waits for the next. It binds every client, and some do
 *   badly with a seed that they cannot choose from, so it is an option.
 *
 * Neither helps with a peer that takes pieces and is slow to pass them on: slots go to those who pass on soon (`spreadMs`).
 *
 * Once each piece was sent or is seen at a peer, all this ends. If peers take a piece with them, it begins again.
 *
 * Simulated, ten peers as fast as the seed: it sends 1.05 copies and all are done after 1.05 times the bound; without
 * this 1.16 and 1.16 (`test/swarm/first-copies.test.ts`).
 */
import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { Rng } from '../../util/rng.ts';
import type { ServerPeer } from '../peer/block-server.ts';
import type { PiecePicker } from '../picker/piece-picker.ts';
import type { Swarm } from './swarm.ts';

/** A peer is told of so much more than it takes in this time, and of at least so many pieces: words queue behind blocks. */
const AHEAD_SECONDS = 4;
const AHEAD_PIECES_MIN = 3;
/** No peer keeps more suggestions than this in mind: BEP 6 leaves it open, libtorrent 16. */
const AHEAD_PIECES_MAX = 16;
/** A peer that chose so many pieces in a row by itself does not listen to suggestions. */
const STRAYS_MAX = 4;
/** Super-seeding: pieces that a peer may be told of or have from us, and nobody have from it, before it waits. */
const UNSPREAD_MAX = 8;
/** Part of the newest piece in the average of how long a peer takes to spread one. */
const SPREAD_GAIN = 0.25;
/** What became of its pieces is looked at again after this: blocks may leave by the ten thousand in a second. */
const RECOUNT_MS = 20;
/** Seeds do not stay connected to each other; one that was met is believed to be there for so long. */
const SEED_MEMORY_MS = 15 * 60_000;
/** A peer that was promised pieces and took nothing for so long loses them. */
const PATIENCE_MS = 5000;

/** What has become of a piece. */
const HERE = 0;
const TOLD = 1;
const OUT = 2;

interface Parts {
  readonly geometry: PieceGeometry;
  readonly picker: PiecePicker;
  readonly swarm: Swarm;
  now(): number;
}

/** A piece that a peer was told of and has not got in full. */
interface Promised {
  readonly piece: number;
  leftBytes: number;
  isAsked: boolean;
}

/** What we know of a peer that we gave to. */
interface Recipient {
  readonly promised: Map<number, Promised>;
  /** Sent in full, and not yet seen at anybody else; with the time when it was sent. */
  readonly unspread: Map<number, number>;
  /** Milliseconds from there until it was seen elsewhere, averaged. */
  spreadMs: number;
  /** Pieces in a row that it chose by itself although it was told of others. */
  strays: number;
  /** It took nothing of what it was promised, and nothing since. */
  isGivenUp: boolean;
  /** When its unspread pieces were counted last: a swarm of two never spreads any, and there may be 100,000. */
  countedAt: number;
  /** When it was promised something, or given of what it was promised, last. */
  givenAt: number;
  /** It was told that we have nothing. */
  readonly isKeptInTheDark: boolean;
}

export class FirstCopies {
  readonly #parts: Parts;
  readonly #rng: Rng;
  readonly #hides: boolean;
  readonly #recipients = new Map<ServerPeer, Recipient>();
  /** Per piece HERE, TOLD or OUT; null while there is nothing to do. */
  #fates: Uint8Array | null = null;
  /** All pieces in an order of our own, and how far we are in it. */
  #order = new Uint32Array(0);
  #next = 0;
  /** When somebody was met who has everything too. */
  #sawSeedAt = -Infinity;
  /** When the swarm was looked at last, to find out whether a piece is missing in it. */
  #lookedAt = -Infinity;

  /** @param hides Super-seeding: peers learn of our pieces one by one. */
  constructor(parts: Parts, rng: Rng, hides: boolean) {
    this.#parts = parts;
    this.#rng = rng;
    this.#hides = hides;
  }

  /** Some piece has not left us yet. */
  get isActive(): boolean {
    return this.#fates !== null;
  }

  /** Are we the only source of something? Looked at once a second, and when somebody is about to be served. */
  review(now: number): void {
    if (now === this.#lookedAt) return;
    const { picker, swarm } = this.#parts;
    this.#lookedAt = now;
    const isAlone = picker.have.isFull && swarm.size > 0 && now - this.#sawSeedAt > SEED_MEMORY_MS;
    if (!isAlone || picker.rarestAvailability() > 0) this.#end();
    else if (this.#fates === null) this.#begin();
    else this.#loseHope(now);
  }

  /**
   * A peer that has just joined, and has been told nothing yet.
   * @returns Is it to be told that we have nothing? Then it is told of its first pieces here.
   */
  keepInTheDark(peer: ServerPeer, now: number): boolean {
    if (!this.#hides) return false;
    this.review(now);
    if (this.#fates === null) return false;
    this.#recipients.set(peer, { ...newRecipient(), isKeptInTheDark: true });
    return true;
  }

  /** The peer may take pieces from us: tells it which. */
  serve(peer: ServerPeer): void {
    if (this.#fates === null || (!peer.fast && !this.#hides)) return;
    const recipient = this.#recipient(peer);
    if (recipient.isGivenUp || recipient.strays >= STRAYS_MAX) return;
    const aheadBytes = peer.upRate * AHEAD_SECONDS;
    let bytes = 0;
    for (const { leftBytes } of recipient.promised.values()) bytes += leftBytes;
    while (recipient.promised.size < AHEAD_PIECES_MAX && !this.#mustSpread(recipient)) {
      if (bytes >= aheadBytes && recipient.promised.size >= AHEAD_PIECES_MIN) return;
      const piece = this.#nextFor(peer);
      if (piece < 0) return;
      bytes += this.#promise(recipient, piece).leftBytes;
      if (this.#hides) peer.link.have(piece);
      else peer.link.suggest(piece);
    }
  }

  onAsked(peer: ServerPeer, piece: number): void {
    if (this.#fates === null) return;
    const recipient = this.#recipient(peer);
    const promised = recipient.promised.get(piece);
    if (promised) {
      promised.isAsked = true;
      recipient.strays = 0;
    } else if (this.#fates[piece] === HERE) {
      this.#promise(recipient, piece).isAsked = true;
      this.#onStray(recipient);
    }
  }

  onGiven(peer: ServerPeer, piece: number, bytes: number): void {
    const recipient = this.#recipients.get(peer);
    if (!recipient) return;
    recipient.isGivenUp = false;
    const promised = recipient.promised.get(piece);
    if (!promised || this.#fates === null) return;
    recipient.givenAt = this.#parts.now();
    promised.leftBytes -= bytes;
    if (promised.leftBytes > 0) return;
    recipient.promised.delete(piece);
    recipient.unspread.set(piece, recipient.givenAt);
    this.#fates[piece] = OUT;
    this.serve(peer);
  }

  /** The peer is about to be choked: what it began it may finish, the rest goes to others, unless it knows. */
  onChoke(peer: ServerPeer): void {
    let owed = 0;
    for (const { piece, isAsked } of this.#recipients.get(peer)?.promised.values() ?? []) {
      if (isAsked && owed++ < AHEAD_PIECES_MAX) peer.server.owe(piece);
      else if (!this.#hides) {
        this.#recipients.get(peer)!.promised.delete(piece);
        this.#takeBack(piece);
      }
    }
  }

  /** Milliseconds that the peer takes until somebody else has what it got from us; 0 if nothing is known. */
  spreadMs(peer: ServerPeer): number {
    const recipient = this.#recipients.get(peer);
    if (this.#fates === null || !recipient) return 0;
    this.#countUnspread(recipient);
    const [oldest] = recipient.unspread.values();
    return Math.max(recipient.spreadMs, oldest === undefined ? 0 : this.#parts.now() - oldest);
  }

  onGone(peer: ServerPeer): void {
    if (peer.have.isFull) this.#sawSeedAt = this.#parts.now();
    const recipient = this.#recipients.get(peer);
    if (!recipient) return;
    this.#recipients.delete(peer);
    for (const piece of recipient.promised.keys()) this.#takeBack(piece);
  }

  #begin(): void {
    const { geometry, picker } = this.#parts;
    const { pieceCount } = geometry;
    this.#fates = new Uint8Array(pieceCount);
    for (let piece = 0; piece < pieceCount; piece++) {
      if (picker.availability(piece) > 0) this.#fates[piece] = OUT;
    }
    const order = Array.from({ length: pieceCount }, (_, piece) => piece);
    this.#rng.shuffle(order);
    this.#order = Uint32Array.from(order);
    this.#next = 0;
  }

  #end(): void {
    if (this.#fates === null) return;
    this.#fates = null;
    const peers = [...this.#recipients];
    this.#recipients.clear();
    for (const [peer, recipient] of peers) if (recipient.isKeptInTheDark) this.#revealAll(peer);
    this.#order = new Uint32Array(0);
  }

  #revealAll(peer: ServerPeer): void {
    const { pieceCount } = this.#parts.geometry;
    for (let piece = 0; piece < pieceCount; piece++) if (!peer.have.has(piece)) peer.link.have(piece);
  }

  /** What was promised to peers that take nothing is free for others. */
  #loseHope(now: number): void {
    for (const recipient of this.#recipients.values()) {
      if (recipient.promised.size === 0 || now - recipient.givenAt < PATIENCE_MS) continue;
      for (const piece of recipient.promised.keys()) this.#takeBack(piece);
      recipient.promised.clear();
      recipient.isGivenUp = true;
    }
  }

  #recipient(peer: ServerPeer): Recipient {
    let recipient = this.#recipients.get(peer);
    if (!recipient) {
      recipient = newRecipient();
      this.#recipients.set(peer, recipient);
    }
    return recipient;
  }

  #promise(recipient: Recipient, piece: number): Promised {
    const promised = { piece, leftBytes: this.#parts.geometry.pieceLengthOf(piece), isAsked: false };
    if (recipient.promised.size === 0) recipient.givenAt = this.#parts.now();
    recipient.promised.set(piece, promised);
    this.#fates![piece] = TOLD;
    return promised;
  }

  /** A piece that is nobody's yet, or -1. Goes round once at most. */
  #nextFor(peer: ServerPeer): number {
    const { picker } = this.#parts;
    const fates = this.#fates!;
    for (let left = this.#order.length; left > 0; left--) {
      const piece = this.#order[this.#next]!;
      this.#next = this.#next + 1 === this.#order.length ? 0 : this.#next + 1;
      if (fates[piece] !== HERE) continue;
      if (picker.availability(piece) > 0) fates[piece] = OUT;
      else if (!peer.have.has(piece)) return piece;
    }
    return -1;
  }

  /** It chose by itself. If it was told of others and never listens, those are free for others. */
  #onStray(recipient: Recipient): void {
    const ignored = [...recipient.promised.values()].filter(({ isAsked }) => !isAsked);
    if (ignored.length === 0 || ++recipient.strays < STRAYS_MAX) return;
    for (const { piece } of ignored) {
      recipient.promised.delete(piece);
      this.#takeBack(piece);
    }
  }

  #takeBack(piece: number): void {
    if (this.#fates?.[piece] !== TOLD) return;
    this.#fates[piece] = HERE;
  }

  #mustSpread(recipient: Recipient): boolean {
    if (!this.#hides || this.#parts.swarm.size < 2) return false;
    return this.#countUnspread(recipient) + recipient.promised.size >= UNSPREAD_MAX;
  }

  #countUnspread(recipient: Recipient): number {
    const { picker } = this.#parts;
    const { unspread } = recipient;
    const now = this.#parts.now();
    if (now - recipient.countedAt < RECOUNT_MS) return unspread.size;
    recipient.countedAt = now;
    for (const [piece, givenAt] of unspread) {
      if (picker.availability(piece) < 2) continue;
      unspread.delete(piece);
      recipient.spreadMs += (now - givenAt - recipient.spreadMs) * SPREAD_GAIN;
    }
    return unspread.size;
  }
}

function newRecipient(): Recipient {
  return {
    promised: new Map(),
    unspread: new Map(),
    spreadMs: 0,
    strays: 0,
    isGivenUp: false,
    countedAt: -Infinity,
    givenAt: 0,
    isKeptInTheDark: false,
  };
}
