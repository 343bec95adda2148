import { encode, tryDecode } from './bencode/codec.ts';
import { DHT_LIMITS } from './bencode/scan.ts';
import type { DhtDriver, DhtFamilyStats } from './engine/discovery/dht-driver.ts';
import type { InfoHashSample, PutResult } from './engine/discovery/dht-operations.ts';
import type { ImmutableItem, MutableItem } from './dht/item.ts';
import type { Subsystem } from './engine/subsystem.ts';
import { TimeoutError, TorrentTsError, UsageError } from './errors.ts';
import type { Cancel, Resolver } from './ports.ts';
import { fromHex, utf8 } from './util/bytes.ts';
import { canonicalIp, ipFamily, type PeerAddress } from './util/ip.ts';

/** What is stored: text and bytes become a byte string; `bencoded` is stored as it is. At most 1,000 bytes in bencode. */
export type DhtValue = string | Uint8Array | { readonly bencoded: Uint8Array };

/** A value that was found. Nobody vouches for what it says. */
export interface DhtItem {
  /** As it is stored. */
  readonly bencoded: Uint8Array;
  /** The content of a byte string; null if it is something else. */
  readonly bytes: Uint8Array | null;
}

/** A value that its owner may replace (BEP 44), with a right signature. */
export interface MutableDhtItem extends DhtItem {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly salt: Uint8Array;
  /** A higher one replaces a lower one. */
  readonly sequence: bigint;
}

/** What to sign and store. */
export interface MutablePut {
  /** The private key as RFC 8032 has it: 32 random bytes. */
  readonly seed: Uint8Array;
  readonly value: DhtValue;
  /** Tells the items of one key apart; at most 64 bytes. Default: none. */
  readonly salt?: Uint8Array;
  /** Default: one more than that of the item that is there. */
  readonly sequence?: bigint;
  /** Replace only an item with this sequence number. Default: any. */
  readonly expect?: bigint;
}

export interface DhtPutResult extends PutResult {
  /** Of a mutable item: what it is found by, besides the salt. */
  readonly publicKey: Uint8Array | null;
  readonly sequence: bigint | null;
}

interface Abortable {
  readonly signal?: AbortSignal;
}

/** An operation under way: how it ends if the client closes. */
type Abort = (reason: Error) => void;

const ID_BYTES = 20;
const KEY_BYTES = 32;

/**
 * The DHT (BEP 5) as a phone book: who has a torrent, and small values that its nodes keep (BEP 44). It starts with the
 * first question or the first torrent that may use it. All operations end: with the signal's reason, `ERR_CLOSED` when the
 * client closes, `ERR_INTERNAL` when a bug of ours ends it, or what was found in a few seconds.
 */
export class DhtHandle {
  readonly #dht: DhtDriver;
  readonly #part: Subsystem;
  readonly #resolver: Resolver | null;
  readonly #underWay = new Set<Abort>();
  #isClosed = false;

  /** @internal Use `client.dht`. */
  constructor(dht: DhtDriver, part: Subsystem, resolver: Resolver | null) {
    this.#dht = dht;
    this.#part = part;
    this.#resolver = resolver;
    part.onFailed((failure) => this.#abortAll(failure));
  }

  /** Starts it now, for a client that is to help others, instead of with the first torrent or question. */
  start(): void {
    if (this.#isClosed) throw closed();
    this.#part.run(() => this.#dht.wake(), undefined);
  }

  /** One entry per address family, in numbers. Asking does not start it. */
  stats(): DhtFamilyStats[] {
    return this.#part.run(() => this.#dht.stats(), []);
  }

  /**
   * Peers of a torrent, each once, as they are found; ends when the nodes closest to it have been asked.
   * @param infoHash 20 bytes or 40 hexadecimal digits.
   * @throws UsageError for anything else.
   */
  async *getPeers(
    infoHash: Uint8Array | string,
    options: Abortable = {},
  ): AsyncIterableIterator<PeerAddress> {
    const target = idOf(infoHash, 'info hash');
    const found: PeerAddress[] = [];
    const seen = new Set<string>();
    let wake: () => void = () => undefined;
    let isOver = false;
    const stop = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, stop.signal]) : stop.signal;
    const end = this.#run<unknown>((done) => {
      const onPeers = (peers: readonly PeerAddress[]): void => {
        for (const peer of peers) {
          const key = `${peer.host} ${peer.port}`;
          if (!seen.has(key)) found.push(peer);
          seen.add(key);
        }
        wake();
      };
      return this.#dht.getPeers(target, onPeers, done);
    }, signal).finally(() => {
      isOver = true;
      wake();
    });
    // Awaited below, unless the caller leaves before the end.
    end.catch(() => undefined);
    try {
      for (;;) {
        for (let peer = found.shift(); peer !== undefined; peer = found.shift()) yield peer;
        if (isOver) break;
        await new Promise<void>((resolve) => (wake = resolve));
      }
      await end;
    } finally {
      stop.abort();
    }
  }

  /** Estimates how many seeds and other peers a torrent has (BEP 33). @param infoHash 20 bytes or 40 hexadecimal digits. */
  async scrape(
    infoHash: Uint8Array | string,
    options: Abortable = {},
  ): Promise<{ readonly seeds: number; readonly peers: number }> {
    const target = idOf(infoHash, 'info hash');
    return this.#run((done) => this.#dht.scrape(target, done), options.signal);
  }

  /**
   * Asks if there is a node, and how far it is, in milliseconds.
   * @param node Its host may be a name.
   * @throws TimeoutError if nobody answers in ten seconds.
   */
  async ping(
    node: { readonly host: string; readonly port: number },
    options: Abortable = {},
  ): Promise<number> {
    const address = await this.#addressOf(node, options.signal);
    const ms = await this.#run<number | null>((done) => this.#dht.ping(address, done), options.signal);
    if (ms === null) throw new TimeoutError(`${node.host}:${node.port} does not answer`);
    return ms;
  }

  /** Info hashes that a node has peers of, a few of them (BEP 51); null if it does not tell. */
  async sampleInfohashes(
    node: { readonly host: string; readonly port: number },
    target: Uint8Array | string,
    options: Abortable = {},
  ): Promise<InfoHashSample | null> {
    const id = idOf(target, 'target');
    const address = await this.#addressOf(node, options.signal);
    return this.#run((done) => this.#dht.sampleInfohashes(address, id, done), options.signal);
  }

  /** The value under a target, which is its hash; null if nobody has it. @param target 20 bytes or 40 hexadecimal digits. */
  async getImmutable(target: Uint8Array | string, options: Abortable = {}): Promise<DhtItem | null> {
    const id = idOf(target, 'target');
    const item = await this.#run<ImmutableItem | null>(
      (done) => this.#dht.getImmutable(id, done),
      options.signal,
    );
    return item && itemOf(item.value);
  }

  /** Stores a value under its hash. Nodes forget it after two hours; whoever wants it kept puts it again. */
  async putImmutable(value: DhtValue, options: Abortable = {}): Promise<DhtPutResult> {
    const bencoded = bencode(value);
    const result = await this.#run<PutResult>(
      (done) => this.#dht.putImmutable(bencoded, done),
      options.signal,
    );
    return { ...result, publicKey: null, sequence: null };
  }

  /** The latest value of a key; null if nobody has any. @param publicKey 32 bytes or 64 hexadecimal digits. */
  async getMutable(
    publicKey: Uint8Array | string,
    options: Abortable & { readonly salt?: Uint8Array } = {},
  ): Promise<MutableDhtItem | null> {
    const key = { publicKey: bytesOf(publicKey, KEY_BYTES, 'public key'), salt: options.salt ?? NO_SALT };
    const item = await this.#run<MutableItem | null>(
      (done) => this.#dht.getMutable(key, done),
      options.signal,
    );
    return item && { ...itemOf(item.value), ...key, sequence: item.sequence };
  }

  /** Signs a value and stores it under its key and salt. @throws UsageError if it is too long. */
  async putMutable(put: MutablePut, options: Abortable = {}): Promise<DhtPutResult> {
    const value = bencode(put.value);
    const seed = bytesOf(put.seed, KEY_BYTES, 'seed');
    const salt = put.salt ?? NO_SALT;
    // Signed once to find what is wrong with it before anybody is asked.
    const { publicKey } = this.#dht.signItem(seed, value, put.sequence ?? 0n, salt);
    const there = put.sequence === undefined ? await this.getMutable(publicKey, { ...options, salt }) : null;
    const sequence = put.sequence ?? (there ? there.sequence + 1n : 0n);
    const item = this.#dht.signItem(seed, value, sequence, salt);
    const result = await this.#run<PutResult>(
      (done) => this.#dht.putMutable(item, put.expect ?? null, done),
      options.signal,
    );
    return { ...result, publicKey, sequence };
  }

  /** @internal */
  close(): void {
    this.#isClosed = true;
    this.#abortAll(closed());
  }

  #abortAll(reason: Error): void {
    for (const abort of [...this.#underWay]) abort(reason);
  }

  async #addressOf(
    { host, port }: { readonly host: string; readonly port: number },
    signal: AbortSignal | undefined,
  ): Promise<PeerAddress> {
    if (!Number.isInteger(port) || port < 1 || port > 65_535) {
      throw new UsageError(`port must be from 1 to 65535, got ${port}`);
    }
    const ip = canonicalIp(host);
    if (ip !== null) return { host: ip, port };
    for (const family of [4, 6] as const) {
      const [first] = await this.#run<readonly string[]>(
        (done) => this.#resolver?.resolve(host, family, done) ?? NOTHING,
        signal,
      );
      if (first !== undefined && ipFamily(first) === family) return { host: first, port };
    }
    throw new TimeoutError(`no address found for ${JSON.stringify(host)}`);
  }

  /** Starts the DHT if it sleeps, and runs one operation to its end. */
  #run<T>(begin: (done: (result: T) => void) => Cancel, signal?: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#isClosed) throw closed();
      if (this.#part.failure) throw this.#part.failure;
      const settle = (): void => {
        this.#underWay.delete(abort);
        signal?.removeEventListener('abort', onAbort);
      };
      const operation = this.#begin(begin, (result) => {
        settle();
        resolve(result);
      });
      const abort: Abort = (reason) => {
        settle();
        this.#part.run(() => operation.cancel(), undefined);
        reject(reason);
      };
      const onAbort = (): void => abort(signal!.reason as Error);
      signal?.addEventListener('abort', onAbort);
      this.#underWay.add(abort);
    });
  }

  /** @throws what is wrong with the question, or the failure that the question brought to light. */
  #begin<T>(begin: (done: (result: T) => void) => Cancel, done: (result: T) => void): Cancel {
    try {
      this.#dht.wake();
      return begin(done);
    } catch (error) {
      if (!(error instanceof TorrentTsError)) this.#part.fail(error);
      throw this.#part.failure ?? error;
    }
  }
}

const NO_SALT = new Uint8Array(0);
const NOTHING: Cancel = { cancel: () => undefined };

function closed(): UsageError {
  return new UsageError('the client is closed', 'ERR_CLOSED');
}

function idOf(id: Uint8Array | string, what: string): Uint8Array {
  return bytesOf(id, ID_BYTES, what);
}

function bytesOf(value: Uint8Array | string, length: number, what: string): Uint8Array {
  const bytes = typeof value === 'string' ? fromHex(value) : value;
  if (bytes?.length === length) return bytes;
  throw new UsageError(`${what} must be ${length} bytes or ${2 * length} hexadecimal digits`);
}

function bencode(value: DhtValue): Uint8Array {
  if (typeof value === 'string') return encode(utf8(value));
  return value instanceof Uint8Array ? encode(value) : value.bencoded;
}

function itemOf(bencoded: Uint8Array): DhtItem {
  const decoded = tryDecode(bencoded, DHT_LIMITS);
  return { bencoded, bytes: decoded.ok && decoded.value instanceof Uint8Array ? decoded.value : null };
}
