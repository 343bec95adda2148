import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Client } from '../../src/client.ts';
import type { TorrentHandle } from '../../src/torrent-handle.ts';
import type { PeerAddress } from '../../src/util/ip.ts';
import { isSame, LibraryBench, next, PIECE_LENGTH, type MadeFile } from './support/library-bench.ts';
import { Id, WireListener, WirePeer, blockOf, wire } from './support/wire-peer.ts';

/** Peers that a downloading client should not have met. It completes all the same, and blames nobody else. */
let bench: LibraryBench;
let file: MadeFile;
let client: Client;
let torrent: TorrentHandle;
const bans: PeerAddress[] = [];

beforeEach(async () => {
  bench = new LibraryBench();
  file = bench.file('wanted.bin', 24);
  // The peers of these tests speak plain only.
  client = await bench.client({ encryption: 'off' });
  torrent = await client.add(file.torrent.bytes);
  if (torrent.state !== 'downloading') await next(torrent, 'state', (state) => state === 'downloading');
  bans.length = 0;
  torrent.on('ban', ({ address }) => bans.push(address));
});
afterEach(() => bench.close());

/** A peer that has all and lets us fetch. */
async function seed(mend?: Parameters<WirePeer['serve']>[2]): Promise<WirePeer> {
  const peer = await WirePeer.join(client.listenPort, { infoHash: torrent.infoHash });
  peer.serve(file.content, PIECE_LENGTH, mend);
  return peer.say(Id.haveAll).say(Id.unchoke);
}

/** An honest client that seeds the file; its port. */
async function honest(): Promise<number> {
  const { client: other } = await bench.seeder(file);
  return other.listenPort;
}

const whyGone = async (peer: WirePeer): Promise<string> => {
  const [, reason] = await next<[PeerAddress, string]>(torrent, 'peerGone', ({ port }) => port === peer.port);
  return reason;
};

const bad = (block: Buffer): Buffer => block.map((byte) => byte ^ 0xff) as Buffer;

async function completes(): Promise<void> {
  await torrent.completed();
  expect(isSame(torrent, file)).toBe(true);
  expect(torrent.stats).toMatchObject({ progress: 1, piecesDone: 24 });
}

describe('a liar', () => {
  test('who is alone is banned with its first bad piece, and none of its bytes reach the disk', async () => {
    const peer = await seed(bad);
    const gone = whyGone(peer);
    const [piece] = await next<[number]>(torrent, 'reject');
    expect(piece).toBeGreaterThanOrEqual(0);
    expect(await gone).toBe('corrupt-data');
    const path = join(torrent.dir, file.name);
    expect(existsSync(path) && readFileSync(path).some((byte) => byte !== 0)).toBe(false);
    expect(bans).toHaveLength(1);
    const again = await WirePeer.connect(client.listenPort, peer.peerId);
    again.shakeHands({ infoHash: torrent.infoHash });
    await again.closed;
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    expect(bans).toHaveLength(1);
  });

  test('who cannot be dialled again is not dialled again', async () => {
    const listener = await WireListener.open((peer) => {
      peer.shakeHands({ infoHash: torrent.infoHash });
      peer.serve(file.content, PIECE_LENGTH, bad);
      peer.say(Id.haveAll).say(Id.unchoke);
    });
    const banned = next(torrent, 'ban');
    torrent.addPeers([listener.address]);
    await banned;
    expect(bans).toEqual([listener.address]);
    torrent.addPeers([listener.address, { host: '127.0.0.1', port: await honest() }]);
    await completes();
    expect(listener.peers).toHaveLength(1);
    await listener.close();
  });

  test('beside an honest peer is found, and the honest one stays', async () => {
    let count = 0;
    await seed((block) => (++count % 5 === 0 ? bad(block) : block));
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    expect(bans.length).toBeLessThanOrEqual(1);
  });

  test('comes in nineteen copies, and one honest peer is enough', async () => {
    const liars = await Promise.all(Array.from({ length: 19 }, () => seed(bad)));
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    const ports = liars.map((liar) => liar.port);
    expect(bans.every(({ port }) => ports.includes(port))).toBe(true);
  });
});

describe('blocks', () => {
  test('that nobody asked for are thrown away', async () => {
    const peer = await WirePeer.join(client.listenPort, { infoHash: torrent.infoHash });
    for (let piece = 0; piece < 20; piece++) peer.block(piece, 0, Buffer.alloc(16_384, 1));
    await peer.settled();
    expect(torrent.stats).toMatchObject({ downloaded: 0, wasted: 20 * 16_384, piecesDone: 0 });
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    expect(bans).toEqual([]);
  });

  test.each<[string, (peer: WirePeer) => void]>([
    ['of a piece that is not there', (peer) => peer.block(24, 0, Buffer.alloc(16_384))],
    ['that begin where none begins', (peer) => peer.block(0, 100, Buffer.alloc(16_384))],
    ['of a wrong length', (peer) => peer.block(0, 0, Buffer.alloc(16_383))],
    ['beyond the end', (peer) => peer.block(23, 16_384, Buffer.alloc(16_384))],
  ])('%s end the connection', async (_, say) => {
    const peer = await seed(() => null);
    const gone = whyGone(peer);
    say(peer);
    expect(await gone).toBe('bad-message');
  });

  test('that come again after their piece is verified change nothing on disk', async () => {
    let first: { piece: number; begin: number } | null = null;
    const peer = await seed((block, at) => {
      first ??= at;
      return block;
    });
    await next(torrent, 'piece', (piece) => piece === first?.piece);
    for (let i = 0; i < 20; i++) peer.block(first!.piece, 0, Buffer.alloc(16_384, 0x55));
    await completes();
    expect(torrent.stats.wasted).toBeLessThanOrEqual(20 * 16_384);
    expect(bans).toEqual([]);
  });

  test('that two peers send at once, one of them wrong, leave one copy, and the right one in the end', async () => {
    await seed((block, { begin }) => (begin === 0 ? bad(block) : block));
    await seed();
    await completes();
  });

  test('that are empty are refusals: others are asked', async () => {
    const peer = await seed(() => null);
    peer.onMessage = ({ id, payload }) => {
      if (id !== Id.request) return;
      const { piece, begin } = blockOf(payload);
      peer.raw(wire(Id.piece, piece, begin));
    };
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    expect(bans).toEqual([]);
  });
});

describe('a peer that claims everything', () => {
  test('and never sends holds up nobody', async () => {
    const stuck = await seed(() => null);
    await stuck.take(Id.request);
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
  });

  test('and sends a byte now and then holds up nobody, with half a block in its buffer', async () => {
    const slow = await seed(() => null);
    const { piece, begin } = blockOf(await slow.take(Id.request));
    const head = Buffer.alloc(13);
    head.writeUInt32BE(9 + 16_384, 0);
    head[4] = Id.piece;
    head.writeUInt32BE(piece, 5);
    head.writeUInt32BE(begin, 9);
    slow.raw(head);
    const drip = setInterval(() => slow.raw(Buffer.from([0xaa])), 10);
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    clearInterval(drip);
    expect(torrent.stats.corrupt).toBe(0);
  });

  test('and refuses all holds up nobody', async () => {
    const peer = await seed(() => null);
    peer.onMessage = ({ id, payload }) => {
      const { piece, begin, length } =
        id === Id.request ? blockOf(payload) : { piece: -1, begin: 0, length: 0 };
      if (piece >= 0) peer.say(Id.reject, piece, begin, length);
    };
    torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
    await completes();
    expect(peer.heard(Id.request).length).toBeLessThan(2000);
  });

  test('and chokes after each block is asked for each block once more', async () => {
    const peer = await seed();
    const { onMessage } = peer;
    let count = 0;
    peer.onMessage = (message) => {
      onMessage!(message);
      if (message.id === Id.request && ++count % 8 === 0) peer.say(Id.choke).say(Id.unchoke);
    };
    await completes();
  });
});

test('a seeder that dies midway and comes back is found again, and finishes', async () => {
  const listener = await WireListener.open((peer) => {
    peer.shakeHands({ infoHash: torrent.infoHash });
    let left = listener.peers.length === 1 ? 20 : Infinity;
    peer.serve(file.content, PIECE_LENGTH, (block) => {
      if (left-- > 0) return block;
      peer.end();
      return null;
    });
    peer.say(Id.haveAll).say(Id.unchoke);
  });
  torrent.addPeers([listener.address]);
  await next(torrent, 'peerGone');
  expect(torrent.state).toBe('downloading');
  const { downloaded } = torrent.stats;
  expect(downloaded).toBeGreaterThan(0);
  // Back at another port; redialling the old one takes its time, which other tests look at.
  const second = await WireListener.open((peer) => {
    peer.shakeHands({ infoHash: torrent.infoHash });
    peer.serve(file.content, PIECE_LENGTH);
    peer.say(Id.haveAll).say(Id.unchoke);
  });
  torrent.addPeers([second.address]);
  await completes();
  expect(torrent.stats.downloaded).toBe(file.content.length);
  await Promise.all([listener.close(), second.close()]);
});

test('a listener that answers with another torrent, with noise or not at all is left alone', async () => {
  const wrongTorrent = await WireListener.open((peer) => peer.shakeHands({ infoHash: '22'.repeat(20) }));
  const mute = await WireListener.open(() => undefined);
  const hangsUp = await WireListener.open((peer) => peer.end());
  const listeners = [wrongTorrent, mute, hangsUp];
  torrent.addPeers(listeners.map(({ address }) => address));
  torrent.addPeers([{ host: '127.0.0.1', port: await honest() }]);
  await completes();
  expect(bans).toEqual([]);
  await Promise.all(listeners.map((listener) => listener.close()));
});
