/**
 * Queries that wait for their answers.
 *
 * An answer counts if it has the transaction id of a query and comes from where that query went, address and port. The
 * ids are unguessable, because anybody can send under anybody's address. Each query ends once: answered, refused, or
 * failed after ten seconds. In between it may turn late (see `response-time.ts`), which ends nothing.
 */
import { readU32, writeU32 } from '../util/bytes.ts';
import { Heap } from '../util/heap.ts';
import type { PeerAddress } from '../util/ip.ts';
import type { KrpcError, KrpcResponse } from './krpc.ts';
import { ResponseTime } from './response-time.ts';

/** Then a node is taken to be gone; nobody answers a datagram that old. */
const FAILED_AFTER_MS = 10_000;
/** More than ten seconds of queries at the rate that `QueryBudget` allows. */
const OUTSTANDING_MAX = 4000;

/** Who asked. */
export interface Asker {
  onAnswer(answer: KrpcResponse, now: number): void;
  /** An error came back: the node is there, but will not do it. */
  onRefused(error: KrpcError, now: number): void;
  /** It takes longer than usual; better ask somebody else as well. */
  onLate(now: number): void;
  onFailed(now: number): void;
}

class Transaction {
  readonly id: number;
  readonly to: PeerAddress;
  readonly asker: Asker;
  readonly sentAt: number;
  isOpen = true;
  isLate = false;

  constructor(id: number, to: PeerAddress, asker: Asker, sentAt: number) {
    this.id = id;
    this.to = to;
    this.asker = asker;
    this.sentAt = sentAt;
  }
}

export class Transactions {
  readonly responseTime = new ResponseTime();
  readonly #randomBytes: (count: number) => Uint8Array;
  readonly #open = new Map<number, Transaction>();
  readonly #deadlines = new Heap<Transaction>();

  constructor(randomBytes: (count: number) => Uint8Array) {
    this.#randomBytes = randomBytes;
  }

  get size(): number {
    return this.#open.size;
  }

  /** The transaction id to send a query with, or null if too many wait already. */
  begin(to: PeerAddress, asker: Asker, now: number): Uint8Array | null {
    if (this.#open.size >= OUTSTANDING_MAX) return null;
    let id: number;
    do id = readU32(this.#randomBytes(4), 0);
    while (this.#open.has(id));
    const transaction = new Transaction(id, to, asker, now);
    this.#open.set(id, transaction);
    this.#deadlines.push(now + this.responseTime.lateAfterMs, transaction);
    const bytes = new Uint8Array(4);
    writeU32(bytes, 0, id);
    return bytes;
  }

  /** True if the message answers a query of ours. */
  onMessage(message: KrpcResponse | KrpcError, from: PeerAddress, now: number): boolean {
    if (message.transactionId.length !== 4) return false;
    const transaction = this.#open.get(readU32(message.transactionId, 0));
    if (transaction?.to.port !== from.port || transaction.to.host !== from.host) return false;
    this.#end(transaction);
    this.responseTime.add(now - transaction.sentAt);
    if (message.kind === 'response') transaction.asker.onAnswer(message, now);
    else transaction.asker.onRefused(message, now);
    return true;
  }

  nextDeadline(): number {
    // Those that were answered leave when their time comes up here.
    while (this.#deadlines.size > 0 && !this.#deadlines.min!.isOpen) this.#deadlines.pop();
    return this.#deadlines.minKey;
  }

  onTime(now: number): void {
    while (this.nextDeadline() <= now) {
      const transaction = this.#deadlines.pop()!;
      if (!transaction.isLate) {
        transaction.isLate = true;
        this.#deadlines.push(transaction.sentAt + FAILED_AFTER_MS, transaction);
        transaction.asker.onLate(now);
      } else {
        this.#end(transaction);
        transaction.asker.onFailed(now);
      }
    }
  }

  /** Forgets all queries; nobody is told. */
  clear(): void {
    for (const transaction of this.#open.values()) transaction.isOpen = false;
    this.#open.clear();
  }

  #end(transaction: Transaction): void {
    transaction.isOpen = false;
    this.#open.delete(transaction.id);
  }
}
