import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import type { TorrentHandle } from '../../src/torrent-handle.ts';
import { LibraryBench, next, PIECE_LENGTH, type MadeFile } from './support/library-bench.ts';
import { Id, WirePeer, wire, wireBytes, blockOf } from './support/wire-peer.ts';

/**
 * Peers of a seeding client that say what no client says, over real sockets. Each gets its verdict, and at the end the
 * client still gives an honest peer every byte.
 */
let bench: LibraryBench;
let file: MadeFile;
let client: Client;
let torrent: TorrentHandle;
let infoHash: string;

beforeAll(async () => {
  bench = new LibraryBench();
  file = bench.file('given.bin', 20);
  ({ client, torrent } = await bench.seeder(file, { connectionsPerTorrentMax: 40 }));
  infoHash = torrent.infoHash;
});
afterAll(() => bench.close());

const join = (options: { peerId?: Uint8Array; reserved?: Buffer } = {}): Promise<WirePeer> =>
  WirePeer.join(client.listenPort, { infoHash, ...options });

/** Why this peer was sent away. */
async function verdict(peer: WirePeer): Promise<string> {
  const [, reason] = await next<[PeerAddress, string]>(torrent, 'peerGone', ({ port }) => port === peer.port);
  return reason;
}

/** Joins, says this, and tells what came of it. */
async function verdictOn(bytes: Uint8Array, reserved?: Buffer): Promise<string> {
  const peer = await join(reserved ? { reserved } : {});
  const reason = verdict(peer);
  peer.raw(bytes);
  await peer.closed;
  return reason;
}

/** Is the peer still welcome? It gets a block. */
async function isServed(peer: WirePeer): Promise<boolean> {
  await peer.unchoked();
  peer.say(Id.request, 7, 16_384, 16_384);
  const block = await peer.take(Id.piece, 7, 16_384);
  const from = 7 * PIECE_LENGTH + 16_384;
  return block.subarray(8).equals(file.content.subarray(from, from + 16_384));
}

describe('a handshake', () => {
  test('for a torrent that is not here is cut off without a word', async () => {
    const peer = await WirePeer.connect(client.listenPort);
    peer.shakeHands({ infoHash: '11'.repeat(20) });
    await peer.closed;
    expect(peer.receivedBytes).toBe(0);
  });

  test('with our own peer id is cut off', async () => {
    const first = await join();
    const peer = await WirePeer.connect(client.listenPort, first.handshake.subarray(48));
    peer.shakeHands({ infoHash });
    await peer.closed;
    expect(torrent.peers.length).toBeGreaterThan(0);
    first.end();
  });

  test('with the peer id of a connected peer is cut off, and the first one stays', async () => {
    const first = await join();
    const second = await WirePeer.connect(client.listenPort, first.peerId);
    second.shakeHands({ infoHash });
    await second.closed;
    expect(await isServed(first)).toBe(true);
    first.end();
  });

  test('with all feature bits set is welcome', async () => {
    const peer = await join({ reserved: Buffer.alloc(8, 255) });
    expect(await isServed(peer)).toBe(true);
    peer.end();
  });

  test('said twice is a message far too long', async () => {
    const again = Buffer.concat([Buffer.from('\x13BitTorrent protocol'), Buffer.alloc(48)]);
    expect(await verdictOn(again)).toBe('message-too-long');
  });

  test('for a paused or removed torrent is cut off', async () => {
    const other = bench.file('paused.bin', 2);
    const handle = await client.add(other.torrent.bytes, { dir: other.dir });
    await handle.completed();
    handle.pause();
    for (let i = 0; i < 2; i++) {
      const peer = await WirePeer.connect(client.listenPort);
      peer.shakeHands({ infoHash: handle.infoHash });
      await peer.closed;
      await client.remove(handle);
    }
  });
});

describe('a peer is sent away', () => {
  const bitfield = (bytes: number, fill = 0): Buffer => wireBytes(Id.bitfield, Buffer.alloc(bytes, fill));
  const plain = Buffer.alloc(8);

  test.each<[string, Uint8Array, string]>([
    ['have of the first piece that is not there', wire(Id.have, 20), 'bad-have'],
    ['have 2^31', wire(Id.have, 0x8000_0000), 'bad-have'],
    ['have 2^32 - 1', wire(Id.have, 0xffff_ffff), 'bad-have'],
    ['a bitfield that is short', bitfield(2), 'bad-bitfield'],
    ['a bitfield that is long', bitfield(4), 'bad-bitfield'],
    ['a bitfield with spare bits set', wireBytes(Id.bitfield, Buffer.from([0, 0, 1])), 'bad-bitfield'],
    ['choke with content', wireBytes(Id.choke, Buffer.alloc(1)), 'bad-message'],
    ['have of three bytes', wireBytes(Id.have, Buffer.alloc(3)), 'bad-message'],
    ['a request without length', wire(Id.request, 0, 0), 'bad-message'],
    ['an unknown id', wire(200), 'bad-message'],
    ['a request for hashes of a v2 torrent', wireBytes(Id.hashRequest, Buffer.alloc(48)), 'bad-message'],
    ['an extended message without id', wire(Id.extended), 'bad-message'],
    [
      'an extended message of more than 64 KiB',
      wireBytes(Id.extended, Buffer.alloc(65_537)),
      'message-too-long',
    ],
    ['a message of 2^31 bytes', Buffer.from('80000000', 'hex'), 'message-too-long'],
    ['a message of 2^32 - 1 bytes', Buffer.from('ffffffff', 'hex'), 'message-too-long'],
    ['a block that cannot be', wire(Id.piece, 20, 0, 1), 'bad-message'],
    ['a block that is not aligned', wire(Id.piece, 0, 1, 1), 'bad-message'],
  ])('for %s', async (_, bytes, reason) => {
    expect(await verdictOn(bytes)).toBe(reason);
  });

  test.each<[string, Uint8Array]>([
    ['suggest', wire(Id.suggest, 1)],
    ['have all', wire(Id.haveAll)],
    ['have none', wire(Id.haveNone)],
    ['reject', wire(Id.reject, 0, 0, 16_384)],
    ['allowed fast', wire(Id.allowedFast, 1)],
  ])('for %s without the fast extension', async (_, bytes) => {
    expect(await verdictOn(bytes, plain)).toBe('fast-not-negotiated');
  });

  test('for bitfields without end', async () => {
    const flips = Buffer.concat(Array.from({ length: 5000 }, () => wire(Id.haveNone)));
    expect(await verdictOn(flips)).toBe('bad-bitfield');
  });

  test('for hundreds of requests that make no sense', async () => {
    const flood = Buffer.concat(Array.from({ length: 400 }, (_, i) => wire(Id.request, 20 + i, 0, 16_384)));
    expect(await verdictOn(flood)).toBe('request-flood');
  });

  test('for a stream of blocks that nobody asked for', async () => {
    const block = wireBytes(Id.piece, Buffer.alloc(8 + 16_384));
    expect(await verdictOn(Buffer.concat(Array.from({ length: 80 }, () => block)))).toBe('unwanted-blocks');
  });

  test('for saying its extension handshake 10,000 times', async () => {
    const handshake = wireBytes(Id.extended, Buffer.from('\0d1:md6:ut_pexi1ee4:reqqi100ee', 'latin1'));
    const flood = Buffer.concat(Array.from({ length: 10_000 }, () => handshake));
    expect(await verdictOn(flood)).toBe('message-flood');
  });

  test('for asking and never reading the answers', async () => {
    const peer = await join();
    const reason = verdict(peer);
    await peer.unchoked();
    peer.socket.pause();
    const storm = Buffer.concat(
      Array.from({ length: 20_000 }, (_, i) =>
        Buffer.concat([wire(Id.request, i % 20, 0, 100), wire(Id.cancel, i % 20, 0, 100)]),
      ),
    );
    const pour = (): void => {
      while (!peer.socket.destroyed && peer.socket.write(storm)) continue;
    };
    peer.socket.on('drain', pour);
    pour();
    expect(await reason).toBe('request-flood');
    peer.end();
  });
});

describe('a peer stays', () => {
  test.each<[string, Uint8Array]>([
    ['100,000 keep-alives', Buffer.alloc(400_000)],
    ['the same have 200,000 times', Buffer.concat(Array.from({ length: 200_000 }, () => wire(Id.have, 3)))],
    [
      'a bitfield after a have, and again',
      Buffer.concat([
        wire(Id.have, 1),
        wireBytes(Id.bitfield, Buffer.alloc(3)),
        wireBytes(Id.bitfield, Buffer.alloc(3)),
      ]),
    ],
    ['100,000 suggestions', Buffer.concat(Array.from({ length: 100_000 }, (_, i) => wire(Id.suggest, i)))],
    [
      '100,000 allowed pieces',
      Buffer.concat(Array.from({ length: 100_000 }, (_, i) => wire(Id.allowedFast, i))),
    ],
    ['port 0', wireBytes(Id.port, Buffer.alloc(2))],
    ['choke and unchoke 10,000 times', Buffer.concat(Array.from({ length: 20_000 }, (_, i) => wire(i % 2)))],
    [
      'interest that changes 20,000 times',
      Buffer.concat(Array.from({ length: 20_000 }, (_, i) => wire(2 + (i % 2)))),
    ],
    [
      'cancels and rejects of what was never asked',
      Buffer.concat([
        wire(Id.cancel, 1, 0, 16_384),
        wire(Id.reject, 1, 0, 16_384),
        wire(Id.cancel, 99, 1, 2),
      ]),
    ],
    ['an empty block', wire(Id.piece, 0, 0)],
    ['an extension handshake that is a list', wireBytes(Id.extended, Buffer.from('\0le', 'latin1'))],
    ['one that is cut off', wireBytes(Id.extended, Buffer.from('\0d1:md', 'latin1'))],
    [
      'one that is deep',
      wireBytes(Id.extended, Buffer.from(`\0${'l'.repeat(30_000)}${'e'.repeat(30_000)}`, 'latin1')),
    ],
    [
      'one with ids that make no sense',
      wireBytes(
        Id.extended,
        Buffer.from('\0d1:md9:__proto__i1e6:ut_pexi-1e11:ut_metadatai256e3:xyz1:aee', 'latin1'),
      ),
    ],
    [
      'one with senseless numbers',
      wireBytes(
        Id.extended,
        Buffer.from('\0d13:metadata_sizei-1e1:pi0e4:reqqi0e1:v5:\x1b]0;a6:yourip3:abce', 'latin1'),
      ),
    ],
    [
      'an extended message that was never agreed on',
      wireBytes(Id.extended, Buffer.from('\x07what?', 'latin1')),
    ],
  ])('that says %s', async (_, bytes) => {
    const peer = await join();
    peer.raw(bytes);
    await peer.settled();
    expect(peer.isClosed).toBe(false);
    expect(await isServed(peer)).toBe(true);
    peer.end();
  });

  test('and is refused, request by request, what cannot be', async () => {
    const peer = await join();
    await peer.unchoked();
    const senseless = [
      [20, 0, 16_384],
      [0, PIECE_LENGTH, 16_384],
      [0, 0, 0],
      [0, 0xffff_fff0, 0x20],
      [0, 0, 16_385],
      [0, 0, 131_072],
      [0, 0, 0x8000_0000],
      [19, 16_384, 16_384],
    ];
    for (const [piece, begin, length] of senseless) peer.say(Id.request, piece!, begin!, length!);
    await peer.settled();
    const refused = peer.heard(Id.reject).map(({ payload }) => {
      const { piece, begin, length } = blockOf(payload);
      return [piece, begin, length];
    });
    expect(refused.slice(0, -1)).toEqual(senseless);
    expect(peer.heard(Id.piece)).toEqual([]);
    expect(await isServed(peer)).toBe(true);
    peer.end();
  });

  test('and is refused what it asks for while choked', async () => {
    // With a slot to give, the next choke round might give it to this peer between two of its requests.
    const { client: stingy } = await bench.seeder(file, { uploadSlots: 0 });
    const peer = await WirePeer.join(stingy.listenPort, { infoHash });
    peer.say(Id.interested);
    for (let piece = 0; piece < 20; piece++) peer.say(Id.request, piece, 0, 16_384);
    await peer.settled();
    expect(peer.heard(Id.piece)).toEqual([]);
    expect(peer.heard(Id.reject)).toHaveLength(21);
    expect(peer.isClosed).toBe(false);
    peer.end();
  });

  test('and gets each block it asked for once, however often it asked', async () => {
    const peer = await join();
    await peer.unchoked();
    peer.raw(Buffer.concat(Array.from({ length: 1000 }, () => wire(Id.request, 4, 0, 16_384))));
    await peer.settled();
    await peer.take(Id.piece);
    await peer.settled();
    expect(peer.heard(Id.piece).length).toBeLessThan(3);
    peer.end();
  });

  test('with 10,000 requests at once, of which 2000 wait and the others are refused', async () => {
    const peer = await join();
    await peer.unchoked();
    peer.raw(Buffer.concat(Array.from({ length: 10_000 }, (_, i) => wire(Id.request, i % 20, i, 100))));
    await peer.until(() => peer.heard(Id.piece).length + peer.heard(Id.reject).length === 10_000);
    expect(peer.heard(Id.reject).length).toBeGreaterThan(0);
    expect(peer.heard(Id.piece).length).toBeGreaterThanOrEqual(2000);
    peer.end();
  });

  test('that withdraws what it asks for, 20,000 times over', async () => {
    const peer = await join();
    await peer.unchoked();
    const { uploaded } = torrent.stats;
    peer.raw(
      Buffer.concat(
        Array.from({ length: 20_000 }, (_, i) =>
          Buffer.concat([wire(Id.request, i % 19, 0, 16_384), wire(Id.cancel, i % 19, 0, 16_384)]),
        ),
      ),
    );
    await peer.settled();
    expect(peer.isClosed).toBe(false);
    expect(torrent.stats.uploaded - uploaded).toBeLessThan(40 * 16_384);
    expect(await isServed(peer)).toBe(true);
    peer.end();
  });
});

test('after all that an honest peer gets every byte, and nothing is left of the others', async () => {
  expect(await bench.fetches(file, client.listenPort)).toBe(true);
  if (torrent.peers.length > 0) await next(torrent, 'peerGone', () => torrent.peers.length === 0);
  expect(torrent.stats).toMatchObject({ state: 'seeding', downloaded: 0, corrupt: 0, peers: 0 });
});
