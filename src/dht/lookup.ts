/**
 * The search for the nodes closest to a target (BEP 5), and for what they have.
 *
 * A lookup keeps the nodes it heard of in order of distance and asks from the front. Alpha queries are always under way
 * among the closest ones that matter; each answer brings closer nodes, until the K closest of all have answered. What
 * costs time is nodes that left without a word, so three things keep it from waiting for them:
 *
 * - A query that is late (see `response-time.ts`) frees its slot for the next node, and no longer keeps the lookup open.
 *   If its answer comes after all it counts like any other, also when the lookup has settled meanwhile.
 * - Only nodes in front of the K-th answer matter: what is under way behind it delays nobody.
 * - Whatever an answer has to give is given at once.
 *
 *   fresh ── asked ──> asked ── late ──> late ──> failed
 *                        └───── answer ───┴─────> answered
 *
 * Whom to believe: nobody in particular. Of each network (a /24, a /64) one node is asked at a time, so that the place
 * next to a target cannot be taken by one machine with many ids; and an answer of a node whose id does not fit its address
 * (BEP 42) counts, but does not end the search alone.
 */
import type { Encodable } from '../bencode/codec.ts';
import type { PeerAddress } from '../util/ip.ts';
import { addressKey } from '../util/ip.ts';
import { K } from './bucket.ts';
import type { Contact } from './contact.ts';
import { networkOf } from './contact.ts';
import type { KrpcResponse } from './krpc.ts';
import { compareDistance, isSecureId } from './node-id.ts';
import type { Asker } from './transactions.ts';

/** Queries under way among the closest nodes; libtorrent's number. */
const ALPHA = 5;
/** Answers of nodes with insecure ids that stand for K secure ones; a network without BEP 42 must end as well. */
const ANSWERS_MAX = K + K / 2;
/** Nodes kept in order; what is farther than this many others will never be asked. */
const CANDIDATES_MAX = 100;
/** A lookup in the largest networks takes 20 to 60; liars could make it endless. */
const QUERIES_MAX = 250;
/** Nodes without an answer to begin from wait for the first one this long. */
const PATIENCE_MS = 10_000;

type State = 'fresh' | 'asked' | 'late' | 'answered' | 'failed';

/** A node that answered a lookup. */
export interface Answered extends Contact {
  readonly token: Uint8Array | null;
  /** What else its answer said, as the task chose to keep it. */
  readonly note: unknown;
}

/** What is looked for. */
export interface LookupTask {
  readonly target: Uint8Array;
  readonly method: string;
  args(): Readonly<Record<string, Encodable | undefined>>;
  /** Takes what an answer has to give. What is returned is kept as `note` of the node. */
  onAnswer(answer: KrpcResponse, from: PeerAddress): unknown;
  /** The closest nodes have answered. Called once. */
  onSettled(closest: readonly Answered[]): void;
  /** A node that should have been among the closest answered when they were settled. */
  onLateAnswer(node: Answered): void;
}

/** What a lookup needs of its node. */
export interface LookupHost {
  /** May a query be sent now? */
  hasBudget(now: number): boolean;
  ask(to: PeerAddress, lookup: Lookup, asker: Asker, now: number): boolean;
  /** Nodes that an answer names, as far as they may be believed. */
  contactsOf(answer: KrpcResponse, from: PeerAddress): readonly Contact[];
  /** Those of them that the lookup does not need may be of use otherwise. */
  onNamed(contacts: readonly Contact[], now: number): void;
  tokenOf(answer: KrpcResponse): Uint8Array | null;
}

export class Lookup {
  readonly task: LookupTask;
  /** Farther nodes than K may matter: see `pump`. */
  readonly #host: LookupHost;
  readonly #candidates: Candidate[] = [];
  readonly #seen = new Set<string>();
  /** Networks of which a node is asked, waits or answered. */
  readonly #networks = new Set<string>();
  readonly #startedAt: number;
  #queries = 0;
  #pending = 0;
  #isSettled = false;
  #isStopped = false;

  constructor(task: LookupTask, host: LookupHost, now: number) {
    this.task = task;
    this.#host = host;
    this.#startedAt = now;
  }

  get isSettled(): boolean {
    return this.#isSettled;
  }

  /** Settled, and no answer is to come. */
  get isOver(): boolean {
    return this.#isStopped || (this.#isSettled && this.#pending === 0);
  }

  /** Still glad of any node. */
  get isStarving(): boolean {
    return !this.#isSettled && this.#candidates.filter((each) => each.state === 'answered').length < K;
  }

  get hasAnswers(): boolean {
    return this.#candidates.some((each) => each.answered !== null);
  }

  get queryCount(): number {
    return this.#queries;
  }

  /** Nodes that may be of use. Call `pump` afterwards. */
  offer(contacts: readonly Contact[]): void {
    for (const contact of contacts) this.#add(new Candidate(contact.id, contact.address));
  }

  /** An address without a known id, such as one to begin from: asked while there is nobody better. */
  offerAddress(address: PeerAddress): void {
    this.#add(new Candidate(null, address));
  }

  /** Nobody is told anything any more. */
  stop(): void {
    this.#isStopped = true;
  }

  /** Asks whom it may; settles if nobody is left who matters. */
  pump(now: number): void {
    if (this.#isStopped) return;
    let secure = 0;
    let answered = 0;
    let underWay = 0;
    let isOpen = false;
    let late = 0;
    for (const candidate of this.#candidates) {
      if (secure >= K || answered >= ANSWERS_MAX || underWay >= ALPHA) break;
      switch (candidate.state) {
        case 'answered':
          answered++;
          if (candidate.isSecure) secure++;
          break;
        case 'asked':
          underWay++;
          break;
        case 'late':
          late++;
          break;
        case 'fresh':
          if (!this.#mayAsk(candidate)) break;
          isOpen = !this.#host.hasBudget(now);
          if (isOpen) break;
          if (this.#ask(candidate, now)) underWay++;
          break;
        case 'failed':
          break;
      }
      if (isOpen) break;
    }
    if (underWay > 0 || isOpen || this.#isSettled) return;
    // Nothing but late queries: if nobody answered yet, they are all the hope there is.
    if (answered === 0 && (late > 0 || this.#mayStillBegin(now))) return;
    this.#isSettled = true;
    this.task.onSettled(this.closest());
  }

  /** When `pump` has to be called even if nothing happens. */
  nextDeadline(): number {
    const isWaiting = !this.#isSettled && this.#queries === 0;
    return isWaiting ? this.#startedAt + PATIENCE_MS : Infinity;
  }

  /** Nodes that answered, the closest first: at least the K closest, and those before the K-th with a secure id. */
  closest(): Answered[] {
    const result: Answered[] = [];
    let secure = 0;
    for (const candidate of this.#candidates) {
      if (candidate.answered === null) continue;
      if (secure >= K || result.length >= ANSWERS_MAX) break;
      result.push(candidate.answered);
      if (candidate.isSecure) secure++;
    }
    return result;
  }

  #mayStillBegin(now: number): boolean {
    return this.#queries === 0 && now < this.#startedAt + PATIENCE_MS;
  }

  #mayAsk(candidate: Candidate): boolean {
    return this.#queries < QUERIES_MAX && !this.#networks.has(candidate.network);
  }

  #ask(candidate: Candidate, now: number): boolean {
    this.#queries++;
    candidate.state = 'asked';
    const sent = this.#host.ask(candidate.address, this, this.#askerFor(candidate), now);
    if (!sent) {
      candidate.state = 'failed';
      return false;
    }
    this.#pending++;
    this.#networks.add(candidate.network);
    return true;
  }

  #askerFor(candidate: Candidate): Asker {
    return {
      onAnswer: (answer, now) => this.#onAnswer(candidate, answer, now),
      onRefused: (_, now) => this.#onFailed(candidate, now),
      onFailed: (now) => this.#onFailed(candidate, now),
      onLate: (now) => {
        candidate.state = 'late';
        this.#networks.delete(candidate.network);
        this.pump(now);
      },
    };
  }

  #onAnswer(candidate: Candidate, answer: KrpcResponse, now: number): void {
    this.#pending--;
    if (this.#isStopped) return;
    candidate.state = 'answered';
    this.#networks.add(candidate.network);
    const id = Uint8Array.from(answer.senderId);
    this.#reorder(candidate, id);
    const note = this.task.onAnswer(answer, candidate.address);
    candidate.answered = { id, address: candidate.address, token: this.#host.tokenOf(answer), note };
    const named = this.#host.contactsOf(answer, candidate.address);
    this.offer(named);
    const wasSettled = this.#isSettled;
    this.pump(now);
    this.#host.onNamed(named, now);
    if (wasSettled && this.closest().includes(candidate.answered)) {
      this.task.onLateAnswer(candidate.answered);
    }
  }

  #onFailed(candidate: Candidate, now: number): void {
    this.#pending--;
    if (candidate.state !== 'late') this.#networks.delete(candidate.network);
    candidate.state = 'failed';
    this.pump(now);
  }

  /** The id a node answers with is the one that counts. */
  #reorder(candidate: Candidate, id: Uint8Array): void {
    candidate.isSecure = isSecureId(id, candidate.address.host);
    if (candidate.id !== null && compareDistance(candidate.id, id, this.task.target) === 0) return;
    const at = this.#candidates.indexOf(candidate);
    if (at >= 0) this.#candidates.splice(at, 1);
    candidate.id = id;
    this.#place(candidate);
  }

  #add(candidate: Candidate): void {
    const key = addressKey(candidate.address);
    if (this.#seen.has(key)) return;
    const last = this.#candidates.at(-1);
    if (this.#candidates.length >= CANDIDATES_MAX) {
      if (!this.#isCloser(candidate, last!)) return;
      this.#candidates.pop();
    }
    this.#seen.add(key);
    this.#place(candidate);
  }

  #place(candidate: Candidate): void {
    let at = this.#candidates.length;
    while (at > 0 && this.#isCloser(candidate, this.#candidates[at - 1]!)) at--;
    this.#candidates.splice(at, 0, candidate);
  }

  #isCloser(a: Candidate, b: Candidate): boolean {
    if (a.id === null) return false;
    return b.id === null || compareDistance(a.id, b.id, this.task.target) < 0;
  }
}

class Candidate {
  id: Uint8Array | null;
  readonly address: PeerAddress;
  readonly network: string;
  state: State = 'fresh';
  isSecure = false;
  answered: Answered | null = null;

  constructor(id: Uint8Array | null, address: PeerAddress) {
    this.id = id;
    this.address = address;
    this.network = networkOf(address);
  }
}
