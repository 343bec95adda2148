/**
 * A node of the DHT of one address family (BEP 5, BEP 32), as a machine: datagrams and time in, datagrams out.
 *
 * It answers what others ask, remembers who answers, and runs lookups for whoever owns it. Two of these, one per family,
 * make a dual-stack node; they share nothing but hints.
 */
import { readBytes } from '../bencode/fields.ts';
import type { Encodable } from '../bencode/codec.ts';
import type { IpFamily, PeerAddress } from '../util/ip.ts';
import { addressKey } from '../util/ip.ts';
import type { Rng } from '../util/rng.ts';
import type { Contact } from './contact.ts';
import { isBelievable, readContacts } from './contact.ts';
import { AddressVotes } from './address-votes.ts';
import { factsOf } from './host-facts.ts';
import { ItemStore } from './item-store.ts';
import type { Signatures } from './item.ts';
import type { KrpcMessage, KrpcQuery, KrpcResponse } from './krpc.ts';
import { ERROR_PROTOCOL, readMessage, writeError, writeQuery, writeResponse } from './krpc.ts';
import type { LookupHost, LookupTask } from './lookup.ts';
import { Lookup } from './lookup.ts';
import { Maintenance } from './maintenance.ts';
import type { Sha1 } from './node-id.ts';
import { commonBits, ID_LENGTH, idInBucket, isSecureId, secureId } from './node-id.ts';
import { PeerStore } from './peer-store.ts';
import { answerQuery } from './queries/answer-query.ts';
import type { AnsweringNode } from './queries/query-context.ts';
import { Refusal } from './queries/query-context.ts';
import { SampleKeeper } from './queries/sample-infohashes.ts';
import { RoutingTable } from './routing-table.ts';
import { SendBudget, SenderLimits } from './sender-limits.ts';
import type { TableNode } from './table-node.ts';
import type { Want } from './tasks/find-node-task.ts';
import { FindNodeTask } from './tasks/find-node-task.ts';
import { Tokens } from './tokens.ts';
import type { Asker } from './transactions.ts';
import { Transactions } from './transactions.ts';

/** Strangers being pinged to see if they belong into the table. */
const PROBES_MAX = 16;
/** Tokens of others; longer ones would make our announces too large. */
const TOKEN_READ_MAX = 128;
/** A table with fewer nodes wants to meet whoever is named: the fuller it is, the closer the next search begins. */
const FULL_ENOUGH = 40;
/** A table with fewer nodes asks for the other family's nodes as well (BEP 32). */
const THIN_TABLE = 16;

export interface DhtNodeOptions {
  readonly family: IpFamily;
  /** From an earlier run; null to take one of chance. */
  readonly ownId: Uint8Array | null;
  readonly sha1: Sha1;
  readonly signatures: Signatures | null;
  randomBytes(count: number): Uint8Array;
  readonly rng: Rng;
  /** Told to others as `v`: two letters of the client, two bytes of its version (BEP 5). */
  readonly version: Uint8Array;
  /** Asks and never answers (BEP 43). */
  readonly readOnly: boolean;
  send(bytes: Uint8Array, to: PeerAddress): void;
  /** The port on which we are a peer of a torrent, 0 if we are none. */
  ownPort(infoHash: Uint8Array): number;
  onAnnounced(infoHash: Uint8Array, peer: PeerAddress): void;
  /** Nodes of the other family that somebody named. */
  onForeignContacts(contacts: readonly Contact[]): void;
  /** A node says which address of ours it sees (BEP 42). */
  onSeenAs?(voter: PeerAddress, host: string): void;
  /** Our address as others than nodes see it, for as long as too few nodes agree on one. */
  externalHost?(): string | null;
}

/** Datagrams since the start. */
export interface DhtTraffic {
  received: number;
  /** Junk, answers nobody asked for, and what exceeded a limit. */
  dropped: number;
  queriesAnswered: number;
  queriesSent: number;
}

export class DhtNode implements AnsweringNode, LookupHost {
  readonly family: IpFamily;
  readonly sha1: Sha1;
  readonly signatures: Signatures | null;
  readonly tokens: Tokens;
  readonly peers: PeerStore;
  readonly items: ItemStore;
  readonly samples = new SampleKeeper();
  readonly traffic: DhtTraffic = { received: 0, dropped: 0, queriesAnswered: 0, queriesSent: 0 };
  /** The node of the other family, if there is one. */
  sibling: DhtNode | null = null;
  readonly #options: DhtNodeOptions;
  #table: RoutingTable;
  readonly #transactions: Transactions;
  readonly #limits = new SenderLimits();
  readonly #budget: SendBudget;
  readonly #addressVotes = new AddressVotes();
  readonly #maintenance: Maintenance;
  readonly #lookups = new Set<Lookup>();
  readonly #probing = new Set<string>();
  /** A lookup wanted to ask and had no budget. */
  #isWaitingForBudget = false;

  constructor(options: DhtNodeOptions, now: number) {
    this.#options = options;
    this.family = options.family;
    this.sha1 = options.sha1;
    this.signatures = options.signatures;
    this.tokens = new Tokens(options.sha1, (count) => options.randomBytes(count), now);
    this.peers = new PeerStore(options.sha1, options.rng.fork('peers'));
    this.items = new ItemStore(() => this.id);
    this.#table = new RoutingTable(options.ownId ?? options.randomBytes(ID_LENGTH));
    this.#transactions = new Transactions((count) => options.randomBytes(count));
    this.#budget = new SendBudget(now);
    this.#maintenance = new Maintenance(
      {
        nodes: () => this.#table.nodes(),
        probe: (node, time) => this.#probe(node, time),
        lookUpOwnId: (time) => this.findClosest([], time, () => undefined),
        expireStores: (time) => {
          this.peers.expire(time);
          this.items.expire(time);
        },
        reviewOwnId: (time) => this.#reviewOwnId(time),
      },
      now,
    );
  }

  get id(): Uint8Array {
    return this.#table.ownId;
  }

  get table(): RoutingTable {
    return this.#table;
  }

  /** Lookups that have not settled. */
  get lookupCount(): number {
    let count = 0;
    for (const lookup of this.#lookups) if (!lookup.isSettled) count++;
    return count;
  }

  // — what comes in

  /** A datagram that `looksLikeKrpc`. */
  receive(bytes: Uint8Array, from: PeerAddress, now: number): void {
    this.traffic.received++;
    const message = readMessage(bytes);
    if (message === null || !this.#take(message, from, now)) this.traffic.dropped++;
    this.#tidyLookups(now);
  }

  #take(message: KrpcMessage, from: PeerAddress, now: number): boolean {
    if (message.kind === 'response' || message.kind === 'error') {
      // What we asked for is welcome from anybody: else a flood in a node's name would silence that node.
      if (this.#transactions.onMessage(message, from, now)) return true;
      this.#limits.accept(from, now);
      return false;
    }
    if (!this.#limits.accept(from, now) || this.#options.readOnly) return false;
    if (message.kind === 'query') this.#answer(message, from, now);
    else this.#sendAnswer(this.#refusal(message.transactionId, MALFORMED), from, now);
    return true;
  }

  #answer(query: KrpcQuery, from: PeerAddress, now: number): void {
    const { args, rawArgs, transactionId } = query;
    const answer = answerQuery(query.method, { node: this, from, args, rawArgs, now });
    const bytes =
      answer instanceof Refusal
        ? this.#refusal(transactionId, answer)
        : writeResponse(transactionId, { ...answer, id: this.id }, from, this.#options.version);
    this.#sendAnswer(bytes, from, now);
    if (query.readOnly) return; // BEP 43: it would not answer.
    this.#consider({ id: Uint8Array.from(query.senderId), address: from }, now);
  }

  #refusal(transactionId: Uint8Array, refusal: Refusal): Uint8Array {
    return writeError(transactionId, refusal.code, refusal.text, this.#options.version);
  }

  #sendAnswer(bytes: Uint8Array, to: PeerAddress, now: number): void {
    if (!this.#budget.takeAnswer(bytes.length, now)) return;
    this.traffic.queriesAnswered++;
    this.#options.send(bytes, to);
  }

  // — what goes out

  /** Sends a query. False if too many wait for an answer. */
  query(
    to: PeerAddress,
    method: string,
    args: Readonly<Record<string, Encodable | undefined>>,
    asker: Asker,
    now: number,
  ): boolean {
    const transactionId = this.#transactions.begin(to, this.#watched(to, asker), now);
    if (transactionId === null) return false;
    this.#budget.takeQuery();
    this.traffic.queriesSent++;
    const { version, readOnly } = this.#options;
    const query = { transactionId, method, args: { ...args, id: this.id }, version, readOnly };
    this.#options.send(writeQuery(query), to);
    return true;
  }

  /** Asks if somebody is there. `done` gets the round trip in milliseconds, or null. */
  ping(to: PeerAddress, now: number, done: (roundTripMs: number | null) => void): void {
    const asker: Asker = {
      onAnswer: (_, at) => done(at - now),
      onRefused: (_, at) => done(at - now),
      onLate: () => undefined,
      onFailed: () => done(null),
    };
    if (!this.query(to, 'ping', {}, asker, now)) done(null);
  }

  /** Begins a lookup from the table, and from `addresses` if it holds too few. */
  lookUp(task: LookupTask, addresses: readonly PeerAddress[], now: number): Lookup {
    const lookup = new Lookup(task, this, now);
    this.#lookups.add(lookup);
    lookup.offer(this.#table.starts(task.target));
    if (this.#table.size < THIN_TABLE) for (const address of addresses) lookup.offerAddress(address);
    lookup.pump(now);
    this.#tidyLookups(now);
    return lookup;
  }

  /** Finds the nodes around our own id, which fills the table (BEP 5). */
  findClosest(addresses: readonly PeerAddress[], now: number, done: () => void): Lookup {
    return this.lookUp(new FindNodeTask(this.id, this.want(), done), addresses, now);
  }

  /** Addresses to begin from turned up while lookups are waiting for some. */
  offerAddresses(addresses: readonly PeerAddress[], now: number): void {
    for (const lookup of [...this.#lookups]) {
      if (!lookup.isStarving) continue;
      for (const address of addresses) lookup.offerAddress(address);
      lookup.pump(now);
    }
    this.#tidyLookups(now);
  }

  /** Nodes that the other family's nodes named: worth a ping while we know so few. */
  onForeignNamed(contacts: readonly Contact[], now: number): void {
    if (this.#table.size < THIN_TABLE) for (const contact of contacts) this.#consider(contact, now);
  }

  /** BEP 32: both families while either table is thin, else only our own. */
  want(): Want {
    const { sibling } = this;
    if (sibling === null || sibling.table.size >= THIN_TABLE) return undefined;
    return ['n4', 'n6'];
  }

  // — time

  nextDeadline(): number {
    let next = Math.min(this.#transactions.nextDeadline(), this.#maintenance.nextDeadline());
    for (const lookup of this.#lookups) next = Math.min(next, lookup.nextDeadline());
    return next;
  }

  /** When lookups that wait for budget may go on; Infinity if none does. */
  budgetDeadline(now: number): number {
    return this.#isWaitingForBudget ? this.#budget.nextQueryAt(now) : Infinity;
  }

  onTime(now: number): void {
    this.#transactions.onTime(now);
    this.#maintenance.onTime(now);
    this.#isWaitingForBudget = false;
    for (const lookup of [...this.#lookups]) {
      // Whoever had a turn goes to the end of the line.
      this.#lookups.delete(lookup);
      this.#lookups.add(lookup);
      lookup.pump(now);
      if (this.#isWaitingForBudget) break;
    }
    this.#tidyLookups(now);
  }

  /** Forgets what is under way; nobody is told. */
  stop(): void {
    for (const lookup of this.#lookups) lookup.stop();
    this.#lookups.clear();
    this.#transactions.clear();
  }

  // — for lookups

  hasBudget(now: number): boolean {
    const has = this.#budget.hasQuery(now);
    if (!has) this.#isWaitingForBudget = true;
    return has;
  }

  ask(to: PeerAddress, { task }: Lookup, asker: Asker, now: number): boolean {
    return this.query(to, task.method, task.args(), asker, now);
  }

  contactsOf({ values }: KrpcResponse, from: PeerAddress): Contact[] {
    const named = readBytes(values, this.family === 4 ? 'nodes' : 'nodes6');
    const foreignFamily = this.family === 4 ? 6 : 4;
    const foreign = readBytes(values, foreignFamily === 4 ? 'nodes' : 'nodes6');
    if (foreign !== null && this.sibling !== null) {
      const believable = readContacts(foreign, foreignFamily).filter((each) => this.#isFit(each, from));
      if (believable.length > 0) this.#options.onForeignContacts(believable);
    }
    return named === null ? [] : readContacts(named, this.family).filter((each) => this.#isFit(each, from));
  }

  onNamed(contacts: readonly Contact[], now: number): void {
    if (this.#table.size < FULL_ENOUGH) for (const contact of contacts) this.#consider(contact, now);
  }

  tokenOf({ values }: KrpcResponse): Uint8Array | null {
    const token = readBytes(values, 'token');
    return token === null || token.length > TOKEN_READ_MAX ? null : Uint8Array.from(token);
  }

  // — for answers

  tableOf(family: IpFamily): RoutingTable | null {
    if (family === this.family) return this.#table;
    return this.sibling?.table ?? null;
  }

  ownPeer(infoHash: Uint8Array, asker: PeerAddress): PeerAddress | null {
    const port = this.#options.ownPort(infoHash);
    const host = port === 0 ? null : this.#addressVotes.likely(asker.host);
    return host === null ? null : { host, port };
  }

  onAnnounced(infoHash: Uint8Array, peer: PeerAddress): void {
    this.#options.onAnnounced(infoHash, peer);
  }

  // — inside

  /** The asker, with the table told first of what becomes of the query. */
  #watched(to: PeerAddress, asker: Asker): Asker {
    return {
      onAnswer: (answer, now) => {
        this.#onNodeAnswered(answer, to, now);
        asker.onAnswer(answer, now);
      },
      onRefused: (error, now) => asker.onRefused(error, now),
      onLate: (now) => asker.onLate(now),
      onFailed: (now) => {
        this.#table.onFailed(to);
        asker.onFailed(now);
      },
    };
  }

  #onNodeAnswered(answer: KrpcResponse, from: PeerAddress, now: number): void {
    const seenAs = answer.seenAs?.host;
    if (seenAs !== undefined && factsOf(seenAs).family === this.family) {
      this.#addressVotes.vote(from, seenAs);
      this.#options.onSeenAs?.(from, seenAs);
    }
    const contact = { id: Uint8Array.from(answer.senderId), address: from };
    if (!this.#table.onAnswered(contact, now)) return;
    // A lookup that began with too little takes in whoever turns up meanwhile.
    for (const lookup of [...this.#lookups]) {
      if (!lookup.isStarving) continue;
      lookup.offer([contact]);
      lookup.pump(now);
    }
  }

  /** Somebody may be a node: finds out if the table has room for it. */
  #consider(contact: Contact, now: number): void {
    const key = addressKey(contact.address);
    if (!this.#table.onHeard(contact, now) || this.#probing.has(key)) return;
    if (this.#probing.size >= PROBES_MAX || !this.#budget.hasQuery(now)) return;
    this.#probing.add(key);
    this.ping(contact.address, now, () => this.#probing.delete(key));
  }

  #probe(node: TableNode, now: number): void {
    node.probedAt = now;
    const bits = commonBits(this.id, node.id);
    const target = idInBucket(this.id, bits, this.#options.randomBytes(ID_LENGTH));
    const asker: Asker = {
      onAnswer: (answer, at) => {
        for (const contact of this.contactsOf(answer, node.address)) this.#consider(contact, at);
      },
      onRefused: () => undefined,
      onLate: () => undefined,
      onFailed: () => undefined,
    };
    this.query(node.address, 'find_node', { target, want: this.want() }, asker, now);
  }

  #isFit({ id, address }: Contact, from: PeerAddress): boolean {
    return isBelievable(address, from) && commonBits(id, this.id) < 8 * ID_LENGTH;
  }

  /** BEP 42: an id has to fit the address that the others see, or they will store nothing with us. */
  #reviewOwnId(now: number): void {
    const host = this.#addressVotes.agreed() ?? this.#options.externalHost?.() ?? null;
    if (host === null || isSecureId(this.id, host)) return;
    const old = this.#table;
    this.#table = new RoutingTable(secureId(host, this.#options.randomBytes(ID_LENGTH)));
    for (const node of old.nodes()) {
      if (node.isConfirmed && !node.isBad) this.#table.onAnswered(node, node.answeredAt);
      else this.#table.addUnconfirmed(node);
    }
    this.findClosest([], now, () => undefined);
  }

  #tidyLookups(now: number): void {
    for (const lookup of this.#lookups) {
      if (!lookup.isOver && lookup.nextDeadline() <= now) lookup.pump(now);
      if (lookup.isOver) this.#lookups.delete(lookup);
    }
  }
}

const MALFORMED = new Refusal('not a query: id, method or arguments are missing', ERROR_PROTOCOL);
