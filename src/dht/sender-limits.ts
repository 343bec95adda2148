import type { PeerAddress } from '../util/ip.ts';
import { TokenBucket } from '../util/token-bucket.ts';
import { senderOf } from './contact.ts';

/** libtorrent's rule: whoever sends more than 5 messages a second for ten seconds is not heard for five minutes. */
const MESSAGES_MAX = 50;
const WINDOW_MS = 10_000;
const SILENCE_MS = 5 * 60_000;
/** Senders watched at once. A flood under ever new addresses only makes us forget the quiet ones. */
const SENDERS_MAX = 2000;

/** Bytes of answers: what libtorrent gives, which is far below any home connection and useless for an attack. */
const ANSWER_BYTES_PER_SEC = 8000;
const ANSWER_BURST_MS = 3000;
/** Our own queries. Ten thousand torrents, announced every 15 minutes, take half of this. */
const QUERIES_PER_SEC = 250;
const QUERY_BURST_MS = 1000;

interface Sender {
  windowStart: number;
  messages: number;
  ignoredUntil: number;
}

/** Who sends too much is not heard for a while. Answers that we asked for do not count. */
export class SenderLimits {
  readonly #senders = new Map<string, Sender>();

  get size(): number {
    return this.#senders.size;
  }

  /** May this message be looked at? */
  accept(from: PeerAddress, now: number): boolean {
    const key = senderOf(from);
    let sender = this.#senders.get(key);
    if (sender === undefined) {
      if (this.#senders.size >= SENDERS_MAX) this.#senders.delete(this.#senders.keys().next().value!);
      sender = { windowStart: now, messages: 0, ignoredUntil: -Infinity };
      this.#senders.set(key, sender);
    }
    if (now < sender.ignoredUntil) {
      sender.ignoredUntil = now + SILENCE_MS; // It has to be silent for that long.
      return false;
    }
    if (now - sender.windowStart >= WINDOW_MS) {
      sender.windowStart = now;
      sender.messages = 0;
    }
    if (++sender.messages <= MESSAGES_MAX) return true;
    sender.ignoredUntil = now + SILENCE_MS;
    return false;
  }
}

/** What may leave: answers by their bytes, queries by their number. */
export class SendBudget {
  readonly #answers: TokenBucket;
  readonly #queries: TokenBucket;

  constructor(now: number) {
    this.#answers = new TokenBucket(ANSWER_BYTES_PER_SEC, ANSWER_BURST_MS, now);
    this.#queries = new TokenBucket(QUERIES_PER_SEC, QUERY_BURST_MS, now);
  }

  /** False: the answer is not to be sent. */
  takeAnswer(bytes: number, now: number): boolean {
    if (this.#answers.available(now) < bytes) return false;
    this.#answers.take(bytes);
    return true;
  }

  hasQuery(now: number): boolean {
    return this.#queries.available(now) >= 1;
  }

  takeQuery(): void {
    this.#queries.take(1);
  }

  /** When there will be one query more. */
  nextQueryAt(now: number): number {
    const missing = 1 - this.#queries.available(now);
    return missing <= 0 ? now : now + Math.ceil((missing * 1000) / QUERIES_PER_SEC);
  }
}
