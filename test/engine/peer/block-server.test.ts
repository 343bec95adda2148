import { beforeEach, describe, expect, test } from 'vitest';
import type { PeerSession } from '../../../src/engine/peer/peer-session.ts';
import { EngineBench, singleFile, type FakePeer } from '../support/fake-world.ts';

/** Two blocks a piece. */
const torrent = singleFile(64);

let bench: EngineBench;
let peer: FakePeer;
let session: PeerSession;

beforeEach(() => {
  bench = new EngineBench();
  bench.disk.put(torrent);
  const added = bench.add(torrent);
  bench.settle();
  // Somebody else has everything too: nothing is promised to anybody but by the test.
  bench.inbound(torrent).say((sink) => sink.onBitfield(new Uint8Array(8).fill(255).fill(254, 7)));
  peer = bench.inbound(torrent);
  session = added.swarm.sessions.at(-1)!;
  peer.say((sink) => sink.onInterested());
  session.unchoke();
  peer.heard();
});

/** Asks for a block; what came of it once the disk has answered. */
function ask(piece: number, block = 0): string {
  peer.say((sink) => sink.onRequest(piece, block * 16_384, 16_384));
  bench.settle();
  peer.queuedBytes = 0;
  const [answer = 'nothing'] = peer.heard();
  return answer.split(' ')[0]!;
}

/** Chokes while the peer is owed these. */
function choke(...owed: number[]): void {
  for (const piece of owed) session.server.owe(piece);
  session.choke();
  expect(peer.heard()).toEqual([...owed.map((piece) => `allowed fast ${piece}`), 'choke']);
}

describe('a piece that a choked peer is owed', () => {
  test('is given to its end, once, and others are refused', () => {
    choke(3);
    expect([ask(3, 0), ask(4, 0), ask(3, 1), ask(3, 1)]).toEqual(['piece', 'reject', 'piece', 'reject']);
  });

  test('is owed no more once the peer was unchoked, however many there were', () => {
    for (let round = 0; round < 3; round++) {
      const owed = Array.from({ length: 16 }, (_, i) => round * 16 + i);
      choke(...owed);
      expect(ask(owed[5]!)).toBe('piece');
      session.unchoke();
      peer.heard();
      choke();
      for (const piece of owed) expect(ask(piece, 1)).toBe('reject');
      session.unchoke();
      peer.heard();
    }
    expect(peer.reason).toBeNull();
  });

  test('is owed again when the peer is choked again in the midst of it', () => {
    choke(3);
    expect(ask(3, 0)).toBe('piece');
    session.unchoke();
    peer.heard();
    choke(3);
    expect(ask(3, 1)).toBe('piece');
  });
});
