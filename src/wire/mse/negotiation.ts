import { concatBytes, equalBytes, readU16, readU32, utf8, writeU16, writeU32 } from '../../util/bytes.ts';
import type { Sha1 } from '../allowed-fast.ts';
import { PeerError } from '../link.ts';
import { HANDSHAKE_LENGTH } from '../message.ts';
import { isPublicKey, KEY_LENGTH, type KeyExchange } from './dh.ts';
import { Rc4 } from './rc4.ts';

/**
 * The handshake of message stream encryption (MSE, also "protocol encryption"; described in the wiki of Vuze, no BEP).
 *
 *     A, who dialled                                        B, who was dialled
 *     1  Ya, PadA                          ──>
 *                                          <──              2  Yb, PadB
 *     3  HASH('req1', S)                   ──>
 *        HASH('req2', SKEY) xor HASH('req3', S)
 *        [VC, crypto_provide, len PadC, PadC, len IA, IA]
 *                                          <──              4  [VC, crypto_select, len PadD, PadD]
 *
 * Ya and Yb are Diffie-Hellman keys, S is the secret they make. SKEY is the info hash: A must know it, and B finds the
 * torrent by its hash. [...] is enciphered by RC4, each direction with a key of its own made of S and SKEY. Pads are 0 to
 * 512 random bytes, so that no packet has a length to be known by. Those of 1 and 2 have no length field: what follows
 * is found by its look, A's step 3 by a hash that both can compute, B's step 4 by what the eight zeros of VC are
 * enciphered to. IA is what A would have said first, often its BitTorrent handshake. What comes after is enciphered
 * too, or plain, as B selected.
 *
 * Each step names how many bytes it needs, gets exactly those, and names the next. So nothing is read beyond the
 * handshake, and no peer can make it hold more than `FIELD_MAX`.
 */

export const PAD_MAX = 512;

/** crypto_provide and crypto_select, bits. */
export const PLAINTEXT = 1;
export const RC4 = 2;

const VC_LENGTH = 8;
const HASH_LENGTH = 20;
/** Initial payload: a handshake, which is what every client sends here if anything. libtorrent has the same limit. */
export const INITIAL_MAX = HANDSHAKE_LENGTH;
/** PadC with the length after it. */
const FIELD_MAX = PAD_MAX + 2;
/** The beginning of RC4's key stream tells of the key. */
const RC4_DISCARD = 1_024;

const REQ1 = utf8('req1');
const REQ2 = utf8('req2');
const REQ3 = utf8('req3');
const KEY_A = utf8('keyA');
const KEY_B = utf8('keyB');

/** What a handshake needs and pure code does not have. */
export interface MseTools {
  readonly sha1: Sha1;
  keyExchange(): KeyExchange;
  /**
   * Who dials us makes us work: `exchange` is called when it is its turn, never in this one. It returns false if there was
   * nothing to do any more, and the next may go at once.
   */
  pace(exchange: () => boolean): void;
  /**
   * Our own code failed in the handshake of a connection, which is closed already. Without it the error goes on to whoever
   * called.
   */
  onBug?(error: unknown): void;
  /** Unguessable bytes. */
  random(count: number): Uint8Array;
}

/** What the two agreed upon. */
export interface Agreement {
  /** Null: what comes in after the handshake is plain. */
  readonly incoming: Rc4 | null;
  /** Null: what goes out after the handshake is plain. */
  readonly outgoing: Rc4 | null;
  /** What the other side said with its handshake, deciphered. */
  readonly initial: Uint8Array;
}

/** The info hash of the torrent that goes by this name, or null. */
export type ObfuscatedLookup = (name: Uint8Array) => Uint8Array | null;

/** What we take from peers that dial us. */
export interface InboundEncryption {
  readonly lookup: ObfuscatedLookup;
  /** Refuse who is plain, or wants to go on in plain after the handshake. */
  readonly required: boolean;
}

/** The encrypted handshake of a peer that we dial. */
export interface OutboundEncryption {
  readonly infoHash: Uint8Array;
  /** How to go on after it: `PLAINTEXT`, `RC4` or both, of which the peer selects one. */
  readonly provide: number;
}

/** By what name a torrent is asked for in an encrypted handshake: 20 bytes that do not give away the info hash. */
export function obfuscatedName(infoHash: Uint8Array, sha1: Sha1): Uint8Array {
  return sha1(concatBytes([REQ2, infoHash]));
}

/** Parts of our handshake. Of the last of A's, as many bytes as told are the initial payload. */
type Send = (bytes: Uint8Array, ofInitial: number) => void;
type Step = (field: Uint8Array) => void;

/** Hands to each step the bytes that it asked for, in whatever stretches they come. */
class Steps {
  readonly #field = new Uint8Array(FIELD_MAX);
  #filled = 0;
  #needed = 0;
  #step: Step | null = null;

  /** The next step, which gets `count` bytes; it may change them, and not keep them. */
  expect(count: number, step: Step): void {
    this.#filled = 0;
    this.#needed = count;
    this.#step = step;
    if (count === 0) step(this.#field.subarray(0, 0));
  }

  /** Moves on until `pattern` has come, which must be so after at most `PAD_MAX` other bytes. */
  search(pattern: Uint8Array, found: () => void): void {
    let skipped = 0;
    const look = (window: Uint8Array): void => {
      if (equalBytes(window, pattern)) {
        found();
        return;
      }
      if (skipped++ === PAD_MAX) throw new PeerError('bad-handshake', 'no end to the padding of a key');
      this.expect(pattern.length, look);
      this.#field.copyWithin(0, 1, pattern.length);
      this.#filled = pattern.length - 1;
    };
    this.expect(pattern.length, look);
  }

  end(): void {
    this.#step = null;
  }

  /** Returns how many bytes of `chunk` belong to the handshake: all but those after its end. */
  receive(chunk: Uint8Array): number {
    let at = 0;
    while (at < chunk.length && this.#step !== null) {
      const count = Math.min(this.#needed - this.#filled, chunk.length - at);
      this.#field.set(chunk.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === this.#needed) this.#step(this.#field.subarray(0, this.#needed));
    }
    return at;
  }
}

/**
 * B's side. Says nothing before it has A's whole key, nor before its turn to work on it. A cannot go on without our key,
 * so what comes meanwhile is padding, or no handshake.
 */
export class Responder {
  /** Set at the end of the handshake. */
  agreement: Agreement | null = null;
  readonly #tools: MseTools;
  readonly #policy: InboundEncryption;
  readonly #send: Send;
  readonly #steps = new Steps();
  /** What came while we wait for our turn; null if we do not. */
  #early: Uint8Array | null = null;
  #isCancelled = false;
  #secret!: Uint8Array;
  #incoming!: Rc4;
  #outgoing!: Rc4;
  #selected = 0;

  constructor(tools: MseTools, policy: InboundEncryption, send: Send) {
    this.#tools = tools;
    this.#policy = policy;
    this.#send = send;
    this.#steps.expect(KEY_LENGTH, (key) => this.#onKey(key));
  }

  /**
   * Returns how many bytes of `chunk` belong to the handshake.
   * @throws PeerError as soon as this cannot become a handshake any more.
   */
  receive(chunk: Uint8Array): number {
    const used = this.#steps.receive(chunk);
    if (this.#early === null) return used;
    this.#early = concatBytes([this.#early, chunk.subarray(used)]);
    if (this.#early.length > PAD_MAX) throw new PeerError('bad-handshake', 'too much padding after a key');
    return chunk.length;
  }

  /** The peer is gone: its key is not worth the work. */
  cancel(): void {
    this.#isCancelled = true;
  }

  #onKey(field: Uint8Array): void {
    const key = validKey(field);
    this.#steps.end();
    this.#early = new Uint8Array(0);
    this.#tools.pace(() => {
      if (!this.#isCancelled) this.#exchange(key);
      return !this.#isCancelled;
    });
  }

  #exchange(key: Uint8Array): void {
    const exchange = this.#tools.keyExchange();
    this.#secret = exchange.secret(key);
    this.#send(concatBytes([exchange.publicKey(), pad(this.#tools)]), 0);
    this.#steps.search(this.#hash(REQ1, this.#secret), () => {
      this.#steps.expect(HASH_LENGTH, (field) => this.#onName(field));
    });
    // Not as long as a padding and the end of it, so this finds no fault.
    this.#steps.receive(this.#early!);
    this.#early = null;
  }

  #onName(field: Uint8Array): void {
    const infoHash = this.#policy.lookup(xor(field, this.#hash(REQ3, this.#secret)));
    if (infoHash === null) throw new PeerError('unknown-torrent', 'a torrent that we do not have');
    this.#incoming = cipher(this.#tools.sha1, KEY_A, this.#secret, infoHash);
    this.#outgoing = cipher(this.#tools.sha1, KEY_B, this.#secret, infoHash);
    this.#steps.expect(VC_LENGTH + 6, (offer) => this.#onOffer(offer));
  }

  #onOffer(field: Uint8Array): void {
    this.#incoming.apply(field);
    if (!equalBytes(field.subarray(0, VC_LENGTH), new Uint8Array(VC_LENGTH))) {
      throw new PeerError('bad-handshake', 'the enciphered part does not begin with zeros');
    }
    const offered = readU32(field, VC_LENGTH);
    // Plain is preferred because it costs nothing and RC4 protects nothing; the handshake has been hidden in any case.
    this.#selected = (!this.#policy.required && offered & PLAINTEXT) || offered & RC4;
    if (this.#selected === 0) throw new PeerError('bad-handshake', `nothing that we take among ${offered}`);
    const padLength = checkPad(readU16(field, VC_LENGTH + 4));
    this.#steps.expect(padLength + 2, (padded) => {
      this.#incoming.apply(padded);
      this.#onInitialLength(readU16(padded, padLength));
    });
  }

  #onInitialLength(length: number): void {
    if (length > INITIAL_MAX) throw new PeerError('bad-handshake', `an initial payload of ${length} bytes`);
    this.#steps.expect(length, (initial) => {
      this.#incoming.apply(initial);
      this.#answer(initial.slice());
    });
  }

  #answer(initial: Uint8Array): void {
    const padding = pad(this.#tools);
    const head = new Uint8Array(VC_LENGTH + 6);
    writeU32(head, VC_LENGTH, this.#selected);
    writeU16(head, VC_LENGTH + 4, padding.length);
    const answer = concatBytes([head, padding]);
    this.#outgoing.apply(answer);
    this.#send(answer, 0);
    this.#steps.end();
    this.agreement = agreement(this.#selected, this.#incoming, this.#outgoing, initial);
  }

  #hash(word: Uint8Array, bytes: Uint8Array): Uint8Array {
    return this.#tools.sha1(concatBytes([word, bytes]));
  }
}

/** A's side. Begins to speak when it is made. */
export class Initiator {
  /** Set at the end of the handshake. */
  agreement: Agreement | null = null;
  readonly #tools: MseTools;
  readonly #offer: OutboundEncryption;
  readonly #initial: () => Uint8Array;
  readonly #send: Send;
  readonly #steps = new Steps();
  #incoming!: Rc4;
  #outgoing!: Rc4;

  /** @param initial Tells what to send with the handshake, at most `INITIAL_MAX` bytes; called once. */
  constructor(tools: MseTools, offer: OutboundEncryption, initial: () => Uint8Array, send: Send) {
    this.#tools = tools;
    this.#offer = offer;
    this.#initial = initial;
    this.#send = send;
    const exchange = tools.keyExchange();
    send(concatBytes([exchange.publicKey(), pad(tools)]), 0);
    this.#steps.expect(KEY_LENGTH, (key) => this.#onKey(exchange.secret(validKey(key))));
  }

  /**
   * Returns how many bytes of `chunk` belong to the handshake.
   * @throws PeerError as soon as this cannot become a handshake any more.
   */
  receive(chunk: Uint8Array): number {
    return this.#steps.receive(chunk);
  }

  #onKey(secret: Uint8Array): void {
    const { sha1 } = this.#tools;
    const { infoHash } = this.#offer;
    this.#outgoing = cipher(sha1, KEY_A, secret, infoHash);
    this.#incoming = cipher(sha1, KEY_B, secret, infoHash);
    const name = xor(obfuscatedName(infoHash, sha1), sha1(concatBytes([REQ3, secret])));
    const initial = this.#initial();
    const enciphered = this.#enciphered(initial);
    this.#send(concatBytes([sha1(concatBytes([REQ1, secret])), name, enciphered]), initial.length);
    // The search compares with the key stream of VC, so that looking uses up no more of it than VC does.
    const zeros = new Uint8Array(VC_LENGTH);
    this.#incoming.apply(zeros);
    this.#steps.search(zeros, () => this.#steps.expect(6, (field) => this.#onSelect(field)));
  }

  #enciphered(initial: Uint8Array): Uint8Array {
    const padding = pad(this.#tools);
    const head = new Uint8Array(VC_LENGTH + 6);
    writeU32(head, VC_LENGTH, this.#offer.provide);
    writeU16(head, VC_LENGTH + 4, padding.length);
    const initialLength = new Uint8Array(2);
    writeU16(initialLength, 0, initial.length);
    const whole = concatBytes([head, padding, initialLength, initial]);
    this.#outgoing.apply(whole);
    return whole;
  }

  #onSelect(field: Uint8Array): void {
    this.#incoming.apply(field);
    const selected = readU32(field, 0);
    if ((selected !== PLAINTEXT && selected !== RC4) || (selected & this.#offer.provide) === 0) {
      throw new PeerError('bad-handshake', `${selected} selected, which was not offered`);
    }
    this.#steps.expect(checkPad(readU16(field, 4)), (padding) => {
      this.#incoming.apply(padding);
      this.#steps.end();
      this.agreement = agreement(selected, this.#incoming, this.#outgoing, new Uint8Array(0));
    });
  }
}

/** A copy. */
function validKey(field: Uint8Array): Uint8Array {
  if (!isPublicKey(field)) throw new PeerError('bad-handshake', 'no valid key');
  return field.slice();
}

function cipher(sha1: Sha1, word: Uint8Array, secret: Uint8Array, infoHash: Uint8Array): Rc4 {
  const rc4 = new Rc4(sha1(concatBytes([word, secret, infoHash])));
  rc4.discard(RC4_DISCARD);
  return rc4;
}

function agreement(selected: number, incoming: Rc4, outgoing: Rc4, initial: Uint8Array): Agreement {
  return selected === RC4 ? { incoming, outgoing, initial } : { incoming: null, outgoing: null, initial };
}

function checkPad(length: number): number {
  if (length > PAD_MAX) throw new PeerError('bad-handshake', `a padding of ${length} bytes`);
  return length;
}

/** 0 to `PAD_MAX` random bytes. The lengths are as good as equally likely: 2^16 is 127 times 513 and some. */
function pad(tools: MseTools): Uint8Array {
  return tools.random(readU16(tools.random(2), 0) % (PAD_MAX + 1));
}

/** Both have the same length. */
function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i]!);
}
