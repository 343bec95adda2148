/**
 * Paces the announces of all torrents: a client that starts with ten thousand of them must neither open as many sockets
 * nor fall upon one tracker in a second.
 *
 * Two bounds, each for all hosts together and for each host: how many may be under way, and how many begin per second.
 * Hosts take turns, so that a tracker of thousands does not hold up the one torrent of another.
 */
import type { Clock } from '../../ports.ts';
import { Queue } from '../../util/queue.ts';
import { TokenBucket } from '../../util/token-bucket.ts';

/** HTTP announces at once over all torrents, as libtorrent: each is a socket and perhaps a TLS handshake. */
const PLACES = 50;
/** Of those, to one host: a tracker that hangs must not hold up the others. Transmission allows as many. */
const PLACES_PER_HOST = 16;
/**
 * Begun per second, to whichever host. Each costs about half a millisecond, so the start of thousands takes a twentieth of
 * a core instead of stopping everything else; and at the least interval (5 minutes) it is enough for 30,000 torrents.
 */
const STARTS_PER_SECOND = 100;
/** To one host: enough for 15,000 torrents with one tracker. */
const HOST_STARTS_PER_SECOND = 50;
/** As many at once as are earned in this time: a few dozen torrents never wait. */
const BURST_MS = 500;
const HOST_BURST = (HOST_STARTS_PER_SECOND * BURST_MS) / 1000;
/** How long whoever waits for time sleeps at least: a few starts in one go are as good as one each. */
const TICK_MS = 50;
/**
 * A client that closes has thousands of swarms to leave and little time. So that it does not stand still meanwhile, five
 * begin per tick: a thousand a second, each of half a millisecond.
 */
const LEAVING_TICK_MS = 5;
const LEAVING_PER_TICK = 5;
/** What begins later would be given up before its answer. The trackers forget those torrents by themselves. */
const LEAVING_MS = 2000;
/** The last of them have this long to be answered. */
const ANSWER_MS = 500;

/**
 * Who goes first. Who leaves a swarm is not paced either: leaving has a deadline. Then come downloads and what users
 * ask for; seeds can wait.
 */
const RANKS = ['leaving', 'wanted', 'usual'] as const;
export type AnnounceRank = (typeof RANKS)[number];
const LEAVING: readonly AnnounceRank[] = ['leaving'];

export class AnnounceLimiter {
  readonly #clock: Clock;
  readonly #starts: TokenBucket;
  /** Whose turn is next comes first. */
  readonly #hosts = new Map<string, Host>();
  #running = 0;
  #isFilling = false;
  #isTimed = false;
  /** When the last one may begin, after `close`. */
  #closesAt = Infinity;
  #leftInTick = LEAVING_PER_TICK;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#starts = new TokenBucket(STARTS_PER_SECOND, BURST_MS, clock.now());
  }

  /** How many are under way. */
  get running(): number {
    return this.#running;
  }

  /** When whoever leaves must have given up, at the latest. Infinity unless the client closes. */
  get endsAt(): number {
    return this.#closesAt + ANSWER_MS;
  }

  /**
   * Calls `start` when it is its turn, at once if that is now.
   * @returns Its place, to be left when the announce is over or given up.
   */
  enter(hostName: string, rank: AnnounceRank, start: (place: AnnouncePlace) => void): AnnouncePlace {
    const now = this.#clock.now();
    const host = this.#host(hostName, now);
    const place = new AnnouncePlace(this, host, start);
    host.waiting[rank].push(place);
    this.#fill(now);
    return place;
  }

  /**
   * The client ends: only who leaves a swarm still has a turn, and for a short time. Else each announce that is given up
   * would begin one of the thousands behind it, to be given up a moment later.
   */
  close(): void {
    this.#closesAt = this.#clock.now() + LEAVING_MS;
  }

  /** @internal for AnnouncePlace */
  onLeft(host: Host): void {
    host.running--;
    this.#running--;
    this.#fill(this.#clock.now());
  }

  #fill(now: number): void {
    // One that begins may be over at once: the loop that began it goes on with its place.
    if (this.#isFilling) return;
    this.#isFilling = true;
    let waitsForTime = false;
    for (const rank of this.#isClosing ? LEAVING : RANKS) {
      // A host that had its turn goes to the end, and the loop comes by it again.
      for (const host of this.#hosts.values()) {
        const waiting = host.waiting[rank];
        while (waiting.first?.isGivenUp) waiting.shift();
        if (waiting.size === 0 || this.#running >= PLACES || host.running >= PLACES_PER_HOST) continue;
        if (!this.#isTimeFor(host, rank, now)) {
          waitsForTime = true;
          continue;
        }
        this.#hosts.delete(host.name);
        this.#hosts.set(host.name, host);
        this.#begin(host, waiting.shift()!);
      }
    }
    this.#isFilling = false;
    if (!waitsForTime || this.#isTimed || now >= this.#closesAt) return;
    this.#isTimed = true;
    this.#clock.at(now + (this.#isClosing ? LEAVING_TICK_MS : TICK_MS), () => this.#onTime());
  }

  get #isClosing(): boolean {
    return this.#closesAt !== Infinity;
  }

  #isTimeFor(host: Host, rank: AnnounceRank, now: number): boolean {
    if (this.#isClosing) return now < this.#closesAt && this.#leftInTick > 0;
    return rank === 'leaving' || (this.#starts.available(now) >= 1 && host.starts.available(now) >= 1);
  }

  #begin(host: Host, place: AnnouncePlace): void {
    host.running++;
    this.#running++;
    if (this.#isClosing) this.#leftInTick--;
    this.#starts.take(1);
    host.starts.take(1);
    place.begin();
  }

  #onTime(): void {
    this.#isTimed = false;
    this.#leftInTick = LEAVING_PER_TICK;
    this.#fill(this.#clock.now());
  }

  #host(name: string, now: number): Host {
    let host = this.#hosts.get(name);
    if (!host) {
      for (const idle of this.#hosts.values()) if (idle.isForgettable(now)) this.#hosts.delete(idle.name);
      host = new Host(name, now);
      this.#hosts.set(name, host);
    }
    return host;
  }
}

/** Announces to one host. */
class Host {
  readonly name: string;
  readonly starts: TokenBucket;
  readonly waiting: Readonly<Record<AnnounceRank, Queue<AnnouncePlace>>> = {
    leaving: new Queue(),
    wanted: new Queue(),
    usual: new Queue(),
  };
  running = 0;

  constructor(name: string, now: number) {
    this.name = name;
    this.starts = new TokenBucket(HOST_STARTS_PER_SECOND, BURST_MS, now);
  }

  /** Nothing is lost with it. */
  isForgettable(now: number): boolean {
    if (this.running > 0 || RANKS.some((rank) => this.waiting[rank].size > 0)) return false;
    return this.starts.available(now) >= HOST_BURST;
  }
}

/** An announce under way, or the wait for its turn. */
export class AnnouncePlace {
  readonly #limiter: AnnounceLimiter;
  readonly #host: Host;
  #start: ((place: AnnouncePlace) => void) | null;
  #isRunning = false;

  constructor(limiter: AnnounceLimiter, host: Host, start: (place: AnnouncePlace) => void) {
    this.#limiter = limiter;
    this.#host = host;
    this.#start = start;
  }

  /** Whoever waited for it has given up. */
  get isGivenUp(): boolean {
    return this.#start === null && !this.#isRunning;
  }

  /** @internal for AnnounceLimiter */
  begin(): void {
    const start = this.#start!;
    this.#start = null;
    this.#isRunning = true;
    start(this);
  }

  /** Gives it back, or gives up waiting for it. Calling it twice does nothing. */
  leave(): void {
    this.#start = null;
    if (!this.#isRunning) return;
    this.#isRunning = false;
    this.#limiter.onLeft(this.#host);
  }
}
