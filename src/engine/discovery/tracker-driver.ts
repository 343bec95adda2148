/**
 * One torrent's talk with its trackers: runs the tiers (BEP 12) and schedules over HTTP and UDP, and holds the one
 * timer for it.
 *
 * Decides nothing itself: `tiers.ts` says which tracker's turn it is, `schedule.ts` when and with which event,
 * `tracker-contact.ts` what a failure means while the other address family works.
 */
import { TrackerError } from '../../errors.ts';
import type { TrackerInfo } from '../../events.ts';
import type { Encryption } from '../../options.ts';
import type { Cancel, World } from '../../ports.ts';
import type { AnnounceEvent, AnnounceRequest, AnnounceResponse } from '../../tracker/announce.ts';
import { NUM_WANT, NUM_WANT_SEED } from '../../tracker/announce.ts';
import { INTERVAL_FLOOR_MS } from '../../tracker/schedule.ts';
import { TrackerTiers, turnOf } from '../../tracker/tiers.ts';
import type { TrackerUrl, TrackerUrls } from '../../tracker/tracker-url.ts';
import { parseTrackerUrl } from '../../tracker/tracker-url.ts';
import { readU32 } from '../../util/bytes.ts';
import type { PeerAddress } from '../../util/ip.ts';
import { isDialable } from '../../util/ip.ts';
import { logger } from '../../util/log.ts';
import type { Rng } from '../../util/rng.ts';
import type { AnnounceLimiter, AnnounceRank } from './announce-limiter.ts';
import type { TrackerTransports } from './announce-transport.ts';
import { canReach, sendAnnounce } from './announce-transport.ts';
import type { FamilyContact } from './tracker-contact.ts';
import { TrackerContact } from './tracker-contact.ts';
import type { UdpTrackerClient } from './udp-tracker-client.ts';

const log = logger('tracker');

/** Leaving must not keep the user waiting; a tracker that hears nothing forgets us after its interval. */
const STOP_DEADLINE_MS = 2500;

/**
 * Trackers for WebRTC peers, which magnets of the web are full of. Not ours to use, and no news to the user either.
 */
const WEBSOCKET = /^wss?:/i;

/** A torrent full of bad addresses is worth some warnings, not a flood. */
const UNUSABLE_REPORTS_MAX = 10;

/** A host has one or two addresses; a tracker that invents more must not fill our memory. */
const EXTERNAL_IPS_MAX = 16;

/** `stopped` on its way to the trackers. */
interface Farewell {
  readonly waiting: (() => void)[];
  readonly end: () => void;
}

/** What is announced. */
export interface AnnounceSubject {
  readonly infoHash: Uint8Array;
  readonly peerId: Uint8Array;
  readonly private: boolean;
  /** Where peers reach us; 0 if nowhere. */
  port(): number;
  /** Payload bytes of this run, and bytes still wanted. */
  totals(): { uploaded: number; downloaded: number; left: number };
  /** How many more peers would be of use. */
  wantedPeers(): number;
}

export interface TrackerDriverEvents {
  /** Dialable addresses, at most 3000. */
  onPeers(peers: readonly PeerAddress[], url: string): void;
  /** Our address as one tracker, named by its host, sees it (BEP 24): a vote, no proof. */
  onExternalIp(ip: string, tracker: string): void;
  /**
   * A tracker failed over every address family, or its address is of no use. It is tried again where that makes
   * sense.
   */
  onWarning(error: TrackerError): void;
  /** Our own code failed on what it says to a tracker, or on the answer. */
  onBug(error: unknown): void;
}

export interface TrackerDriverOptions {
  /** Shared by all torrents of the client; null without UDP. */
  readonly udp: UdpTrackerClient | null;
  /** Shared by all torrents of the client. */
  readonly limiter: AnnounceLimiter;
  /** The same. Default: each address is read anew. */
  readonly urls?: Pick<TrackerUrls, 'parse'>;
  /** Refuse trackers in local address ranges. Default: false. */
  readonly refuseLocal?: boolean;
  /** Of connections to peers; trackers are told. Default: they are told nothing of it. */
  readonly encryption?: Encryption;
  /** Lower bound of the regular interval in milliseconds. Default: 5 minutes. */
  readonly intervalFloorMs?: number;
}

export class TrackerDriver {
  readonly #world: Pick<World, 'clock' | 'entropy'>;
  readonly #transports: TrackerTransports;
  readonly #rng: Rng;
  #subject: AnnounceSubject;
  #events: TrackerDriverEvents;
  readonly #encryption: Encryption;
  readonly #intervalFloorMs: number;
  readonly #urls: Pick<TrackerUrls, 'parse'>;
  readonly #tiers: TrackerTiers;
  readonly #key: number;
  readonly #contacts = new Map<TrackerUrl, TrackerContact>();
  /** Our addresses, as trackers see them. */
  #externalIps: readonly string[] = [];
  #running = false;
  #timer: { readonly at: number; readonly cancel: Cancel } | null = null;
  #farewell: Farewell | null = null;
  #unusableCount = 0;
  /** The user waits for the next announce. */
  #isWanted = false;

  constructor(
    world: Pick<World, 'clock' | 'entropy' | 'http' | 'datagrams' | 'resolver'>,
    rng: Rng,
    subject: AnnounceSubject,
    tiers: readonly (readonly string[])[],
    events: TrackerDriverEvents,
    options: TrackerDriverOptions,
  ) {
    this.#world = world;
    this.#transports = {
      http: world.http,
      udp: options.udp,
      limiter: options.limiter,
      refuseLocal: options.refuseLocal ?? false,
      onBug: (error) => this.#events.onBug(error),
    };
    this.#rng = rng;
    this.#subject = subject;
    this.#events = events;
    this.#encryption = options.encryption ?? 'off';
    this.#intervalFloorMs = options.intervalFloorMs ?? INTERVAL_FLOOR_MS;
    this.#urls = options.urls ?? { parse: parseTrackerUrl };
    this.#tiers = new TrackerTiers(rng, subject.private);
    this.#key = this.#newKey();
    for (const tier of tiers) this.#addTier(tier);
  }

  /** Announces `started` to one tracker of each tier at once, and goes on from there. */
  start(): void {
    if (this.#running) return;
    this.#running = true;
    this.#farewell?.end();
    this.#resetContacts();
    this.#runTiers();
  }

  /** It goes on for another as the same client: a magnet has become a torrent, and the trackers need not know. */
  handOver(subject: AnnounceSubject, events: TrackerDriverEvents): void {
    this.#subject = subject;
    this.#events = events;
    if (subject.private) this.#tiers.becomeOne();
  }

  /** The torrent has just become complete. */
  completed(): void {
    const now = this.#world.clock.now();
    for (const { schedule } of this.#families()) schedule.complete(now);
    if (this.#running) this.#runTiers();
  }

  /**
   * More peers are wanted. Trackers are asked as soon as their `min interval` allows.
   * @param byUser Then also before what other torrents have to say.
   */
  announceNow(byUser = false): void {
    this.#isWanted ||= byUser;
    for (const { schedule } of this.#families()) schedule.hurry();
    if (this.#running) this.#runTiers();
  }

  /** Adds trackers, each a tier of its own. */
  addTrackers(urls: readonly string[]): void {
    for (const url of urls) this.#addTier([url]);
    if (this.#running) this.#runTiers();
  }

  trackers(): TrackerInfo[] {
    const now = this.#world.clock.now();
    return this.#tiers.all.flatMap((tier, index) =>
      tier.map((url) => this.#contacts.get(url)!.info(index, now)),
    );
  }

  /**
   * Announces `stopped` to every tracker that may have us on its list, all at once, after a `completed` that is still owed. `done` is called when all have
   * answered, at the latest after 2.5 s, or when the driver is started again.
   */
  stop(done: () => void): void {
    const { clock } = this.#world;
    this.#running = false;
    this.#arm(Infinity);
    if (this.#farewell !== null) {
      this.#farewell.waiting.push(done);
      return;
    }
    const leaving = [...this.#contacts.values()].flatMap((contact) =>
      contact.families
        .filter(({ schedule }) => schedule.mayKnowUs)
        .map((family) => ({ contact, family, owesCompleted: family.schedule.owesCompleted })),
    );
    for (const family of this.#families()) {
      // A second `completed` would count as a second download.
      if (!family.schedule.saysCompleted) family.underWay?.cancel();
    }
    this.#resetContacts();
    this.#sayGoodbye(leaving, clock.now(), done);
  }

  #sayGoodbye(
    leaving: readonly { contact: TrackerContact; family: FamilyContact; owesCompleted: boolean }[],
    now: number,
    done: () => void,
  ): void {
    const pending = new Set<Cancel>();
    const farewell: Farewell = {
      waiting: [done],
      end: () => {
        if (this.#farewell !== farewell) return;
        this.#farewell = null;
        timer.cancel();
        for (const announce of pending) announce.cancel();
        for (const callback of farewell.waiting) callback();
      },
    };
    this.#farewell = farewell;
    const { endsAt } = this.#transports.limiter;
    const endAt = leaving.length === 0 ? now : Math.min(now + STOP_DEADLINE_MS, endsAt);
    const timer = this.#world.clock.at(endAt, farewell.end);
    for (const { contact, family, owesCompleted } of leaving) {
      const say = (event: 'completed' | 'stopped'): void => {
        const announce = this.#announce(contact, family, event, () => {
          // Refused or not: the tracker has heard it, or will forget us by itself.
          pending.delete(announce);
          if (event === 'completed') say('stopped');
          if (pending.size === 0) farewell.end();
        });
        pending.add(announce);
      };
      // A download that leaves at once when it is complete still counts as one.
      if (family.underWay !== null && family.schedule.saysCompleted) {
        const underWay = family.underWay;
        pending.add(underWay);
        family.onLastAnswer = () => {
          pending.delete(underWay);
          say('stopped');
        };
      } else say(owesCompleted ? 'completed' : 'stopped');
    }
  }

  #runTiers(): void {
    const now = this.#world.clock.now();
    let wakeAt = Infinity;
    let hasAsked = false;
    for (const tier of this.#tiers.all) {
      const contacts = tier.map((url) => this.#contacts.get(url)!);
      for (;;) {
        const turn = turnOf(contacts, now);
        if (turn.ask < 0) {
          wakeAt = Math.min(wakeAt, turn.wakeAt);
          break;
        }
        this.#ask(contacts[turn.ask]!, now);
        hasAsked = true;
      }
    }
    if (hasAsked) this.#isWanted = false;
    this.#arm(wakeAt);
  }

  /** Announces over every address family that is due. */
  #ask(contact: TrackerContact, now: number): void {
    for (const family of contact.due(now)) {
      const event = family.schedule.begin(now);
      log('announce %s to %s over IPv%d', event ?? 'regular', contact.url.text, family.family);
      family.sentAt = Infinity;
      family.underWay = this.#announce(contact, family, event, (result) => {
        this.#onResult(contact, family, result);
      });
    }
  }

  #announce(
    contact: TrackerContact,
    family: FamilyContact,
    event: AnnounceEvent | null,
    done: (result: AnnounceResponse | TrackerError) => void,
  ): Cancel {
    let waits = false;
    const request = (): AnnounceRequest => {
      family.sentAt = this.#world.clock.now();
      // From now on the next tracker of its tier waits for the answer.
      if (waits && this.#running) this.#runTiers();
      return this.#request(contact, event);
    };
    const { trackerId } = family;
    const announcement = {
      url: contact.url,
      family: family.family,
      rank: this.#rank(event),
      trackerId,
      request,
    };
    const announce = sendAnnounce(this.#transports, announcement, done);
    waits = true;
    return announce;
  }

  #rank(event: AnnounceEvent | null): AnnounceRank {
    if (event === 'stopped' || !this.#running) return 'leaving';
    return this.#isWanted || this.#subject.totals().left > 0 ? 'wanted' : 'usual';
  }

  #request(contact: TrackerContact, event: AnnounceEvent | null): AnnounceRequest {
    const totals = this.#subject.totals();
    const most = totals.left === 0 ? NUM_WANT_SEED : NUM_WANT;
    return {
      infoHash: this.#subject.infoHash,
      peerId: this.#subject.peerId,
      port: this.#subject.port(),
      ...totals,
      event,
      key: contact.key,
      encryption: this.#encryption,
      numWant:
        event === 'stopped' || !this.#running
          ? 0
          : Math.min(most, Math.max(0, Math.floor(this.#subject.wantedPeers()))),
    };
  }

  #onResult(contact: TrackerContact, family: FamilyContact, result: AnnounceResponse | TrackerError): void {
    if (family.onLastAnswer !== null) {
      family.onLastAnswer();
      return;
    }
    const now = this.#world.clock.now();
    if (result instanceof TrackerError) {
      log('%s over IPv%d: %s', contact.url.text, family.family, result.message);
      const error = contact.onFailure(family, result, now);
      if (error !== null) this.#events.onWarning(error);
    } else {
      contact.onAnswer(family, result, now);
      this.#tiers.promote(contact.url);
      this.#deliver(result, contact.url);
    }
    if (this.#running) this.#runTiers();
  }

  #deliver(answer: AnnounceResponse, { text: url, host: tracker }: TrackerUrl): void {
    log('%s: %d peers', url, answer.peers.length);
    if (answer.externalIp !== null) {
      const known = this.#externalIps;
      if (known.length < EXTERNAL_IPS_MAX && !known.includes(answer.externalIp)) {
        this.#externalIps = [...known, answer.externalIp];
      }
      this.#events.onExternalIp(answer.externalIp, tracker);
    }
    const port = this.#subject.port();
    const peers = answer.peers.filter(
      (peer) => isDialable(peer) && !(peer.port === port && this.#externalIps.includes(peer.host)),
    );
    if (peers.length > 0) this.#events.onPeers(peers, url);
    if (answer.warning !== null) this.#events.onWarning(new TrackerError(answer.warning, url));
  }

  #addTier(texts: readonly string[]): void {
    const urls: TrackerUrl[] = [];
    for (const text of texts) {
      const url = this.#urls.parse(text);
      if (url !== null && canReach(this.#transports, url)) urls.push(url);
      else if (url === null && !WEBSOCKET.test(text)) this.#reportUnusable(text);
    }
    for (const url of this.#tiers.add(urls)) this.#contacts.set(url, this.#newContact(url));
  }

  /** In a turn of its own: whoever makes a driver is not ready for its events yet. */
  #reportUnusable(text: string): void {
    if (this.#unusableCount++ >= UNUSABLE_REPORTS_MAX) return;
    const { clock } = this.#world;
    const error = new TrackerError('not a tracker address we can use', text.slice(0, 2048));
    clock.at(clock.now(), () => this.#events.onWarning(error));
  }

  /** Forgets what trackers said: none of them has heard of this run. */
  #resetContacts(): void {
    for (const url of [...this.#contacts.keys()]) this.#contacts.set(url, this.#newContact(url));
  }

  #newContact(url: TrackerUrl): TrackerContact {
    // BEP 7: one key for all trackers and addresses; a private torrent has another for each tracker it switches to.
    const fresh = this.#subject.private ? this.#newKey() : this.#key;
    const key = this.#contacts.get(url)?.key ?? fresh;
    return new TrackerContact(url, key, this.#rng, this.#intervalFloorMs);
  }

  #newKey(): number {
    return readU32(this.#world.entropy.bytes(4), 0);
  }

  #families(): FamilyContact[] {
    return [...this.#contacts.values()].flatMap((contact) => contact.families);
  }

  /** The one timer: Infinity stops it. */
  #arm(at: number): void {
    if (this.#timer?.at === at) return;
    this.#timer?.cancel.cancel();
    this.#timer = null;
    if (at === Infinity) return;
    const cancel = this.#world.clock.at(at, () => {
      this.#timer = null;
      this.#runTiers();
    });
    this.#timer = { at, cancel };
  }
}
