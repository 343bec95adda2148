import { lookup, promises } from 'node:dns';
import type { Cancel, Clock, Resolver } from '../ports.ts';
import type { IpFamily } from '../util/ip.ts';
import { canonicalIp, ipFamily } from '../util/ip.ts';
import { logger } from '../util/log.ts';

/**
 * Names to addresses, such that a name nobody answers for delays no other name.
 *
 * The system's own look-up (hosts file, mDNS and all) blocks a thread of Node's pool until it gives up, and only
 * two of those may do so at a time. So few of them run at once, and a name that gets no thread or no answer soon is
 * also asked for over DNS directly, which blocks nothing. The first to find an address wins.
 */

const log = logger('dns');

/** Look-ups by the system at once. Stuck ones count until the system gives them up. */
const LOOKUPS_MAX = 4;
/** The system answers from its cache or one server nearby within this; otherwise DNS is asked as well. */
const PATIENCE_MS = 1500;
/** Then the name has no address, as far as we know. */
const TIMEOUT_MS = 10_000;
/** Trackers of many torrents are looked up once, yet a name that moves is followed. */
const FOUND_TTL_MS = 60_000;
/** A name that failed may be on its way up. */
const FAILED_TTL_MS = 5000;
/** Names remembered; far more than one client has trackers. */
const CACHE_MAX = 1000;
/** A name with thousands of addresses is of no more use than one with a few. */
const ADDRESSES_MAX = 16;

export type NameLookup = (
  host: string,
  family: IpFamily,
  done: (addresses: readonly string[]) => void,
) => void;

interface Question {
  readonly waiting: Set<(addresses: readonly string[]) => void>;
  readonly timers: Cancel[];
  /** Ways that have not answered yet. */
  open: number;
  queried: boolean;
}

export class DnsResolver implements Resolver {
  readonly #clock: Clock;
  readonly #lookup: NameLookup;
  readonly #query: NameLookup;
  readonly #cache = new Map<string, { addresses: readonly string[]; until: number }>();
  readonly #questions = new Map<string, Question>();
  #lookups = 0;

  /** @param ways How the system and how DNS is asked; given by tests. */
  constructor(clock: Clock, ways: { lookup?: NameLookup; query?: NameLookup } = {}) {
    this.#clock = clock;
    this.#lookup = ways.lookup ?? systemLookup;
    this.#query = ways.query ?? dnsQuery;
  }

  resolve(host: string, family: IpFamily, done: (addresses: readonly string[]) => void): Cancel {
    const known = withoutAsking(host, family) ?? this.#cached(host, family);
    if (known !== null) {
      const turn = setImmediate(() => done(known));
      return { cancel: () => clearImmediate(turn) };
    }
    const key = keyOf(host, family);
    const question = this.#questions.get(key) ?? this.#ask(key, host, family);
    const answer = (addresses: readonly string[]): void => done(addresses);
    question.waiting.add(answer);
    return { cancel: () => question.waiting.delete(answer) };
  }

  #cached(host: string, family: IpFamily): readonly string[] | null {
    const entry = this.#cache.get(keyOf(host, family));
    return entry !== undefined && this.#clock.now() < entry.until ? entry.addresses : null;
  }

  #ask(key: string, host: string, family: IpFamily): Question {
    const question: Question = { waiting: new Set(), timers: [], open: 0, queried: false };
    this.#questions.set(key, question);
    const now = this.#clock.now();
    const query = (): void => {
      if (question.queried) return;
      question.queried = true;
      question.open++;
      this.#query(host, family, (addresses) => this.#onAnswer(key, question, addresses));
    };
    question.timers.push(this.#clock.at(now + TIMEOUT_MS, () => this.#settle(key, question, [])));
    if (this.#lookups >= LOOKUPS_MAX) {
      query();
      return question;
    }
    question.timers.push(this.#clock.at(now + PATIENCE_MS, query));
    question.open++;
    this.#lookups++;
    this.#lookup(host, family, (addresses) => {
      this.#lookups--;
      this.#onAnswer(key, question, addresses);
    });
    return question;
  }

  #onAnswer(key: string, question: Question, addresses: readonly string[]): void {
    question.open--;
    if (addresses.length > 0 || question.open === 0) this.#settle(key, question, addresses);
  }

  #settle(key: string, question: Question, found: readonly string[]): void {
    if (this.#questions.get(key) !== question) return;
    this.#questions.delete(key);
    for (const timer of question.timers) timer.cancel();
    const addresses = found.slice(0, ADDRESSES_MAX).flatMap((address) => canonicalIp(address) ?? []);
    const ttl = addresses.length > 0 ? FOUND_TTL_MS : FAILED_TTL_MS;
    if (this.#cache.size >= CACHE_MAX) this.#cache.delete(this.#cache.keys().next().value!);
    this.#cache.set(key, { addresses, until: this.#clock.now() + ttl });
    log('%s: %o', key, addresses);
    for (const answer of question.waiting) answer(addresses);
  }
}

/** Addresses and `localhost` (RFC 6761) need nobody's help; null for all other names. */
function withoutAsking(host: string, family: IpFamily): readonly string[] | null {
  const literal = canonicalIp(host);
  if (literal !== null) return ipFamily(literal) === family ? [literal] : [];
  if (!/^(?:.*\.)?localhost\.?$/i.test(host)) return null;
  return family === 4 ? ['127.0.0.1'] : ['::1'];
}

function keyOf(host: string, family: IpFamily): string {
  return `${host} IPv${family}`;
}

function systemLookup(host: string, family: IpFamily, done: (addresses: readonly string[]) => void): void {
  lookup(host, { family, all: true }, (error, found) => {
    done(error === null ? found.map(({ address }) => address) : []);
  });
}

function dnsQuery(host: string, family: IpFamily, done: (addresses: readonly string[]) => void): void {
  const resolver = new promises.Resolver({ timeout: 2000, tries: 3 });
  const answer = family === 4 ? resolver.resolve4(host) : resolver.resolve6(host);
  answer.then(done, () => done([]));
}
