/**
 * The conversation with one UDP tracker at one address (BEP 15), as a machine: packets and time in, packets out.
 *
 * Nothing may be asked without a connection id, which proves that we receive at the address we send from. It is
 * asked for once and shared by all requests to this tracker, and holds for 60 s. UDP loses packets, so the connect
 * and each request are sent again 15 * 2^n s after the last time, until the request's own deadline.
 *
 *   no connection id, or too old  -> one connect is under way, requests wait
 *   connect answered              -> every waiting request is sent
 *   request answered, or refused  -> its `done` is called, and it is forgotten: a second answer finds nothing
 *   request not answered in time  -> the tracker may have restarted and lost its connection id: connect again
 *
 * The machine knows neither names nor sockets: whoever feeds it has checked that a packet came from the tracker's
 * address.
 */
import {
  ACTION_CONNECT,
  ACTION_ERROR,
  isWholeReply,
  readConnectReply,
  readErrorReply,
  readReplyHeader,
  writeConnect,
} from './udp-codec.ts';

/** BEP 15: "If a response is not received after 15 * 2 ^ n seconds", n from 0 to 8. */
const RESEND_MS = 15_000;
const RESEND_EXPONENT_MAX = 8;
/** BEP 15: a client uses a connection id until one minute after it received it. */
const CONNECTION_ID_MS = 60_000;

/** One announce or scrape. */
export interface UdpRequest {
  /** The action that a right answer has. */
  readonly action: number;
  readonly deadline: number;
  /** The packet, made anew for each sending because the ids change. */
  write(connectionId: Uint8Array, transactionId: number): Uint8Array;
  /** Called once, with the whole reply, or with the cause of failure in words. */
  done(reply: Uint8Array | string): void;
}

interface Pending {
  readonly request: UdpRequest;
  transactionId: number;
  /** When it was last sent; null while it waits for a connection id. */
  sentAt: number | null;
  tries: number;
  /** A tracker that calls our connection id wrong is believed once. */
  reconnected: boolean;
}

export class UdpExchange {
  readonly #send: (packet: Uint8Array) => void;
  readonly #newTransactionId: () => number;
  readonly #pending = new Set<Pending>();
  #connection: { id: Uint8Array; receivedAt: number } | null = null;
  #connect: { transactionId: number; sentAt: number; tries: number } | null = null;

  constructor(send: (packet: Uint8Array) => void, newTransactionId: () => number) {
    this.#send = send;
    this.#newTransactionId = newTransactionId;
  }

  /** Nothing is under way and nothing worth keeping is known. */
  isIdle(now: number): boolean {
    return this.#pending.size === 0 && this.#validConnection(now) === null;
  }

  /** Starts a request; `cancel` forgets it without calling `done`. */
  request(request: UdpRequest, now: number): { cancel(): void } {
    const pending: Pending = { request, transactionId: 0, sentAt: null, tries: 0, reconnected: false };
    this.#pending.add(pending);
    this.#trySend(pending, now);
    return {
      cancel: () => {
        this.#pending.delete(pending);
        if (this.#pending.size === 0) this.#connect = null;
      },
    };
  }

  /** Ends with this as the answer to all that is under way. */
  abandon(reason: string): void {
    for (const pending of [...this.#pending]) this.#finish(pending, reason);
  }

  /** When `onTime` has something to do. */
  nextDeadline(): number {
    let next = Infinity;
    if (this.#pending.size === 0) return next;
    if (this.#connect !== null) next = this.#connect.sentAt + resendDelay(this.#connect.tries);
    for (const { request, sentAt, tries } of this.#pending) {
      next = Math.min(next, request.deadline, sentAt === null ? Infinity : sentAt + resendDelay(tries));
    }
    return next;
  }

  onTime(now: number): void {
    for (const pending of [...this.#pending]) {
      if (now >= pending.request.deadline) this.#finish(pending, 'no answer');
    }
    for (const pending of this.#pending) {
      if (pending.sentAt !== null && now >= pending.sentAt + resendDelay(pending.tries)) {
        if (this.#connection !== null && this.#connection.receivedAt <= pending.sentAt)
          this.#connection = null;
        this.#trySend(pending, now);
      }
    }
    const connect = this.#connect;
    if (connect !== null && now >= connect.sentAt + resendDelay(connect.tries)) {
      this.#sendConnect(now, connect.tries);
    }
  }

  /** Takes a packet from the tracker's address; false if it answers nothing we asked. */
  receive(packet: Uint8Array, now: number): boolean {
    const header = readReplyHeader(packet);
    if (header === null) return false;
    if (header.transactionId === this.#connect?.transactionId) {
      return this.#onConnectReply(packet, header.action, now);
    }
    for (const pending of this.#pending) {
      if (pending.sentAt === null || pending.transactionId !== header.transactionId) continue;
      return this.#onReply(pending, packet, header.action, now);
    }
    return false;
  }

  #onConnectReply(packet: Uint8Array, action: number, now: number): boolean {
    if (action === ACTION_ERROR) {
      const message = readErrorReply(packet);
      for (const pending of [...this.#pending]) {
        if (pending.sentAt === null) this.#finish(pending, message);
      }
      this.#connect = null;
      return true;
    }
    if (action !== ACTION_CONNECT || !isWholeReply(packet, action)) return false;
    this.#connect = null;
    this.#connection = { id: readConnectReply(packet), receivedAt: now };
    for (const pending of this.#pending) if (pending.sentAt === null) this.#trySend(pending, now);
    return true;
  }

  #onReply(pending: Pending, packet: Uint8Array, action: number, now: number): boolean {
    if (action === ACTION_ERROR) {
      const message = readErrorReply(packet);
      if (/connection.?id/i.test(message) && !pending.reconnected) {
        pending.reconnected = true;
        this.#connection = null;
        this.#trySend(pending, now);
      } else {
        this.#finish(pending, message);
      }
      return true;
    }
    if (action !== pending.request.action || !isWholeReply(packet, action)) return false;
    this.#finish(pending, packet);
    return true;
  }

  /** Sends the request, or what has to come before it. */
  #trySend(pending: Pending, now: number): void {
    const connection = this.#validConnection(now);
    if (connection === null) {
      pending.sentAt = null;
      // A connect that is overdue belongs to requests before this one: begin anew rather than wait for its next
      // turn.
      if (this.#connect === null || now - this.#connect.sentAt >= RESEND_MS) this.#sendConnect(now, 0);
      return;
    }
    pending.transactionId = this.#newTransactionId();
    pending.sentAt = now;
    pending.tries++;
    this.#send(pending.request.write(connection.id, pending.transactionId));
  }

  #sendConnect(now: number, triesBefore: number): void {
    const transactionId = this.#newTransactionId();
    this.#connect = { transactionId, sentAt: now, tries: triesBefore + 1 };
    this.#send(writeConnect(transactionId));
  }

  #validConnection(now: number): { id: Uint8Array } | null {
    const connection = this.#connection;
    return connection !== null && now - connection.receivedAt < CONNECTION_ID_MS ? connection : null;
  }

  #finish(pending: Pending, reply: Uint8Array | string): void {
    this.#pending.delete(pending);
    if (this.#pending.size === 0) this.#connect = null;
    pending.request.done(reply);
  }
}

/** After the `tries`th sending. */
function resendDelay(tries: number): number {
  return RESEND_MS * 2 ** Math.min(tries - 1, RESEND_EXPONENT_MAX);
}
