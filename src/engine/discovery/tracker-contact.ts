import type { TrackerError } from '../../errors.ts';
import type { TrackerInfo } from '../../events.ts';
import type { Cancel } from '../../ports.ts';
import type { AnnounceResponse } from '../../tracker/announce.ts';
import { isNoAddressError, unresolvedError } from '../../tracker/announce.ts';
import { AnnounceSchedule } from '../../tracker/schedule.ts';
import type { TrackerStanding } from '../../tracker/tiers.ts';
import type { TrackerUrl } from '../../tracker/tracker-url.ts';
import type { IpFamily } from '../../util/ip.ts';
import { ipFamily } from '../../util/ip.ts';
import type { Rng } from '../../util/rng.ts';

/** Our announces to one tracker from one address family (BEP 7). */
export interface FamilyContact {
  readonly family: IpFamily;
  readonly schedule: AnnounceSchedule;
  /** To be echoed to the tracker. */
  trackerId: Uint8Array | null;
  underWay: Cancel | null;
  /** When what is under way was sent; Infinity as long as it waits for its turn. */
  sentAt: number;
  /** Called in place of the usual work when what is under way is answered: we are leaving. */
  onLastAnswer: (() => void) | null;
  error: TrackerError | null;
  /** We have no route for this family, though another one works: no more is heard of it. */
  dropped: boolean;
}

/** What one torrent knows about one tracker: when it is to be asked, and what it said last. */
export class TrackerContact implements TrackerStanding {
  readonly url: TrackerUrl;
  /** 32 bits that name us to this tracker (BEP 7). */
  readonly key: number;
  readonly families: readonly FamilyContact[];
  #message: string | null = null;
  #seeders: number | null = null;
  #leechers: number | null = null;

  constructor(url: TrackerUrl, key: number, rng: Rng, intervalFloorMs: number) {
    this.url = url;
    this.key = key;
    const literal = ipFamily(url.host);
    const families: readonly IpFamily[] = literal === 0 ? [4, 6] : [literal];
    this.families = families.map((family) => ({
      family,
      schedule: new AnnounceSchedule(rng, intervalFloorMs),
      trackerId: null,
      underWay: null,
      sentAt: Infinity,
      onLastAnswer: null,
      error: null,
      dropped: false,
    }));
  }

  get working(): boolean {
    return this.#live.some(({ schedule }) => schedule.isWorking);
  }

  get failing(): boolean {
    return this.#live.every(({ schedule }) => schedule.failures > 0 && !schedule.isUnderWay);
  }

  get awaitedSince(): number | null {
    const asked = this.working ? [] : this.#live.filter(({ schedule }) => schedule.isUnderWay);
    return asked.length === 0 ? null : Math.min(...asked.map(({ sentAt }) => sentAt));
  }

  /** After a failure all families are tried together again, so that one round fails once. */
  get dueAt(): number {
    const dues = this.#live.map(({ schedule }) => schedule.dueAt);
    return this.failing ? Math.max(...dues) : Math.min(...dues);
  }

  /** The families to announce over, now that it is this tracker's turn. */
  due(now: number): readonly FamilyContact[] {
    return this.failing ? this.#live : this.#live.filter(({ schedule }) => schedule.dueAt <= now);
  }

  /** Takes an answer; the families that had no luck are given up if this one has. */
  onAnswer(contact: FamilyContact, answer: AnnounceResponse, now: number): void {
    contact.underWay = null;
    contact.error = null;
    contact.trackerId = answer.trackerId ?? contact.trackerId;
    contact.schedule.succeeded(now, answer.interval, answer.minInterval);
    this.#message = answer.warning;
    this.#seeders = answer.seeders;
    this.#leechers = answer.leechers;
    for (const other of this.families) if (this.#isHopeless(other)) other.dropped = true;
  }

  /** Takes a failure. Returns the error to report, once no family is left that may still work. */
  onFailure(contact: FamilyContact, error: TrackerError, now: number): TrackerError | null {
    contact.underWay = null;
    contact.error = error;
    contact.schedule.failed(now);
    if (this.working) {
      if (this.#isHopeless(contact)) contact.dropped = true;
      return null;
    }
    if (!this.failing) return null;
    // The way that worked is gone: perhaps another has come up since.
    for (const other of this.families) other.dropped = false;
    // Of "connection refused" over IPv4 and "no address" over IPv6, the first is what the user can act on.
    const errors = this.#live.flatMap((live) => live.error ?? []);
    const shown =
      errors.find((one) => !isNoAddressError(one)) ?? unresolvedError(this.url.text, this.url.host);
    this.#message = shown.message;
    return shown;
  }

  info(tier: number, now: number): TrackerInfo {
    const underWay = this.#live.some(({ schedule }) => schedule.isUnderWay);
    const dueAt = this.dueAt;
    return {
      url: this.url.text,
      tier,
      state: underWay ? 'announcing' : this.working ? 'working' : this.#hasFailed ? 'failed' : 'idle',
      message: this.#message,
      seeders: this.#seeders,
      leechers: this.#leechers,
      nextAnnounceMs: Number.isFinite(dueAt) ? Math.max(0, Math.ceil(dueAt - now)) : null,
    };
  }

  get #hasFailed(): boolean {
    return this.#live.some(({ schedule }) => schedule.failures > 0);
  }

  get #live(): FamilyContact[] {
    return this.families.filter((contact) => !contact.dropped);
  }

  /** It failed and never worked, while the tracker is known to answer. */
  #isHopeless({ schedule }: FamilyContact): boolean {
    return schedule.failures > 0 && !schedule.mayKnowUs;
  }
}
