import { describe, expect, test } from 'vitest';
import { encode, RawBencode, type Encodable } from '../../src/bencode/codec.ts';
import { readBytes, readInt, readList } from '../../src/bencode/fields.ts';
import { DhtNode, type DhtNodeOptions } from '../../src/dht/dht-node.ts';
import { signedBytes } from '../../src/dht/item.ts';
import { readMessage, type KrpcError, type KrpcResponse } from '../../src/dht/krpc.ts';
import { sha1 } from '../../src/metainfo/info-hash.ts';
import { nodeEd25519 } from '../../src/node/ed25519.ts';
import { concatBytes, toText, utf8 } from '../../src/util/bytes.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { Rng } from '../../src/util/rng.ts';
import { fuzzRng, rounds } from '../support/fuzz.ts';
import { mutate } from '../support/mutate.ts';

const ASKER = { host: '20.1.1.1', port: 7000 };
const ASKER_ID = new Uint8Array(20).fill(0x61);
const HASH = new Uint8Array(20).fill(0x68);

class Bench {
  readonly sent: { bytes: Uint8Array; to: PeerAddress }[] = [];
  readonly announced: PeerAddress[] = [];
  readonly node: DhtNode;
  now = 0;

  constructor(options: Partial<DhtNodeOptions> = {}) {
    const rng = new Rng(1);
    this.node = new DhtNode(
      {
        family: 4,
        ownId: null,
        sha1,
        signatures: nodeEd25519,
        randomBytes: (count) => Uint8Array.from({ length: count }, () => rng.below(256)),
        rng,
        version: utf8('TS01'),
        readOnly: false,
        send: (bytes, to) => this.sent.push({ bytes, to }),
        ownPort: () => 0,
        onAnnounced: (_, peer) => this.announced.push(peer),
        onForeignContacts: () => undefined,
        ...options,
      },
      0,
    );
  }

  receive(message: Encodable, from: PeerAddress = ASKER): void {
    this.node.receive(encode(message), from, this.now);
  }

  /** Asks, and reads the answer, if there is one. */
  ask(
    q: string,
    args: Record<string, Encodable | undefined> = {},
    from: PeerAddress = ASKER,
    extra: Record<string, Encodable> = {},
  ): KrpcResponse | KrpcError | null {
    const before = this.sent.length;
    this.receive({ a: { id: ASKER_ID, ...args }, q, t: 'aa', y: 'q', ...extra }, from);
    const answers = this.sent.slice(before).map(({ bytes }) => readMessage(bytes)!);
    return (answers.find(({ kind }) => kind !== 'query') as KrpcResponse | KrpcError | undefined) ?? null;
  }

  response(q: string, args: Record<string, Encodable | undefined> = {}, from = ASKER): KrpcResponse {
    const answer = this.ask(q, args, from);
    expect(answer?.kind).toBe('response');
    return answer as KrpcResponse;
  }

  refusal(q: string, args: Record<string, Encodable | undefined> = {}, from = ASKER): number {
    const answer = this.ask(q, args, from);
    expect(answer?.kind).toBe('error');
    return (answer as KrpcError).code;
  }

  token(q = 'get_peers', args: Record<string, Encodable> = { info_hash: HASH }, from = ASKER): Uint8Array {
    return Uint8Array.from(readBytes(this.response(q, args, from).values, 'token')!);
  }

  fill(count: number): void {
    for (let i = 0; i < count; i++) {
      const id = sha1(utf8(`node ${i}`));
      this.node.table.onAnswered({ id, address: { host: `30.${i >> 8}.${i & 255}.1`, port: 1 } }, 0);
    }
  }
}

describe('answers', () => {
  test('ping with its id, the transaction id and where it sees the asker', () => {
    const bench = new Bench();
    const pong = bench.response('ping');
    expect(pong.senderId).toEqual(bench.node.id);
    expect(toText(pong.transactionId)).toBe('aa');
    expect(pong.seenAs).toEqual(ASKER);
  });

  test('find_node with the eight closest, whose names are asked for', () => {
    const bench = new Bench();
    bench.fill(50);
    const nodes = (want?: string[]): number | undefined =>
      readBytes(bench.response('find_node', { target: HASH, want }).values, 'nodes')?.length;
    expect(nodes()).toBe(8 * 26);
    expect(nodes(['n4', 'n6', 'future'])).toBe(8 * 26);
    expect(nodes(['n6'])).toBeUndefined();
    expect(bench.refusal('find_node', { target: HASH.subarray(1) })).toBe(203);
  });

  test('does not name nodes that never answered or just failed to', () => {
    const bench = new Bench();
    bench.fill(4);
    bench.node.table.addUnconfirmed({ id: HASH, address: { host: '40.1.1.1', port: 1 } });
    bench.node.table.onFailed({ host: '30.0.0.1', port: 1 });
    expect(readBytes(bench.response('find_node', { target: HASH }).values, 'nodes')).toHaveLength(3 * 26);
  });

  test('get_peers with peers once somebody announced, with nodes and a token always', () => {
    const bench = new Bench();
    bench.fill(10);
    const before = bench.response('get_peers', { info_hash: HASH }).values;
    expect(readList(before, 'values')).toBeNull();
    expect(readBytes(before, 'nodes')).toHaveLength(8 * 26);
    bench.response('announce_peer', { info_hash: HASH, port: 6881, token: bench.token() });
    expect(bench.announced).toEqual([{ host: ASKER.host, port: 6881 }]);
    const after = bench.response('get_peers', { info_hash: HASH }).values;
    expect(readList(after, 'values')).toEqual([Uint8Array.of(20, 1, 1, 1, 0x1a, 0xe1)]);
    expect(readBytes(after, 'nodes')).toHaveLength(8 * 26);
  });

  test('announce_peer with implied_port takes the port of the datagram', () => {
    const bench = new Bench();
    bench.response('announce_peer', { info_hash: HASH, implied_port: 1, port: 0, token: bench.token() });
    expect(bench.announced).toEqual([ASKER]);
  });

  test('get_peers with Bloom filters, if asked to, and a whole answer fits in 1,024 bytes', () => {
    const bench = new Bench();
    bench.fill(50);
    for (let i = 0; i < 400; i++) {
      bench.node.peers.announce(HASH, { host: `60.1.${i >> 8}.${i & 255}`, port: 6881 }, i % 3 === 0, 0);
    }
    const scraped = bench.response('get_peers', { info_hash: HASH, scrape: 1, want: ['n4', 'n6'] }).values;
    expect(readBytes(scraped, 'BFsd')).toHaveLength(256);
    expect(readBytes(scraped, 'BFpe')).toHaveLength(256);
    expect(bench.sent.at(-1)!.bytes.length).toBeLessThanOrEqual(1024);
    expect(readList(bench.response('get_peers', { info_hash: HASH }).values, 'values')).toHaveLength(50);
    for (const { bytes } of bench.sent) expect(bytes.length).toBeLessThanOrEqual(1024);
  });

  test('sample_infohashes with all three keys even when it has nothing, and the same sample for six hours', () => {
    const bench = new Bench();
    const empty = bench.response('sample_infohashes', { target: HASH }).values;
    expect(readBytes(empty, 'samples')).toHaveLength(0);
    expect(readInt(empty, 'num', 0, 0)).toBe(0);
    expect(readInt(empty, 'interval', 0, 21_600)).toBe(21_600);
    for (let i = 0; i < 100; i++) bench.node.peers.announce(sha1(utf8(`${i}`)), ASKER, false, 0);
    const sample = (): Uint8Array =>
      Uint8Array.from(readBytes(bench.response('sample_infohashes', { target: HASH }).values, 'samples')!);
    const first = sample();
    expect(first).toHaveLength(20 * 20);
    expect(sample()).toEqual(first);
  });

  test('an unknown search as find_node, an unknown order with error 204', () => {
    const bench = new Bench();
    bench.fill(10);
    expect(readBytes(bench.response('find_wombat', { target: HASH }).values, 'nodes')).toHaveLength(208);
    expect(bench.refusal('dance')).toBe(204);
  });

  test('says ourselves to be a peer of our own torrents, where the asker can reach us', () => {
    const bench = new Bench({ ownPort: () => 9000 });
    expect(readList(bench.response('get_peers', { info_hash: HASH }).values, 'values')).toBeNull();
    bench.node.ping({ host: '20.9.9.9', port: 1 }, 0, () => undefined);
    const t = readMessage(bench.sent.at(-1)!.bytes)!.transactionId;
    const ip = Uint8Array.of(8, 8, 4, 4, 0, 9);
    bench.receive({ ip, r: { id: HASH }, t, y: 'r' }, { host: '20.9.9.9', port: 1 });
    const { values } = bench.response('get_peers', { info_hash: HASH });
    expect(readList(values, 'values')).toEqual([Uint8Array.of(8, 8, 4, 4, 0x23, 0x28)]);
  });
});

describe('items', () => {
  const seed = new Uint8Array(32).fill(5);
  const k = nodeEd25519.publicKey(seed);
  const mutable = (seq: bigint, v: string, salt = ''): Record<string, Encodable | undefined> => {
    const value = utf8(v);
    const sig = nodeEd25519.sign(seed, signedBytes({ value, salt: utf8(salt), sequence: seq }));
    return { k, salt: salt === '' ? undefined : salt, seq, sig, v: new RawBencode(value) };
  };
  const targetOf = (salt = ''): Uint8Array => sha1(concatBytes([k, utf8(salt)]));

  test('an immutable one is kept and given as it came', () => {
    const bench = new Bench();
    const target = sha1(utf8('12:Hello World!'));
    const token = bench.token('get', { target });
    bench.response('put', { token, v: 'Hello World!' });
    const got = bench.response('get', { target }).values;
    expect(toText(readBytes(got, 'v')!)).toBe('Hello World!');
  });

  test('a mutable one is kept, replaced by a later one, and not sent to who has it', () => {
    const bench = new Bench();
    const token = bench.token('get', { target: targetOf('s') });
    bench.response('put', { token, ...mutable(3n, 'i7e', 's') });
    expect(readInt(bench.response('get', { target: targetOf('s') }).values, 'v', 0, 9)).toBe(7);
    bench.response('put', { token, ...mutable(4n, 'i8e', 's') });
    const known = bench.response('get', { target: targetOf('s'), seq: 4 }).values;
    expect(readInt(known, 'seq', 0, 9)).toBe(4);
    expect(readInt(known, 'v', 0, 9)).toBeNull();
  });

  test.each<[string, Record<string, Encodable | undefined>, number]>([
    ['no value', {}, 203],
    ['1,001 bytes', { v: new Uint8Array(997) }, 205],
    ['unsorted keys', { v: new RawBencode(utf8('d1:bi1e1:ai1ee')) }, 203],
    ['a salt of 65 bytes', { ...mutable(1n, 'i1e'), salt: new Uint8Array(65) }, 207],
    ['a key of 31 bytes', { ...mutable(1n, 'i1e'), k: new Uint8Array(31) }, 203],
    ['a signature of 63 bytes', { ...mutable(1n, 'i1e'), sig: new Uint8Array(63) }, 203],
    ['a wrong signature', { ...mutable(1n, 'i1e'), sig: new Uint8Array(64) }, 206],
    ['a negative sequence number', { ...mutable(1n, 'i1e'), seq: -1 }, 203],
    ['a lower sequence number', mutable(4n, 'i1e'), 302],
    ['another value of the same number', mutable(5n, 'i1e'), 302],
    ['a cas that is not there', { ...mutable(9n, 'i1e'), cas: 2 }, 301],
    ['a cas that is no number', { ...mutable(9n, 'i1e'), cas: 'x' }, 203],
  ])('%s is refused with the code of BEP 44', (_, args, code) => {
    const bench = new Bench();
    const token = bench.token('get', { target: targetOf() });
    bench.response('put', { token, ...mutable(5n, 'i5e') });
    expect(bench.refusal('put', { token, ...args })).toBe(code);
    expect(bench.node.items.size).toBe(1);
  });

  test('the largest item there can be fits in the smallest packet that IPv6 carries whole', () => {
    const bench = new Bench();
    bench.fill(50);
    const value = `996:${'x'.repeat(996)}`;
    const token = bench.token('get', { target: targetOf() });
    bench.response('put', { token, ...mutable(2n ** 63n - 1n, value) });
    bench.response('get', { target: targetOf() });
    expect(bench.sent.at(-1)!.bytes.length).toBeGreaterThan(1000);
    expect(bench.sent.at(-1)!.bytes.length).toBeLessThanOrEqual(1232);
  });
});

describe('hostile', () => {
  test('a token of another address, another torrent, of three bytes or too old stores nothing', () => {
    const bench = new Bench();
    const token = bench.token();
    const announce = (args: Record<string, Encodable>, from = ASKER): number =>
      bench.refusal('announce_peer', { info_hash: HASH, port: 6881, ...args }, from);
    expect(announce({ token }, { host: '20.1.1.2', port: 7000 })).toBe(203);
    expect(announce({ token: token.subarray(0, 3) })).toBe(203);
    expect(announce({ token: 5 })).toBe(203);
    expect(announce({ token, info_hash: ASKER_ID })).toBe(203);
    bench.now = 11 * 60_000;
    expect(announce({ token })).toBe(203);
    expect(bench.node.peers.peerCount).toBe(0);
  });

  test.each([0, -1, 65_536, 2 ** 40])('port %d is refused', (port) => {
    const bench = new Bench();
    expect(bench.refusal('announce_peer', { info_hash: HASH, port, token: bench.token() })).toBe(203);
  });

  test('an answer from where nothing was asked changes nothing', () => {
    const bench = new Bench();
    bench.node.ping({ host: '20.9.9.9', port: 1 }, 0, () => expect.fail('nobody answered'));
    const t = readMessage(bench.sent.at(-1)!.bytes)!.transactionId;
    bench.receive({ r: { id: HASH }, t, y: 'r' }, { host: '20.9.9.9', port: 2 });
    bench.receive({ r: { id: HASH }, t, y: 'r' }, { host: '20.9.9.8', port: 1 });
    expect(bench.node.table.size).toBe(0);
    expect(bench.node.traffic.dropped).toBe(2);
  });

  test('a read-only asker is answered and never pinged', () => {
    const bench = new Bench();
    expect(bench.ask('ping', {}, ASKER, { ro: 1 })?.kind).toBe('response');
    expect(bench.sent).toHaveLength(1);
    bench.ask('ping');
    expect(bench.sent).toHaveLength(3); // Its answer, and our question if it is a node.
  });

  test('a read-only node asks with ro and answers nobody', () => {
    const bench = new Bench({ readOnly: true });
    expect(bench.ask('ping')).toBeNull();
    bench.node.ping(ASKER, 0, () => undefined);
    expect(readMessage(bench.sent[0]!.bytes)).toMatchObject({ kind: 'query', readOnly: true });
  });

  test('a flood from one address is answered fifty times, but what we ask it is still heard', () => {
    const bench = new Bench();
    for (let i = 0; i < 1000; i++) bench.receive({ a: { id: ASKER_ID }, q: 'ping', t: 'aa', y: 'q' });
    expect(bench.node.traffic.queriesAnswered).toBe(50);
    let answered = false;
    bench.node.ping(ASKER, 0, (ms) => (answered = ms !== null));
    const t = readMessage(bench.sent.at(-1)!.bytes)!.transactionId;
    bench.receive({ r: { id: ASKER_ID }, t, y: 'r' });
    expect(answered).toBe(true);
  });

  test('a flood under forged addresses gets 24 kB, then 8 kB a second, and pings few', () => {
    const bench = new Bench();
    bench.fill(100);
    for (let i = 0; i < 5000; i++) {
      const from = { host: `70.${i >> 8}.${i & 255}.1`, port: 1 };
      bench.receive(
        { a: { id: sha1(utf8(`${i}`)), info_hash: HASH }, q: 'get_peers', t: 'aa', y: 'q' },
        from,
      );
    }
    const answers = bench.sent.filter(({ bytes }) => readMessage(bytes)!.kind !== 'query');
    const pings = bench.sent.length - answers.length;
    expect(answers.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(24_000);
    expect(pings).toBeLessThanOrEqual(16);
    expect(bench.node.table.size).toBe(100);
  });

  test('an answer is no larger than what BEP 5 asks to say', () => {
    const bench = new Bench();
    bench.fill(100);
    const query = encode({ a: { id: ASKER_ID, target: HASH }, q: 'find_node', t: 'aa', y: 'q' });
    bench.node.receive(query, ASKER, 0);
    // Eight nodes of 26 bytes, two ids, and a frame.
    expect(bench.sent[0]!.bytes.length).toBeLessThanOrEqual(8 * 26 + 100);
    bench.receive({ a: { id: ASKER_ID }, q: 'dance', t: 'aa', y: 'q' });
    expect(bench.sent.at(-1)!.bytes.length).toBeLessThan(query.length);
  });

  test('nodes that an answer names are taken as far as they may be believed', () => {
    const bench = new Bench();
    const compact = (ip: readonly number[], id: Uint8Array = HASH): Uint8Array =>
      concatBytes([id, Uint8Array.from(ip)]);
    const nodes = concatBytes([
      compact([127, 0, 0, 1, 0, 1]),
      compact([192, 168, 0, 1, 0, 1]),
      compact([8, 8, 8, 8, 0, 0]),
      compact([8, 8, 8, 9, 0, 1], bench.node.id),
      compact([0, 0, 0, 0, 0, 1]),
      compact([8, 8, 4, 4, 0, 1]),
    ]);
    const answer = readMessage(encode({ r: { id: ASKER_ID, nodes }, t: 'aa', y: 'r' })) as KrpcResponse;
    expect(bench.node.contactsOf(answer, ASKER).map(({ address }) => address)).toEqual([
      { host: '8.8.4.4', port: 1 },
    ]);
  });

  test('an echo of three liars does not move our id, the agreement of many networks does', () => {
    const bench = new Bench();
    bench.fill(30);
    const before = bench.node.id;
    const tell = (i: number, ip: Uint8Array): void => {
      const to = { host: `90.1.${i}.1`, port: 1 };
      bench.node.ping(to, bench.now, () => undefined);
      const t = readMessage(bench.sent.at(-1)!.bytes)!.transactionId;
      bench.receive({ ip, r: { id: sha1(utf8(`teller ${i}`)) }, t, y: 'r' }, to);
    };
    const tick = (): void => {
      bench.now += 6000;
      bench.node.onTime(bench.now);
    };
    for (let i = 0; i < 3; i++) tell(i, Uint8Array.of(9, 9, 9, 9, 0, 1));
    tick();
    expect(bench.node.id).toEqual(before);
    for (let i = 10; i < 25; i++) tell(i, Uint8Array.of(8, 8, 4, 4, 0, 1));
    const { size } = bench.node.table;
    tick();
    expect(bench.node.id).not.toEqual(before);
    expect(bench.node.table.size).toBe(size);
  });

  test('survives any damage to any message, at any time', () => {
    const bench = new Bench();
    bench.fill(20);
    const rng = fuzzRng(9);
    const t = 'aa';
    const seeds = [
      encode({ a: { id: ASKER_ID, info_hash: HASH, want: ['n4'] }, q: 'get_peers', t, y: 'q' }),
      encode({ a: { id: ASKER_ID, info_hash: HASH, port: 6881, token: 'x' }, q: 'announce_peer', t, y: 'q' }),
      encode({ a: { id: ASKER_ID, k: HASH, sig: HASH, seq: 1, v: [1] }, q: 'put', t, y: 'q' }),
      encode({ r: { id: ASKER_ID, nodes: new Uint8Array(52), values: ['abcdef'] }, t, y: 'r' }),
    ];
    for (let i = 0; i < rounds(5000); i++) {
      bench.now += 300;
      bench.node.receive(mutate(seeds[i % seeds.length]!, rng), ASKER, bench.now);
      bench.node.onTime(bench.now);
    }
    for (const { bytes } of bench.sent) expect(bytes.length).toBeLessThanOrEqual(1024);
  });
});
