/** What a user asks of the DHT itself, each over all families at once: peers, counts, items (BEP 5, 33, 44, 51). */
import { readBytes, readInt } from '../../bencode/fields.ts';
import type { DhtNode } from '../../dht/dht-node.ts';
import type { ImmutableItem, MutableItem } from '../../dht/item.ts';
import {
  immutableTarget,
  mutableTarget,
  SALT_MAX,
  signedBytes,
  VALUE_MAX,
  isCanonical,
} from '../../dht/item.ts';
import type { Answered, Lookup } from '../../dht/lookup.ts';
import { ID_LENGTH } from '../../dht/node-id.ts';
import { SAMPLE_INTERVAL_MAX_S } from '../../dht/queries/sample-infohashes.ts';
import { GetImmutableTask, GetMutableTask, sequenceAt } from '../../dht/tasks/get-item-task.ts';
import { GetPeersTask } from '../../dht/tasks/get-peers-task.ts';
import { RawBencode } from '../../bencode/codec.ts';
import { UsageError } from '../../errors.ts';
import { sha1 } from '../../metainfo/info-hash.ts';
import type { Cancel, Clock, Ed25519 } from '../../ports.ts';
import { EMPTY_BYTES, toHex } from '../../util/bytes.ts';
import { ipFamily, type PeerAddress } from '../../util/ip.ts';

/** Who holds a mutable item and where: its key and salt. */
export interface MutableKey {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** At most 64 bytes. Default: none. */
  readonly salt?: Uint8Array;
}

export interface PutResult {
  /** The id that the item is found by, 20 bytes. */
  readonly target: Uint8Array;
  /** Nodes that took it. */
  readonly stored: number;
}

/** What one node holds (BEP 51). */
export interface InfoHashSample {
  readonly infoHashes: readonly Uint8Array[];
  /** How many it has in all. */
  readonly count: number;
  /** Seconds until asking again makes sense, 0 to 21,600. */
  readonly intervalS: number;
}

/** What a lookup came to. */
export interface LookupSummary {
  /** Peers found. */
  readonly peers: number;
  /** Nodes that were asked. */
  readonly queries: number;
}

export interface OperationsHost {
  readonly nodes: readonly DhtNode[];
  readonly clock: Clock;
  readonly ed25519: Ed25519 | null;
  startAddresses(node: DhtNode): readonly PeerAddress[];
  /** Something was begun, so deadlines may have changed. */
  onBegun(): void;
}

type Settled = (closest: readonly Answered[]) => void;

export class DhtOperations {
  readonly #host: OperationsHost;

  constructor(host: OperationsHost) {
    this.#host = host;
  }

  /** Finds peers. Those of one answer are told at once; `done` when the closest nodes have been asked. */
  getPeers(
    infoHash: Uint8Array,
    onPeers: (peers: readonly PeerAddress[]) => void,
    done: (summary: LookupSummary) => void,
  ): Cancel {
    let peers = 0;
    const tell = (found: readonly PeerAddress[]): void => {
      peers += found.length;
      onPeers(found);
    };
    return this.#everywhere(
      (onSettled) => new GetPeersTask(infoHash, { onPeers: tell, onSettled, onLateAnswer: () => undefined }),
      (lookups) => done({ peers, queries: lookups.reduce((sum, { queryCount }) => sum + queryCount, 0) }),
    );
  }

  /** Estimates how many seeds and other peers a torrent has (BEP 33). */
  scrape(infoHash: Uint8Array, done: (counts: { seeds: number; peers: number }) => void): Cancel {
    const tasks: GetPeersTask[] = [];
    return this.#everywhere(
      (onSettled) => {
        const events = { onPeers: () => undefined, onSettled, onLateAnswer: () => undefined };
        const task = new GetPeersTask(infoHash, events, true);
        tasks.push(task);
        return task;
      },
      () => {
        const sum = (of: 'seeds' | 'peers'): number =>
          tasks.reduce((total, task) => total + Math.round(task[of].estimate()), 0);
        done({ seeds: sum('seeds'), peers: sum('peers') });
      },
    );
  }

  /** Milliseconds of one round trip, or null if nobody answers. */
  ping(address: PeerAddress, done: (roundTripMs: number | null) => void): Cancel {
    return this.#atOne(address, done, (node, now, answer) => node.ping(address, now, answer));
  }

  /** Asks one node for info hashes that it holds peers of (BEP 51); null if it does not answer that. */
  sampleInfohashes(
    address: PeerAddress,
    target: Uint8Array,
    done: (sample: InfoHashSample | null) => void,
  ): Cancel {
    return this.#atOne(address, done, (node, now, answer) => {
      const asker = {
        onAnswer: ({ values }: Parameters<GetPeersTask['onAnswer']>[0]) => {
          const samples = readBytes(values, 'samples');
          if (samples === null || samples.length % ID_LENGTH !== 0) {
            answer(null);
            return;
          }
          const interval = readInt(values, 'interval', 0, Number.MAX_SAFE_INTEGER) ?? 0;
          answer({
            infoHashes: Array.from({ length: samples.length / ID_LENGTH }, (_, i) =>
              samples.slice(i * ID_LENGTH, (i + 1) * ID_LENGTH),
            ),
            count: readInt(values, 'num', 0, Number.MAX_SAFE_INTEGER) ?? 0,
            intervalS: Math.min(interval, SAMPLE_INTERVAL_MAX_S),
          });
        },
        onRefused: () => answer(null),
        onLate: () => undefined,
        onFailed: () => answer(null),
      };
      if (!node.query(address, 'sample_infohashes', { target }, asker, now)) answer(null);
    });
  }

  /** The value under a target, as soon as one node has it; null if none of the closest does. */
  getImmutable(target: Uint8Array, done: (item: ImmutableItem | null) => void): Cancel {
    let found = false;
    const operation = this.#everywhere(
      (onSettled) =>
        new GetImmutableTask(
          target,
          sha1,
          (item) => {
            if (found) return;
            found = true;
            done(item);
            operation.cancel();
          },
          onSettled,
        ),
      () => done(null),
    );
    return operation;
  }

  /** The latest value of a key that the closest nodes have. @throws UsageError if this world cannot check signatures. */
  getMutable(key: MutableKey, done: (item: MutableItem | null) => void): Cancel {
    let latest: MutableItem | null = null;
    return this.#everywhere(
      (onSettled) =>
        this.#mutableTask(key, onSettled, (item) => {
          if (latest === null || item.sequence > latest.sequence) latest = item;
        }),
      () => done(latest),
    );
  }

  /** Stores a bencoded value of at most 1,000 bytes. @throws UsageError if it is none. */
  putImmutable(value: Uint8Array, done: (result: PutResult) => void): Cancel {
    checkValue(value);
    const target = immutableTarget(value, sha1);
    const args = { v: new RawBencode(value) };
    return this.#put(
      target,
      (onSettled) => new GetImmutableTask(target, sha1, () => undefined, onSettled),
      () => args,
      done,
    );
  }

  /** Signs a value. @throws UsageError if this world cannot, or the value or salt is too long. */
  signItem(
    seed: Uint8Array,
    value: Uint8Array,
    sequence: bigint,
    salt: Uint8Array = EMPTY_BYTES,
  ): MutableItem {
    checkValue(value);
    checkSalt(salt);
    const ed25519 = this.#ed25519();
    const publicKey = ed25519.publicKey(seed);
    const signature = ed25519.sign(seed, signedBytes({ value, salt, sequence }));
    return { value, publicKey, salt, sequence, signature };
  }

  /**
   * Stores a signed value; anybody may, also to keep it alive.
   * @param cas Replace only an item with this sequence number.
   * @throws UsageError if it cannot be stored anywhere.
   */
  putMutable(item: MutableItem, cas: bigint | null, done: (result: PutResult) => void): Cancel {
    checkValue(item.value);
    checkSalt(item.salt);
    const target = mutableTarget(item.publicKey, item.salt, sha1);
    return this.#put(
      target,
      (onSettled) => this.#mutableTask(item, onSettled, () => undefined),
      (node) => ({
        // BEP 44: no `cas` for a node that has nothing to compare with.
        cas: cas !== null && sequenceAt(node) !== null ? cas : undefined,
        k: item.publicKey,
        salt: item.salt.length > 0 ? item.salt : undefined,
        seq: item.sequence,
        sig: item.signature,
        v: new RawBencode(item.value),
      }),
      done,
    );
  }

  #mutableTask(key: MutableKey, onSettled: Settled, onItem: (item: MutableItem) => void): GetMutableTask {
    const where = { publicKey: key.publicKey, salt: key.salt ?? EMPTY_BYTES };
    return new GetMutableTask(where, { sha1, signatures: this.#ed25519() }, onItem, onSettled);
  }

  #ed25519(): Ed25519 {
    const { ed25519 } = this.#host;
    if (ed25519 === null) throw new UsageError('there is no Ed25519 here, which mutable items need');
    return ed25519;
  }

  /** BEP 44: a get brings the tokens that the put needs. */
  #put(
    target: Uint8Array,
    task: (onSettled: Settled) => GetImmutableTask | GetMutableTask,
    argsFor: (node: Answered) => Parameters<DhtNode['query']>[2],
    done: (result: PutResult) => void,
  ): Cancel {
    let stored = 0;
    let waiting = 1;
    let isCancelled = false;
    const finish = (): void => {
      if (--waiting === 0 && !isCancelled) done({ target, stored });
    };
    const put = (node: DhtNode, to: Answered): void => {
      let isCounted = false;
      const once = (): void => {
        if (!isCounted) finish();
        isCounted = true;
      };
      const asker = {
        onAnswer: () => {
          stored++;
          once();
        },
        onRefused: once,
        onLate: once, // It may well have it; nobody waits ten seconds to know.
        onFailed: once,
      };
      waiting++;
      const args = { ...argsFor(to), token: to.token! };
      if (!node.query(to.address, 'put', args, asker, this.#host.clock.now())) once();
    };
    const lookups = this.#everywhere(
      (onSettled, node) =>
        task((closest) => {
          if (!isCancelled) for (const each of closest) if (each.token !== null) put(node, each);
          onSettled(closest);
        }),
      finish,
    );
    return {
      cancel: () => {
        isCancelled = true;
        lookups.cancel();
      },
    };
  }

  /** One lookup per family, beginning in the next turn; `done` when all have settled. */
  #everywhere(
    taskFor: (onSettled: Settled, node: DhtNode) => ConstructorParameters<typeof Lookup>[0],
    done: (lookups: readonly Lookup[]) => void,
  ): Cancel {
    const { nodes, clock } = this.#host;
    const lookups: Lookup[] = [];
    let unsettled = nodes.length;
    const onSettled: Settled = (closest) => {
      unsettled--;
      for (const lookup of closest.length > 0 ? lookups : []) {
        if (lookup.isOver || lookup.isSettled || lookup.hasAnswers) continue;
        // One family is at its end, and in the other nobody has answered yet: most likely this network lacks it.
        lookup.stop();
        unsettled--;
      }
      if (unsettled === 0) done(lookups);
    };
    const tasks = nodes.map((node) => taskFor(onSettled, node));
    const turn = clock.at(clock.now(), () => {
      nodes.forEach((node, i) => {
        lookups.push(node.lookUp(tasks[i]!, this.#host.startAddresses(node), clock.now()));
      });
      if (nodes.length === 0) done(lookups);
      this.#host.onBegun();
    });
    return {
      cancel: () => {
        turn.cancel();
        for (const lookup of lookups) lookup.stop();
      },
    };
  }

  /** One question to one address, in the next turn. */
  #atOne<T>(
    address: PeerAddress,
    done: (answer: T | null) => void,
    ask: (node: DhtNode, now: number, answer: (answer: T | null) => void) => void,
  ): Cancel {
    const { nodes, clock } = this.#host;
    let isCancelled = false;
    clock.at(clock.now(), () => {
      const node = nodes.find(({ family }) => family === ipFamily(address.host));
      const answer = (value: T | null): void => {
        if (!isCancelled) done(value);
      };
      if (node === undefined) answer(null);
      else ask(node, clock.now(), answer);
      this.#host.onBegun();
    });
    return {
      cancel: () => {
        isCancelled = true;
      },
    };
  }
}

function checkValue(value: Uint8Array): void {
  if (value.length > VALUE_MAX) {
    throw new UsageError(`a value of the DHT has at most ${VALUE_MAX} bytes, this one ${value.length}`);
  }
  if (!isCanonical(value)) throw new UsageError(`not canonical bencode: ${toHex(value.subarray(0, 20))}`);
}

function checkSalt(salt: Uint8Array): void {
  if (salt.length > SALT_MAX) {
    throw new UsageError(`a salt has at most ${SALT_MAX} bytes, this one ${salt.length}`);
  }
}
