import type { PieceGeometry } from '../../metainfo/geometry.ts';
import type { Rng } from '../../util/rng.ts';
import { Choker } from '../choker/choker.ts';
import type { ChokerState } from '../choker/candidate.ts';
import { slotsFor } from '../choker/slots.ts';
import { CHOKE_ROUND_BEATS } from '../limits.ts';
import type { PeerSession } from '../peer/peer-session.ts';
import type { PiecePicker } from '../picker/piece-picker.ts';
import { FirstCopies } from './first-copies.ts';
import type { Swarm } from './swarm.ts';
import type { TorrentCounters } from './torrent-stats.ts';

/** Whom a download serves: those that give most (BEP 3), or all in turns, to see what tit-for-tat is worth. */
export type ChokerPolicy = 'tit-for-tat' | 'round-robin';

/** Slots are counted each second, and after so many bytes: a tenth of a second of a fast uplink. */
const RECOUNT_BYTES = 1_048_576;

/** The uplink counts as full while it carries this part of the most it did of late, */
const FULL_SHARE = 0.85;
/**
 * of which so much is left a second later: the first blocks fill the links and look like a rate of twice the line's, and
 * while that is believed the uplink never looks full. Slower than the average of the rate falls, or a fall goes unseen.
 */
const BEST_RATE_KEPT = 0.95;

/** What the rounds need of their torrent. */
export interface ChokeRoundsHost {
  readonly geometry: PieceGeometry;
  readonly picker: PiecePicker;
  readonly swarm: Swarm;
  readonly counters: TorrentCounters;
  now(): number;
  readonly options: { readonly superSeed?: boolean };
}

/**
 * Tit-for-tat in time: a round every 10 s, whose optimistic slot moves every third round (BEP 3), and in between a free
 * slot is given away at once. Applies what `Choker` decides, with as many slots as the uplink is worth, and lets
 * `FirstCopies` say which pieces a seed gives first.
 */
export class ChokeRounds {
  // Made for the first peer: most of a client's thousands of torrents never see one.
  #madeCopies: FirstCopies | null = null;
  #madeChoker: Choker<PeerSession> | null = null;
  readonly #rng: Rng;
  readonly #slots: number | null;
  readonly #host: ChokeRoundsHost;
  readonly #policy: ChokerPolicy;
  /** Since the slots were counted last. */
  #sentBytes = 0;
  #isServing = false;
  /** The most that it uploaded of late, bytes per second. */
  #bestRate = 0;
  #isFull = false;
  /** Each torrent has its own beat, so that the rounds of many do not coincide. */
  #beat: number;

  /** @param slots Null for as many as the uplink is worth. */
  constructor(rng: Rng, slots: number | null, host: ChokeRoundsHost, policy: ChokerPolicy = 'tit-for-tat') {
    this.#host = host;
    this.#policy = policy;
    this.#rng = rng;
    this.#slots = slots;
    this.#beat = rng.below(CHOKE_ROUND_BEATS);
  }

  get firstCopies(): FirstCopies {
    const { options } = this.#host;
    return (this.#madeCopies ??= new FirstCopies(
      this.#host,
      this.#rng.fork('first copies'),
      options.superSeed ?? false,
    ));
  }

  get #choker(): Choker<PeerSession> {
    const { pieceLength } = this.#host.geometry;
    return (this.#madeChoker ??= new Choker(
      this.#rng.fork('choker'),
      this.#slots ?? slotsFor(0, pieceLength),
    ));
  }

  /** Slots follow the measured rate. */
  get #isAuto(): boolean {
    return this.#slots === null;
  }

  /** Once a second. */
  onBeat(isSeed: boolean, now: number): void {
    const seeding = (this.#isServing = this.#servesAsSeed(isSeed));
    const { swarm } = this.#host;
    this.#beat++;
    if (swarm.size === 0) return;
    this.#countSlots(seeding, now);
    this.#measure(now);
    if (this.#beat % CHOKE_ROUND_BEATS === 0) this.#round(seeding, now);
    else {
      for (const session of this.#choker.hoarders(swarm.sessions, this.#state(seeding, now)))
        this.#choke(session);
      this.#fill(seeding, now);
    }
    this.firstCopies.review(now);
    for (const session of swarm.sessions) {
      if (!session.weChoke) this.firstCopies.serve(session);
      // What its link may hold grows with its rate, and without this a link fills up again only when it is empty.
      session.server.pump();
    }
  }

  /** Somebody became interested or stopped being so, or left: a free slot may have a taker. */
  onVacancy(isSeed: boolean, now: number): void {
    const seeding = (this.#isServing = this.#servesAsSeed(isSeed));
    const { sessions } = this.#host.swarm;
    for (const session of this.#choker.overflow(sessions, this.#state(seeding, now))) this.#choke(session);
    this.#fill(seeding, now);
  }

  /** Blocks leave: at the start the rate tells within a fraction of a second that more slots are worth while. */
  onSent(bytes: number): void {
    this.#sentBytes += bytes;
    if (this.#sentBytes < RECOUNT_BYTES) return;
    this.#sentBytes = 0;
    this.#countSlots(this.#isServing, this.#host.now());
  }

  onGone(session: PeerSession): void {
    this.#choker.onGone(session);
    this.firstCopies.onGone(session);
  }

  #servesAsSeed(isSeed: boolean): boolean {
    return isSeed || this.#policy === 'round-robin';
  }

  #state(seeding: boolean, now: number): ChokerState {
    return { seeding, now, isFull: this.#isFull };
  }

  /** Is the uplink full? */
  #measure(now: number): void {
    const rate = this.#host.counters.upRate(now);
    this.#bestRate = Math.max(rate, this.#bestRate * BEST_RATE_KEPT);
    this.#isFull = rate > 0 && rate >= this.#bestRate * FULL_SHARE;
  }

  #round(seeding: boolean, now: number): void {
    const { sessions } = this.#host.swarm;
    const unchoked = this.#choker.round(sessions, this.#state(seeding, now));
    // First make room, then fill it.
    for (const session of sessions) if (!unchoked.has(session)) this.#choke(session);
    for (const session of unchoked) this.#unchoke(session, now);
  }

  #fill(seeding: boolean, now: number): void {
    for (const session of this.#choker.fill(this.#host.swarm.sessions, this.#state(seeding, now))) {
      this.#unchoke(session, now);
    }
  }

  #countSlots(seeding: boolean, now: number): void {
    if (!this.#isAuto) return;
    const before = this.#choker.slots;
    this.#choker.slots = slotsFor(this.#host.counters.upRate(now), this.#host.geometry.pieceLength);
    if (this.#choker.slots > before) this.#fill(seeding, now);
  }

  #choke(session: PeerSession): void {
    if (session.weChoke) return;
    this.firstCopies.onChoke(session);
    session.choke();
  }

  #unchoke(session: PeerSession, now: number): void {
    if (!session.weChoke) return;
    // It hears what to ask for before it may ask.
    this.firstCopies.review(now);
    this.firstCopies.serve(session);
    session.unchoke();
  }
}
