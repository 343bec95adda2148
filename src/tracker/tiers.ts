/**
 * The order in which trackers are tried (BEP 12), as practised: every tier has one working tracker and all tiers
 * are used at once, where the BEP's text would only go on to the second tier when the first is dead.
 *
 * - Each tier is shuffled once, when it is read, so that clients spread over equal trackers.
 * - The tracker that worked moves to the front of its tier.
 * - One server named twice, over UDP and over HTTP at the same host and port, is one tracker: both ways go into one
 *   tier, UDP first, so that it is not told twice.
 * - A private torrent talks to one tracker at a time (BEP 27): all its tiers are one, in their order.
 */
import type { Rng } from '../util/rng.ts';
import type { TrackerUrl } from './tracker-url.ts';

/** Trackers of one torrent. Lists in circulation name up to some 100 of them, most long dead. */
const TRACKERS_MAX = 100;

/** A tracker that takes longer to answer is no reason to let the next one of its tier wait. */
export const SLOW_ANSWER_MS = 10_000;

/** What a tier has to know about a tracker. */
export interface TrackerStanding {
  /** It answered last time. */
  readonly working: boolean;
  /** Since when its first answer is awaited; null if none is. */
  readonly awaitedSince: number | null;
  /** When it may be asked next. */
  readonly dueAt: number;
  /** Every way to it failed last time. */
  readonly failing: boolean;
}

export class TrackerTiers {
  readonly #rng: Rng;
  #oneTier: boolean;
  #tiers: readonly TrackerUrl[][] = [];

  constructor(rng: Rng, isPrivate: boolean) {
    this.#rng = rng;
    this.#oneTier = isPrivate;
  }

  get all(): readonly (readonly TrackerUrl[])[] {
    return this.#tiers;
  }

  /** Appends a tier; trackers already known, and those beyond the limit, are left out. Returns the new ones. */
  add(urls: readonly TrackerUrl[]): TrackerUrl[] {
    const added: TrackerUrl[] = [];
    for (const url of urls) {
      const known = [...this.#tiers.flat(), ...added];
      if (known.length >= TRACKERS_MAX || known.some(({ key }) => key === url.key)) continue;
      added.push(url);
    }
    const tier = this.#rng.shuffle([...added]).filter((url) => !this.#joinTwin(url));
    if (tier.length === 0) return added;
    if (this.#oneTier && this.#tiers.length > 0) this.#tiers[0]!.push(...tier);
    // Copied, because a list that grew by pushes keeps room for more, and thousands of torrents have one of one.
    else this.#tiers = [...this.#tiers, [...udpBeforeItsTwin(tier)]];
    return added;
  }

  /** It turned out private. */
  becomeOne(): void {
    this.#oneTier = true;
    if (this.#tiers.length > 1) this.#tiers = [this.#tiers.flat()];
  }

  /** It worked: ask it first from now on. */
  promote(url: TrackerUrl): void {
    const tier = this.#tiers.find((urls) => urls.includes(url));
    if (tier === undefined || tier[0] === url) return;
    tier.splice(tier.indexOf(url), 1);
    tier.unshift(url);
  }

  /** Puts a URL beside the one of an earlier tier that reaches the same server. */
  #joinTwin(url: TrackerUrl): boolean {
    const tier = this.#tiers.find((urls) => urls.some((other) => areTwins(url, other)));
    if (tier === undefined) return false;
    const at = tier.findIndex((other) => areTwins(url, other));
    tier.splice(url.scheme === 'udp' ? at : at + 1, 0, url);
    return true;
  }
}

/**
 * Which tracker of a tier to ask now, if any, and when to look again. `tier` is in the order of trying. After
 * asking, call it again: an answer that is awaited for long makes the next one's turn.
 */
export function turnOf(
  tier: readonly TrackerStanding[],
  now: number,
): { readonly ask: number; readonly wakeAt: number } {
  let wakeAt = Infinity;
  for (const [index, tracker] of tier.entries()) {
    if (tracker.awaitedSince !== null) {
      const slowAt = tracker.awaitedSince + SLOW_ANSWER_MS;
      if (now < slowAt) return { ask: -1, wakeAt: Math.min(wakeAt, slowAt) };
    } else if (tracker.dueAt <= now) {
      return { ask: index, wakeAt: now };
    } else {
      wakeAt = Math.min(wakeAt, tracker.dueAt);
      // One that works and is not due yet ends the search; one that rests after a failure does not.
      if (!tracker.failing) return { ask: -1, wakeAt };
    }
  }
  return { ask: -1, wakeAt };
}

function areTwins(a: TrackerUrl, b: TrackerUrl): boolean {
  return a.host === b.host && a.port === b.port && (a.scheme === 'udp') !== (b.scheme === 'udp');
}

function udpBeforeItsTwin(tier: TrackerUrl[]): TrackerUrl[] {
  for (let i = 0; i < tier.length; i++) {
    if (tier[i]!.scheme === 'udp') continue;
    const twin = tier.findIndex((other, j) => j > i && areTwins(tier[i]!, other));
    if (twin > i) tier.splice(i, 0, ...tier.splice(twin, 1));
  }
  return tier;
}
